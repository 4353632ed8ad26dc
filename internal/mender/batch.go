package mender

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
)

// batch is documents of one database that are mended together.
type batch struct {
	*Mender
	db     *database
	gated  *couch.DB // for writes: it starts none while the database is paused (I12)
	rules  decide.Rules
	digest string // of the policy
	size   int    // documents in all

	worked   map[string]bool // requests that did, by their Op
	suspects []*job          // documents with which the server failed, each alone
	answers  bool            // the server does, about this database
}

var (
	errPaused      = errors.New("the database is paused")
	errUnconfirmed = errors.New("too few copies of the database confirmed the merge")
)

// stateError is an error of the ledger's: no document's fault, nor CouchDB's.
type stateError struct{ error }

func (e stateError) Unwrap() error { return e.error }

// mend carries jobs to their end, in pieces that fit into memory. Where a
// request fails because of one of its documents, the halves are tried by
// themselves until that document stands alone (I7).
func (b *batch) mend(ctx context.Context, jobs []*job) error {
	groups := [][]*job{jobs}
	for len(groups) > 0 {
		last := len(groups) - 1
		left, err := b.piece(ctx, groups[last])
		groups = groups[:last]
		half := len(left) / 2
		switch {
		case err == nil && len(left) > 0:
			groups = append(groups, left)
		case err == nil:
		case !b.blames(ctx, err):
			left = append(left, slices.Concat(groups...)...)
			return b.giveBack(ctx, b.db.Name(), append(left, b.suspects...), err)
		case half > 0:
			groups = append(groups, left[half:], left[:half])
		case refusesRequest(err):
			if err := b.settle(ctx, left, failed, err); err != nil {
				return err
			}
		default:
			left[0].err = err
			b.suspects = append(b.suspects, left[0])
		}
	}
	return b.judge(ctx)
}

// piece carries the first of jobs to their end, as many as fit into memory. It
// returns those that are left, unloaded, and why a request failed for them.
func (b *batch) piece(ctx context.Context, jobs []*job) (left []*job, err error) {
	n, err := b.load(ctx, jobs)
	if err != nil {
		n = 0
	} else {
		err = b.carryOut(ctx, jobs[:n])
	}
	left = slices.Clone(jobs[n:])
	var done []*job
	for _, j := range jobs[:n] {
		switch {
		case j.end == again:
			j.reread = true
			left = append(left, j)
		case j.end == unfinished:
			left = append(left, j)
		default:
			done = append(done, j)
		}
	}
	for _, j := range left {
		j.unload()
	}
	if len(left) == 0 {
		err = nil // it failed for nobody who had not ended
	}
	if broken := b.settle(ctx, done, resolved, nil); broken != nil {
		err = broken
	}
	return left, err
}

// maxSuspects is how many documents are tried alone, in vain, before it is the
// server that counts as ill.
const maxSuspects = 3

// blames reports whether one of a request's documents is why it failed. A
// server that fails is waited for first; one that goes on failing and answers
// all else may have met a document that it can't serve.
func (b *batch) blames(ctx context.Context, err error) bool {
	kind := couchmend.KindOf(err)
	switch {
	case ctx.Err() != nil, errors.As(err, new(stateError)), errors.Is(err, errUnconfirmed):
		return false
	case refusesRequest(err):
		return true
	case kind != couchmend.KindServer && kind != couchmend.KindUnreachable, b.failures(b.db.Name()) < MaxAttempts-1:
		return false
	case len(b.suspects) == maxSuspects && !b.proven(b.suspects[0].err):
		return false
	case !b.answers:
		_, err := b.db.Info(ctx)
		b.answers = err == nil
	}
	return b.answers
}

// refusesRequest reports whether a request can't be served as it stands.
func refusesRequest(err error) bool {
	switch couchmend.KindOf(err) {
	case couchmend.KindRefused, couchmend.KindTooLarge, couchmend.KindUsage, couchmend.KindConflict:
		return true
	}
	return false
}

// proven reports whether the server did with other documents what it fails to
// do with one.
func (b *batch) proven(err error) bool {
	var e *couchmend.Error
	return errors.As(err, &e) && b.worked[e.Op]
}

// judge ends a batch: what the server fails with, and not with the others, has
// failed by itself.
func (b *batch) judge(ctx context.Context) error {
	for _, j := range b.suspects {
		if b.size > 1 && !b.proven(j.err) {
			return b.giveBack(ctx, b.db.Name(), b.suspects, j.err)
		}
	}
	b.rested(b.db.Name())
	return b.settle(ctx, b.suspects, failed, nil)
}

// giveBack hands documents back for a reason that is not theirs.
func (m *Mender) giveBack(ctx context.Context, name string, jobs []*job, err error) error {
	switch couchmend.KindOf(err) {
	case couchmend.KindNotFound, couchmend.KindReset: // the database is gone, and its conflicts with it
		if !errors.As(err, new(stateError)) {
			return m.settle(ctx, jobs, stale, err)
		}
	}
	if ctx.Err() == nil {
		m.tire(name, err)
	}
	return errors.Join(m.settle(ctx, jobs, away, err), err)
}

// inParallel calls f for each job, on all processors. A job at which f panics
// has failed: no document stops the feed (I6).
func inParallel(jobs []*job, f func(i int, j *job)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		group.Go(func() {
			for i := range next {
				guarded(jobs[i], func() { f(i, jobs[i]) })
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	group.Wait()
}

func guarded(j *job, f func()) {
	defer func() {
		if p := recover(); p != nil {
			j.end = failed
			j.err = &couchmend.Error{Op: "decide", DB: j.conflict.DB, ID: j.conflict.ID, Kind: couchmend.KindOther, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	f()
}
