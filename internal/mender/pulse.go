package mender

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A pulse is when a worker last went on: it took work, began or ended a step of
// a batch, decided on a document.
type pulse struct{ last atomic.Int64 } // Unix nanoseconds

type pulseKey struct{}

// beat notes that the worker whose ctx it is goes on.
func beat(ctx context.Context) {
	if p, ok := ctx.Value(pulseKey{}).(*pulse); ok {
		p.last.Store(time.Now().UnixNano())
	}
}

// working gives a worker a pulse until stop is called.
func (m *Mender) working(ctx context.Context) (_ context.Context, stop func()) {
	p := &pulse{}
	ctx = context.WithValue(ctx, pulseKey{}, p)
	beat(ctx)
	m.mu.Lock()
	m.pulses[p] = true
	m.mu.Unlock()
	return ctx, func() {
		m.mu.Lock()
		delete(m.pulses, p)
		m.mu.Unlock()
	}
}

// stuckAfter is how long a worker may be about one step of a batch: reading 64
// MiB on a slow line takes minutes. Requests that fall silent, and resolvers
// that run on, end long before.
const stuckAfter = 15 * time.Minute

// Stuck returns an error where a worker has not gone on for a quarter of an
// hour.
func (m *Mender) Stuck() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.pulses {
		if still := time.Since(time.Unix(0, p.last.Load())); still > stuckAfter {
			return fmt.Errorf("a worker has not gone on for %v", still.Round(time.Second))
		}
	}
	return nil
}
