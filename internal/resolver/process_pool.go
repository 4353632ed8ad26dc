package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// pool runs the processes of one resolver. Each question is put to one process
// on either side:
//
//	question ─┬─ side 0: a process with hash seed 1    ─┬─ the same answer, or
//	          └─ side 1: a process with hash seed 4242 ─┘  ReasonResolverUnstable
//
// A process is started when a question finds none idle. After a failure it is
// replaced, without a pause: processes start only for questions, and their
// number is bounded, so that resolvers which always crash can't do more than
// fail one document after the other.
type pool struct {
	options ProcessOptions
	program *program
	sides   [2]side
	mu      sync.Mutex // guards all below, and the sides' idle
	closed  bool
	alive   sync.WaitGroup // processes
}

// side holds the processes that have one hash seed.
type side struct {
	seed string
	room chan struct{} // holds one token for each question under way
	idle []*worker     // last used last, so that few questions keep few processes
}

// recycleAfter is how many questions a process answers. What a resolver leaves
// behind in the standard library or in its memory ends there at the latest.
const recycleAfter = 1000

func newPool(o ProcessOptions, p *program) *pool {
	room := func() chan struct{} { return make(chan struct{}, o.Workers) }
	return &pool{
		options: o,
		program: p,
		sides:   [2]side{{seed: "1", room: room()}, {seed: "4242", room: room()}},
	}
}

// resolve asks two processes.
func (p *pool) resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	q := questionOf(base, revisions)
	var second outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		second.value, second.err = p.ask(ctx, &p.sides[1], q)
	}()
	var first outcome
	first.value, first.err = p.ask(ctx, &p.sides[0], q)
	<-done
	return agreed(first, second)
}

// ask puts a question to one process of a side. A process that breaks may owe
// that to an earlier document: then a new one is asked, and only what becomes
// of that counts. Running out of time is taken at its word.
func (p *pool) ask(ctx context.Context, s *side, q question) (jsondoc.Value, error) {
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		w, err := p.take(ctx, s)
		if err != nil {
			return nil, err
		}
		value, err := w.ask(ctx, q)
		p.put(s, w, err)
		if !broken(err) || w.asked == 1 || ctx.Err() != nil || reasonOf(err) == couchmend.ReasonResolverTimeout {
			return value, err
		}
	}
}

// broken reports whether a process that ended a question so can't be asked
// another one.
func broken(err error) bool {
	return err != nil && !errors.Is(err, couchmend.ErrReview) && reasonOf(err) != couchmend.ReasonResolverError
}

// reasonOf is the reason of a *couchmend.ResolverError, "" for any other.
func reasonOf(err error) couchmend.Reason {
	var f *couchmend.ResolverError
	if errors.As(err, &f) {
		return f.Reason
	}
	return ""
}

// take returns a process that is the caller's until put.
func (p *pool) take(ctx context.Context, s *side) (*worker, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, failure(couchmend.ReasonResolverCrashed, "%s: %w", p.program.name, os.ErrClosed)
	}
	if last := len(s.idle) - 1; last >= 0 {
		w := s.idle[last]
		s.idle = s.idle[:last]
		p.mu.Unlock()
		return w, nil
	}
	p.alive.Add(1)
	p.mu.Unlock()
	return startWorker(ctx, p.options, p.program, s.seed, p.alive.Done)
}

// put takes a process back, or ends one that is broken or old.
func (p *pool) put(s *side, w *worker, err error) {
	keep := !broken(err) && w.asked < recycleAfter
	p.mu.Lock()
	if keep = keep && !p.closed; keep {
		s.idle = append(s.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		w.kill()
	}
}

// close ends all processes and returns when they are gone. Questions under way
// are answered first, unless their contexts end.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := slices.Concat(p.sides[0].idle, p.sides[1].idle)
	p.sides[0].idle, p.sides[1].idle = nil, nil
	p.mu.Unlock()
	var ending sync.WaitGroup
	for _, w := range idle {
		ending.Go(w.end)
	}
	ending.Wait()
	p.alive.Wait()
}
