package conformance

import "slices"

// excuse lets a server off some expectations, for one reason.
type excuse struct {
	because string
	from    []string // names of expectations
}

// excuses are all there are, by the server's name.
var excuses = map[string][]excuse{
	"express-pouchdb": {
		{"PouchDB hashes JSON.stringify(doc), the _id in it, and for a DELETE something else than for a PUT", []string{
			"a revision id is CouchDB's own for the parent and the body",
			"the same parent and body give the same id, by PUT and by _bulk_docs, in any database, under any document id",
			"the id does not depend on where _id stands",
			"a stub and the same bytes inline give the same id",
			"a bare tombstone's id depends on its parent alone",
			"a document created again with attachments has an id that counts them and does not look at them",
		}},
		{"a number is a JavaScript number", []string{
			"the id tells 1 from 1.0",
			"the id tells 0.0 from -0.0",
			"an integer of 39 digits is kept exact",
			"a negative integer beyond 64 bits is kept exact",
			"1.0 stays 1.0",
			"1e2 comes back as 100.0",
			"1e-400 comes back as 0.0",
			"a number over the largest float refuses the whole request",
		}},
		{"a JavaScript string holds anything", []string{
			"a lone surrogate refuses the whole request",
			"invalid UTF-8 refuses the whole request",
		}},
		{"it answers conflict and keeps the refused revision all the same, as a conflicting leaf", []string{
			"a merge with a stale _rev is refused while the tombstone beside it is taken",
			"of two children of one parent in one request the first is taken",
		}},
		{"where a database has a validation function, a revision's path is lost", []string{
			"a refusal by a validation function is a row, and its neighbours are written, tombstones too",
		}},
		{"its own _replicate passes validation functions by", []string{
			"a revision that the target's validation function refuses stays behind, and its neighbours go",
		}},
		{"its rows have no rev", []string{
			"with new_edits=false a row that failed names its revision",
		}},
		{"it calls its own mistake, 500, what is the client's", []string{
			"an unknown field with a leading underscore refuses the whole request",
			"bytes that are no base64 are refused",
		}},
		{"it takes documents of any size", []string{
			"a document over 8,000,000 bytes refuses the whole request",
		}},
		{"it has no shards: its 412 is atomic", []string{
			"a 412 is not atomic: innocent neighbours may have been written",
		}},
		{"it matches stubs by their digest, and wants them whole", []string{
			"a child keeps an attachment by a bare stub",
			"another branch's stub of the same name and revpos silently keeps this branch's bytes",
			"with new_edits=false a stub must give the revpos that its own branch shows",
		}},
		{"it gives the revision's own generation", []string{
			"with new_edits=false inline bytes without a revpos get revpos 0",
		}},
		{"it compresses nothing", []string{
			"a compressible attachment's digest is that of its compressed bytes",
		}},
		{"an id in a path is missing to it until its body comes", []string{
			"a path may hold ids that were never written, and they are missing like any ancestor",
		}},
		{"it lists leaves in the order of its tree", []string{
			"_conflicts lists the live losers from the highest down",
			"_changes names the winner, and with style=all_docs every leaf, the winner first",
			"_changes with style=all_docs lists live leaves before tombstoned ones, each from the highest down",
		}},
		{"it has no deleted_conflicts", []string{
			"deleted_conflicts lists tombstoned leaves",
		}},
		{"it says missing of both", []string{
			"the reason of a 404 tells a deleted document from one that never was",
		}},
		{"its _bulk_get puts the items of one document together, without a rev gives the winner only, and calls what is missing by another name", []string{
			"_bulk_get keeps the order of items of several documents",
			"_bulk_get without a rev gives every leaf, tombstones with their bodies",
			"_bulk_get says of a revision that is not there: not_found, missing",
			"_bulk_get says of a document that is not there: not_found",
			"_bulk_get says of a compacted ancestor: not_found, missing",
		}},
		{"its _revs_diff names no ancestors", []string{
			"_revs_diff names leaves that may be ancestors of what is missing",
		}},
		{"a _local document is a document like others to it", []string{
			"a _local document is written over without its _rev",
		}},
		{"its feeds know no timeout, and in continuous ones no limit", []string{
			"longpoll with nothing new ends empty after its timeout",
			"continuous sends a line for each change and ends with last_seq after its timeout",
			"continuous ends after limit rows",
			"a waiting feed sends empty lines as heartbeats",
		}},
		{"it does not count what is pending, or deleted", []string{
			"_changes counts what is pending after the last row",
			"a database counts its deleted documents",
		}},
		{"its instance_start_time is when the server started", []string{
			"a database created anew has another instance_start_time",
		}},
		{"its feeds outlive the database", []string{
			"a feed ends when its database is deleted",
		}},
		{"it deletes what is not there, and without a rev", []string{
			"a DELETE without a rev is 409",
			"a database that is not there cannot be deleted",
		}},
		{"it names itself", []string{
			"the root says who answers",
		}},
		{"it has no such endpoint", []string{
			"_revs_limit is 1000 unless it is set",
			"_revs_limit cuts the path, so that start is more than its length",
			"_revs_limit cuts each branch by itself",
			"a stemmed path is grafted where it meets the tree",
			"a selector on _conflicts finds conflicts in _changes only with conflicts=true",
			"_find does not see _conflicts",
			"a partial index holds exactly the conflicted documents",
			"_up says ok",
			"_dbs_info tells of several databases at once",
			"_db_updates names the databases that changed",
			"_db_updates goes on from last_seq",
			"_security can be read and written",
		}},
		{"everybody is its admin", []string{
			"_session says who asks and what they may",
			"_session gives a cookie for a name and a password",
			"an unknown user is 401",
		}},
		{"it does not trace requests", []string{
			"X-Couch-Request-ID is adopted and sent back",
		}},
	},
	"couchtest": {
		{"it runs no JavaScript and keeps no indexes", []string{
			"_find does not see _conflicts",
			"a partial index holds exactly the conflicted documents",
			"a JavaScript view sees _conflicts",
		}},
		{"it knows no selectors", []string{
			"a selector on _conflicts finds conflicts in _changes only with conflicts=true",
		}},
	},
}

// excused says why server is let off the expectation of that name, "" if it
// is not.
func excused(server, name string) string {
	for _, e := range excuses[server] {
		if slices.Contains(e.from, name) {
			return e.because
		}
	}
	return ""
}
