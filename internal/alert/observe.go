package alert

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/feed"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// rateMinutes is over how many full minutes the rate of conflicts is taken.
	rateMinutes = 5
	// maxIDs is how many documents an alert names at most.
	maxIDs = 5
	// replicationsEvery is how often the server is asked for its replications.
	replicationsEvery = time.Minute
	// growsFor is how long a replication counts as failing after it last could
	// not write a document.
	growsFor = 10 * time.Minute
)

// observer gathers what is to be seen. It remembers what only several looks
// together show. It is for one goroutine.
type observer struct {
	board   *board.Board
	ledger  *ledger.Ledger
	server  *couch.Server  // nil: replications are not looked at
	feed    *feed.Follower // nil: feeds are not
	log     *slog.Logger
	failing map[string]time.Time // since when a feed can't be read
	asked   time.Time
	last    []FailedReplication
	written map[string]growth // by replication
	silent  couchmend.Kind    // why the server does not tell of replications; said once
}

// growth is how often a replication could not write, and when that grew.
type growth struct {
	n  int64
	at time.Time
}

// look returns what can be seen now. What can't be had is left out: an alert
// about the one must not wait for the other.
func (o *observer) look(ctx context.Context, now time.Time) Sight {
	s := Sight{At: now, Waiting: o.waiting(), Rate: o.rate(), Failing: o.feeds(now)}
	var err error
	if s.Pauses, err = o.board.Pauses(ctx, board.All); err != nil {
		o.log.Warn("alerts: pauses can't be read", "error", err)
	}
	if usage, err := o.ledger.Usage(ctx); err == nil {
		s.Oldest = usage.Oldest
	} else {
		o.log.Warn("alerts: the queue can't be read", "error", err)
	}
	s.Replications = o.replications(ctx, now)
	return s
}

// waiting groups what is in review by database and reason. What only waits for
// the end of a pause is told by the pause.
func (o *observer) waiting() []Waiting {
	type group struct{ db, reason string }
	groups := map[group]*Waiting{}
	oldest, deepest := map[group]*sample{}, map[group]*sample{}
	o.board.EachCase(board.Query{}, board.All, func(c ledger.CaseLine) bool {
		if c.Reason == couchmend.ReasonPaused {
			return true
		}
		g := group{c.DB, string(c.Reason)}
		w := groups[g]
		if w == nil {
			w = &Waiting{DB: c.DB, Reason: string(c.Reason), Oldest: c.First}
			groups[g], oldest[g], deepest[g] = w, &sample{}, &sample{}
		}
		w.Count++
		if c.First.Before(w.Oldest) {
			w.Oldest = c.First
		}
		oldest[g].add(c)
		if c.Deep {
			w.Deep++
			deepest[g].add(c)
		}
		return true
	})
	all := make([]Waiting, 0, len(groups))
	for g, w := range groups {
		w.IDs, w.DeepIDs = oldest[g].ids(), deepest[g].ids()
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b Waiting) int { return cmp.Or(cmp.Compare(a.DB, b.DB), cmp.Compare(a.Reason, b.Reason)) })
	return all
}

// sample keeps the few cases that have waited for longest.
type sample struct{ cases []ledger.CaseLine }

func (s *sample) add(c ledger.CaseLine) {
	at, _ := slices.BinarySearchFunc(s.cases, c, func(a, b ledger.CaseLine) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.ID, b.ID))
	})
	if at < maxIDs {
		s.cases = slices.Insert(s.cases, at, c)
		s.cases = s.cases[:min(len(s.cases), maxIDs)]
	}
}

func (s *sample) ids() (ids []string) {
	for _, c := range s.cases {
		ids = append(ids, c.ID)
	}
	return ids
}

// rate counts the conflicts that were dealt with in the last full minutes.
func (o *observer) rate() float64 {
	minutes := o.board.Minutes(rateMinutes+1, board.All)
	n := 0
	for _, m := range minutes[:max(len(minutes)-1, 0)] { // the last one has only begun
		n += m.Did.Mended() + m.Did.Reviewed()
	}
	return float64(n) / rateMinutes
}

func (o *observer) feeds(now time.Time) (all []FailingFeed) {
	if o.feed == nil {
		return nil
	}
	failing := o.feed.Failing()
	maps.DeleteFunc(o.failing, func(db string, _ time.Time) bool { return failing[db] == nil })
	for db, err := range failing {
		since, ok := o.failing[db]
		if !ok {
			since = now
			o.failing[db] = now
		}
		all = append(all, FailingFeed{DB: db, Why: string(couchmend.KindOf(err)), Since: since})
	}
	slices.SortFunc(all, func(a, b FailingFeed) int { return cmp.Compare(a.DB, b.DB) })
	return all
}

// failedStates are the scheduler's words for a replication that does not get
// on.
var failedStates = []string{"crashing", "failed", "error"}

func (o *observer) replications(ctx context.Context, now time.Time) []FailedReplication {
	if o.server == nil || now.Sub(o.asked) < replicationsEvery {
		return o.last
	}
	o.asked = now
	all, err := o.server.Replications(ctx)
	if kind := couchmend.KindOf(err); kind != o.silent {
		if o.silent = kind; err != nil {
			o.log.Warn("alerts: the server does not tell of replications", "error", err)
		}
	}
	if err != nil { // how they stand is not known: neither well nor badly
		return o.last
	}
	o.last = o.failed(all, now)
	return o.last
}

// failed picks the replications that fail: by their state, or because there are
// more documents than before that they could not write.
func (o *observer) failed(all []couch.Replication, now time.Time) (failed []FailedReplication) {
	written := map[string]growth{}
	for _, r := range all {
		name := cmp.Or(r.DocID, r.ID)
		g, seen := o.written[name]
		if seen && r.WriteFailures > g.n {
			g.at = now
		}
		g.n = r.WriteFailures
		written[name] = g
		f := FailedReplication{Name: name, State: r.State, Errors: r.Errors}
		if now.Sub(g.at) < growsFor {
			f.Failures = g.n
		}
		if f.Failures > 0 || slices.Contains(failedStates, r.State) {
			failed = append(failed, f)
		}
	}
	o.written = written
	slices.SortFunc(failed, func(a, b FailedReplication) int { return cmp.Compare(a.Name, b.Name) })
	return failed
}
