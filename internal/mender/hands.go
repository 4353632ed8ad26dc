package mender

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

// hands knows which documents batches of this process have in hand. A merge
// comes back in the feed before its losers are buried: whoever looked at the
// document then would bury them once more, which is harmless (I4) and noise in
// the journal.
type hands struct {
	mu sync.Mutex
	by map[document]chan struct{} // closed when the batch that has it ends
}

// document names one.
type document struct{ db, id string }

// handWait is how long at most a batch waits for documents that another one has
// in hand: one with slow resolvers may have them for long.
const handWait = time.Second

// take takes those documents in hand that no other batch has. The other tasks
// come back with what to wait for; leave gives the documents back.
func (h *hands) take(tasks []ledger.Task) (mine, others []ledger.Task, wait []<-chan struct{}, leave func()) {
	done := make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range tasks {
		key := document{t.DB, t.ID}
		if had := h.by[key]; had != nil {
			others, wait = append(others, t), append(wait, had)
			continue
		}
		h.by[key] = done
		mine = append(mine, t)
	}
	return mine, others, wait, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, t := range mine {
			delete(h.by, document{t.DB, t.ID})
		}
		close(done)
	}
}

// Mend carries one batch of tasks through; all are of one database. Every task
// is acknowledged, or handed back to be tried again. The error is one that
// concerns more than single documents: the server is unreachable or refuses the
// login, the state can't be written.
func (m *Mender) Mend(ctx context.Context, tasks []ledger.Task) error {
	mine, others, wait, leave := m.hands.take(tasks)
	err := m.mend(ctx, mine)
	leave()
	if len(others) == 0 {
		return err
	}
	if err != nil {
		return errors.Join(err, release(newJobs(others), 0))
	}
	for i := range others {
		others[i].Leaves = nil // the row's are those of before: ask
	}
	limit := time.NewTimer(handWait)
	defer limit.Stop()
	for _, had := range wait {
		select {
		case <-had:
		case <-limit.C:
			return m.mend(ctx, others)
		case <-ctx.Done():
			return release(newJobs(others), 0)
		}
	}
	return m.mend(ctx, others)
}
