package conformance

// documents: reading one document, or several by their ids.
var documents = []expectation{
	{name: "a document shows its winner and hides the rest", steps: []step{
		forked,
		{do: "GET /$db/d", want: `{"_id":"d","_rev":"@2c","x":2,"_conflicts":"$absent","_revisions":"$absent"}`},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@2c","_conflicts":["@2b"]}`},
	}},
	{name: "_conflicts lists the live losers from the highest down", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2e @1a", ``), graft("d", "@2b @1a", ``), graft("d", "@2d @1a", ``), graft("d", "@2c @1a", ``))},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"@3a","_conflicts":["@2d","@2c","@2b"]}`},
	}},
	{name: "any revision whose body is there can be read by its id", steps: []step{
		forked,
		{do: "GET /$db/d?rev=@1a", want: `{"_rev":"@1a","x":0}`},
		{do: "GET /$db/d?rev=@2b&revs=true", want: `{"_rev":"@2b","x":1,"_revisions":{"start":2,"ids":["@b","@a"]}}`},
		{do: "GET /$db/d?rev=@9f", status: 404, want: `{"error":"not_found","reason":"missing"}`},
	}},
	{name: "open_revs=all gives every leaf, tombstones with their bodies", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3f @2b @1a", `"_deleted":true,"why":"merged"`))},
		{do: "GET /$db/d?open_revs=all", want: `["$set",{"ok":{"_rev":"@2c","x":2,"_deleted":"$absent"}},{"ok":{"_rev":"@3f","_deleted":true,"why":"merged"}}]`},
		{do: "GET /$db/d?open_revs=all&revs=true", want: `["$set",{"ok":{"_rev":"@2c"}},{"ok":{"_rev":"@3f","_revisions":{"start":3,"ids":["@f","@b","@a"]}}}]`},
	}},
	{name: "open_revs gives the revisions that are named and says which are missing", steps: []step{
		forked,
		{do: `GET /$db/d?open_revs=["@2b","@9f"]`, want: `["$set",{"ok":{"_rev":"@2b","x":1}},{"missing":"@9f"}]`},
	}},
	{name: "deleted_conflicts lists tombstoned leaves", steps: []step{
		forked,
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t"}`},
		{do: "GET /$db/d?conflicts=true&deleted_conflicts=true", want: `{"_rev":"@2c","_conflicts":"$absent","_deleted_conflicts":["$t"]}`},
	}},
	{name: "a document that never was is 404 missing", steps: []step{
		{do: "GET /$db/none", status: 404, want: `{"error":"not_found","reason":"missing"}`},
	}},
	{name: "a stale PUT is 409", steps: []step{
		{do: "PUT /$db/d", body: `{}`, status: 201},
		{do: "PUT /$db/d", body: `{"x":1}`, status: 409, want: `{"error":"conflict"}`},
		{do: "PUT /$db/d", body: `{"_rev":"@1f","x":1}`, status: 409},
	}},
	{name: "_all_docs lists winners by id", steps: []step{
		forked,
		{do: "PUT /$db/c", body: `{}`, want: `{"rev":"$rc"}`},
		{do: "GET /$db/_all_docs", want: `{"total_rows":2,"offset":0,"rows":[
			{"id":"c","key":"c","value":{"rev":"$rc"},"doc":"$absent"},{"id":"d","key":"d","value":{"rev":"@2c"}}]}`},
		{do: "GET /$db/_all_docs?include_docs=true&conflicts=true&startkey=%22d%22", want: `{"rows":[{"id":"d","doc":{"_id":"d","_rev":"@2c","x":2,"_conflicts":["@2b"]}}]}`},
		{do: "GET /$db/_all_docs?limit=1", want: `{"rows":[{"id":"c"}]}`},
	}},
	{name: "_all_docs by keys answers each key in order: found, deleted or not_found", steps: []step{
		forked,
		{do: "PUT /$db/gone", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "DELETE /$db/gone?rev=$r1", want: `{"rev":"$r2"}`},
		{do: "POST /$db/_all_docs", body: `{"keys":["none","gone","d","d"]}`, want: `{"rows":[
			{"key":"none","error":"not_found"},
			{"id":"gone","key":"gone","value":{"rev":"$r2","deleted":true}},
			{"id":"d","key":"d","value":{"rev":"@2c","deleted":"$absent"}},
			{"id":"d","key":"d","value":{"rev":"@2c"}}]}`},
		{do: "POST /$db/_all_docs?include_docs=true&conflicts=true", body: `{"keys":["gone","d"]}`, want: `{"rows":[
			{"id":"gone","doc":null},{"id":"d","doc":{"_rev":"@2c","x":2,"_conflicts":["@2b"]}}]}`},
	}},
	{name: "_all_docs and _changes leave _local documents out, and include design documents", steps: []step{
		{do: "PUT /$db/_local/l", body: `{}`},
		{do: "PUT /$db/_design/v", body: `{}`},
		{do: "GET /$db/_all_docs", want: `{"rows":[{"id":"_design/v"}]}`},
		{do: "GET /$db/_changes", want: `{"results":[{"id":"_design/v"}]}`},
		{do: "GET /$db/_design/v", want: `{"_id":"_design/v"}`},
	}},
	{name: "_revs_diff names the revisions that are missing", steps: []step{
		forked,
		{do: "POST /$db/_revs_diff", body: `{"d":["@2b","@1a","@4f"],"none":["@1a"]}`,
			want: `{"d":{"missing":["@4f"]},"none":{"missing":["@1a"]}}`},
		{do: "POST /$db/_revs_diff", body: `{"d":["@2b"]}`, want: `{"d":"$absent"}`},
	}},
	{name: "_revs_diff names leaves that may be ancestors of what is missing", steps: []step{
		forked,
		{do: "POST /$db/_revs_diff", body: `{"d":["@4f"]}`, want: `{"d":{"missing":["@4f"],"possible_ancestors":["$set","@2b","@2c"]}}`},
	}},
	{name: "a _local document is written over without its _rev", steps: []step{
		{do: "PUT /$db/_local/c", body: `{"x":1}`, status: 201, want: `{"ok":true,"id":"_local/c"}`},
		{do: "PUT /$db/_local/c", body: `{"x":2}`, status: 201},
		{do: "GET /$db/_local/c", want: `{"_id":"_local/c","x":2}`},
	}},
	{name: "a _local document can be deleted", steps: []step{
		{do: "PUT /$db/_local/c", body: `{"x":1}`, status: 201, want: `{"rev":"$r"}`},
		{do: "DELETE /$db/_local/c?rev=$r", status: 200},
		{do: "GET /$db/_local/c", status: 404},
	}},
	{name: "_local documents do not replicate", steps: []step{
		{do: "PUT /$db/_local/mine", body: `{}`},
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/_local/mine", status: 404},
	}},
	{name: "_find does not see _conflicts", steps: []step{
		forked,
		{do: "POST /$db/_find", body: `{"selector":{"_conflicts":{"$exists":true}}}`, want: `{"docs":[]}`},
		{do: "POST /$db/_find", body: `{"selector":{"x":2},"conflicts":true}`, want: `{"docs":[{"_id":"d","_conflicts":["@2b"]}]}`},
	}},
	{name: "a partial index holds exactly the conflicted documents", steps: []step{
		forked,
		{do: "PUT /$db/calm", body: `{"x":2}`},
		{do: "POST /$db/_index", body: `{"ddoc":"conflicts","index":{"fields":["_id"],"partial_filter_selector":{"_conflicts":{"$exists":true}}}}`},
		{do: "POST /$db/_find", body: `{"selector":{"_id":{"$gt":null}},"use_index":"conflicts"}`, want: `{"docs":[{"_id":"d"}]}`, within: slow},
	}},
	{name: "a JavaScript view sees _conflicts", steps: []step{
		forked,
		{do: "PUT /$db/calm", body: `{"x":2}`},
		{do: "PUT /$db/_design/v", body: `{"views":{"c":{"map":"function(doc) { if (doc._conflicts) emit(doc._conflicts, doc.x) }"}}}`},
		{do: "GET /$db/_design/v/_view/c", want: `{"rows":[{"id":"d","key":["@2b"],"value":2}]}`},
	}},
}

// bulkGet: several revisions in one request.
var bulkGet = []expectation{
	{name: "_bulk_get answers each item in order, with the paths if asked", steps: []step{
		forked,
		{do: "POST /$db/_bulk_get?revs=true", body: `{"docs":[{"id":"d","rev":"@2c"},{"id":"d","rev":"@2b"},{"id":"d","rev":"@1a"}]}`, want: `{"results":[
			{"id":"d","docs":[{"ok":{"_id":"d","_rev":"@2c","x":2,"_revisions":{"start":2,"ids":["@c","@a"]}}}]},
			{"id":"d","docs":[{"ok":{"_rev":"@2b","x":1,"_revisions":{"start":2,"ids":["@b","@a"]}}}]},
			{"id":"d","docs":[{"ok":{"_rev":"@1a","x":0}}]}]}`},
	}},
	{name: "_bulk_get keeps the order of items of several documents", steps: []step{
		forked,
		{do: "PUT /$db/e", body: `{}`, want: `{"rev":"$e"}`},
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"d","rev":"@2c"},{"id":"e","rev":"$e"},{"id":"d","rev":"@2b"}]}`, want: `{"results":[
			{"id":"d","docs":[{"ok":{"_rev":"@2c"}}]},{"id":"e","docs":[{"ok":{"_rev":"$e"}}]},{"id":"d","docs":[{"ok":{"_rev":"@2b"}}]}]}`},
	}},
	{name: "_bulk_get without a rev gives every leaf, tombstones with their bodies", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3d @1a", `"_deleted":true,"why":"merged"`)), status: 201},
		{do: "POST /$db/_bulk_get?revs=true", body: `{"docs":[{"id":"d"}]}`, want: `{"results":[{"id":"d","docs":["$set",
			{"ok":{"_rev":"@2b","x":1}},{"ok":{"_rev":"@2c","x":2}},{"ok":{"_rev":"@3d","_deleted":true,"why":"merged"}}]}]}`},
	}},
	{name: "_bulk_get says of a revision that is not there: not_found, missing", steps: []step{
		forked,
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"d","rev":"@9f"}]}`, want: `{"results":[{"id":"d","docs":[
			{"error":{"id":"d","rev":"@9f","error":"not_found","reason":"missing"}}]}]}`},
	}},
	{name: "_bulk_get says of a document that is not there: not_found", steps: []step{
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"none"}]}`, want: `{"results":[{"id":"none","docs":[
			{"error":{"id":"none","rev":"undefined","error":"not_found","reason":"missing"}}]}]}`},
	}},
	{name: "_bulk_get says of a compacted ancestor: not_found, missing", steps: []step{
		forked,
		{do: "POST /$db/_compact", status: 202},
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"d","rev":"@1a"}]}`, within: slow, want: `{"results":[{"id":"d","docs":[
			{"error":{"id":"d","rev":"@1a","error":"not_found","reason":"missing"}}]}]}`},
	}},
	{name: "_bulk_get gives stubs, and the bytes inline if asked", steps: []step{
		branched,
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"d","rev":"@2b"}]}`, want: `{"results":[{"docs":[{"ok":{"_attachments":{"n":{"stub":true,"data":"$absent"}}}}]}]}`},
		{do: "POST /$db/_bulk_get?attachments=true", body: `{"docs":[{"id":"d","rev":"@2b"}]}`,
			want: `{"results":[{"docs":[{"ok":{"_attachments":{"n":{"data":"dHdv","revpos":2},"m":{"data":"c2l4"}}}}]}]}`},
	}},
}

// deletions: tombstones, and documents that come back.
var deletions = []expectation{
	{name: "a deleted document is 404 deleted and can be read by its rev", steps: []step{
		{do: "PUT /$db/d", body: `{"x":1}`, want: `{"rev":"$r1"}`},
		{do: "DELETE /$db/d?rev=$r1", want: `{"ok":true,"id":"d","rev":"$r2"}`},
		{do: "GET /$db/d", status: 404, want: `{"error":"not_found"}`},
		{do: "GET /$db/d?rev=$r2", want: `{"_id":"d","_rev":"$r2","_deleted":true,"x":"$absent"}`},
	}},
	{name: "the reason of a 404 tells a deleted document from one that never was", steps: []step{
		{do: "PUT /$db/d", body: `{"x":1}`, want: `{"rev":"$r1"}`},
		{do: "DELETE /$db/d?rev=$r1"},
		{do: "GET /$db/d", status: 404, want: `{"error":"not_found","reason":"deleted"}`},
		{do: "GET /$db/none", status: 404, want: `{"error":"not_found","reason":"missing"}`},
	}},
	{name: "a tombstone may have a body, which is kept by compaction and replicates", steps: []step{
		{do: "PUT /$db/d", body: `{"x":1}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","_deleted":true,"type":"person","owner":7}`, want: `{"rev":"$r2"}`},
		{do: "POST /$db/_compact", status: 202},
		{do: "GET /$db/d?rev=$r1", status: 404, within: slow},
		{do: "GET /$db/d?rev=$r2", want: `{"_deleted":true,"type":"person","owner":7}`},
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?rev=$r2", want: `{"_deleted":true,"type":"person","owner":7}`},
	}},
	{name: "a document created again without _rev grows on its tombstone", steps: []step{
		{do: "PUT /$db/d", body: `{"x":1}`, want: `{"rev":"$r1"}`},
		{do: "DELETE /$db/d?rev=$r1", want: `{"rev":"$r2"}`},
		{do: "PUT /$db/d", body: `{"x":2}`, status: 201, want: `{"rev":"$r3"}`},
		{do: "GET /$db/d?revs=true", want: `{"_rev":"$r3","x":2,"_revisions":{"start":3,"ids":["$any","$any","$any"]}}`},
	}},
	{name: "a document created again with attachments has an id that counts them and does not look at them", steps: []step{
		{do: "PUT /$db/d", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "DELETE /$db/d?rev=$r1"},
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`, want: `{"rev":"3-f34abe83504590cc18e26629389dc344"}`},
		{do: "PUT /$other/d", body: `{}`},
		{do: "DELETE /$other/d?rev=$r1"},
		{do: "PUT /$other/d", body: `{"_attachments":{"m":` + two + `}}`, want: `{"rev":"3-f34abe83504590cc18e26629389dc344"}`},
	}},
	{name: "a DELETE without a rev is 409", steps: []step{
		{do: "PUT /$db/d", body: `{}`},
		{do: "DELETE /$db/d", status: 409, want: `{"error":"conflict"}`},
	}},
	{name: "a document is deleted when every leaf is", steps: []step{
		forked,
		{do: "DELETE /$db/d?rev=@2c", want: `{"rev":"$t1"}`},
		{do: "GET /$db/d", want: `{"_rev":"@2b","x":1}`},
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t2"}`},
		{do: "GET /$db/d", status: 404},
		{do: "GET /$db/_changes", want: `{"results":[{"id":"d","deleted":true}]}`},
		{do: "GET /$db/_all_docs", want: `{"rows":[]}`},
	}},
	{name: "a document created again on two tombstones grows on the winning one", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"_deleted":true`), graft("d", "@2c @1a", `"_deleted":true`)), want: `[]`},
		{do: "PUT /$db/d", body: `{"x":1}`, want: `{"rev":"$r3"}`},
		{do: "GET /$db/d?revs=true", want: `{"_revisions":{"start":3,"ids":["$any","@c","@a"]}}`},
	}},
}
