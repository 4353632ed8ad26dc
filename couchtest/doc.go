// Package couchtest is a CouchDB in memory, for tests.
//
// A Node answers HTTP as CouchDB 3.5 does where replication and conflicts are
// concerned: revision trees with stemming, the same revision ids as a real
// server for the same bodies, changes feeds, attachments with their stubs,
// validation, logins, replication. It is for tests of programs that live on
// what CouchDB does with conflicts.
//
//	node := couchtest.NewNode()
//	server := couchtest.NewServer(t, node)
//	db := node.CreateDB("medic")
//	// … let the program under test work on server.URL + "/medic" …
//	if ids := db.Conflicts(); len(ids) > 0 {
//		t.Errorf("still in conflict: %v", ids)
//	}
//
// What a test needs beyond HTTP is Go: DB.Put writes a revision with its path,
// DB.Leaves shows all leaves, Replicate copies one database to another, wholly
// or in part, and Node.Inject lets requests fail as they do in the wild.
//
// What it answers is compared with a real CouchDB: recordings in testdata are
// replayed by its tests, and where COUCHMEND_TEST_COUCHDB names a server,
// random writes are sent to both. Left out are views but for that of conflicts,
// queries by Mango, filters other than _doc_ids, multipart answers, purging,
// continuous replication, and all that several copies of a database do to each
// other.
package couchtest
