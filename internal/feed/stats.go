package feed

import "sync/atomic"

// Stats counts what a Follower did since it was made.
type Stats struct {
	Rows               atomic.Int64 // read, of all feeds
	Queued             atomic.Int64 // put into the work queue
	Full               atomic.Int64 // times that the queue was full, and a feed waited
	Unreadable         atomic.Int64 // put into review for a leaf without a readable revision id
	RefusedCheckpoints atomic.Int64 // another process had moved it: two readers met on one feed
}

// Attrs are the counts for a line of the log.
func (s *Stats) Attrs() []any {
	return []any{
		"rows", s.Rows.Load(), "queued", s.Queued.Load(), "queue_full", s.Full.Load(), "unreadable", s.Unreadable.Load(),
		"refused_checkpoints", s.RefusedCheckpoints.Load(),
	}
}
