package triage

import "time"

// Who is who made a request that CouchDB's log tells of.
type Who string

// The ones who make requests.
const (
	Ours        Who = "couchmend"   // its request id is in couchmend's log
	Traced      Who = "traced"      // its request id is a trace id, such as couchmend's, that no given log has
	Replicators Who = "replicator"  // a checkpoint in _local
	Application Who = "application" // anybody else
)

// Logs are what CouchDB's log tells, and couchmend's, and both together.
type Logs struct {
	Files   []string  `json:"files"`
	Entries int64     `json:"entries"` // of CouchDB's log, since Report.Since
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	// Own counts the lines about a conflict in couchmend's log, by
	// resolver_status. Nil: no log of couchmend's was given.
	Own map[string]int64 `json:"own,omitempty"`

	Conflicts map[Who]int64 `json:"conflicts"` // answers with 409
	// OldConflicts counts entries of CouchDB 1 and 2 that tell of a conflict
	// without saying whose it was.
	OldConflicts int64 `json:"old_conflicts,omitempty"`
	// Bulk counts requests to _bulk_docs: conflicts in them are rows of an
	// answer of 201, and no log has them.
	Bulk     map[Who]int64    `json:"bulk"`
	Callers  []Caller         `json:"callers"`  // who got 409, the most first
	Refused  []Refused        `json:"refused"`  // what replicators could not write
	Statuses []Status         `json:"statuses"` // other answers of 400 and more
	Joined   []Joined         `json:"joined"`   // couchmend's failures beside CouchDB's lines
	Took     map[string]Spans `json:"took"`     // couchmend's requests by what was asked, as CouchDB measured them
}

// Caller is somebody whose writes were refused because the document had
// changed.
type Caller struct {
	Who    Who    `json:"who"`
	DB     string `json:"db"`
	User   string `json:"user,omitempty"`
	Peer   string `json:"peer,omitempty"`
	Method string `json:"method"`
	N      int64  `json:"n"`
	// AfterOurs counts those that came within a few seconds after couchmend had
	// written the same document: the caller had read it before.
	AfterOurs int64     `json:"after_ours"`
	Docs      []DocN    `json:"docs"` // most often, at most 5
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
}

// DocN is a document and how often.
type DocN struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

// Refused is documents that a replicator could not write, for one reason.
type Refused struct {
	Target   string   `json:"target"`
	TargetDB string   `json:"target_db,omitempty"`
	Error    string   `json:"error"`
	Reason   string   `json:"reason"`
	N        int64    `json:"n"`
	Docs     []string `json:"docs"` // at most 5
}

// Status is how often one caller got one kind of answer.
type Status struct {
	Who    Who    `json:"who"`
	DB     string `json:"db"`
	User   string `json:"user,omitempty"`
	Status int    `json:"status"`
	N      int64  `json:"n"`
	Sample string `json:"sample"` // "PUT /medic/d1"
}

// Joined is a failure in couchmend's log with the lines of CouchDB's that bear
// its request id.
type Joined struct {
	Time    time.Time `json:"time"`
	Trace   string    `json:"trace"`
	DB      string    `json:"db"`
	ID      string    `json:"id"`
	Class   string    `json:"class"`
	Error   string    `json:"error,omitempty"`
	Answers []Answer  `json:"answers"` // writes, refusals and slow ones, at most 5; none: CouchDB never saw the write, or logs less than notices
}

// Answer is one request as CouchDB logged it.
type Answer struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"`
	Millis int64     `json:"ms"`
}
