// Package mender carries decisions out: load → decide → journal → merge → bury.
//
// Work goes in batches of one database. Each arrow is one request, or a few,
// for a whole batch; what happens to one document never holds up its
// neighbours. The order is what keeps everything safe (I1): a losing leaf gets
// its tombstone only after the merge that contains it is confirmed and its
// body is in the journal.
package mender

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Config is what a Mender works with.
type Config struct {
	Server *couch.Server
	Ledger *ledger.Ledger
	// Rules returns a database's rules, and a digest of the policy for the
	// journal; nil rules for a database that the policy does not name.
	Rules func(db string) (decide.Rules, string)
	Log   *slog.Logger
	// BatchBytes is about how much of documents is held in memory at a time:
	// a batch is cut after the document that exceeds it. Default 64 MiB.
	BatchBytes int64
	// Pace slows repeated attempts down: the delay before attempt n+1 of one
	// document. Default: 1 s, 2 s, 4 s …, each ± 25 %.
	Pace func(attempt int) time.Duration
}

// MaxAttempts is how often a document's own failures are tried before it goes
// to review. A server that is away, and a crash, do not count.
const MaxAttempts = 3

// Mender mends conflicts. Its methods may be called from many goroutines.
type Mender struct {
	Config
	Stats Stats

	mu     sync.Mutex
	dbs    map[string]*database
	halted map[string]bool // databases with documents that wait for the end of a pause
	graves *graves
}

// New returns a Mender.
func New(cfg Config) *Mender {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.BatchBytes == 0 {
		cfg.BatchBytes = 64 << 20
	}
	if cfg.Pace == nil {
		cfg.Pace = backoff
	}
	return &Mender{Config: cfg, dbs: map[string]*database{}, halted: map[string]bool{}, graves: newGraves()}
}

// database is what is known of one database for the length of a run.
type database struct {
	*couch.DB
	revsLimit int
	clustered bool // n > 1: a burial carries its merge once more (I1)
	since     time.Time
}

// databaseAge is how long a database's settings are trusted.
const databaseAge = 5 * time.Minute

// database returns a database's settings, read once in a while.
func (m *Mender) database(ctx context.Context, name string) (*database, error) {
	m.mu.Lock()
	db := m.dbs[name]
	m.mu.Unlock()
	if db != nil && time.Since(db.since) < databaseAge {
		return db, nil
	}
	db = &database{DB: m.Server.DB(name), since: time.Now()}
	info, err := db.Info(ctx)
	if err != nil {
		return nil, err
	}
	db.clustered = info.ClusterN > 1
	if db.revsLimit, err = db.RevsLimit(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.dbs[name] = db
	m.mu.Unlock()
	return db, nil
}

// Forget drops what is remembered of a database: it was deleted, or created
// anew.
func (m *Mender) Forget(name string) {
	m.mu.Lock()
	delete(m.dbs, name)
	m.mu.Unlock()
}

// job is one document on its way through a batch.
type job struct {
	task     *ledger.Task
	conflict couchmend.Conflict
	decision couchmend.Decision
	contents []couchmend.Rev // leaves whose attachments' bytes were fetched
	started  time.Time
	end      ending
	err      error // why, where it failed
	known    bool  // in review already, with the same leaves for the same reason
}

// ending says how a document left a batch.
type ending int

const (
	unfinished ending = iota
	resolved          // nothing is left to do
	inReview          // put before a person
	stale             // it changed since the feed's row: the next row brings it back
	paused            // no write was started: it is listed, and goes on when the pause ends
	failed            // tried again later, or reviewed after the last attempt
	away              // the server did not answer: no fault of the document's
)

// Mend carries one batch of tasks through; all are of one database. Every task
// is acknowledged, or handed back to be tried again. The error is one that
// concerns them all: the server is unreachable, or refuses the login.
func (m *Mender) Mend(ctx context.Context, tasks []ledger.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	name := tasks[0].DB
	jobs := make([]*job, len(tasks))
	for i := range tasks {
		jobs[i] = &job{task: &tasks[i], started: time.Now()}
		jobs[i].conflict = couchmend.Conflict{DB: name, ID: tasks[i].ID}
	}
	rules, digest := m.Rules(name)
	if rules == nil {
		return m.settle(ctx, jobs, resolved, nil)
	}
	db, err := m.database(ctx, name)
	if err != nil {
		return m.settle(ctx, jobs, endingOf(err), err)
	}
	for len(jobs) > 0 {
		loaded, err := m.load(ctx, db, jobs)
		if err != nil {
			return m.settle(ctx, jobs, endingOf(err), err)
		}
		if err := m.mendLoaded(ctx, db, rules, digest, jobs[:loaded]); err != nil {
			return m.settle(ctx, jobs[loaded:], away, err)
		}
		jobs = jobs[loaded:]
	}
	return nil
}

// mendLoaded carries loaded documents to their end.
func (m *Mender) mendLoaded(ctx context.Context, db *database, rules decide.Rules, digest string, jobs []*job) error {
	inParallel(jobs, func(_ int, j *job) {
		if j.end == unfinished {
			j.decision = decide.Decide(rules, j.conflict)
		}
	})
	err := m.carryOut(ctx, db, digest, jobs)
	if err != nil {
		return m.settle(ctx, jobs, endingOf(err), err)
	}
	return m.settle(ctx, jobs, resolved, nil)
}

// inParallel calls f for each job, on all processors.
func inParallel(jobs []*job, f func(i int, j *job)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		group.Go(func() {
			for i := range next {
				f(i, jobs[i])
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	group.Wait()
}

// endingOf says what an error of a whole request means for its documents.
func endingOf(err error) ending {
	switch couchmend.KindOf(err) {
	case couchmend.KindNotFound, couchmend.KindReset:
		return stale // the database is gone, and its conflicts with it
	case couchmend.KindRefused, couchmend.KindTooLarge, couchmend.KindForbidden, couchmend.KindUsage, couchmend.KindConflict:
		return failed
	}
	return away
}
