package splitter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// Unattended carries out the splits that rules ask for (collision: split), and
// mends what comes after a split. What waits for that is in review as
// ReasonSplitting, on disk; so nothing is forgotten when the process dies, and
// batches and feeds go on while a split searches a database (I6).
//
// A plan is carried out whole or not at all: where it is not known what a
// reference means, the document waits for a person, and nothing is written. To
// split it and leave such references would leave readers with ids of nothing.
// What counts as known is in the plan: Sure and Likely, with no sign against it.
//
// A database is one process's at a time, by a lease. Where two are at it all
// the same, one of them begins a split (ledger.PutSplit), and what both write
// are the same revisions (I4).
//
// Its methods may be called from many goroutines, Run and Once from one.
type Unattended struct {
	Stats UnattendedStats

	mender *mender.Mender
	apart  *ledger.Apart
	match  func(db string) bool
	owner  string
	wake   chan struct{} // has room for one word

	mu       sync.Mutex
	waiting  map[string]time.Time // databases with something to do, and not before when
	failures map[string]int       // of each, in a row
	seekers  map[string]seekerOf
	censuses censuses
}

// UnattendedStats counts what an Unattended did since it was made.
type UnattendedStats struct {
	Split    atomic.Int64 // documents that were split
	Followed atomic.Int64 // late leaves that followed their versions
	Late     atomic.Int64 // documents whose late references were mended
	Reviewed atomic.Int64 // put before a person
}

// Attrs are the counts for a line of the log.
func (s *UnattendedStats) Attrs() []any {
	return []any{"split", s.Split.Load(), "late_leaves", s.Followed.Load(), "late_references", s.Late.Load(), "split_reviewed", s.Reviewed.Load()}
}

// NewUnattended returns an Unattended for the databases that match says. Its
// Wake and Late belong into the Mender's Config.
func NewUnattended(m *mender.Mender, apart *ledger.Apart, match func(db string) bool) *Unattended {
	host, _ := os.Hostname()
	return &Unattended{
		mender: m, apart: apart, match: match, owner: host + " " + strconv.Itoa(os.Getpid()), wake: make(chan struct{}, 1),
		waiting: map[string]time.Time{}, failures: map[string]int{}, seekers: map[string]seekerOf{},
	}
}

// Wake says that documents of a database wait.
func (u *Unattended) Wake(db string) {
	u.later(db, 0)
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *Unattended) later(db string, wait time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := time.Now().Add(wait)
	if before, ok := u.waiting[db]; !ok || at.Before(before) {
		u.waiting[db] = at
	}
}

const (
	// findEvery is how often documents are looked for that another process,
	// which died, has left behind.
	findEvery = 5 * time.Minute
	// lookEvery is how often the end of a pause, and of a wait, is looked for.
	lookEvery = time.Second
	// onceEvery is the same where somebody waits for the end.
	onceEvery = 50 * time.Millisecond
	// heldWait is how long a database is left alone that another process has.
	heldWait = 2 * time.Second
	// maxWait is the longest wait before what failed is tried again.
	maxWait = 30 * time.Second
	// lost is how many failures in a row make a database one that is not waited
	// for where somebody waits for the end.
	lost = 8
)

// Run carries splits out until ctx ends. It returns errors that no waiting
// mends: a refused login, a full journal.
func (u *Unattended) Run(ctx context.Context) error {
	for found := (time.Time{}); ctx.Err() == nil; {
		if time.Since(found) > findEvery && u.find(ctx) == nil {
			found = time.Now()
		}
		if _, err := u.round(ctx); fatal(err) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-u.wake:
		case <-time.After(lookEvery):
		}
	}
	return nil
}

// Once carries out what waits now, but in databases that are paused. It returns
// how many documents it ended: what was written may have given others work. A
// server that fails is waited for, but not for ever.
func (u *Unattended) Once(ctx context.Context) (ended int, err error) {
	if err := u.find(ctx); err != nil {
		return 0, err
	}
	for u.busy() {
		n, err := u.round(ctx)
		ended += n
		if fatal(err) || ctx.Err() != nil || u.despairs() {
			return ended, errors.Join(err, ctx.Err())
		}
		select {
		case <-ctx.Done():
			return ended, ctx.Err()
		case <-time.After(onceEvery):
		}
	}
	return ended, nil
}

func fatal(err error) bool {
	kind := couchmend.KindOf(err)
	return kind == couchmend.KindAuth || kind == couchmend.KindFull
}

// find looks for all that waits, and for splits under way that nothing waits
// for: their process died, or their document was dealt with meanwhile.
func (u *Unattended) find(ctx context.Context) error {
	for c, err := range u.mender.Ledger.Cases(ctx, ledger.Filter{Reason: couchmend.ReasonSplitting}) {
		if err != nil {
			return err
		}
		if !c.Dismissed {
			u.Wake(c.DB)
		}
	}
	for _, k := range u.apart.UnderWay(nobody) {
		if k.Stage == ledger.SplitRollingBack { // a person's
			continue
		}
		_, waits, err := u.mender.Ledger.Case(ctx, k.DB, k.ID)
		if err == nil && !waits {
			err = u.mender.Ledger.PutCases(ctx, ledger.Case{
				DB: k.DB, ID: k.ID, Reason: couchmend.ReasonSplitting,
				Decision: couchmend.Decision{Outcome: couchmend.Split, Reason: couchmend.ReasonTwoRoots},
			})
			u.Wake(k.DB)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nobody is who carries out what no person watches.
const nobody = "couchmend"

// round takes a turn at each database that is due. Its error is the last one
// that concerns more than single documents, a fatal one first.
func (u *Unattended) round(ctx context.Context) (ended int, worst error) {
	for _, db := range u.due() {
		n, err := u.turn(ctx, db)
		ended += n
		switch {
		case ctx.Err() != nil:
			return ended, ctx.Err()
		case err == nil, errors.Is(err, errPaused):
			u.rested(db)
			if err != nil {
				u.later(db, 0) // due says when
			}
		case errors.Is(err, ledger.ErrHeld):
			u.later(db, heldWait)
		default:
			u.tire(db, err)
			if !fatal(worst) {
				worst = err
			}
		}
	}
	return ended, worst
}

// due takes the databases off the list that something can be done for now.
func (u *Unattended) due() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var names []string
	for _, db := range slices.Sorted(maps.Keys(u.waiting)) {
		switch {
		case !u.match(db):
			delete(u.waiting, db)
		case time.Now().After(u.waiting[db]) && !u.mender.Ledger.Paused(db):
			delete(u.waiting, db)
			names = append(names, db)
		}
	}
	return names
}

// busy reports whether something waits in databases that are not paused.
func (u *Unattended) busy() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for db := range u.waiting {
		if u.match(db) && !u.mender.Ledger.Paused(db) {
			return true
		}
	}
	return false
}

func (u *Unattended) rested(db string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.failures, db)
}

func (u *Unattended) tire(db string, err error) {
	u.mu.Lock()
	u.failures[db]++
	wait := min(u.mender.Pace(u.failures[db]), maxWait)
	u.mu.Unlock()
	u.later(db, wait)
	u.mender.Log.Warn("splitting waits", "db", db, "resolver_status", "error", "error", err, "wait_ms", wait.Milliseconds())
}

func (u *Unattended) despairs() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.failures {
		if n >= lost {
			return true
		}
	}
	return false
}

var errPaused = errors.New("the database is paused")

// gate lets no write to a database begin that is paused (I12).
func (u *Unattended) gate(db string) error {
	if u.mender.Ledger.Paused(db) {
		return errPaused
	}
	return nil
}

var errLost = &couchmend.Error{Op: "split", Kind: couchmend.KindLocked, Err: errors.New("the lease is lost: another process may split in this database")}

// turn does what waits in one database, under a lease.
func (u *Unattended) turn(ctx context.Context, db string) (ended int, err error) {
	lease, err := u.mender.Ledger.Lease(ctx, "split "+db, u.owner)
	if err != nil {
		return 0, err
	}
	defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }() // it expires by itself
	working, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	group.Go(func() {
		select {
		case <-lease.Lost():
			cancel(errLost)
		case <-working.Done():
		}
	})
	t := &turn{
		Unattended: u, db: db, tried: map[string]bool{},
		splitter: &Splitter{Mender: u.mender, By: nobody, Gate: u.gate},
	}
	err = t.take(working)
	if cause := context.Cause(working); cause != nil && ctx.Err() == nil {
		err = cause
	}
	return t.ended, err
}

// command is how a person does it, for a shell.
func command(db, id string, flags ...string) string {
	words := "couchmend split " + quoted(db) + " " + quoted(id)
	for _, f := range flags {
		words += " " + f
	}
	return fmt.Sprintf("run: %s", words)
}
