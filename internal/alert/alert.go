// Package alert tells people by webhook when something needs them: review that
// grows old, conflicts that come too fast, feeds that stand still.
//
//	observe.go   what can be seen now: a Sight
//	evaluate.go  Sight → the alerts that fire, a pure function
//	memory.go    what was told already, and what is due: also pure
//	payload.go   the message, as Slack or as JSON
//	post.go      one delivery
//	watch.go     the loop, in one of the processes that share the state
//
// There is no queue of messages. What is due follows from the sight and from
// the memory, which takes note of what was delivered: a receiver that is away
// hears, when it is back, how things stand then. Nothing here is waited for by
// what mends.
//
// A message names databases, reasons and numbers, and no document but by the
// wish of who wrote the policy (ids); never anything that stands in one.
package alert

import (
	"strings"
	"time"
)

// Kind is what an alert is about.
type Kind string

// The kinds, each one of a policy's `when`.
const (
	Review      Kind = "review_older_than"
	Rate        Kind = "conflicts_per_minute"
	Deep        Kind = "deep"
	Feed        Kind = "feed_stalled"
	Replication Kind = "replication_failing"
	Paused      Kind = "paused_longer_than"
	Trial       Kind = "test" // from `couchmend alert test`
)

// Alert is one thing that needs a person. Two with the same key are the same
// thing, seen at two times.
type Alert struct {
	Key     string    `json:"key"`
	Kind    Kind      `json:"kind"`
	DB      string    `json:"database,omitempty"` // "" concerns the server, or several
	Reason  string    `json:"reason,omitempty"`   // of review
	Summary string    `json:"summary"`            // a sentence, without contents of documents
	Count   int       `json:"count,omitempty"`    // of documents, where that is what there is to count
	Since   time.Time `json:"since,omitzero"`     // where it is known
	IDs     []string  `json:"ids,omitempty"`      // some of the documents, where ids are wanted
	Link    string    `json:"link,omitempty"`     // where to look, in the console
}

// key makes what tells alerts apart. Names may hold slashes; what counts is
// that the same thing has the same key.
func key(kind Kind, parts ...string) string {
	return strings.Join(append([]string{string(kind)}, parts...), "/")
}
