package conformance

import (
	"fmt"
	"strings"
)

// graft is a revision as a replica writes it: the document's id, the path from
// the newest revision to the oldest, and the body's other members.
func graft(id, path, members string) string {
	revs := strings.Fields(path)
	ids := make([]string, len(revs))
	for i, rev := range revs {
		ids[i] = fmt.Sprintf("%q", hashOf(rev))
	}
	if members != "" {
		members = "," + members
	}
	start := strings.TrimRight(revs[0][1:], "abcdef")
	return fmt.Sprintf(`{"_id":%q,"_rev":%q,"_revisions":{"start":%s,"ids":[%s]}%s}`,
		id, revs[0], start, strings.Join(ids, ","), members)
}

// hashOf is the part of a short revision that stands for the hash: @b of @2b.
func hashOf(rev string) string { return "@" + rev[len(rev)-1:] }

// replicated is the body of a _bulk_docs request that writes docs with
// new_edits=false, as a replicator does.
func replicated(docs ...string) string {
	return `{"new_edits":false,"docs":[` + strings.Join(docs, ",") + `]}`
}

// forked are three revisions of d: @1a, and its children @2b and @2c, which
// wins.
var forked = step{do: "POST /$db/_bulk_docs", status: 201, want: `[]`, body: replicated(
	graft("d", "@1a", `"x":0`),
	graft("d", "@2b @1a", `"x":1`),
	graft("d", "@2c @1a", `"x":2`),
)}

// noNo refuses documents that say "no":true, and tombstones that do.
var noNo = &validator{
	js: `function(doc) { if (doc.no) throw({forbidden: 'it says no'}); }`,
	refuses: func(doc map[string]any) string {
		if doc["no"] == true {
			return "it says no"
		}
		return ""
	},
}

// bulkDocs: many revisions in one request, each row on its own.
var bulkDocs = []expectation{
	{name: "_bulk_docs answers 201 and one row for each document, in order, each succeeding or failing alone", steps: []step{
		{do: "PUT /$db/b", body: `{}`},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"c"},{"_id":"b"},{"_id":"a"}]}`, status: 201,
			want: `[{"ok":true,"id":"c","rev":"$any"},{"id":"b","error":"conflict","ok":"$absent"},{"ok":true,"id":"a","rev":"$any"}]`},
	}},
	{name: "a merge with a stale _rev is refused while the tombstone beside it is taken", steps: []step{
		forked,
		{do: "PUT /$db/d", body: `{"_rev":"@2c","x":3}`, want: `{"rev":"$saved"}`},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":12},{"_id":"d","_rev":"@2b","_deleted":true}]}`, status: 201,
			want: `[{"id":"d","error":"conflict"},{"ok":true,"id":"d","rev":"$tombstone"}]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"$saved","x":3,"_conflicts":"$absent"}`},
	}},
	{name: "a request that was already applied conflicts in every row", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":12},{"_id":"d","_rev":"@2b","_deleted":true}]}`, want: `[{"ok":true},{"ok":true}]`},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":12},{"_id":"d","_rev":"@2b","_deleted":true}]}`, status: 201,
			want: `[{"id":"d","error":"conflict"},{"id":"d","error":"conflict"}]`},
	}},
	{name: "of two children of one parent in one request the first is taken", steps: []step{
		{do: "PUT /$db/d", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"$r1","x":1},{"_id":"d","_rev":"$r1","x":2}]}`, status: 201,
			want: `[{"ok":true},{"id":"d","error":"conflict"}]`},
		{do: "GET /$db/d?conflicts=true", want: `{"x":1,"_conflicts":"$absent"}`},
	}},
	{name: "of two identical children in one request the second conflicts", steps: []step{
		{do: "PUT /$db/d", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"$r1","x":1},{"_id":"d","_rev":"$r1","x":1}]}`, status: 201,
			want: `[{"ok":true},{"id":"d","error":"conflict"}]`},
	}},
	{name: "a document without an id gets one", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"x":1}]}`, want: `[{"ok":true,"id":"$id"}]`},
		{do: "GET /$db/$id", want: `{"x":1}`},
	}},
	{name: "a refusal by a validation function is a row, and its neighbours are written, tombstones too", refuse: noNo, steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","no":true},{"_id":"d","_rev":"@2b","_deleted":true},{"_id":"e"}]}`, status: 201,
			want: `[{"id":"d","error":"forbidden","reason":"it says no"},{"ok":true,"id":"d"},{"ok":true,"id":"e"}]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@2c","_conflicts":"$absent"}`},
	}},
	{name: "a PUT that a validation function refuses is 403", refuse: noNo, steps: []step{
		{do: "PUT /$db/d", body: `{"no":true}`, status: 403, want: `{"error":"forbidden","reason":"it says no"}`},
	}},
	{name: "a validation function sees tombstones and their bodies", refuse: noNo, steps: []step{
		{do: "PUT /$db/d", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","_deleted":true,"no":true}`, status: 403},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("f", "@2b @1a", `"_deleted":true,"no":true`)), status: 201, want: `[{"id":"f","error":"forbidden"}]`},
	}},
	{name: "with new_edits=false the answer holds only the rows that failed", refuse: noNo, steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("a", "@1a", ``), graft("b", "@1a", `"no":true`), graft("c", "@1a", ``)), status: 201,
			want: `[{"id":"b","error":"forbidden","reason":"it says no"}]`},
		{do: "GET /$db/c", want: `{"_rev":"@1a"}`},
		{do: "GET /$db/b", status: 404},
	}},
	{name: "with new_edits=false a row that failed names its revision", refuse: noNo, steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"no":true`), graft("d", "@2c @1a", ``)), status: 201,
			want: `[{"id":"d","rev":"@2b","error":"forbidden"}]`},
	}},
	{name: "with new_edits=false the same revision again is 201 [] and changes nothing", steps: []step{
		forked,
		{do: "GET /$db", want: `{"update_seq":"$seq"}`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"x":1`)), status: 201, want: `[]`},
		{do: "GET /$db/_changes?since=$seq", want: `{"results":[]}`},
	}},
	{name: "with new_edits=false a known revision keeps its body whatever is sent", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"x":"another"`)), status: 201, want: `[]`},
		{do: "GET /$db/d?rev=@2b", want: `{"x":1}`},
	}},
	{name: "new_edits=false without _revisions makes a path of one id", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(`{"_id":"d","_rev":"@3a","x":1}`), status: 201, want: `[]`},
		{do: "GET /$db/d?revs=true", want: `{"_revisions":{"start":3,"ids":["@a"]}}`},
	}},
	{name: "PUT takes new_edits=false too", steps: []step{
		forked,
		{do: "PUT /$db/d?new_edits=false", body: graft("d", "@2d @1a", `"x":7`), status: 201},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@2d","_conflicts":["$set","@2c","@2b"]}`},
	}},
	{name: "many revisions of one document may come in one request, in any order", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(
			graft("d", "@3c @2b @1a", `"x":3`), graft("d", "@2d @1a", `"x":4`), graft("d", "@1a", `"x":1`), graft("d", "@2b @1a", `"x":2`)), want: `[]`},
		{do: "GET /$db/d?conflicts=true&revs=true", want: `{"_rev":"@3c","_conflicts":["@2d"],"_revisions":{"start":3,"ids":["@c","@b","@a"]}}`},
		{do: "GET /$db/d?rev=@2b", want: `{"x":2}`},
	}},
	{name: "a merge and the tombstone of the loser may come in one request with new_edits=false", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2c @1a", `"x":12`), graft("d", "@3f @2b @1a", `"_deleted":true`)), want: `[]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@3a","_conflicts":"$absent"}`},
	}},
	wholeRequestRefused("a malformed _rev", 400, `{"_id":"bad","_rev":"nonsense"}`),
	wholeRequestRefused("an id with a leading underscore", 400, `{"_id":"_bad"}`),
	wholeRequestRefused("an id that is no string", 400, `{"_id":7}`),
	wholeRequestRefused("an unknown field with a leading underscore", 400, `{"_id":"bad","_what":1}`),
	wholeRequestRefused("a document that is no object", 400, `[]`),
	wholeRequestRefused("a document over 8,000,000 bytes", 413, `{"_id":"bad","x":"`+strings.Repeat("x", 8_000_001)+`"}`),
	{name: "a document of 7,900,000 bytes is taken", steps: []step{
		{do: "PUT /$db/d", body: `{"x":"` + strings.Repeat("x", 7_900_000) + `"}`, status: 201},
	}},
	{name: "an unknown stub refuses the whole request with 412", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"bad","_attachments":{"n":{"stub":true}}}]}`, status: 412, want: `{"error":"missing_stub"}`},
		{do: "GET /$db/bad", status: 404},
	}},
	{name: "a stub for a document that is not there is 412 whatever the _rev", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"bad","_rev":"@2a","_attachments":{"n":{"stub":true,"revpos":1,"content_type":"image/x"}}}]}`,
			status: 412, want: `{"error":"missing_stub"}`},
	}},
	{name: "_bulk_docs without a document is 201 and has no row", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[]}`, status: 201, want: `[]`},
		{do: "POST /$db/_bulk_docs", body: replicated(), status: 201, want: `[]`},
	}},
	{name: "a 412 is not atomic: innocent neighbours may have been written", steps: []step{
		{do: "DELETE /$db"},
		{do: "PUT /$db?q=4", status: 201, within: slow},
		{do: "GET /$db", want: `{"doc_count":"$none"}`},
		{do: "POST /$db/_bulk_docs", status: 412, body: `{"docs":[` + strings.Repeat(`{"x":1},`, 20) + `{"_id":"bad","_attachments":{"n":{"stub":true}}}]}`},
		{do: "GET /$db", want: `{"doc_count":"$some"}`, differ: "none some", within: slow},
	}},
}

// wholeRequestRefused says that one bad document refuses a whole _bulk_docs,
// with no rows and nothing written.
func wholeRequestRefused(what string, status int, bad string) expectation {
	return expectation{name: what + " refuses the whole request", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"good"},` + bad + `]}`, status: status, want: `{"error":"$any","reason":"$any"}`},
		{do: "GET /$db/good", status: 404},
	}}
}
