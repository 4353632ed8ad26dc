package mender

import (
	"context"
	"errors"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// While a database is paused its conflicts are found, decided and listed in
// review as ReasonPaused, and nothing is written (I12). When the pause ends,
// by a word or by its own time, they go back into the queue.

// resumeEvery is how often the end of a pause is looked for.
const resumeEvery = time.Second

// leftEvery is how often documents are looked for that another process, which
// died during a pause, has left behind.
const leftEvery = 5 * time.Minute

// Resume puts documents back to work that wait for pauses which have ended. Work
// does so by itself, every second.
func (m *Mender) Resume(ctx context.Context) error {
	if err := m.findHalted(ctx); err != nil {
		return err
	}
	for _, db := range m.resumable() {
		if err := m.requeue(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// findHalted notes which databases have documents that a pause stopped.
func (m *Mender) findHalted(ctx context.Context) error {
	for c, err := range m.Ledger.Cases(ctx, ledger.Filter{Reason: couchmend.ReasonPaused}) {
		if err != nil {
			return err
		}
		m.halt(c.DB)
	}
	return nil
}

func (m *Mender) halt(db string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted[db] = true
}

// resume puts documents that a pause stopped back to work, until ctx ends.
func (m *Mender) resume(ctx context.Context) {
	var looked time.Time
	for ctx.Err() == nil {
		if time.Since(looked) > leftEvery && m.findHalted(ctx) == nil {
			looked = time.Now()
		}
		for _, db := range m.resumable() {
			if err := m.requeue(ctx, db); err != nil && ctx.Err() == nil {
				m.halt(db) // again in a moment
				if !errors.Is(err, ledger.ErrFull) {
					m.Log.Warn("paused documents can't be resumed yet", "db", db, "error", err)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(resumeEvery):
		}
	}
}

// resumable takes the databases whose pause has ended off the list.
func (m *Mender) resumable() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ended []string
	for db := range m.halted {
		if !m.Ledger.Paused(db) {
			ended = append(ended, db)
			delete(m.halted, db)
		}
	}
	return ended
}

// requeue puts a database's documents back into the queue, but those that a
// person let stand.
func (m *Mender) requeue(ctx context.Context, db string) error {
	for c, err := range m.Ledger.Cases(ctx, ledger.Filter{DB: db, Reason: couchmend.ReasonPaused}) {
		if err != nil {
			return err
		}
		if c.Dismissed {
			continue
		}
		if _, err := m.Ledger.Put(ctx, ledger.Item{DB: db, ID: c.ID, Leaves: c.Leaves, Trace: c.Trace}); err != nil {
			return err
		}
	}
	return nil
}
