// Package couchlog reads CouchDB's own log.
//
// It takes the lines as CouchDB 2 and 3 write them, to a file, to standard
// error, to syslog and to journald, and as CouchDB 1 did, with whatever Docker,
// syslog or journalctl put before them, compressed by gzip or not:
//
//	[notice] 2026-11-22T03:00:00.000000Z nonode@nohost <0.123.0> 0123456789 127.0.0.1:5984 10.0.0.7 ann PUT /medic/d1 409 ok 12
//	[Sun, 22 Nov 2026 03:00:00 GMT] [info] [<0.123.0>] 10.0.0.7 - - PUT /medic/d1 409
//	Nov 22 03:00:00 host couchdb[77]: nonode@nohost <0.123.0> 0123456789 127.0.0.1:5984 10.0.0.7 ann PUT /medic/d1 409 ok 12
//
// It reads a stream, holds one entry in memory, and bounds that: an entry is cut
// after 64 KB.
package couchlog

import (
	"net/url"
	"strings"
	"time"
)

// Entry is one entry of the log: a line, with those that continue it.
type Entry struct {
	// Time is zero where neither CouchDB nor what stands before its line tells.
	Time  time.Time
	Level string // "notice", "error"…; empty where the line does not say
	Node  string
	// Request is the id of the request that it is about: CouchDB's own ten
	// digits, or the X-Couch-Request-ID of a client. Empty where there is none.
	Request string
	Text    string  // what it says
	Access  *Access // of a line about a request that was answered
}

// Access is what an entry about a request tells.
type Access struct {
	Host string // as the client named it; empty in CouchDB 1
	Peer string // the client's address
	// User is who asked; empty for nobody, and in CouchDB 1.
	User   string
	Method string
	Path   string // as it was sent, with its query
	Status int
	// Took is how long it lasted, to the millisecond; negative where the log
	// does not say (CouchDB 1).
	Took time.Duration
}

// DB is the database that a request was about, empty if none.
func (a *Access) DB() string { return a.parts(0) }

// Doc is the document that a request was about, empty if none: requests such as
// _bulk_docs and _changes are about none.
func (a *Access) Doc() string {
	first, second := a.parts(1), a.parts(2)
	switch {
	case first == "_design" && a.parts(3) == "_update":
		return a.parts(5)
	case (first == "_design" || first == "_local") && second != "":
		return first + "/" + second
	case strings.HasPrefix(first, "_"):
		return ""
	}
	return first
}

// Handler is what of a database was asked for: "_bulk_docs", "_changes" and so
// on; "" for the database or a document itself.
func (a *Access) Handler() string {
	switch first := a.parts(1); {
	case first == "_design":
		if third := a.parts(3); strings.HasPrefix(third, "_") {
			return third
		}
		return ""
	case first == "_local" && a.parts(2) == "", strings.HasPrefix(first, "_") && first != "_local":
		return first
	}
	return ""
}

// parts is a segment of the path, unescaped; "" where there are fewer.
func (a *Access) parts(n int) string {
	path, _, _ := strings.Cut(a.Path, "?")
	path = strings.TrimPrefix(path, "/")
	for ; n > 0; n-- {
		_, rest, more := strings.Cut(path, "/")
		if !more {
			return ""
		}
		path = rest
	}
	segment, _, _ := strings.Cut(path, "/")
	plain, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return plain
}

// Refusal is a document that a replicator could not write.
type Refusal struct {
	ID, Rev string
	Target  string // a URL, without credentials
	Error   string // "forbidden", "unauthorized"…
	Reason  string // the target's words
}

const replicator = "Replicator: couldn't write document `"

// Refusal is what an entry of the replicator's says of a document that the
// target refused; false for any other entry.
func (e *Entry) Refusal() (Refusal, bool) {
	rest, ok := strings.CutPrefix(e.Text, replicator)
	if !ok {
		return Refusal{}, false
	}
	var r Refusal
	for _, part := range []struct {
		to   *string
		then string
	}{
		{&r.ID, "`, revision `"}, {&r.Rev, "`, to target database `"}, {&r.Target, "`. Error: `"}, {&r.Error, "`"},
	} {
		if *part.to, rest, ok = strings.Cut(rest, part.then); !ok {
			return Refusal{}, false
		}
	}
	if reason, ok := strings.CutPrefix(rest, ", reason: `"); ok {
		r.Reason = strings.TrimSuffix(strings.TrimRight(reason, "\n"), "`.")
	}
	if u, err := url.Parse(r.Target); err == nil {
		u.User = nil
		r.Target = u.String()
	}
	return r, true
}

// IsOldConflict reports whether an entry tells, as CouchDB 1 and 2 do beside
// the line about the request, or instead of it, that a document was saved over
// one that had changed.
func (e *Entry) IsOldConflict() bool {
	return e.Access == nil && (strings.Contains(e.Text, "doc_update_conflict") || strings.Contains(e.Text, "Document update conflict") ||
		strings.HasPrefix(e.Text, "httpd 409 error response"))
}
