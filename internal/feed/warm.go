package feed

import (
	"context"
	"sync"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// keepBytes bounds what is read of warm documents before it is stored.
	keepBytes = 4 << 20
	// keepLimit is how long keeping a page's winners may take. Then the feed
	// goes on without them (I6).
	keepLimit = 20 * time.Second
)

// keepWarm stores the winners that a page names of warm documents, as long as
// their bodies are there: compaction takes those that are saved over. It goes on
// beside its caller, until wait returns.
func (r *reader) keepWarm(ctx context.Context, winners []couch.Want) (wait func()) {
	var keeping sync.WaitGroup
	if len(winners) > 0 {
		keeping.Go(func() {
			if err := r.keep(ctx, winners); ctx.Err() == nil {
				r.mayFail(err)
			}
		})
	}
	return keeping.Wait
}

func (r *reader) keep(ctx context.Context, winners []couch.Want) error {
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	var read []ledger.Body
	size := 0
	store := func() error {
		err := r.Warm.Keep(ctx, r.name, read...)
		read, size = nil, 0
		return err
	}
	for got, err := range r.db.BulkGet(ctx, winners, couch.Get{}) {
		if err != nil {
			return err
		}
		if got.Revision == nil { // saved over and compacted: a later row names its successor
			continue
		}
		read = append(read, ledger.Body{ID: got.ID, Revision: *got.Revision})
		if size += len(got.Revision.Body); size < keepBytes {
			continue
		}
		if err := store(); err != nil {
			return err
		}
	}
	return store()
}

// mayFail says that bodies could not be kept: once, until they can be again. The
// feed goes on (I6); CouchDB may still have those bodies when they are needed.
func (r *reader) mayFail(err error) {
	switch {
	case err == nil:
		r.unkept.Store(false)
	case !r.unkept.Swap(true):
		r.Log.Warn("bodies of documents that conflict often can't be kept", "db", r.name, "error", err)
	}
}
