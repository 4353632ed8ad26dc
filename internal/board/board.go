// Package board is what is going on: a read model of the ledger's journal,
// review queue and pause switches, for the console and for alerts.
//
//	counts.go     what was done, by minute and by hour: how much, by whom or which rule
//	offenders.go  which documents, types and fields it was done to most often
//	cases.go      what waits for a person, as an index to filter and sort
//	events.go     that something of this has changed
//
// It follows the ledger's streams without their bodies, so it shows what every
// process did that shares the state, and begins with a day of history. It holds
// nothing of its own: closed and opened again it says the same. Of the journal
// it counts decisions: one whose write failed and was made again counts twice.
//
// Its memory is bounded (I11): about 150 bytes and its id a case, for 500,000 cases at most,
// and some 20 MB of counts whatever the number of databases and documents.
//
// It knows no persons. Every query is given visible, which says of a database
// whether the one who asks may know of it; what could not be told apart any more
// has the database "".
package board

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

// Visible says whether a database may be known of.
type Visible func(db string) bool

// All lets everything be known of.
func All(string) bool { return true }

// Board is the read model. Its methods may be called from many goroutines.
type Board struct {
	ledger *ledger.Ledger
	now    func() time.Time

	mu        sync.RWMutex
	done      counts
	offenders offenders
	cases     cases

	audience audience
	closing  context.Context
	stop     context.CancelFunc
}

// Open reads what there is and follows what comes, until Close. now is
// time.Now where nil.
func Open(ctx context.Context, l *ledger.Ledger, now func() time.Time) (*Board, error) {
	if now == nil {
		now = time.Now
	}
	b := empty(now)
	b.ledger = l
	err := l.FollowCases(b.closing, b.heed)
	if err == nil {
		err = l.FollowJournal(b.closing, now().Add(-day), b.count)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	l.FollowPauses(b.closing, func() { b.audience.tell(Pauses, "") })
	return b, nil
}

// empty is a board that follows nothing.
func empty(now func() time.Time) *Board {
	b := &Board{now: now, done: newCounts(), offenders: newOffenders(), cases: newCases()}
	b.closing, b.stop = context.WithCancel(context.Background())
	return b
}

// Close ends the following, and all subscriptions.
func (b *Board) Close() {
	b.stop()
	b.audience.running.Wait()
}

// count takes in a line of the journal.
func (b *Board) count(line ledger.EntryLine) {
	b.mu.Lock()
	b.done.add(line)
	b.offenders.add(line)
	b.mu.Unlock()
	b.audience.tell(Work, line.DB)
}

// heed takes in a case that was written, or taken away.
func (b *Board) heed(key string, line *ledger.CaseLine) {
	b.mu.Lock()
	db, arrived := b.cases.set(key, line)
	if arrived {
		b.done.arrive(*line)
	}
	b.mu.Unlock()
	b.audience.tell(Cases, db)
}

// Databases lists those that the board knows something about, sorted.
func (b *Board) Databases() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	known := b.done.databases()
	for _, t := range b.cases.tallies {
		known[t.db.Value()] = true
	}
	delete(known, "")
	names := make([]string, 0, len(known))
	for db := range known {
		names = append(names, db)
	}
	slices.Sort(names)
	return names
}

// Pauses returns the pauses in force that may be known of: those of all
// databases may.
func (b *Board) Pauses(ctx context.Context, visible Visible) ([]ledger.Pause, error) {
	if b.ledger == nil {
		return nil, errors.New("a board without a ledger")
	}
	all, err := b.ledger.Pauses(ctx)
	return slices.DeleteFunc(all, func(p ledger.Pause) bool { return p.DB != "" && !visible(p.DB) }), err
}
