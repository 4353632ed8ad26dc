package triage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/couchlog"
)

// Log is a log to be read.
type Log struct {
	Name string
	From io.Reader
}

const (
	// raceWindow is how long after a write of couchmend's a caller may still
	// hold the revision that it has replaced: one that reads, thinks and saves.
	raceWindow = 30 * time.Second
	// maxCallers bounds the callers, the refusals and the kinds of answers that
	// are told apart; shownCallers is how many of them a report has.
	maxCallers, shownCallers = 2000, 20
	// slow is how long a request lasts that is told of beside a failure.
	slow = 5 * time.Second
	// maxCallerDocs is how many documents of one caller are counted.
	maxCallerDocs = 200
)

// Logs reads CouchDB's log and couchmend's own, either of which may be empty,
// and joins them: by request id, then by document and time.
func (g *Gatherer) Logs(ctx context.Context, couchdb, ours []Log) error {
	o := &own{lines: map[string]int64{}, failed: map[string][]int{}}
	for _, log := range ours {
		if err := g.readOwn(log.From, o); err != nil {
			return fmt.Errorf("%s: %w", log.Name, err)
		}
	}
	j := newJoin(g, o)
	for _, log := range couchdb {
		if err := j.read(ctx, log); err != nil {
			return fmt.Errorf("%s: %w", log.Name, err)
		}
	}
	g.report.Logs = j.logs()
	for _, log := range slices.Concat(couchdb, ours) {
		g.report.Logs.Files = append(g.report.Logs.Files, log.Name)
	}
	if len(ours) > 0 {
		g.report.Logs.Own = o.lines
	}
	return nil
}

// join reads CouchDB's log beside what couchmend's said.
type join struct {
	g       *Gatherer
	own     *own
	out     Logs
	callers map[callerKey]*caller
	refused map[refusedKey]*Refused
	status  map[statusKey]*Status
	took    map[string]*histogram
}

type callerKey struct {
	who                    Who
	db, user, peer, method string
}

type caller struct {
	Caller
	docs map[string]int64
}

type refusedKey struct{ target, error, reason string }

type statusKey struct {
	who      Who
	db, user string
	status   int
}

func newJoin(g *Gatherer, o *own) *join {
	return &join{
		g: g, own: o, out: Logs{Conflicts: map[Who]int64{}, Bulk: map[Who]int64{}},
		callers: map[callerKey]*caller{}, refused: map[refusedKey]*Refused{}, status: map[statusKey]*Status{}, took: map[string]*histogram{},
	}
}

func (j *join) read(ctx context.Context, log Log) error {
	for e, err := range couchlog.Read(log.From) {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !e.Time.IsZero() && e.Time.Before(j.g.o.Since):
			continue
		case e.Access != nil && !j.g.o.Visible(e.Access.DB()):
			continue
		}
		j.add(&e)
	}
	return nil
}

func (j *join) add(e *couchlog.Entry) {
	j.out.Entries++
	if !e.Time.IsZero() {
		if j.out.From.IsZero() || e.Time.Before(j.out.From) {
			j.out.From = e.Time
		}
		if e.Time.After(j.out.To) {
			j.out.To = e.Time
		}
	}
	if r, ok := e.Refusal(); ok {
		j.addRefusal(r)
		return
	}
	if e.IsOldConflict() {
		j.out.OldConflicts++
	}
	a := e.Access
	if a == nil {
		return
	}
	who := j.who(e)
	if a.Handler() == "_bulk_docs" && a.Method == http.MethodPost {
		j.out.Bulk[who]++
	}
	if who == Ours {
		j.addOurs(e)
	}
	switch {
	case a.Status == http.StatusConflict:
		j.addConflict(who, e)
	case a.Status >= 400 && a.Status != http.StatusNotFound && a.Status != http.StatusPreconditionFailed || a.Status == http.StatusPreconditionFailed && a.Handler() == "_bulk_docs":
		j.addStatus(who, a)
	}
}

// who made a request.
func (j *join) who(e *couchlog.Entry) Who {
	if e.Request != "" {
		if _, ours := j.own.traces.find(hashOf(e.Request)); ours {
			return Ours
		}
	}
	switch {
	case strings.HasPrefix(e.Access.Doc(), "_local/"):
		return Replicators
	case len(e.Request) == 32 && strings.Trim(e.Request, "0123456789abcdef") == "":
		return Traced
	}
	return Application
}

// addOurs takes in a request of couchmend's own.
func (j *join) addOurs(e *couchlog.Entry) {
	a := e.Access
	if a.Took >= 0 && a.Handler() != "" && a.Handler() != "_changes" { // a feed lasts as long as it is followed
		if j.took[a.Handler()] == nil {
			j.took[a.Handler()] = &histogram{}
		}
		j.took[a.Handler()].add(a.Took)
	}
	writes := a.Handler() == "_bulk_docs" || a.Method == http.MethodPut
	if !writes && a.Status < 400 && a.Took < slow {
		return // a trace runs from the feed's page on: most of it is not about what failed
	}
	for _, place := range j.own.failed[e.Request] {
		f := &j.own.joined[place]
		if len(f.Answers) < shownDocs {
			f.Answers = append(f.Answers, Answer{Time: e.Time, Method: a.Method, Path: a.Path, Status: a.Status, Millis: a.Took.Milliseconds()})
		}
	}
}

func (j *join) addConflict(who Who, e *couchlog.Entry) {
	a := e.Access
	j.out.Conflicts[who]++
	key := callerKey{who, a.DB(), a.User, a.Peer, a.Method}
	c := j.callers[key]
	if c == nil {
		if len(j.callers) >= maxCallers {
			return
		}
		c = &caller{Caller: Caller{Who: who, DB: key.db, User: a.User, Peer: a.Peer, Method: a.Method, First: e.Time}, docs: map[string]int64{}}
		j.callers[key] = c
	}
	c.N++
	c.Last = e.Time
	doc := a.Doc()
	if _, known := c.docs[doc]; doc != "" && (known || len(c.docs) < maxCallerDocs) {
		c.docs[doc]++
	}
	at, written := j.own.writes.find(hashOf(a.DB(), doc))
	if after := e.Time.Sub(at); written && who != Ours && after >= -time.Second && after <= raceWindow {
		c.AfterOurs++
	}
}

func (j *join) addStatus(who Who, a *couchlog.Access) {
	key := statusKey{who, a.DB(), a.User, a.Status}
	s := j.status[key]
	if s == nil {
		if len(j.status) >= maxCallers {
			return
		}
		path, _, _ := strings.Cut(a.Path, "?")
		s = &Status{Who: who, DB: key.db, User: a.User, Status: a.Status, Sample: a.Method + " " + path}
		j.status[key] = s
	}
	s.N++
}

func (j *join) addRefusal(r couchlog.Refusal) {
	db := j.g.here(r.Target)
	if db != "" && !j.g.o.Visible(db) {
		return
	}
	key := refusedKey{r.Target, r.Error, r.Reason}
	f := j.refused[key]
	if f == nil {
		if len(j.refused) >= maxCallers {
			return
		}
		f = &Refused{Target: r.Target, TargetDB: db, Error: r.Error, Reason: r.Reason, Docs: []string{}}
		j.refused[key] = f
	}
	f.N++
	if len(f.Docs) < shownDocs && !slices.Contains(f.Docs, r.ID) {
		f.Docs = append(f.Docs, r.ID)
	}
}

// logs is what was read.
func (j *join) logs() *Logs {
	out := j.out
	for _, c := range j.callers {
		for id, n := range c.docs {
			c.Docs = append(c.Docs, DocN{id, n})
		}
		slices.SortFunc(c.Docs, func(a, b DocN) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.ID, b.ID)) })
		c.Docs = append([]DocN{}, c.Docs[:min(len(c.Docs), shownDocs)]...)
		out.Callers = append(out.Callers, c.Caller)
	}
	slices.SortFunc(out.Callers, func(a, b Caller) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.DB, b.DB), cmp.Compare(a.User, b.User), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Who, b.Who))
	})
	for r := range maps.Values(j.refused) {
		out.Refused = append(out.Refused, *r)
	}
	slices.SortFunc(out.Refused, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Error, b.Error))
	})
	for s := range maps.Values(j.status) {
		out.Statuses = append(out.Statuses, *s)
	}
	slices.SortFunc(out.Statuses, func(a, b Status) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Status, b.Status), cmp.Compare(a.DB, b.DB), cmp.Compare(a.User, b.User), cmp.Compare(a.Who, b.Who))
	})
	out.Callers = append([]Caller{}, out.Callers[:min(len(out.Callers), shownCallers)]...)
	out.Refused = append([]Refused{}, out.Refused[:min(len(out.Refused), shownCallers)]...)
	out.Statuses = append([]Status{}, out.Statuses[:min(len(out.Statuses), shownCallers)]...)
	out.Joined = append([]Joined{}, j.own.joined...)
	out.Took = map[string]Spans{}
	for what, h := range j.took {
		out.Took[what] = h.spans()
	}
	return &out
}
