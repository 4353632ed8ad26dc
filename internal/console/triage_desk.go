package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/triage"
)

const (
	// maxGatherings is how many people have evidence gathered at a time.
	maxGatherings = 2
	// surveyTime bounds how long databases are looked into, gatherTime all of it.
	surveyTime = time.Minute
	gatherTime = 3 * time.Minute
	// watchTime is how long replications are watched at least, for failures that
	// grow.
	watchTime = 3 * time.Second
	// reportAge is how long a report is good: within it nothing is gathered anew.
	reportAge = time.Minute
	// maxReports bounds the reports that are kept, one a person; the oldest goes
	// first (I11).
	maxReports = 32
)

// triageDesk gathers evidence for people, in the background, and keeps each
// one's newest report. It ends with the console.
type triageDesk struct {
	ctx   context.Context
	now   func() time.Time
	watch time.Duration // watchTime

	mu    sync.Mutex
	by    map[string]*gathering // by person
	going sync.WaitGroup
}

// gathering is one person's evidence. Its fields are the desk's to lock.
type gathering struct {
	busy     bool
	asked    gatherOrder
	begun    time.Time
	searched []searched
	report   *triage.Report // nil: there is none yet
	err      error
	cancel   context.CancelFunc
}

// gatherOrder says what is to be looked at, and with whose rights.
type gatherOrder struct {
	hours     int // of journal
	admin     bool
	databases []string // that the person sees
}

func (o gatherOrder) same(other gatherOrder) bool {
	return o.hours == other.hours && o.admin == other.admin && slices.Equal(o.databases, other.databases)
}

func newTriageDesk(ctx context.Context, now func() time.Time) *triageDesk {
	return &triageDesk{ctx: ctx, now: now, watch: watchTime, by: map[string]*gathering{}}
}

// wait returns when all that was begun has ended, which ends with the desk's
// context.
func (d *triageDesk) wait() { d.going.Wait() }

// look returns a copy of what there is for a person, the zero gathering where
// there is nothing.
func (d *triageDesk) look(person string) gathering {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.by[person]
	if g == nil {
		return gathering{}
	}
	seen := *g
	seen.searched = slices.Clone(g.searched)
	return seen
}

// drop stops what is gathered for a person, and forgets it.
func (d *triageDesk) drop(person string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.by[person]; g != nil {
		g.cancel()
		delete(d.by, person)
	}
}

// gather begins to gather evidence for a person, unless it is under way, or
// there is a report that is young enough. KindLocked where as many people as may
// have evidence gathered.
func (d *triageDesk) gather(p *person, o gatherOrder, options triage.Options, do func(context.Context, triage.Options) (*triage.Report, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := p.Name()
	before := d.by[name]
	if before != nil && (before.busy || before.report != nil && before.asked.same(o) && d.now().Sub(before.report.At) < reportAge) {
		return nil
	}
	busy := 0
	for _, g := range d.by {
		if g.busy {
			busy++
		}
	}
	if busy >= maxGatherings {
		return refuse(couchmend.KindLocked, "evidence is being gathered for others: try again in a minute")
	}
	d.makeRoom(name)
	ctx, cancel := context.WithTimeout(d.ctx, gatherTime)
	g := &gathering{busy: true, asked: o, begun: d.now(), cancel: cancel}
	d.by[name] = g
	options.Watch = d.watch
	options.Progress = func(db string, done, total int64) { d.progress(g, db, done, total) }
	d.going.Go(func() {
		defer cancel()
		report, err := do(ctx, options)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = refuse(couchmend.KindOther, "the server took too long to answer: couchmend triage, from a shell, takes its time")
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		g.busy, g.report, g.err = false, report, err
	})
	return nil
}

func (d *triageDesk) progress(g *gathering, db string, done, total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.searched = []searched{{db, done, total}} // one after the other, and there may be thousands
}

func (d *triageDesk) makeRoom(fresh string) {
	if d.by[fresh] != nil || len(d.by) < maxReports {
		return
	}
	oldest := ""
	for name, g := range d.by {
		if !g.busy && (oldest == "" || g.begun.Before(d.by[oldest].begun)) {
			oldest = name
		}
	}
	delete(d.by, oldest)
}
