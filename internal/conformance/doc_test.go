// Package conformance says how a CouchDB behaves, as far as couchmend depends
// on it: sentences, each shown by a short conversation over plain HTTP.
//
// The same sentences are put to every server that couchmend is tested with:
//
//   - couchtest, the CouchDB in memory, which all other tests stand on;
//   - express-pouchdb, which shares no code with either;
//   - a real CouchDB, where the environment names one (COUCHMEND_TEST_COUCHDB,
//     a URL with an admin's name and password).
//
// Servers differ. A table (excuses_test.go) names each sentence that a server
// is excused from, with the reason, and an excused sentence must really fail
// there: the day it holds, the excuse has to go.
package conformance
