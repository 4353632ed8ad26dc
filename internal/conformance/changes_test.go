package conformance

import "time"

// changes: the feed, in each of its modes.
var changes = []expectation{
	{name: "_changes names the winner, and with style=all_docs every leaf, the winner first", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2a @1a", ``), graft("d", "@2d @1a", ``))},
		{do: "GET /$db/_changes", want: `{"results":[{"id":"d","seq":"$any","changes":[{"rev":"@2d"}],"deleted":"$absent"}]}`},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"id":"d","changes":[{"rev":"@2d"},{"rev":"@2c"},{"rev":"@2b"},{"rev":"@2a"}]}]}`},
	}},
	{name: "_changes with style=all_docs lists every leaf once", steps: []step{
		forked,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3d @2d @1a", `"_deleted":true`))},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"id":"d","changes":["$set",{"rev":"@2c"},{"rev":"@2b"},{"rev":"@3d"}]}]}`},
	}},
	{name: "_changes with style=all_docs lists tombstoned leaves unmarked, after compaction too", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2c @1a", ``), graft("d", "@3d @2b @1a", `"_deleted":true`)), want: `[]`},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"id":"d","changes":["$set",{"rev":"@2c"},{"rev":"@3d"}],"deleted":"$absent"}]}`},
		{do: "POST /$db/_compact", status: 202},
		{do: "GET /$db/_changes?style=all_docs", after: time.Second, want: `{"results":[{"id":"d","changes":["$set",{"rev":"@2c"},{"rev":"@3d"}]}]}`},
	}},
	{name: "_changes with style=all_docs lists live leaves before tombstoned ones, each from the highest down", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", ``), graft("d", "@2c @1a", ``),
			graft("d", "@3d @2d @1a", `"_deleted":true`), graft("d", "@4e @3e @2e @1a", `"_deleted":true`)), want: `[]`},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"changes":[{"rev":"@2c"},{"rev":"@2b"},{"rev":"@4e"},{"rev":"@3d"}]}]}`},
	}},
	{name: "_changes says deleted only when every leaf is deleted", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"_deleted":true`), graft("d", "@2c @1a", ``)), want: `[]`},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"@2c"},{"rev":"@2b"}],"deleted":"$absent"}]}`},
		{do: "DELETE /$db/d?rev=@2c", want: `{"rev":"$t"}`},
		{do: "GET /$db/_changes?style=all_docs", want: `{"results":[{"changes":["$set",{"rev":"$t"},{"rev":"@2b"}],"deleted":true}]}`},
	}},
	{name: "_changes with include_docs and conflicts gives the winner with its conflicts", steps: []step{
		forked,
		{do: "GET /$db/_changes?include_docs=true&conflicts=true", want: `{"results":[{"id":"d","doc":{"_id":"d","_rev":"@2c","x":2,"_conflicts":["@2b"]}}]}`},
	}},
	{name: "_changes has each document once, at its last change", steps: []step{
		{do: "PUT /$db/a", body: `{}`, want: `{"rev":"$r1"}`},
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "PUT /$db/b", body: `{}`},
		{do: "PUT /$db/a", body: `{"_rev":"$r1"}`, want: `{"rev":"$r2"}`},
		{do: "GET /$db/_changes", want: `{"results":["$set",{"id":"b"},{"id":"a","changes":[{"rev":"$r2"}]}]}`},
		{do: "GET /$db/_changes?since=$seq", want: `{"results":["$set",{"id":"b"},{"id":"a"}],"last_seq":"$last"}`},
		{do: "GET /$db/_changes?since=$last", want: `{"results":[],"last_seq":"$any"}`},
		{do: "GET /$db/_changes?since=now", want: `{"results":[]}`},
	}},
	{name: "a revision below the winner moves the document to the end of _changes", steps: []step{
		forked,
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2a @1a", ``)), want: `[]`},
		{do: "GET /$db/_changes?since=$seq&style=all_docs", want: `{"results":[{"id":"d","changes":["$set",{"rev":"@2c"},{"rev":"@2b"},{"rev":"@2a"}]}]}`},
	}},
	{name: "a tombstone that is buried deep moves the document to the end of _changes", steps: []step{
		forked,
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "DELETE /$db/d?rev=@2b", want: `{"rev":"$t"}`},
		{do: "GET /$db/_changes?since=$seq&style=all_docs", want: `{"results":[{"id":"d","changes":["$set",{"rev":"@2c"},{"rev":"$t"}]}]}`},
	}},
	{name: "_changes gives at most limit rows, and goes on from last_seq", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`},
		{do: "GET /$db/_changes?limit=2", want: `{"results":[{"id":"$x"},{"id":"$y"}],"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?limit=2&since=$seq", want: `{"results":[{"id":"$z"}]}`, differ: "x z"},
	}},
	{name: "_changes counts what is pending after the last row", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`},
		{do: "GET /$db/_changes?limit=1", want: `{"pending":2}`},
		{do: "GET /$db/_changes", want: `{"pending":0}`},
	}},
	{name: "_changes of some documents only, by doc_ids", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`},
		{do: "POST /$db/_changes?filter=_doc_ids", body: `{"doc_ids":["b","none"]}`, want: `{"results":[{"id":"b"}]}`},
	}},
	{name: "a selector on _conflicts finds conflicts in _changes only with conflicts=true", steps: []step{
		forked,
		{do: "POST /$db/_changes?filter=_selector&include_docs=true", body: `{"selector":{"_conflicts":{"$exists":true}}}`, want: `{"results":[]}`},
		{do: "POST /$db/_changes?filter=_selector&conflicts=true", body: `{"selector":{"_conflicts":{"$exists":true}}}`, want: `{"results":[{"id":"d"}]}`},
		{do: "POST /$db/_changes?filter=_selector", body: `{"selector":{"x":2}}`, want: `{"results":[{"id":"d"}]}`},
	}},
	{name: "longpoll answers at once when something has changed already", steps: []step{
		forked,
		{do: "GET /$db/_changes?feed=longpoll", want: `{"results":[{"id":"d"}],"last_seq":"$any"}`},
	}},
	{name: "longpoll waits for the next change", steps: []step{
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?feed=longpoll&since=$seq&style=all_docs&timeout=20000", takes: 300 * time.Millisecond,
			meantime: &step{do: "PUT /$db/a", body: `{}`, after: 300 * time.Millisecond},
			want:     `{"results":[{"id":"a","changes":[{"rev":"$any"}]}],"last_seq":"$last"}`},
		{do: "GET /$db/_changes?since=$last", want: `{"results":[]}`},
	}},
	{name: "longpoll with nothing new ends empty after its timeout", steps: []step{
		{do: "PUT /$db/a", body: `{}`},
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?feed=longpoll&since=$seq&timeout=500", takes: 400 * time.Millisecond, want: `{"results":[],"last_seq":"$any","pending":0}`},
	}},
	{name: "a longpoll that waits sends empty lines as heartbeats", steps: []step{
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?feed=longpoll&since=$seq&heartbeat=100", raw: "\n\n\n", takes: 700 * time.Millisecond,
			meantime: &step{do: "PUT /$db/a", body: `{}`, after: 700 * time.Millisecond},
			want:     `{"results":[{"id":"a"}]}`},
	}},
	{name: "a feed ends when its database is deleted", steps: []step{
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?feed=longpoll&since=$seq&timeout=25000", takes: 300 * time.Millisecond,
			meantime: &step{do: "DELETE /$db", after: 300 * time.Millisecond}, raw: `last_seq`},
	}},
	{name: "continuous sends a line for each change and ends with last_seq after its timeout", steps: []step{
		forked,
		{do: "GET /$db/_changes?feed=continuous&timeout=1000&style=all_docs", lines: true,
			meantime: &step{do: "PUT /$db/later", body: `{}`, after: 300 * time.Millisecond},
			want:     `[{"id":"d","seq":"$any","changes":["$set",{"rev":"@2c"},{"rev":"@2b"}]},{"id":"later"},{"last_seq":"$any","pending":0}]`},
	}},
	{name: "continuous ends after limit rows", steps: []step{
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`},
		{do: "GET /$db/_changes?feed=continuous&limit=2&timeout=5000", lines: true, want: `[{"id":"$any"},{"id":"$any"},{"last_seq":"$any"}]`},
	}},
	{name: "a waiting feed sends empty lines as heartbeats", steps: []step{
		{do: "GET /$db/_changes", want: `{"last_seq":"$seq"}`},
		{do: "GET /$db/_changes?feed=continuous&since=$seq&heartbeat=200&limit=1", lines: true, raw: "\n\n", takes: 700 * time.Millisecond,
			meantime: &step{do: "PUT /$db/a", body: `{}`, after: 700 * time.Millisecond},
			want:     `["$has",{"id":"a"}]`},
	}},
}
