// An express-pouchdb server on a random loopback port, its databases in
// memory. It prints {"url": …} as one line once it listens, and ends when its
// standard input closes: a test that dies takes its server along.
'use strict';

const express = require('express');
const PouchDB = require('pouchdb');
PouchDB.plugin(require('pouchdb-adapter-memory'));

const app = express();
app.use('/', require('express-pouchdb')(PouchDB.defaults({ adapter: 'memory' }), {
  mode: 'minimumForPouchDB',
  // validate_doc_update functions, which CouchDB always runs, and _replicate.
  overrideMode: { include: ['validation', 'routes/replicate'] },
}));

const server = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
