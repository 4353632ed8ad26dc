package triage

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// journalLines is how many decisions of the journal are counted, and
	// journalRead how many of them are read with the bodies that they were made
	// from, the newest of both.
	journalLines = 50_000
	journalRead  = 500
	// maxFailures bounds the kinds of failures that are told apart.
	maxFailures = 500
	// shownDocs is how many documents are named as examples.
	shownDocs = 5
)

// Ledger looks at what couchmend has done and what waits for a person.
func (g *Gatherer) Ledger(ctx context.Context, l *ledger.Ledger) error {
	pauses, err := l.Pauses(ctx)
	if err != nil {
		return err
	}
	g.report.Pauses = slices.DeleteFunc(pauses, func(p ledger.Pause) bool { return p.DB != "" && !g.o.Visible(p.DB) })
	for c, err := range l.Cases(ctx, ledger.Filter{}) {
		if err != nil {
			return err
		}
		if !c.Dismissed && g.o.Visible(c.DB) {
			g.review[c.DB]++
			g.addCase(c)
			if len(g.waiting) < maxTraces {
				g.waiting[hashOf(c.DB, c.ID)] = true
			}
		}
	}
	return g.journal(ctx, l)
}

// mends are the kinds of entries by which a conflict came to an end.
var mends = map[string]bool{"merge": true, "keep": true, "bury": true, "delete": true, "split": true, "resolve": true}

// journal counts decisions, and looks into the newest.
func (g *Gatherer) journal(ctx context.Context, l *ledger.Ledger) error {
	lines := 0
	var numbers []uint64
	_, err := l.EachBack(ctx, ledger.Back{Since: g.o.Since, Most: journalLines}, func(number uint64, line ledger.EntryLine) bool {
		lines++
		if !g.o.Visible(line.DB) || line.Time.Before(g.o.Since) || !mends[line.Kind] || g.waiting[hashOf(line.DB, line.ID)] {
			return true // a decision on what is in review was not carried out
		}
		g.mended[line.DB]++
		if len(numbers) < journalRead {
			numbers = append(numbers, number)
		}
		return true
	})
	if err != nil {
		return err
	}
	if lines >= journalLines {
		g.note("", "The journal has more decisions than were counted: the newest 50,000 were.", nil)
	}
	for _, number := range numbers {
		e, err := l.Entry(ctx, number)
		if couchmend.KindOf(err) == couchmend.KindNotFound { // it has aged out since
			continue
		}
		if err != nil {
			return err
		}
		o := observation{db: e.DB, id: e.ID, leaves: slices.DeleteFunc(slices.Clone(e.Leaves), func(r couchmend.Revision) bool { return r.Deleted }), bases: e.Bases, at: e.Time}
		g.survey.add(o)
	}
	return nil
}

// failureKey tells failures apart.
type failureKey struct {
	db, class, rule, says string
	reason                couchmend.Reason
}

// failure is the failure of a kind; nil where there are too many kinds.
func (g *Gatherer) failure(key failureKey) *Failure {
	f := g.failures[key]
	if f == nil && len(g.failures) < maxFailures {
		f = &Failure{DB: key.db, Class: key.class, Reason: key.reason, Rule: key.rule, Says: key.says, Docs: []string{}}
		g.failures[key] = f
	}
	return f
}

// saying are the reasons of which others' words tell one failure from another.
var saying = map[couchmend.Reason]bool{
	couchmend.ReasonRefused: true, couchmend.ReasonNotBuried: true, couchmend.ReasonFailed: true,
	couchmend.ReasonResolverError: true, couchmend.ReasonResolverOutput: true, couchmend.ReasonResolverCrashed: true, couchmend.ReasonSchema: true,
}

func (g *Gatherer) addCase(c ledger.Case) {
	key := failureKey{db: c.DB, class: c.FailureClass, reason: c.Reason, rule: c.Rule}
	if len(c.Evidence) > 0 && saying[c.Reason] {
		key.says = serverWords(c.Evidence[0])
	}
	f := g.failure(key)
	if f == nil {
		return
	}
	f.Review++
	if f.Oldest.IsZero() || c.First.Before(f.Oldest) {
		f.Oldest = c.First
	}
	f.name(c.ID)
	for _, field := range c.Fields {
		if len(f.Fields) < 8 && !slices.Contains(f.Fields, field) {
			f.Fields = append(f.Fields, field)
		}
	}
}

// addLogged takes in a line of couchmend's log about something that failed.
func (g *Gatherer) addLogged(l ownLine) {
	f := g.inReview(l)
	if f == nil {
		f = g.failure(failureKey{db: l.DB, class: l.Class, reason: l.Reason, rule: l.Rule, says: serverWords(l.Error)})
	}
	if f != nil {
		f.Logged++
		f.name(l.ID)
	}
}

// inReview is the failure that a line tells of, where cases in review do too:
// their words are better.
func (g *Gatherer) inReview(l ownLine) *Failure {
	var best *Failure
	for key, f := range g.failures {
		if f.Review == 0 || key.db != l.DB || key.class != l.Class || key.reason != l.Reason || key.rule != l.Rule {
			continue
		}
		if best == nil || f.Review > best.Review || f.Review == best.Review && f.Says < best.Says {
			best = f
		}
	}
	return best
}

// name takes a document in as an example: those whose ids come first.
func (x *Failure) name(id string) {
	at, known := slices.BinarySearch(x.Docs, id)
	if known || at == shownDocs {
		return
	}
	x.Docs = slices.Insert(x.Docs, at, id)
	x.Docs = x.Docs[:min(len(x.Docs), shownDocs)]
}

// doing is how an error of couchmend's begins: what was being done, to what.
var doing = regexp.MustCompile(`^(?:[a-z_]+ .*?@[0-9]+-[0-9a-f]+|(?:bulk_docs|bulk_get|all_docs|open_revs|changes|info|revs_limit|attachment|load|mend|decide|resolve) [^\s:"]+): `)

// serverWords are what an error says after what was being done to what: the
// same for one cause.
func serverWords(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return doing.ReplaceAllString(text, "")
}

// failed are the failures, the most frequent first.
func (g *Gatherer) failed() []Failure {
	all := []Failure{}
	for f := range maps.Values(g.failures) {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Review+b.Logged, a.Review+a.Logged), cmp.Compare(a.DB, b.DB), cmp.Compare(a.Class, b.Class),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Says, b.Says))
	})
	return all
}

// took takes in how long something lasted, by class.
func (g *Gatherer) took(class string, d time.Duration) {
	if g.latency[class] == nil {
		g.latency[class] = &histogram{}
	}
	g.latency[class].add(d)
}
