// Package triage finds out why there are conflicts, before anyone repairs them.
//
// Evidence is gathered from where it lies: the server's replication jobs, the
// conflicts themselves, couchmend's journal and review queue, CouchDB's log and
// couchmend's own. It becomes a Report, which is data and nothing else. Findings
// are drawn from a Report by pure rules, so that they are the same wherever it
// is read, and also where it was redacted:
//
//	Gatherer → Report → Find → []Finding
//
// It only reads. What it holds in memory is bounded, whatever the size of
// databases and logs: of a million conflicts a fair sample is looked into.
package triage

import (
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Report is the evidence, and what was found in it.
type Report struct {
	At      time.Time `json:"at"`
	Since   time.Time `json:"since"` // journal and logs before this were not looked at
	Seconds float64   `json:"seconds"`
	Server  Server    `json:"server"`

	Databases    []Database       `json:"databases"`
	Replications []Replication    `json:"replications"`
	Conflicts    Conflicts        `json:"conflicts"`
	Deep         []Deep           `json:"deep"`   // more than three live leaves, the most first
	Clocks       []Clock          `json:"clocks"` // that can't be right, the worst first
	Failures     []Failure        `json:"failures"`
	Latency      map[string]Spans `json:"latency,omitempty"` // by failure class; "" is what went well
	Pauses       []ledger.Pause   `json:"pauses,omitempty"`
	Logs         *Logs            `json:"logs,omitempty"` // nil: none was given
	// Notes say what could not be looked at, or not wholly, and why.
	Notes    []Note    `json:"notes,omitempty"`
	Findings []Finding `json:"findings"` // by weight
}

// Server is who was asked.
type Server struct {
	URL       string `json:"url"`
	Version   string `json:"version"`
	Vendor    string `json:"vendor,omitempty"`
	Couchmend string `json:"couchmend,omitempty"` // this program's version
	PouchDB   bool   `json:"pouchdb,omitempty"`
}

// Database is how one database stands.
type Database struct {
	Name      string `json:"name"`
	Documents int64  `json:"documents"` // live ones
	Conflicts int    `json:"conflicts"` // documents with more than one live leaf
	// Partly says that the feed was not read to its end: Conflicts and Deep
	// are at least as many.
	Partly bool `json:"partly,omitempty"`
	Deep   int  `json:"deep"`   // of them, with more than three live leaves
	Looked int  `json:"looked"` // of them, read and looked into
	Leaves Most `json:"leaves"` // live ones of a document in conflict
	Mended int  `json:"mended"` // decisions in the journal since Report.Since
	Review int  `json:"review"` // documents that wait for a person, dismissed ones not
	Paused bool `json:"paused,omitempty"`
	// Skipped says that the survey could not be made: see Notes.
	Skipped bool `json:"skipped,omitempty"`
}

// Most is a mean and a maximum.
type Most struct {
	Mean float64 `json:"mean"`
	Max  int     `json:"max"`
}

// Replication is a replication and how its failures grew while Gather watched.
type Replication struct {
	couch.Replication
	// Grew is how many documents more could not be written at the second look,
	// Watched seconds after the first; 0 where there was no second.
	Grew    int64   `json:"grew"`
	Watched float64 `json:"watched"`
	// SourceDB and TargetDB are the databases' names where they are on the
	// server that was asked; "" elsewhere.
	SourceDB string `json:"source_db,omitempty"`
	TargetDB string `json:"target_db,omitempty"`
}

// Conflicts are what documents in conflict have in common.
type Conflicts struct {
	Types   []Group `json:"types"`
	Fields  []Group `json:"fields"`  // that differ between live leaves
	Writers []Group `json:"writers"` // of leaves, where documents tell
	Pairs   []Group `json:"pairs"`   // of writers whose leaves conflict: "ann × bob"
	// WriterFields and ClockFields are the fields that were taken for the name
	// of a writer and for a time, and in how many leaves.
	WriterFields map[string]int `json:"writer_fields"`
	ClockFields  map[string]int `json:"clock_fields"`
}

// Group is the conflicts of one database that share a type, a field or a
// writer.
type Group struct {
	DB   string `json:"db"`
	Name string `json:"name"`
	Open int    `json:"open"` // of the open conflicts that were looked into
	// Mended counts those that the journal tells of since Report.Since, and
	// PerHour is that by the hour.
	Mended  int     `json:"mended"`
	PerHour float64 `json:"per_hour"`
	Leaves  Most    `json:"leaves"`
	Depth   Most    `json:"depth"` // edits on the longest branch since the leaves parted
}

// Sign is what a deep document's tree suggests.
type Sign string

// The signs.
const (
	SignOffline Sign = "offline" // a branch was edited on while others were: a device that was offline for long
	SignStale   Sign = "stale"   // a leaf grew from a revision far behind the winner's: an old edit that arrived late
	SignBurst   Sign = "burst"   // many siblings of one revision: writers that do not wait for each other
	SignRepeat  Sign = "repeat"  // one writer made most of the leaves: a client that writes again instead of reading first
	SignClock   Sign = "clock"   // its leaves' times cannot be right
)

// Deep is a document with more than three live leaves.
type Deep struct {
	DB      string          `json:"db"`
	ID      string          `json:"id"`
	Leaves  int             `json:"leaves"`
	Depth   int             `json:"depth"`
	Revs    []couchmend.Rev `json:"revs"` // live leaves, the winner first, at most 8
	Type    string          `json:"type,omitempty"`
	Writers []string        `json:"writers,omitempty"` // of its leaves, at most 8
	// Behind is by how many generations the oldest fork lies below the winner.
	Behind int    `json:"behind"`
	Signs  []Sign `json:"signs"`
}

// Clock is a time in a document that cannot be right.
type Clock struct {
	DB     string        `json:"db"`
	ID     string        `json:"id"`
	Rev    couchmend.Rev `json:"rev"`
	Field  string        `json:"field"`
	Writer string        `json:"writer,omitempty"`
	// Ahead is by how many seconds the time lies after the moment at which
	// couchmend saw it; where it is negative, by how many it lies before the
	// time in the revision that it was edited from.
	Ahead float64 `json:"ahead"`
}

// Failure is what couchmend could not do, class by class.
type Failure struct {
	DB     string           `json:"db"`
	Class  string           `json:"class"` // the log's failure_class; "" where a person must decide and nothing failed
	Reason couchmend.Reason `json:"reason,omitempty"`
	Rule   string           `json:"rule,omitempty"`
	Says   string           `json:"says,omitempty"` // the words of the server, the schema, the resolver: of the first one
	Review int              `json:"review"`         // documents in review for it
	Logged int              `json:"logged"`         // lines of couchmend's log since Report.Since
	Oldest time.Time        `json:"oldest,omitzero"`
	Docs   []string         `json:"docs"` // at most 5 of them
	Fields []string         `json:"fields,omitempty"`
}

// Note is something that could not be looked at.
type Note struct {
	DB    string `json:"db,omitempty"`
	Says  string `json:"says"`            // a sentence of this package's
	Error string `json:"error,omitempty"` // what was wrong, in others' words
}

// Finding is one likely cause with what speaks for it.
type Finding struct {
	Weight   int      `json:"weight"` // 1 to 99: look at the heaviest first
	Kind     string   `json:"kind"`   // which rule found it
	DB       string   `json:"db,omitempty"`
	Title    string   `json:"title"`
	Says     string   `json:"says"` // what it means, a few sentences
	Evidence []string `json:"evidence"`
	Next     string   `json:"next"` // the command to run next, for a shell
}
