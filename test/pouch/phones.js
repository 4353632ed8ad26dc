// Phones: PouchDB databases in memory, edited offline and synced when told to.
// A command is one line of JSON on standard input, its answer one line on
// standard output, {"error": …} where it failed. Ends when the input closes.
//
//   {"phone": "ann", "do": "edit", "id": "d", "set": {…}, "push": {…}, "add": {…}}
//       On the revision that the phone shows (or a new document): sets members,
//       pushes an element to arrays, adds to numbers. Answers {"rev": …}.
//   {"phone": "ann", "do": "attach", "id": "d", "name": "n", "type": "t", "data": base64}
//   {"phone": "ann", "do": "remove", "id": "d"}
//   {"phone": "ann", "do": "sync", "url": "http://…/db"}
//       Pulls, then pushes. Answers {"pulled": documents, "pushed": documents}.
//   {"phone": "ann", "do": "dump"}
//       Answers {"docs": […]}: what the phone shows, with _conflicts.
'use strict';

const readline = require('readline');
const PouchDB = require('pouchdb');
PouchDB.plugin(require('pouchdb-adapter-memory'));

const phones = new Map();

function phone(name) {
  if (!phones.has(name)) {
    phones.set(name, new PouchDB(`phone-${name}`, { adapter: 'memory' }));
  }
  return phones.get(name);
}

async function shown(db, id) {
  try {
    return await db.get(id);
  } catch (err) {
    if (err.status === 404) return { _id: id };
    throw err;
  }
}

const commands = {
  async edit(db, { id, set = {}, push = {}, add = {} }) {
    const doc = await shown(db, id);
    Object.assign(doc, set);
    for (const [name, element] of Object.entries(push)) doc[name] = [...(doc[name] || []), element];
    for (const [name, delta] of Object.entries(add)) doc[name] = (doc[name] || 0) + delta;
    return { rev: (await db.put(doc)).rev };
  },

  async attach(db, { id, name, type, data }) {
    const doc = await shown(db, id);
    return { rev: (await db.putAttachment(id, name, doc._rev, Buffer.from(data, 'base64'), type)).rev };
  },

  async remove(db, { id }) {
    return { rev: (await db.remove(await db.get(id))).rev };
  },

  async sync(db, { url }) {
    const pull = await db.replicate.from(url);
    const push = await db.replicate.to(url);
    const errors = [...pull.errors, ...push.errors];
    if (errors.length > 0) throw new Error(`sync: ${JSON.stringify(errors)}`);
    return { pulled: pull.docs_written, pushed: push.docs_written };
  },

  async dump(db) {
    const all = await db.allDocs({ include_docs: true, conflicts: true, attachments: true });
    return { docs: all.rows.map((row) => row.doc) };
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      const command = JSON.parse(line);
      answer = await commands[command.do](phone(command.phone), command);
    } catch (err) {
      answer = { error: err.message || String(err) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
  process.exit(0);
}

main();
