package mender

import (
	"context"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// batchSize is how many documents one worker takes at a time.
	batchSize = 250
	// fetchWait is how long a worker waits for work before it looks around.
	fetchWait = time.Second
	// keepEvery is how often work in hand is claimed again: it is handed out
	// anew after 30 seconds of silence.
	keepEvery = 10 * time.Second
)

// Work works the queue with a number of workers until ctx ends. A server that
// is away is waited for. It returns errors that no waiting mends: a refused
// login, a full journal.
func (m *Mender) Work(ctx context.Context, workers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.mu.Lock()
	clear(m.patience) // whoever begins anew tries anew
	m.mu.Unlock()
	var group sync.WaitGroup
	group.Go(func() { m.resume(ctx) })
	for range workers {
		group.Go(func() {
			if err := m.worker(ctx); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); fatal(err) {
		return err
	}
	return nil
}

func fatal(err error) bool {
	switch couchmend.KindOf(err) {
	case couchmend.KindAuth, couchmend.KindFull:
		return true
	}
	return false
}

func (m *Mender) worker(ctx context.Context) error {
	ctx, stop := m.working(ctx)
	defer stop()
	for failures := 0; ctx.Err() == nil; {
		beat(ctx)
		tasks, err := m.Ledger.Fetch(ctx, batchSize, fetchWait)
		if err == nil {
			failures = 0
			if err := m.mendAll(ctx, tasks); fatal(err) && ctx.Err() == nil {
				return err
			}
			continue
		}
		if fatal(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		failures++
		m.Log.Warn("the work queue can't be read", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(min(m.Pace(failures), maxPatience)):
		}
	}
	return nil
}

// mendAll mends tasks of any databases, one database after the other. It
// returns an error that is fatal, if there is one.
func (m *Mender) mendAll(ctx context.Context, tasks []ledger.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	stop := m.keep(ctx, tasks)
	defer stop()
	byDB := map[string][]ledger.Task{}
	var order []string
	for _, t := range tasks {
		if byDB[t.DB] == nil {
			order = append(order, t.DB)
		}
		byDB[t.DB] = append(byDB[t.DB], t)
	}
	var worst error
	for _, name := range order {
		if err := m.Mend(ctx, byDB[name]); fatal(err) {
			worst = err
		}
	}
	return worst
}

// keep claims tasks again and again until stop is called.
func (m *Mender) keep(ctx context.Context, tasks []ledger.Task) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(keepEvery):
			}
			for _, t := range tasks {
				_ = t.Working() // one that is acknowledged by now needs it no more
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}
