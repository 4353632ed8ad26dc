package conformance

// merged is a merge @4d of the leaves @2c and @2b as couchmend writes it: the
// id @3e in its path is a mark, a revision that never had a body.
const merged = "@4d @3e @2c @1a"

// paths: what a revision's path may hold and what becomes of it.
var paths = []expectation{
	{name: "a path may hold ids that were never written, and they are missing like any ancestor", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", merged, `"x":12`)), want: `[]`},
		{do: "GET /$db/d?revs_info=true&revs=true", want: `{"_rev":"@4d","_revisions":{"start":4,"ids":["@d","@e","@c","@a"]},
			"_revs_info":[{"rev":"@4d","status":"available"},{"rev":"@3e","status":"missing"},{"rev":"@2c","status":"available"},{"rev":"@1a","status":"available"}]}`},
		{do: "GET /$db/d?rev=@3e", status: 404},
		{do: "POST /$db/_revs_diff", body: `{"d":["@3e","@3f"]}`, want: `{"d":{"missing":["@3f"]}}`},
	}},
	{name: "an id that was never written stays in the path under later ordinary edits", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", merged, `"x":12`)), want: `[]`},
		{do: "PUT /$db/d", body: `{"_rev":"@4d","x":13}`, want: `{"rev":"$r5"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r5","x":14}`, want: `{"rev":"$r6"}`},
		{do: "GET /$db/d?revs=true", want: `{"_revisions":{"start":6,"ids":["$h6","$h5","@d","@e","@c","@a"]}}`},
	}},
	{name: "an id that was never written replicates with the path", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", merged, `"x":12`), graft("d", "@3f @2b @1a", `"_deleted":true`)), want: `[]`},
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?revs=true&conflicts=true", want: `{"_rev":"@4d","x":12,"_revisions":{"start":4,"ids":["@d","@e","@c","@a"]},"_conflicts":"$absent"}`},
		{do: "GET /$other/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"@4d"},{"rev":"@3f"}]}]}`},
	}},
	{name: "an id that was never written survives compaction", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", merged, `"x":12`)), want: `[]`},
		{do: "POST /$db/_compact", status: 202},
		{do: "GET /$db/d?rev=@2c", status: 404, within: slow},
		{do: "GET /$db/d?revs=true", want: `{"_revisions":{"start":4,"ids":["@d","@e","@c","@a"]}}`},
	}},
	{name: "the leaf under ids that were never written is an ancestor, no longer a leaf", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", merged, `"x":12`)), want: `[]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@4d","_conflicts":["@2b"]}`},
		{do: "PUT /$db/d", body: `{"_rev":"@2c","x":0}`, status: 409, want: `{"error":"conflict"}`},
	}},
	{name: "a known path grows upwards from the revisions that it shares", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", ``)), want: `[]`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@4d @3c @2b", ``)), want: `[]`},
		{do: "GET /$db/d?revs=true&conflicts=true", want: `{"_conflicts":"$absent","_revisions":{"start":4,"ids":["@d","@c","@b","@a"]}}`},
	}},
	{name: "a path that shares no revision is another root", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", ``), graft("d", "@2d @1c", ``)), want: `[]`},
		{do: "GET /$db/d?conflicts=true&revs=true", want: `{"_rev":"@2d","_conflicts":["@2b"],"_revisions":{"start":2,"ids":["@d","@c"]}}`},
	}},
	{name: "_revs_limit is 1000 unless it is set", steps: []step{
		{do: "GET /$db/_revs_limit", want: `1000`},
		{do: "PUT /$db/_revs_limit", body: `3`, want: `{"ok":true}`},
		{do: "GET /$db/_revs_limit", want: `3`},
	}},
	{name: "_revs_limit cuts the path, so that start is more than its length", steps: []step{
		{do: "PUT /$db/_revs_limit", body: `3`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3c @2b @1a", ``)), want: `[]`},
		{do: "PUT /$db/d", body: `{"_rev":"@3c","x":1}`, want: `{"rev":"$r4"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r4","x":2}`, want: `{"rev":"$r5"}`},
		{do: "GET /$db/d?revs=true", want: `{"_rev":"$r5","_revisions":{"start":5,"ids":["$h5","$h4","@c"]}}`},
	}},
	{name: "_revs_limit cuts each branch by itself", steps: []step{
		{do: "PUT /$db/_revs_limit", body: `2`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@4d @3c @2b @1a", ``), graft("d", "@2e @1a", ``)), want: `[]`},
		{do: "GET /$db/d?revs=true&conflicts=true", want: `{"_rev":"@4d","_conflicts":["@2e"],"_revisions":{"start":4,"ids":["@d","@c"]}}`},
		{do: "GET /$db/d?rev=@2e&revs=true", want: `{"_revisions":{"start":2,"ids":["@e","@a"]}}`},
	}},
	{name: "a stemmed path is grafted where it meets the tree", steps: []step{
		{do: "PUT /$db/_revs_limit", body: `2`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@4d @3c @2b @1a", ``)), want: `[]`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@4e @3c @2b @1a", ``)), want: `[]`},
		{do: "GET /$db/d?rev=@4d&revs=true", want: `{"_revisions":{"start":4,"ids":["@d","@c"]}}`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@4e","_conflicts":["@4d"]}`},
	}},
	{name: "the winner is the live leaf with the highest generation", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2a @1a", ``), graft("d", "@2f @1a", ``)), want: `[]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@3a","_conflicts":["@2f"]}`},
	}},
	{name: "among leaves of one generation the highest hash wins", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", ``), graft("d", "@2f @1a", ``), graft("d", "@2d @1a", ``)), want: `[]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@2f","_conflicts":["$set","@2d","@2b"]}`},
	}},
	{name: "a live leaf wins over a tombstone of higher generation", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@4f @3c @2c @1a", `"_deleted":true`), graft("d", "@2b @1a", `"x":1`)), want: `[]`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@2b","x":1,"_conflicts":"$absent"}`},
	}},
	{name: "a leaf may be edited although it does not win", steps: []step{
		forked,
		{do: "PUT /$db/d", body: `{"_rev":"@2b","x":5}`, want: `{"rev":"$r3"}`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"$r3","_conflicts":["@2c"]}`},
	}},
	{name: "compaction drops the bodies of ancestors and keeps those of leaves", steps: []step{
		forked,
		{do: "GET /$db/d?rev=@1a", want: `{"x":0}`},
		{do: "POST /$db/_compact", status: 202, want: `{"ok":true}`},
		{do: "GET /$db/d?rev=@1a", status: 404, want: `{"error":"not_found","reason":"missing"}`, within: slow},
		{do: "GET /$db/d?rev=@2b", want: `{"x":1}`},
		{do: "GET /$db/d?revs_info=true", want: `{"_rev":"@2c","x":2,"_revs_info":[{"rev":"@2c","status":"available"},{"rev":"@1a","status":"missing"}]}`},
	}},
	{name: "compaction drops a loser's body once it is buried", steps: []step{
		forked,
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t"}`},
		{do: "GET /$db/d?rev=@2b", want: `{"x":1}`},
		{do: "POST /$db/_compact", status: 202},
		{do: "GET /$db/d?rev=@2b", status: 404, within: slow},
		{do: "GET /$db/d?rev=$t", want: `{"_deleted":true}`},
	}},
}
