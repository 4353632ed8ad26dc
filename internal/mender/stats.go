package mender

import (
	"sync/atomic"

	"github.com/couchmend/couchmend"
)

// Stats counts what a Mender did since it was made.
type Stats struct {
	Merged      atomic.Int64 // a merge was written
	Kept        atomic.Int64 // a merge that shows the winner's body was written
	Buried      atomic.Int64 // losers that their winner contained already
	Deleted     atomic.Int64
	Reviewed    atomic.Int64 // put before a person, each once
	Quiet       atomic.Int64 // nothing to do
	Stale       atomic.Int64 // decisions that a newer save overtook
	Retried     atomic.Int64 // handed back to be tried again: the document failed, or the server
	Redelivered atomic.Int64 // handed out again without a failure of their own: a worker was lost, or slow
	Overlapping atomic.Int64 // merges that were there already: two workers or sites met on one document, or one began anew
	WarmHits    atomic.Int64 // bases of warm documents that had been kept
	WarmMisses  atomic.Int64 // and those that CouchDB was asked for
	BodyHits    atomic.Int64 // bases that CouchDB had lost, and the journal has
	BodyMisses  atomic.Int64 // and those that are lost
	Deep        atomic.Int64 // documents of more than four live leaves that were merged or put before a person
}

func (s *Stats) count(j *job) {
	if j.task != nil && j.task.Delivered > 1 && j.task.Attempt == 0 {
		s.Redelivered.Add(1)
	}
	if j.end == resolved || j.end == inReview && !j.known {
		s.WarmHits.Add(int64(j.warm.hits))
		s.WarmMisses.Add(int64(j.warm.misses))
		if j.decision.Deep {
			s.Deep.Add(1)
		}
	}
	switch j.end {
	case stale:
		s.Stale.Add(1)
	case failed, away:
		s.Retried.Add(1)
	case inReview:
		if !j.known && !j.waits {
			s.Reviewed.Add(1)
		}
	case resolved:
		switch j.decision.Outcome {
		case couchmend.Merge:
			s.Merged.Add(1)
		case couchmend.Keep:
			s.Kept.Add(1)
		case couchmend.Bury:
			s.Buried.Add(1)
		case couchmend.Delete:
			s.Deleted.Add(1)
		default:
			s.Quiet.Add(1)
		}
	}
}

// Attrs are the counts for a line of the log.
func (s *Stats) Attrs() []any {
	return []any{
		"merged", s.Merged.Load(), "kept", s.Kept.Load(), "buried", s.Buried.Load(), "deleted", s.Deleted.Load(),
		"reviewed", s.Reviewed.Load(), "quiet", s.Quiet.Load(), "stale", s.Stale.Load(), "retried", s.Retried.Load(),
		"redelivered", s.Redelivered.Load(), "overlapping", s.Overlapping.Load(),
		"warm_hits", s.WarmHits.Load(), "warm_misses", s.WarmMisses.Load(),
		"body_hits", s.BodyHits.Load(), "body_misses", s.BodyMisses.Load(), "deep", s.Deep.Load(),
	}
}

// Resolved is how many documents were mended.
func (s *Stats) Resolved() int64 {
	return s.Merged.Load() + s.Kept.Load() + s.Buried.Load() + s.Deleted.Load()
}
