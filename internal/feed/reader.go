package feed

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// pageRows bounds what is read of a feed before it goes into the queue.
	pageRows = 2000
	// seqEvery is how often CouchDB works out a row's sequence while catching
	// up: it halves the cost of the feed. A row in between takes the last one
	// before it.
	seqEvery = 100
	// fullWait is how long a feed waits before it asks a full queue again.
	fullWait = 200 * time.Millisecond
	// checkpointEvery is how often the checkpoint follows what is resolved.
	checkpointEvery = 3 * time.Second
	// drainPoll is how often a feed at its end looks whether the queue is done.
	drainPoll = 50 * time.Millisecond
	// visitWait is how long a feed without a connection of its own waits for
	// that: its checkpoint would never pass what its own visits put.
	visitWait = 3 * time.Second
)

// reader is one turn at a database's feed.
type reader struct {
	*Follower
	db   *couch.DB
	name string

	mu         sync.Mutex
	checkpoint ledger.Checkpoint
	read       string // the feed's place behind all that is in the queue

	lag lag
}

// open begins a turn at the checkpoint, or at the feed's start where there is
// none, or where it was made in a database of that name that is no more.
//
// The checkpoint is written at once, as it is: a reader that lost its lease,
// and has not noticed, can't move it any more.
func (f *Follower) open(ctx context.Context, name string) (*reader, error) {
	r := &reader{Follower: f, db: f.Server.DB(name), name: name}
	info, err := r.db.Info(ctx)
	if err != nil {
		return nil, err
	}
	if r.checkpoint, err = f.Ledger.Checkpoint(ctx, name); err != nil {
		return nil, err
	}
	anew := createdAnew(r.checkpoint, info)
	if anew {
		f.Log.Warn("the database was created anew: its feed is read from the start", "db", name)
		f.Reset(name)
		if err := f.Warm.Forget(ctx, name); err != nil {
			return nil, err
		}
		r.checkpoint.Since = ""
	}
	r.checkpoint.InstanceStart = info.InstanceStart
	if r.read = r.checkpoint.Since; r.read == "" {
		r.read = "0"
	}
	if err := f.Ledger.SaveCheckpoint(ctx, &r.checkpoint); err != nil {
		return nil, err
	}
	if anew {
		if err := r.putReviewed(ctx); err != nil {
			return nil, err
		}
	}
	f.attach(r)
	return r, nil
}

// close ends a turn.
func (r *reader) close() { r.detach(r) }

// createdAnew reports whether a checkpoint was made in another database of the
// same name. PouchDB's server does not say when a database was created; its
// sequences are numbers, and begin anew.
func createdAnew(before ledger.Checkpoint, info couch.Info) bool {
	if before.InstanceStart != "" && before.InstanceStart != info.InstanceStart {
		return true
	}
	since, err := strconv.ParseUint(before.Since, 10, 64)
	if err != nil {
		return false
	}
	last, err := strconv.ParseUint(info.UpdateSeq, 10, 64)
	return err == nil && last < since
}

// putReviewed puts what is in review back to work: in a database that was
// created anew it may be gone.
func (r *reader) putReviewed(ctx context.Context) error {
	for c, err := range r.Ledger.Cases(ctx, ledger.Filter{DB: r.name}) {
		if err != nil {
			return err
		}
		if err := r.put(ctx, []ledger.Item{{DB: r.name, ID: c.ID, Trace: couch.NewTrace()}}); err != nil {
			return err
		}
	}
	return nil
}

// catchUp reads to the end of what there is.
func (r *reader) catchUp(ctx context.Context) error {
	saved := time.Now()
	for {
		n, err := r.page(ctx, couch.ChangesOptions{Limit: pageRows, SeqInterval: seqEvery})
		if err != nil {
			return err
		}
		if n < pageRows || time.Since(saved) > checkpointEvery {
			if err := r.save(ctx); err != nil {
				return err
			}
			saved = time.Now()
		}
		if n < pageRows {
			return nil
		}
	}
}

// stay follows the feed and keeps the checkpoint moving, until ctx or the
// connection ends.
func (r *reader) stay(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(checkpointEvery):
			}
			if err := r.save(ctx); err != nil {
				cancel(err) // another process reads this feed, or the state is gone
				return
			}
		}
	})
	for {
		n, err := r.page(ctx, couch.ChangesOptions{Feed: couch.Longpoll, Limit: pageRows})
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err != nil || n == 0 { // a feed that ends with nothing to tell: the database may be gone
			return err
		}
	}
}

// page reads one answer of the feed into the queue and returns the number of
// its rows. Where the answer breaks off, what came of it counts.
func (r *reader) page(ctx context.Context, o couch.ChangesOptions) (int, error) {
	o.Since = r.read
	id := couch.NewTrace()
	ctx = couch.WithTrace(ctx, id)
	var began time.Time // of the first row: a feed may have waited long for it
	n, since := 0, r.read
	var items []ledger.Item
	var unreadable []ledger.Case
	var passing []couch.Want // winners of warm documents
	var broken error
	var seeker *collision.Seeker
	for row, err := range r.db.Changes(ctx, o) {
		if broken = err; err != nil {
			break
		}
		if row.ID == "" {
			r.lag.pending(row.Pending)
		} else if n++; n == 1 {
			began, seeker = time.Now(), r.seeker() // not before: a split may have been made while the feed waited
		}
		switch {
		case row.Err != nil:
			unreadable = append(unreadable, ledger.Case{
				DB: r.name, ID: row.ID, Reason: couchmend.ReasonUnreadable, Leaves: row.Leaves, Evidence: []string{row.Err.Error()}, Trace: id,
			})
		case len(row.Leaves) > 1, seeker != nil && mayBeLate(row): // one leaf is no conflict, and no deletion beside an edit
			items = append(items, ledger.Item{
				DB: r.name, ID: row.ID, Seq: row.Seq, Since: since, Leaves: row.Leaves, Deleted: row.Deleted, Trace: id,
			})
		}
		if row.Seq != "" {
			since = row.Seq
		}
		if len(row.Leaves) > 0 && !row.Deleted && r.Warm.Lacks(r.name, row.ID, row.Leaves[0]) {
			passing = append(passing, couch.Want{ID: row.ID, Rev: row.Leaves[0]})
		}
	}
	r.Stats.Rows.Add(int64(n))
	if seeker != nil {
		items = r.withoutQuiet(ctx, items, seeker)
	}
	defer r.keepWarm(ctx, passing)() // while the rows are handed on: neither waits for the other
	ctx, end := r.span(ctx, began, items)
	err := r.handOn(ctx, items, unreadable, since)
	end(err)
	if err != nil {
		return n, err
	}
	return n, broken
}

// handOn puts a page into the queue, and what of it can't be worked on into
// review. While the queue has only a part of the page the checkpoint stays: a
// full queue refuses a row and may yet take a later one, of a document that
// waits.
func (r *reader) handOn(ctx context.Context, items []ledger.Item, unreadable []ledger.Case, since string) error {
	r.lag.reading(len(items))
	defer r.lag.read()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.putUnreadable(ctx, unreadable); err != nil {
		return err
	}
	if err := r.put(ctx, items); err != nil {
		return err
	}
	r.read = since
	return nil
}

// putUnreadable puts documents into review that can't be worked on, but those
// that are there already: a person may have dismissed them.
func (r *reader) putUnreadable(ctx context.Context, cases []ledger.Case) error {
	if len(cases) == 0 {
		return nil
	}
	ids := make([]string, len(cases))
	for i, c := range cases {
		ids[i] = c.ID
	}
	known, err := r.Ledger.CasesOf(ctx, r.name, ids...)
	if err != nil {
		return err
	}
	cases = slices.DeleteFunc(cases, func(c ledger.Case) bool {
		before, ok := known[c.ID]
		return ok && before.Reason == c.Reason && slices.Equal(before.Leaves, c.Leaves)
	})
	r.Stats.Unreadable.Add(int64(len(cases)))
	for _, c := range cases {
		r.Log.Warn("conflict", unreadableLine(c)...)
	}
	return r.Ledger.PutCases(ctx, cases...)
}

// unreadableLine is the line of the log about a document that can't be worked on,
// with what each line about a conflict has.
func unreadableLine(c ledger.Case) []any {
	var winner couchmend.Rev
	if len(c.Leaves) > 0 {
		winner = c.Leaves[0]
	}
	return []any{
		"resolver_status", "review", "conflict_resolution_latency_ms", 0, "failure_class", "",
		"db", c.DB, "doc_id", c.ID, "seq", "", "leaf_revs", c.Leaves, "winner_rev", winner, "trace_id", c.Trace,
		"outcome", couchmend.Review, "reason", c.Reason, "error", c.Evidence[0],
	}
}

// put adds items to the queue; while that is full, the feed waits (I11).
func (r *reader) put(ctx context.Context, items []ledger.Item) error {
	for len(items) > 0 {
		taken, err := r.Ledger.Put(ctx, items...)
		items = items[taken:]
		r.Stats.Queued.Add(int64(taken))
		switch {
		case errors.Is(err, ledger.ErrFull):
			r.Stats.Full.Add(1)
			if err := sleep(ctx, fullWait); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// drain waits until all that was read is resolved or in review, for limit at
// most, and moves the checkpoint. Somebody else works the queue meanwhile.
func (r *reader) drain(ctx context.Context, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		_, left, err := r.Ledger.OldestWork(ctx, r.checkpoint)
		if err != nil {
			return err
		}
		if !left {
			break
		}
		if err := sleep(ctx, drainPoll); err != nil {
			return err
		}
	}
	return r.save(ctx)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// save moves the checkpoint to the place before the oldest work that is left,
// or to the end of what was read (I6).
func (r *reader) save(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	place := r.read // taken before the queue is looked at
	oldest, found, err := r.Ledger.OldestWork(ctx, r.checkpoint)
	if err != nil {
		return err
	}
	if found {
		place = oldest.Since
		r.lag.working(oldest.Enqueued)
	} else {
		r.lag.working(time.Time{})
	}
	if place == r.checkpoint.Since || place == "0" && r.checkpoint.Since == "" {
		return nil
	}
	r.checkpoint.Since = place
	return r.Ledger.SaveCheckpoint(ctx, &r.checkpoint)
}
