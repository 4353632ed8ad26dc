package feed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
)

// TestNoCheckpointPassesAConflictThatNobodyHasSeen is I6 as a law: documents
// are saved at random, requests fail, workers are slow and fail, the reader is
// killed at random moments and begins again; and at no moment has the
// checkpoint passed a document whose leaves of now no worker has ended.
func TestNoCheckpointPassesAConflictThatNobodyHasSeen(t *testing.T) {
	for run := range 4 {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			w := &world{site: newSite(t), rand: rand.New(rand.NewPCG(uint64(run), 1)), ended: map[string][]couchmend.Rev{}}
			w.node.CreateDB("clinic")
			w.live(t, run%2 == 1)
		})
	}
}

// world is a site with random inhabitants.
type world struct {
	*site
	rand *rand.Rand // of the test's own goroutine

	saving sync.Mutex // held while a document is saved, or all is looked at
	saves  int

	mu    sync.Mutex
	ended map[string][]couchmend.Rev // the leaves that a worker ended last, by document
}

func (w *world) live(t *testing.T, woken bool) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	seeds := []*rand.Rand{rand.New(rand.NewPCG(w.rand.Uint64(), 2)), rand.New(rand.NewPCG(w.rand.Uint64(), 3)), rand.New(rand.NewPCG(w.rand.Uint64(), 4))}
	group.Go(func() { w.save(ctx, seeds[0]) })
	for _, seed := range seeds[1:] {
		group.Go(func() { w.mend(ctx, seed) })
	}
	for range 12 {
		w.fault()
		w.turn(ctx, woken)
		w.check(t)
	}
	w.node.ClearFaults()
	cancel()
	group.Wait()

	quiet, stop := context.WithCancel(t.Context())
	group.Go(func() { w.mend(quiet, rand.New(rand.NewPCG(9, 9))) })
	if err := w.follower(nil).Once(t.Context(), []string{"clinic"}); err != nil {
		t.Error(err)
	}
	stop()
	group.Wait()
	w.check(t)
	for id, leaves := range w.conflicts("") {
		if !slices.Equal(w.ended[id], leaves) {
			t.Errorf("%s: the leaves %v were never worked on, but %v", id, leaves, w.ended[id])
		}
	}
}

// turn lets a reader live for a moment, or once to its end.
func (w *world) turn(ctx context.Context, woken bool) {
	life, kill := context.WithTimeout(ctx, time.Duration(w.rand.IntN(250))*time.Millisecond)
	defer kill()
	f := w.follower(func(c *Config) {
		if woken {
			c.Held, c.Sweep = -1, 40*time.Millisecond
		}
	})
	_ = f.Run(life)
}

// save gives documents new leaves and deletes some, until ctx ends.
func (w *world) save(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		w.saving.Lock()
		w.saves++
		id := fmt.Sprint("doc", r.IntN(40))
		rev := couchmend.MustRev(fmt.Sprintf("2-%d", w.saves))
		revision := couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev, couchmend.MustRev("1-a")}, Body: []byte(`{}`)}
		if leaves := w.node.DB("clinic").Leaves(id); len(leaves) > 3 {
			parent := leaves[r.IntN(len(leaves))]
			revision.Rev.Gen = parent.Rev.Gen + 1
			revision.Path = append([]couchmend.Rev{revision.Rev}, parent.Path...)
			revision.Deleted = r.IntN(2) == 0
		}
		if err := w.node.DB("clinic").Put(revision, id); err != nil {
			w.Error(err)
		}
		w.saving.Unlock()
		_ = sleep(ctx, time.Duration(r.IntN(3))*time.Millisecond)
	}
}

// mend takes documents into its hand, for a while, and ends or fails them.
func (w *world) mend(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		tasks, _ := w.ledger.Fetch(ctx, 1+r.IntN(20), 20*time.Millisecond)
		for _, task := range tasks {
			if r.IntN(4) == 0 {
				_ = task.Release(time.Duration(r.IntN(20)) * time.Millisecond)
				continue
			}
			if r.IntN(4) == 0 {
				_ = sleep(ctx, time.Duration(r.IntN(5))*time.Millisecond)
			}
			w.mu.Lock()
			w.ended[task.ID] = sorted(task.Leaves)
			w.mu.Unlock()
			_ = task.Ack(ctx)
		}
	}
}

func sorted(revs []couchmend.Rev) []couchmend.Rev {
	return slices.SortedFunc(slices.Values(revs), couchmend.Rev.Compare)
}

func (w *world) fault() {
	w.node.ClearFaults()
	feeds := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_changes") }
	for _, f := range []couchtest.Fault{
		{Match: feeds, Times: 2, Truncate: 1 + w.rand.IntN(2000)},
		{Match: feeds, Times: 1, DropBefore: true},
		{Match: feeds, Times: 1, Delay: 20 * time.Millisecond},
		{Times: 1, Status: 500},
	} {
		if w.rand.IntN(3) == 0 {
			w.node.Inject(&f)
		}
	}
}

// check looks at one moment.
func (w *world) check(t *testing.T) {
	t.Helper()
	at := w.checkpoint("clinic").Since
	w.saving.Lock()
	defer w.saving.Unlock()
	after := w.conflicts(at)
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, leaves := range w.conflicts("") {
		if _, ahead := after[id]; !ahead && !slices.Equal(w.ended[id], leaves) {
			t.Errorf("the checkpoint %s passed %s with the leaves %v; a worker ended %v", at, id, leaves, w.ended[id])
		}
	}
}

// conflicts returns the leaves of the documents that have several, and changed
// after since.
func (w *world) conflicts(since string) map[string][]couchmend.Rev {
	w.Helper()
	w.node.ClearFaults()
	found := map[string][]couchmend.Rev{}
	for row, err := range w.reader().Changes(w.Context(), couch.ChangesOptions{Since: since}) {
		if err != nil {
			w.Fatal(err)
		}
		if len(row.Leaves) > 1 {
			found[row.ID] = sorted(row.Leaves)
		}
	}
	return found
}

func (w *world) reader() *couch.DB { return w.follower(nil).Server.DB("clinic") }
