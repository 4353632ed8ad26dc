// Package feed follows databases: it reads their changes, puts each document
// that may be in conflict into the work queue, and moves the checkpoint behind
// what is resolved or in review (I6).
//
// A few databases are followed with a connection each. Where there are many,
// one per user say, none is held: the server's feed of database updates wakes
// those that changed, and a sweep now and then finds what that feed missed.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says what is followed.
type Config struct {
	Server *couch.Server
	Ledger *ledger.Ledger
	// Match reports whether a database is to be followed. Names are those that
	// are known without asking: they serve where listing is forbidden.
	Match func(db string) bool
	Names []string
	Log   *slog.Logger
	// Warm knows the documents whose winners' bodies are kept as the feed
	// passes them. May be nil.
	Warm *ledger.Warm
	// Seeker looks for the ids that were split in a database; nil where none
	// was. May be nil. What comes late goes into the queue, too.
	Seeker func(db string) *collision.Seeker
	// Reset is told of a database that was deleted or created anew. May be nil.
	Reset func(db string)
	// Held is how many databases are followed with a connection each. Default 32.
	Held int
	// Refresh is how often databases are listed to find new ones; default 10 s.
	// Sweep is how often all of many databases are read through; default 5 min.
	Refresh, Sweep time.Duration
	// LeaseWait is how long Once waits for a feed that somebody else reads:
	// longer than the lease of a process that was killed lives on. Default 20 s.
	LeaseWait time.Duration
	// Tracer makes a span of each page of a feed that may hold conflicts. Default:
	// none.
	Tracer trace.TracerProvider
}

// Follower follows databases.
type Follower struct {
	Config
	Stats  Stats
	owner  string
	tracer trace.Tracer
	unkept atomic.Bool  // bodies of warm documents could not be kept, and that was said
	turned atomic.Int64 // when the loop last turned, in Unix nanoseconds; 0 while it does not run

	mu       sync.Mutex
	known    map[string]error // the last error of each database, to report it once
	readers  map[*reader]bool // the feeds that are being read
	followed int              // databases, as last listed
	queue    *queue           // of databases to visit; nil where all are held
}

// New returns a Follower.
func New(cfg Config) *Follower {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Reset == nil {
		cfg.Reset = func(string) {}
	}
	cfg.Held = orDefault(cfg.Held, 32)
	cfg.Refresh = orDefault(cfg.Refresh, 10*time.Second)
	cfg.Sweep = orDefault(cfg.Sweep, 5*time.Minute)
	cfg.LeaseWait = orDefault(cfg.LeaseWait, 20*time.Second)
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider()
	}
	host, _ := os.Hostname()
	return &Follower{
		Config: cfg, owner: host + " " + strconv.Itoa(os.Getpid()),
		tracer: cfg.Tracer.Tracer("github.com/couchmend/couchmend/internal/feed"),
		known:  map[string]error{}, readers: map[*reader]bool{}, followed: unlisted,
	}
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Databases lists the databases that exist and are to be followed, sorted.
// Where listing is forbidden, they are those that are known by name.
func (f *Follower) Databases(ctx context.Context) ([]string, error) {
	all, err := f.Server.AllDBs(ctx)
	names := f.Names
	switch couchmend.KindOf(err) {
	case couchmend.KindForbidden, couchmend.KindNotFound:
	case "":
		names = slices.DeleteFunc(all, func(name string) bool { return !f.Match(name) })
		slices.Sort(names)
	default:
		return nil, err
	}
	f.mu.Lock()
	f.followed = len(names)
	f.mu.Unlock()
	return names, nil
}

// Run follows until ctx ends, or an error that no waiting mends: a refused
// login, a wrong server.
func (f *Follower) Run(ctx context.Context) error {
	defer f.turned.Store(0)
	for pause := (patience{}); ; {
		f.turn()
		names, err := f.Databases(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && fatal(err):
			return err
		case err != nil:
			f.Log.Warn("databases can't be listed", "error", err)
			pause.wait(ctx)
			continue
		}
		pause = patience{}
		if len(names) <= f.Held {
			err = f.hold(ctx, names)
		} else {
			err = f.wake(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fatal reports whether waiting can't help.
func fatal(err error) bool { return couchmend.KindOf(err) == couchmend.KindAuth }

// hold follows each database with a connection of its own, new ones as they
// appear. It returns nil when there are too many.
func (f *Follower) hold(ctx context.Context, names []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	following := map[string]bool{}
	var mu sync.Mutex
	start := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		if following[name] {
			return
		}
		following[name] = true
		group.Go(func() {
			if err := f.follow(ctx, name); err != nil {
				cancel(err)
			}
			mu.Lock()
			delete(following, name)
			mu.Unlock()
		})
	}
	appeared := make(chan struct{}, 1)
	group.Go(func() { f.await(ctx, appeared) })
	for {
		f.turn()
		for _, name := range names {
			start(name)
		}
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); fatal(err) {
				return err
			}
			return nil
		case <-appeared:
		case <-time.After(f.Refresh):
		}
		now, err := f.Databases(ctx)
		switch {
		case fatal(err) && ctx.Err() == nil:
			return err
		case err == nil:
			names = now
		}
		if len(names) > f.Held {
			return nil
		}
	}
}

// await says that a database was created, as soon as the server does. There
// must be room for one word.
func (f *Follower) await(ctx context.Context, appeared chan<- struct{}) {
	f.listen(ctx, func(u couch.DBUpdate) {
		if u.Type == "created" && len(appeared) == 0 {
			appeared <- struct{}{}
		}
	})
}

// follow reads one database's feed until ctx ends or the database is gone. It
// returns fatal errors alone.
func (f *Follower) follow(ctx context.Context, name string) error {
	for pause := (patience{}); ctx.Err() == nil; {
		err := f.lease(ctx, name, true)
		switch {
		case ctx.Err() != nil:
			return nil
		case fatal(err):
			return err
		case couchmend.KindOf(err) == couchmend.KindNotFound: // it is looked for again with the others
			f.complain(name, err)
			return nil
		case errors.Is(err, ledger.ErrHeld): // another process reads it
		case err != nil:
			f.complain(name, err)
		default:
			pause = patience{}
		}
		pause.wait(ctx)
	}
	return nil
}

// lease reads one database's feed under a lease: to its end, or with stay until
// something ends it.
func (f *Follower) lease(ctx context.Context, name string, stay bool) error {
	lease, err := f.Ledger.Lease(ctx, "feed "+name, f.owner)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel(nil)
	group.Go(func() {
		select {
		case <-lease.Lost():
			cancel(errLost)
		case <-ctx.Done():
		}
	})
	defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }() // it expires by itself
	if err = f.read(ctx, name, stay); errors.Is(err, ledger.ErrStale) {
		f.Stats.RefusedCheckpoints.Add(1)
	}
	return err
}

var errLost = &couchmend.Error{Op: "read feed", Kind: couchmend.KindLocked, Err: errors.New("the lease is lost: another process may read this feed")}

func (f *Follower) read(ctx context.Context, name string, stay bool) error {
	r, err := f.open(ctx, name)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	f.recovered(name)
	if stay {
		return r.stay(ctx)
	}
	return r.drain(ctx, visitWait)
}

// complain logs a database's error, once as long as it stays the same.
func (f *Follower) complain(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before := f.known[name]; before != nil && before.Error() == err.Error() {
		return
	}
	f.known[name] = err
	f.Log.Warn("the feed stopped and is tried again", "db", name, "error", err)
}

func (f *Follower) recovered(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[name] != nil {
		f.Log.Info("the feed goes on", "db", name)
		delete(f.known, name)
	}
}

// patience waits longer each time: 0.5 s, 1 s, 2 s … 30 s, each ± 25 %.
type patience struct{ tries int }

func (p *patience) wait(ctx context.Context) {
	d := min(500*time.Millisecond<<min(p.tries, 10), 30*time.Second)
	p.tries++
	select {
	case <-ctx.Done():
	case <-time.After(d*3/4 + rand.N(d/2)):
	}
}
