// A resolver that does what the winner's member "do" says.
const readline = require("node:readline");

const allocate = () => { const kept = []; for (;;) kept.push(new Array(100000).fill({})); };
const write = (text) => process.stdout.write(text);

const DO = {
  right: (id, doc) => answer(id, { result: { ...doc, merged: true } }),
  loop: () => { for (;;); },
  sleep: () => setTimeout(() => {}, 1e6),
  allocate,
  large: (id) => answer(id, { result: "x".repeat(3 << 20) }),
  endless: () => { for (;;) require("node:fs").writeSync(1, "x".repeat(1 << 16)); },
  exit: () => process.exit(3),
  exception: () => { throw new Error("no"); },
  kill: () => process.kill(process.pid, "SIGKILL"),
  "close stdout": () => { require("node:fs").closeSync(1); setTimeout(() => {}, 1e6); },
  log: (id, doc) => { console.log("hello"); answer(id, { result: doc }); },
  "two answers": (id, doc) => { const line = JSON.stringify({ id, result: doc }) + "\n"; write(line + line); },
  "another id": (id, doc) => answer(id + 1, { result: doc }),
  "no id": (id, doc) => write(JSON.stringify({ result: doc }) + "\n"),
  "not JSON": () => write("{'id': 1}\n"),
  "not UTF-8": (id) => write(Buffer.from(`{"id":${id},"result":"\xff"}\n`, "latin1")),
  "lone surrogate": (id) => write(`{"id":${id},"result":"\\ud800"}\n`),
  "same name": (id) => write(`{"id":${id},"result":{"a":1,"a":2}}\n`),
  "more members": (id, doc) => answer(id, { result: doc, review: "both" }),
  "unknown member": (id, doc) => answer(id, { results: doc }),
  "words of a wrong type": (id) => answer(id, { review: 7 }),
  "empty line": () => write("\n"),
  error: (id) => answer(id, { error: "resolve.js:7: no such clinic" }),
  review: (id) => answer(id, { review: "two names" }),
  random: (id, doc) => answer(id, { result: { ...doc, n: Math.random() } }),
};

function answer(id, rest) {
  write(JSON.stringify({ id, ...rest }) + "\n");
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, revisions } = JSON.parse(line);
  DO[revisions[0].do](id, revisions[0]);
});
