package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// woken is how many databases are read at once where no connection is held.
const woken = 8

// wake follows many databases: those that the server says have changed, and
// all of them now and then. It returns nil when they are few enough to hold.
func (f *Follower) wake(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	queue := newQueue()
	var group sync.WaitGroup
	defer group.Wait()
	defer queue.close()
	defer cancel(nil)
	for range woken {
		group.Go(func() {
			for name, ok := queue.next(); ok; name, ok = queue.next() {
				if err := f.visit(ctx, name); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Go(func() { f.listen(ctx, queue) })
	for {
		names, err := f.Databases(ctx)
		switch {
		case ctx.Err() != nil:
			if err := context.Cause(ctx); fatal(err) {
				return err
			}
			return nil
		case fatal(err):
			return err
		case err == nil && len(names) <= f.Held:
			return nil
		}
		for _, name := range names {
			queue.add(name)
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.Sweep):
		}
	}
}

// visit reads one database's feed to its end. A feed with work left is visited
// again by the next sweep, which moves its checkpoint.
func (f *Follower) visit(ctx context.Context, name string) error {
	err := f.turn(ctx, name, false)
	switch {
	case fatal(err):
		return err
	case ctx.Err() != nil, errors.Is(err, ledger.ErrHeld), couchmend.KindOf(err) == couchmend.KindNotFound:
	case err != nil:
		f.complain(name, err)
	}
	return nil
}

// listen wakes the databases that the server says have changed. Where that
// feed is forbidden or missing, the sweeps alone find what changed.
func (f *Follower) listen(ctx context.Context, queue *queue) {
	since := "now"
	for pause := (patience{}); ctx.Err() == nil; pause.wait(ctx) {
		updates, err := f.Server.DBUpdates(ctx, since)
		if kind := couchmend.KindOf(err); kind == couchmend.KindForbidden || kind == couchmend.KindNotFound {
			f.Log.Info("the server does not tell which databases change: all are read through now and then", "every", f.Sweep)
			return
		}
		if err != nil {
			continue
		}
		for update, err := range updates {
			if err != nil {
				break
			}
			pause = patience{}
			since = update.Seq
			if update.DB != "" && update.Type != "deleted" && f.Match(update.DB) {
				queue.add(update.DB)
			}
		}
	}
}

// queue holds names, each at most once, in order.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	names  []string
	in     map[string]bool
	closed bool
}

func newQueue() *queue {
	q := &queue{in: map[string]bool{}}
	q.wake = sync.NewCond(&q.mu)
	return q
}

func (q *queue) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.in[name] && !q.closed {
		q.in[name] = true
		q.names = append(q.names, name)
		q.wake.Signal()
	}
}

// next waits for a name; false once the queue is closed.
func (q *queue) next() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.names) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return "", false
	}
	name := q.names[0]
	q.names = q.names[1:]
	delete(q.in, name)
	return name, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}
