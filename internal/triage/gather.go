package triage

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Options say what is looked at, and how long. The zero ones do.
type Options struct {
	// Since is the age of what is looked at in journal and logs. Default: a day.
	Since time.Time
	// Visible says which databases may be told of; nil: all.
	Visible func(db string) bool
	// Sample is how many conflicts of a database are read and looked into.
	// Default 1000.
	Sample int
	// Writers and Clocks are the fields that tell who wrote a revision, and
	// when, as dotted paths, the best first. Default: DefaultWriters,
	// DefaultClocks. Fields may be named before the defaults by Named.
	Writers, Clocks []string
	// Watch is how long replications are watched at least, for failures that
	// grow; 0: they are looked at once.
	Watch time.Duration
	// MaxTime bounds the survey of all databases. Default 5 minutes.
	MaxTime time.Duration
	// Progress is told how far the survey of a database has come; total is 0
	// where it isn't known. May be nil.
	Progress func(db string, done, total int64)
	// Now is the clock. Default: this machine's.
	Now func() time.Time
	// Flags are added to each couchmend command that a finding names, so that
	// it speaks to the same server: " --couchdb http://…".
	Flags string
	// Couchmend is this program's version.
	Couchmend string
}

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Since.IsZero() {
		o.Since = o.Now().Add(-24 * time.Hour)
	}
	if o.Visible == nil {
		o.Visible = func(string) bool { return true }
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	o.Sample = cmp.Or(o.Sample, 1000)
	o.MaxTime = cmp.Or(o.MaxTime, 5*time.Minute)
	if o.Writers == nil {
		o.Writers = DefaultWriters
	}
	if o.Clocks == nil {
		o.Clocks = DefaultClocks
	}
	return o
}

// Gatherer gathers evidence. Its methods are called one after the other, each
// at most once, those whose evidence there is: Ledger, Server, Logs, and Report
// at the end.
type Gatherer struct {
	o        Options
	started  time.Time
	report   Report
	survey   *survey
	failures map[failureKey]*Failure
	mended   map[string]int
	review   map[string]int
	waiting  map[uint64]bool // documents in review, by hash
	latency  map[string]*histogram
	server   *couch.Server // that was asked
}

// New returns a Gatherer.
func New(o Options) *Gatherer {
	o = o.filled()
	return &Gatherer{
		o: o, started: o.Now(), survey: newSurvey(o.Writers, o.Clocks), failures: map[failureKey]*Failure{},
		mended: map[string]int{}, review: map[string]int{}, waiting: map[uint64]bool{}, latency: map[string]*histogram{},
		report: Report{Since: o.Since, Databases: []Database{}, Replications: []Replication{}},
	}
}

// Gather is all that a server and couchmend's state tell, of databases.
// l may be nil.
func Gather(ctx context.Context, s *couch.Server, l *ledger.Ledger, databases []string, o Options) (*Report, error) {
	g := New(o)
	if l != nil {
		if err := g.Ledger(ctx, l); err != nil {
			return nil, err
		}
	}
	if err := g.Server(ctx, s, databases); err != nil {
		return nil, err
	}
	return g.Report(), nil
}

// note records what could not be looked at.
func (g *Gatherer) note(db, says string, err error) {
	n := Note{DB: db, Says: says}
	var e *couchmend.Error
	switch {
	case errors.As(err, &e) && e.Err != nil:
		n.Error = e.Err.Error()
	case err != nil:
		n.Error = err.Error()
	}
	g.report.Notes = append(g.report.Notes, n)
}

// Server looks at a server: its replications, twice, and its databases between.
// What it may not see, or cannot, is noted; the error is one that concerns all:
// no answer, a refused login.
func (g *Gatherer) Server(ctx context.Context, s *couch.Server, databases []string) error {
	g.server = s
	welcome, err := s.Ping(ctx)
	if err != nil {
		return err
	}
	g.report.Server = Server{URL: s.URL(), Version: welcome.Version, Vendor: welcome.Vendor, PouchDB: welcome.PouchDB}
	first, err := g.replications(ctx)
	if err != nil {
		return err
	}
	looked := g.o.Now()
	if err := g.surveyAll(ctx, databases); err != nil {
		return err
	}
	if first == nil {
		return nil
	}
	if g.o.Watch == 0 {
		g.report.Replications = g.compare(first, first, 0)
		return nil
	}
	if err := sleep(ctx, g.o.Watch-g.o.Now().Sub(looked)); err != nil {
		return err
	}
	second, err := g.replications(ctx)
	g.report.Replications = g.compare(first, second, g.o.Now().Sub(looked))
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxShown bounds the databases in a report: those with the most conflicts.
const maxShown = 500

// Report is the evidence that was gathered, and what is found in it.
func (g *Gatherer) Report() *Report {
	r := &g.report
	r.At = g.o.Now()
	r.Seconds = r.At.Sub(g.started).Round(time.Millisecond).Seconds()
	r.Server.Couchmend = g.o.Couchmend
	g.survey.report(r, r.At.Sub(r.Since))
	g.settleDatabases()
	r.Failures = g.failed()
	r.Latency = map[string]Spans{}
	for class, h := range g.latency {
		r.Latency[class] = h.spans()
	}
	r.Findings = Find(r, g.o.Flags)
	return r
}

// settleDatabases adds what the ledger knows of databases.
func (g *Gatherer) settleDatabases() {
	r := &g.report
	at := map[string]int{}
	for i, d := range r.Databases {
		at[d.Name] = i
	}
	add := func(name string) *Database {
		i, known := at[name]
		if !known {
			i = len(r.Databases)
			at[name] = i
			r.Databases = append(r.Databases, Database{Name: name, Skipped: true})
		}
		return &r.Databases[i]
	}
	for name, n := range g.mended {
		add(name).Mended = n
	}
	for name, n := range g.review {
		add(name).Review = n
	}
	for i := range r.Databases {
		r.Databases[i].Paused = slices.ContainsFunc(r.Pauses, func(p ledger.Pause) bool { return p.DB == "" || p.DB == r.Databases[i].Name })
	}
	slices.SortFunc(r.Databases, func(a, b Database) int {
		return cmp.Or(cmp.Compare(b.Conflicts, a.Conflicts), cmp.Compare(b.Review, a.Review), cmp.Compare(b.Mended, a.Mended), cmp.Compare(a.Name, b.Name))
	})
	r.Databases = r.Databases[:min(len(r.Databases), maxShown)]
}
