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
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config is what a Mender works with.
type Config struct {
	Server *couch.Server
	Ledger *ledger.Ledger
	// Warm counts conflicts, and has the bases of documents that conflict
	// often. May be nil.
	Warm *ledger.Warm
	// Rules returns a database's rules, and a digest of the policy for the
	// journal; nil rules for a database that the policy does not name.
	Rules func(db string) (decide.Rules, string)
	// Split, where there is one, is told of databases with documents that wait
	// in review as ReasonSplitting: whoever is told has them split, or what came
	// after a split mended. Without it they wait for a person.
	Split func(db string)
	// Late, where there is one, says what in a document refers to an id that was
	// split, a sentence each.
	Late func(couchmend.Conflict) []string
	Log  *slog.Logger
	// BatchBytes is about how much of documents, attachments included, is held
	// in memory at a time: a batch is cut after the document that exceeds it.
	// Default 64 MiB.
	BatchBytes int64
	// Pace slows repeated attempts down: the delay before attempt n+1 of one
	// document. Default: 1 s, 2 s, 4 s …, each ± 25 %.
	Pace func(attempt int) time.Duration
	// Ended is told of each document's end, by several workers at once. It must
	// not block. May be nil.
	Ended func(Ending)
	// Tracer makes spans of batches and their steps. Default: none.
	Tracer trace.TracerProvider
}

// MaxAttempts is how often a document's own failures are tried before it goes
// to review. A server that is away, and a crash, do not count.
const MaxAttempts = 3

// Mender mends conflicts. Its methods may be called from many goroutines.
type Mender struct {
	Config
	Stats Stats

	mu       sync.Mutex
	dbs      map[string]*database
	patience map[string]patience
	halted   map[string]bool // databases with documents that wait for the end of a pause
	pulses   map[*pulse]bool // the workers'
	graves   *graves
	hands    hands
	tracer   trace.Tracer
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
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider()
	}
	return &Mender{
		Config: cfg, dbs: map[string]*database{}, patience: map[string]patience{},
		halted: map[string]bool{}, pulses: map[*pulse]bool{}, graves: newGraves(), hands: hands{by: map[document]chan struct{}{}},
		tracer: cfg.Tracer.Tracer("github.com/couchmend/couchmend/internal/mender"),
	}
}

// database is what is known of one database for the length of a run.
type database struct {
	*couch.DB
	revsLimit int
	clustered bool // n > 1: a burial carries its merge once more (I1)
	since     time.Time
}

const (
	// databaseAge is how long a database's settings are trusted.
	databaseAge = 5 * time.Minute
	// maxDatabases bounds how many are remembered (I11).
	maxDatabases = 1000
)

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
	defer m.mu.Unlock()
	if len(m.dbs) >= maxDatabases {
		clear(m.dbs)
	}
	m.dbs[name] = db
	return db, nil
}

// Forget drops what is remembered of a database: it was deleted, or created
// anew.
func (m *Mender) Forget(name string) {
	m.mu.Lock()
	delete(m.dbs, name)
	m.mu.Unlock()
	m.graves.forget(name)
}

// job is one document on its way through a batch.
type job struct {
	task     *ledger.Task
	conflict couchmend.Conflict
	decision couchmend.Decision
	contents []couchmend.Rev // leaves whose attachments' bytes are needed
	unburied []couchmend.Rev // tombstones that the server refused
	warm     warmth
	started  time.Time
	end      ending
	err      error // why, where it failed
	reread   bool  // its leaves are those of now, whatever the task names
	preview  bool  // nothing comes of it: no failure counts
	known    bool  // in review already, with the same leaves for the same reason
	waits    bool  // in review until Config.Split has done with it
}

// ending says how a document left a batch.
type ending int

const (
	unfinished ending = iota
	again             // its leaves are others: to be read now, and decided once more
	resolved          // nothing is left to do
	inReview          // put before a person
	stale             // it changed since the feed's row: the next row brings it back
	paused            // no write was started: it is listed, and goes on when the pause ends
	failed            // tried again later, or reviewed after the last attempt
	away              // the server did not answer: no fault of the document's
)

// mend is Mend for documents that are in hand.
func (m *Mender) mend(ctx context.Context, tasks []ledger.Task) (err error) {
	if len(tasks) == 0 {
		return nil
	}
	name := tasks[0].DB
	jobs := newJobs(tasks)
	if wait := m.tired(name); wait > 0 {
		return release(jobs, wait)
	}
	ctx, end := m.trace(ctx, jobs)
	defer func() { end(err) }()
	rules, digest := m.Rules(name)
	if rules == nil {
		m.Log.Warn("no policy for this database: its documents are left alone", "db", name, "documents", len(jobs))
		return m.settle(ctx, jobs, stale, nil)
	}
	db, err := m.database(ctx, name)
	if err != nil {
		return m.giveBack(ctx, name, jobs, err)
	}
	b := &batch{Mender: m, db: db, rules: rules, digest: digest, size: len(jobs), worked: map[string]bool{}}
	b.gated = db.Gated(func() error {
		if m.Ledger.Paused(name) {
			return errPaused
		}
		return nil
	})
	return b.mend(ctx, jobs)
}

// newJobs makes a batch's jobs.
func newJobs(tasks []ledger.Task) []*job {
	jobs := make([]*job, len(tasks))
	for i := range tasks {
		jobs[i] = &job{task: &tasks[i], started: time.Now()}
		jobs[i].conflict = couchmend.Conflict{DB: tasks[i].DB, ID: tasks[i].ID}
	}
	return jobs
}

// unload makes a job what it was before it was loaded.
func (j *job) unload() {
	j.conflict = couchmend.Conflict{DB: j.conflict.DB, ID: j.conflict.ID}
	j.decision, j.contents, j.end, j.err, j.waits = couchmend.Decision{}, nil, unfinished, nil, false
}
