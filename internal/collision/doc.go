// Package collision is about UUID collisions: two things that drew the same id,
// so that CouchDB keeps them as two leaves of one document that have nothing in
// common. They are told apart by giving them ids of their own, and then whatever
// refers to the old id has to be found.
//
// What is here finds it. A reference is a place in a document where an id
// stands:
//
//	{"_id": "report", "patient": {"_id": "A"}, "seen": ["A", "B"], "visits": {"A": 3}}
//	                  patient._id              seen.0              visits.A
//
// Find reads a whole database for that, and View lets CouchDB look through it
// instead. Both look at every live leaf, not just at winners.
package collision
