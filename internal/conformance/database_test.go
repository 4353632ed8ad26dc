package conformance

import "time"

// databases: the server and what it says about its databases.
var databases = []expectation{
	{name: "the root says who answers", steps: []step{{do: "GET /", want: `{"couchdb":"Welcome","version":"$any"}`}}},
	{name: "_up says ok", steps: []step{{do: "GET /_up", want: `{"status":"ok"}`}}},
	{name: "a database that is there cannot be created again", steps: []step{
		{do: "PUT /$db", status: 412, want: `{"error":"file_exists"}`},
	}},
	{name: "a database that is not there is 404 for every request", steps: []step{
		{do: "DELETE /$db", want: `{"ok":true}`},
		{do: "GET /$db", status: 404, want: `{"error":"not_found"}`, within: slow}, // CouchDB says 500 while it deletes
		{do: "GET /$db/_changes", status: 404, want: `{"error":"not_found"}`},
		{do: "GET /$db/d", status: 404},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[]}`, status: 404},
		{do: "POST /$db/_bulk_get", body: `{"docs":[]}`, status: 404},
	}},
	{name: "a database that is not there cannot be deleted", steps: []step{
		{do: "DELETE /$db"},
		{do: "DELETE /$db", status: 404},
	}},
	{name: "a database says how many documents it has", steps: []step{
		forked,
		{do: "PUT /$db/e", body: `{}`, want: `{"rev":"$r"}`},
		{do: "DELETE /$db/e?rev=$r"},
		{do: "GET /$db", want: `{"db_name":"$db","doc_count":1,"update_seq":"$any"}`},
	}},
	{name: "a database counts its deleted documents", steps: []step{
		{do: "PUT /$db/e", body: `{}`, want: `{"rev":"$r"}`},
		{do: "DELETE /$db/e?rev=$r"},
		{do: "GET /$db", want: `{"doc_count":0,"doc_del_count":1}`},
	}},
	{name: "a database created anew has another instance_start_time", steps: []step{
		{do: "GET /$db", want: `{"instance_start_time":"$t1"}`},
		{do: "DELETE /$db"},
		{do: "PUT /$db", after: 1100 * time.Millisecond}, // it counts seconds
		{do: "GET /$db", want: `{"instance_start_time":"$t2"}`, differ: "t1 t2"},
	}},
	{name: "instance_start_time stays while the database does", steps: []step{
		{do: "GET /$db", want: `{"instance_start_time":"$t1"}`},
		{do: "PUT /$db/d", body: `{}`, after: 1100 * time.Millisecond},
		{do: "GET /$db", want: `{"instance_start_time":"$t1"}`},
	}},
	{name: "_all_dbs lists the databases", steps: []step{
		{do: "GET /_all_dbs", want: `["$has","$db"]`},
	}},
	{name: "_dbs_info tells of several databases at once", steps: []step{
		{do: "PUT /$db/d", body: `{}`},
		{do: "POST /_dbs_info", body: `{"keys":["$db"]}`, want: `[{"key":"$db","info":{"db_name":"$db","doc_count":1}}]`},
	}},
	{name: "_db_updates names the databases that changed", steps: []step{
		{do: "PUT /$db/d", body: `{}`},
		{do: "GET /_db_updates", want: `{"results":["$has",{"db_name":"$db","type":"$any","seq":"$any"}],"last_seq":"$any"}`, within: slow},
	}},
	{name: "_db_updates goes on from last_seq", steps: []step{
		{do: "PUT /$other/d", body: `{}`},
		{do: "GET /_db_updates", want: `{"results":["$has",{"db_name":"$other"}],"last_seq":"$seq"}`, within: slow},
		{do: "PUT /$db/d", body: `{}`},
		{do: "GET /_db_updates?since=$seq", want: `{"results":["$has",{"db_name":"$db"}]}`, within: slow},
	}},
	{name: "_security can be read and written", steps: []step{
		{do: "PUT /$db/_security", body: `{"admins":{"names":[],"roles":["boss"]},"members":{"names":["ann"],"roles":[]}}`},
		{do: "GET /$db/_security", want: `{"members":{"names":["ann"]},"admins":{"roles":["boss"]}}`},
	}},
	{name: "bad JSON is 400", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[`, status: 400, want: `{"error":"bad_request"}`},
		{do: "POST /$db/_bulk_get", body: `{"docs":`, status: 400},
	}},
	{name: "_bulk_docs without docs is 400", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{}`, status: 400, want: `{"error":"bad_request"}`},
	}},
	{name: "X-Couch-Request-ID is adopted and sent back", steps: []step{
		{do: "GET /$db", send: "X-Couch-Request-ID: 0af7651916cd43dd8448eb211c80319c", header: "X-Couch-Request-ID: 0af7651916cd43dd8448eb211c80319c"},
	}},
}

// replication: what two databases have in common afterwards.
var replication = []expectation{
	{name: "replication copies every leaf and its path", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?conflicts=true&revs=true", want: `{"_rev":"@2c","x":2,"_conflicts":["@2b"],"_revisions":{"start":2,"ids":["@c","@a"]}}`},
		{do: "GET /$other/d?rev=@2b", want: `{"x":1}`},
	}},
	{name: "replication does not copy the bodies between", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "GET /$db/d?rev=@1a", want: `{"x":0}`},
		{do: "GET /$other/d?rev=@1a", status: 404},
	}},
	{name: "replication copies tombstones", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t"}`},
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?conflicts=true", want: `{"_rev":"@2c","_conflicts":"$absent"}`},
		{do: "GET /$other/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"@2c"},{"rev":"$t"}]}]}`},
	}},
	{name: "two edits made apart are a conflict once both have replicated, and both sides show one winner", steps: []step{
		{do: "PUT /$db/d", body: `{"x":0}`, want: `{"rev":"$r1"}`},
		{do: "REPLICATE $db $other"},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","x":1}`},
		{do: "PUT /$other/d", body: `{"_rev":"$r1","x":2}`},
		{do: "REPLICATE $db $other"},
		{do: "REPLICATE $other $db"},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"$w","_conflicts":["$l"]}`},
		{do: "GET /$other/d?conflicts=true", want: `{"_rev":"$w","_conflicts":["$l"]}`},
	}},
	{name: "the same merge made on two sides makes no new conflict", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":1,"y":2},{"_id":"d","_rev":"@2b","_deleted":true}]}`, want: `[{"rev":"$m"},{"rev":"$t"}]`},
		{do: "POST /$other/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":1,"y":2},{"_id":"d","_rev":"@2b","_deleted":true}]}`, want: `[{"rev":"$m"},{"rev":"$t"}]`},
		{do: "REPLICATE $db $other"},
		{do: "REPLICATE $other $db"},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"$m"},{"rev":"$t"}]}]}`},
		{do: "GET /$other/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"$m"},{"rev":"$t"}]}]}`},
	}},
	{name: "the same merge with its keys in another order is a new conflict on both sides", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","x":1,"y":2},{"_id":"d","_rev":"@2b","_deleted":true}]}`},
		{do: "POST /$other/_bulk_docs", body: `{"docs":[{"_id":"d","_rev":"@2c","y":2,"x":1},{"_id":"d","_rev":"@2b","_deleted":true}]}`},
		{do: "REPLICATE $db $other"},
		{do: "REPLICATE $other $db"},
		{do: "GET /$db/d?conflicts=true", want: `{"_rev":"$w","_conflicts":["$l"]}`},
		{do: "GET /$other/d?conflicts=true", want: `{"_rev":"$w","_conflicts":["$l"]}`},
	}},
	{name: "the same deletion on two sides makes one tombstone", steps: []step{
		forked,
		{do: "REPLICATE $db $other"},
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t"}`},
		{do: "DELETE /$other/d?rev=@2b", want: `{"rev":"$t"}`},
	}},
	{name: "one id under two paths never replicates the second path", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3d @2c @1a", `"x":1`))},
		{do: "POST /$other/_bulk_docs", body: replicated(graft("d", "@3d @2b @1a", `"x":1`))},
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?revs=true", want: `{"_rev":"@3d","_revisions":{"start":3,"ids":["@d","@b","@a"]}}`},
	}},
	{name: "a revision that the target's validation function refuses stays behind, and its neighbours go", refuse: noNo, steps: []step{
		{do: "PUT /$other/a", body: `{"no":true}`},
		{do: "PUT /$other/b", body: `{}`},
		{do: "REPLICATE $other $db"},
		{do: "GET /$db/b"},
		{do: "GET /$db/a", status: 404},
	}},
}

// sessions: who asks. A wrong password of a real user is not tried: five of
// them lock the account.
var sessions = []expectation{
	{name: "_session says who asks and what they may", steps: []step{
		{do: "GET /_session", want: `{"ok":true,"userCtx":{"name":"$user","roles":["$has","_admin"]}}`},
	}},
	{name: "_session gives a cookie for a name and a password", steps: []step{
		{do: "POST /_session", body: `{"name":"$user","password":"$password"}`, want: `{"ok":true,"roles":["$has","_admin"]}`},
	}},
	{name: "an unknown user is 401", steps: []step{
		{do: "GET /$db", send: "Authorization: Basic bm9ib2R5Om5vdGhpbmc=", status: 401, want: `{"error":"unauthorized"}`},
		{do: "POST /_session", body: `{"name":"nobody","password":"nothing"}`, status: 401, want: `{"error":"unauthorized"}`},
	}},
}
