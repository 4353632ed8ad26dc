package console

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/splitter"
)

const (
	// maxSearches is how many searches for references, each of which reads whole
	// databases, the console has under way at a time.
	maxSearches = 4
	// maxSplits is how many splits are in hand: plans hold the documents'
	// attachments. The one that nobody has touched the longest goes (I11).
	maxSplits = 32
)

// splitPhase is what is going on with a split that somebody has in hand.
type splitPhase string

const (
	splitIdle      splitPhase = ""          // nothing; there may be a plan that is stored
	splitSearching splitPhase = "searching" // references are looked for
	splitPlanned   splitPhase = "planned"   // a plan waits for the person's word
	splitWriting   splitPhase = "writing"   // it is carried out, gone on with or taken back
)

// splitDesk has the splits that people of this console have in hand: what they
// look for, what they plan and what they have written. All of it ends with the
// console; what was written is in the ledger.
type splitDesk struct {
	ctx context.Context
	now func() time.Time

	mu    sync.Mutex
	tasks map[taskKey]*splitTask
	going sync.WaitGroup
}

// taskKey names a task: everybody has their own plan of a document.
type taskKey struct{ person, db, id string }

// splitTask is one person's split of one document. Its fields are the desk's to
// lock.
type splitTask struct {
	request  splitter.Request
	phase    splitPhase
	searched []searched
	split    *splitter.Split // the plan, in splitPlanned and splitWriting
	pin      string          // of the plan as it is now: another one is another plan
	report   *splitter.Report
	err      error
	cancel   context.CancelFunc
	touched  time.Time
}

// searched is how far one database was looked through.
type searched struct {
	DB    string `json:"db"`
	Done  int64  `json:"done"` // documents
	Total int64  `json:"total"`
}

func newSplitDesk(ctx context.Context, now func() time.Time) *splitDesk {
	return &splitDesk{ctx: ctx, now: now, tasks: map[taskKey]*splitTask{}}
}

// wait returns when all that was begun has ended, which ends with the desk's
// context.
func (d *splitDesk) wait() { d.going.Wait() }

// look returns a copy of a task, of splitIdle where there is none.
func (d *splitDesk) look(key taskKey) splitTask {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tasks[key]
	if t == nil {
		return splitTask{}
	}
	t.touched = d.now()
	seen := *t
	seen.searched = slices.Clone(t.searched)
	return seen
}

// writer returns who of this console has a document's split written right now,
// "" for nobody.
func (d *splitDesk) writer(db, id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, t := range d.tasks {
		if key.db == db && key.id == id && t.phase == splitWriting {
			return key.person
		}
	}
	return ""
}

// search has references looked for and a plan made, in place of one that the
// person has in hand. KindLocked where as many searches are under way as may be.
func (d *splitDesk) search(p *person, r splitter.Request) error {
	key := taskKey{p.Name(), r.DB, r.ID}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.free(key); err != nil {
		return err
	}
	searches := 0
	for _, t := range d.tasks {
		if t.phase == splitSearching {
			searches++
		}
	}
	if searches >= maxSearches {
		return refuse(couchmend.KindLocked, "people are looking for references in as many databases as may be read at a time: try again when a search has ended")
	}
	task := &splitTask{request: r, phase: splitSearching}
	d.begin(key, task, func(ctx context.Context) {
		s := splitter.Splitter{Mender: p.mender, By: p.Name(), Progress: func(db string, done, total int64) { d.progress(task, db, done, total) }}
		split, err := s.Plan(ctx, r)
		d.end(task, func() {
			if task.phase, task.err = splitIdle, err; err == nil {
				task.phase, task.split, task.pin = splitPlanned, split, randomText()
			}
		})
	})
	return nil
}

// write has something written: a plan carried out, or a split that is stored
// gone on with or taken back. It may not be cancelled, only broken off by the
// console's end: then it can be resumed.
func (d *splitDesk) write(p *person, db, id, note string, do func(context.Context, *splitter.Splitter) (splitter.Report, error)) error {
	key := taskKey{p.Name(), db, id}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.free(key); err != nil {
		return err
	}
	d.beginWriting(p, key, note, do)
	return nil
}

// apply has a plan carried out, if it is the one of this pin.
func (d *splitDesk) apply(p *person, db, id, pin, note string) error {
	key := taskKey{p.Name(), db, id}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.planned(key, pin)
	if err != nil {
		return err
	}
	if err := d.free(key); err != nil {
		return err
	}
	if n := len(t.split.Plan.Open()); n > 0 {
		return refuse(couchmend.KindUsage, "of "+plural(n, "reference")+" it is not known what they mean: nothing is guessed, so say it first")
	}
	split := *t.split // carrying it out changes it, while people look at this one
	d.beginWriting(p, key, note, func(ctx context.Context, s *splitter.Splitter) (splitter.Report, error) { return s.Apply(ctx, &split) })
	return nil
}

// change makes another plan of the one of this pin.
func (d *splitDesk) change(key taskKey, pin string, change func(collision.Plan) (collision.Plan, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.planned(key, pin)
	if err != nil {
		return err
	}
	split := *t.split
	if split.Plan, err = change(split.Plan); err != nil {
		return err
	}
	t.split, t.pin = &split, randomText()
	return nil
}

// planned returns a task whose plan is the one of this pin.
func (d *splitDesk) planned(key taskKey, pin string) (*splitTask, error) {
	t := d.tasks[key]
	if t == nil || t.phase != splitPlanned {
		return nil, refuse(couchmend.KindConflict, "there is no plan any more: look for references once more")
	}
	if t.pin != pin {
		return nil, refuse(couchmend.KindConflict, "the plan was changed in another window: look at it as it is now")
	}
	return t, nil
}

// drop ends a search, or throws a plan away.
func (d *splitDesk) drop(key taskKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tasks[key]
	switch {
	case t == nil || t.phase == splitWriting:
	case t.phase == splitSearching:
		t.cancel()
	default:
		delete(d.tasks, key)
	}
}

// free checks that a person's task may be replaced.
func (d *splitDesk) free(key taskKey) error {
	if t := d.tasks[key]; t != nil && (t.phase == splitSearching || t.phase == splitWriting) {
		return refuse(couchmend.KindConflict, "it is being worked on already")
	}
	return nil
}

func (d *splitDesk) beginWriting(p *person, key taskKey, note string, do func(context.Context, *splitter.Splitter) (splitter.Report, error)) {
	task := &splitTask{phase: splitWriting}
	if before := d.tasks[key]; before != nil {
		task.request, task.split = before.request, before.split
	}
	d.begin(key, task, func(ctx context.Context) {
		report, err := do(ctx, &splitter.Splitter{Mender: p.mender, By: p.Name(), Note: note})
		d.end(task, func() { task.phase, task.split, task.report, task.err = splitIdle, nil, &report, err })
	})
}

// begin runs a task in the background.
func (d *splitDesk) begin(key taskKey, t *splitTask, run func(context.Context)) {
	d.makeRoom(key)
	ctx, cancel := context.WithCancel(d.ctx)
	t.cancel, t.touched = cancel, d.now()
	d.tasks[key] = t
	d.going.Go(func() {
		defer cancel()
		run(ctx)
	})
}

func (d *splitDesk) end(t *splitTask, ended func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ended()
	if errors.Is(t.err, context.Canceled) {
		t.err = refuse(couchmend.KindOther, "the search was stopped")
		if t.report != nil {
			t.err = refuse(couchmend.KindOther, "couchmend was stopped meanwhile")
		}
	}
	t.touched = d.now()
}

func (d *splitDesk) progress(t *splitTask, db string, done, total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(t.searched, func(s searched) bool { return s.DB == db })
	if i < 0 {
		i, t.searched = len(t.searched), append(t.searched, searched{DB: db})
	}
	t.searched[i].Done, t.searched[i].Total = done, total
}

// makeRoom drops the task that nobody has touched the longest, where there are
// too many.
func (d *splitDesk) makeRoom(fresh taskKey) {
	if d.tasks[fresh] != nil || len(d.tasks) < maxSplits {
		return
	}
	var oldest taskKey
	for key, t := range d.tasks {
		idle := t.phase == splitIdle || t.phase == splitPlanned
		if idle && (oldest == taskKey{} || t.touched.Before(d.tasks[oldest].touched)) {
			oldest = key
		}
	}
	delete(d.tasks, oldest)
}
