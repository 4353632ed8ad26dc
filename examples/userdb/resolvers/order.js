// An order's document. Its state goes forward; what was noted on either side is
// kept; all else is taken from whoever changed it. A cancellation beside anything
// else that happened needs a person: the parcel may be on its way.
"use strict";

const STATES = ["placed", "paid", "packed", "shipped", "delivered"];

class Review extends Error {}

function resolve(base, revisions) {
  const merged = { _id: revisions[0]._id };
  const names = new Set(revisions.flatMap((r) => Object.keys(r)));
  for (const name of [...names].filter((n) => !n.startsWith("_")).sort()) {
    const was = base ? base[name] : undefined;
    const changed = distinct(revisions.map((r) => r[name])).filter((v) => canonical(v) !== canonical(was));
    const value = changed.length === 0 ? was : changed.length === 1 ? changed[0] : joined(name, changed);
    if (value !== undefined) merged[name] = value;
  }
  return merged;
}

// joined is the value of a member that several sides changed.
function joined(name, values) {
  if (name === "state" && values.every((v) => STATES.includes(v))) {
    return STATES[Math.max(...values.map((v) => STATES.indexOf(v)))];
  }
  if (name === "events" && values.every(Array.isArray)) {
    return distinct(values.flat()).sort(byNumber);
  }
  throw new Review(`${name}: ${values.map((v) => JSON.stringify(v)).join(" and ")}`);
}

// Events are {"n": number, "what": …}: n is counted up by whoever notes one.
function byNumber(a, b) {
  return a.n - b.n || (canonical(a) < canonical(b) ? -1 : 1);
}

function distinct(values) {
  return [...new Map(values.map((v) => [canonical(v), v])).values()];
}

// canonical is a value's text with members in order: equal values, equal text.
function canonical(v) {
  return JSON.stringify(v, (_, x) =>
    x && typeof x === "object" && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort()) : x);
}

// A question a line, an answer a line: docs/resolver-protocol.md.
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, base, revisions } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: resolve(base, revisions) };
  } catch (e) {
    answer = e instanceof Review ? { id, review: e.message } : { id, error: String(e.stack) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
