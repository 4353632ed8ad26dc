// Package collision is about UUID collisions: two things that drew the same id,
// so that CouchDB keeps them as two leaves of one document that have nothing in
// common. They are told apart by giving them ids of their own, and then whatever
// refers to the old id has to be found.
//
// A reference is a place in a document where an id stands:
//
//	{"_id": "report", "patient": {"_id": "A"}, "seen": ["A", "B"], "visits": {"A": 3}}
//	                  patient._id              seen.0              visits.A
//
// Find reads a whole database for that, and View lets CouchDB look through it
// instead. Both look at every live leaf, not just at winners. Seek looks through
// single leaves.
//
// A Plan says what becomes of it all: which documents there will be, what each
// reference means and why, and which leaves are buried. Make plans from the
// leaves alone; Assign adds the references, each with the version that it means,
// or as an open question, which a person answers (Answer, Choose, File). It is
// pure: nothing here writes. Package splitter carries plans out.
package collision
