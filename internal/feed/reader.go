package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
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
)

// reader is one turn at a database's feed.
type reader struct {
	*Follower
	db   *couch.DB
	name string

	mu         sync.Mutex
	checkpoint ledger.Checkpoint
	read       string // the feed's place behind all that is in the queue
}

// open begins a turn at the checkpoint, or at the feed's start where there is
// none, or where it was made in a database of that name that is no more.
func (f *Follower) open(ctx context.Context, name string) (*reader, error) {
	r := &reader{Follower: f, db: f.Server.DB(name), name: name}
	info, err := r.db.Info(ctx)
	if err != nil {
		return nil, err
	}
	if r.checkpoint, err = f.Ledger.Checkpoint(ctx, name); err != nil {
		return nil, err
	}
	if before := r.checkpoint.InstanceStart; before != "" && before != info.InstanceStart {
		f.Log.Warn("the database was created anew: its feed is read from the start", "db", name)
		f.Reset(name)
		r.checkpoint.Since = ""
	}
	r.checkpoint.InstanceStart = info.InstanceStart
	r.read = r.checkpoint.Since
	if r.read == "" {
		r.read = "0"
	}
	return r, nil
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
// its rows.
func (r *reader) page(ctx context.Context, o couch.ChangesOptions) (int, error) {
	o.Since = r.read
	n, since := 0, r.read
	var items []ledger.Item
	var unreadable []ledger.Case
	for row, err := range r.db.Changes(ctx, o) {
		if err != nil {
			return n, err
		}
		if row.ID != "" {
			n++
			if row.Err != nil {
				unreadable = append(unreadable, ledger.Case{
					DB: r.name, ID: row.ID, Reason: couchmend.ReasonUnreadable, Leaves: row.Leaves, Evidence: []string{row.Err.Error()},
				})
			} else if len(row.Leaves) > 1 { // one leaf is no conflict, and no deletion beside an edit
				items = append(items, ledger.Item{
					DB: r.name, ID: row.ID, Seq: row.Seq, Since: since, Leaves: row.Leaves, Deleted: row.Deleted, Trace: newTrace(),
				})
			}
		}
		if row.Seq != "" {
			since = row.Seq
		}
	}
	// While the queue has only a part of the page the checkpoint stays: a full
	// queue refuses a row and may yet take a later one, of a document that waits.
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(unreadable) > 0 {
		if err := r.Ledger.PutCases(ctx, unreadable...); err != nil {
			return n, err
		}
	}
	if err := r.put(ctx, items); err != nil {
		return n, err
	}
	r.read = since
	return n, nil
}

// put adds items to the queue; while that is full, the feed waits (I11).
func (r *reader) put(ctx context.Context, items []ledger.Item) error {
	for len(items) > 0 {
		taken, err := r.Ledger.Put(ctx, items...)
		items = items[taken:]
		switch {
		case errors.Is(err, ledger.ErrFull):
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(fullWait):
			}
		case err != nil:
			return err
		}
	}
	return nil
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
	}
	if place == r.checkpoint.Since || place == "0" && r.checkpoint.Since == "" {
		return nil
	}
	r.checkpoint.Since = place
	return r.Ledger.SaveCheckpoint(ctx, &r.checkpoint)
}
