// Package couchtest is a CouchDB in memory, for tests.
//
// A Node answers HTTP as CouchDB 3.5 does where replication and conflicts are
// concerned: revision trees with stemming, the same revision ids as a real
// server for the same bodies, changes feeds, attachments with their stubs,
// logins, replication. It is for tests of programs that live on what CouchDB
// does with conflicts. Views, Mango queries and clusters are left out.
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
package couchtest
