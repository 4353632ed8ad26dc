package splitter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// turn is one turn at what waits in a database.
type turn struct {
	*Unattended
	db       string
	splitter *Splitter
	tried    map[string]bool // documents, in this turn
	ended    int
}

// casesAtOnce is how many documents are taken at a time: one search finds what
// refers to any of them.
const casesAtOnce = 100

// take takes what waits, until nothing is left but what was tried.
func (t *turn) take(ctx context.Context) error {
	for {
		cases, err := t.next(ctx)
		if err != nil || len(cases) == 0 {
			return err
		}
		if err := t.deal(ctx, cases); err != nil {
			return err
		}
	}
}

func (t *turn) next(ctx context.Context) (cases []ledger.Case, err error) {
	for c, err := range t.mender.Ledger.Cases(ctx, ledger.Filter{DB: t.db, Reason: couchmend.ReasonSplitting}) {
		if err != nil {
			return nil, err
		}
		if c.Dismissed || t.tried[c.ID] {
			continue
		}
		t.tried[c.ID] = true
		if cases = append(cases, c); len(cases) == casesAtOnce {
			break
		}
	}
	return cases, nil
}

// deal goes on with splits that broke off, then begins others, then mends what
// came late.
func (t *turn) deal(ctx context.Context, cases []ledger.Case) error {
	var begin, late []ledger.Case
	for _, c := range cases {
		found, err := t.splitter.Find(ctx, t.db, c.ID)
		switch {
		case err != nil:
		case found != nil && found.State.Stage.UnderWay() && found.State.By == nobody && found.State.Stage != ledger.SplitRollingBack:
			report, failed := t.splitter.carry(ctx, found)
			err = t.end(ctx, c, report, failed)
		case found != nil && found.State.Stage.UnderWay():
			words := fmt.Sprintf("%s began to split it, or to take that back, and it is not done (%s)", found.State.By, found.State.Stage)
			err = t.review(ctx, c, couchmend.ReasonTwoRoots, words, command(t.db, c.ID, "--resume"), command(t.db, c.ID, "--rollback"))
		case c.Decision.Outcome == couchmend.Split:
			begin = append(begin, c)
		default:
			late = append(late, c)
		}
		if err != nil {
			return err
		}
	}
	if err := t.begin(ctx, begin); err != nil || len(late) == 0 {
		return err
	}
	return t.late(ctx, late)
}

// begin carries out splits that nobody has begun. What only has late leaves
// needs no search.
func (t *turn) begin(ctx context.Context, cases []ledger.Case) error {
	var searching []ledger.Case
	var requests []Request
	for _, c := range cases {
		if ok, err := t.stands(ctx, c); err != nil {
			return err
		} else if !ok {
			continue
		}
		r := Request{DB: t.db, ID: c.ID}
		split, err := t.splitter.draft(ctx, r)
		switch {
		case err != nil:
			err = t.failed(ctx, c, err)
		case split.Late:
			err = t.follow(ctx, c, split)
		default:
			searching, requests = append(searching, c), append(requests, r)
		}
		if err != nil {
			return err
		}
	}
	plans, err := t.splitter.planAll(ctx, requests)
	if err != nil {
		return t.failedAll(ctx, searching, err)
	}
	for i, c := range searching {
		if err := t.split(ctx, c, plans[i]); err != nil {
			return err
		}
	}
	return nil
}

// stands reports whether a document is still to be split by the policy of now:
// it may have waited long. Where it is not, it is decided on again.
func (t *turn) stands(ctx context.Context, c ledger.Case) (bool, error) {
	_, d, err := t.mender.Look(ctx, t.db, c.ID)
	switch {
	case couchmend.KindOf(err) == couchmend.KindNotFound: // it is gone, or its database
		t.ended++
		_, err := t.mender.Ledger.EndCase(ctx, c)
		return false, err
	case err != nil:
		return false, t.failed(ctx, c, err)
	case d.Outcome != couchmend.Split:
		t.ended++
		return false, t.splitter.queue(ctx, t.db, []string{c.ID})
	}
	return true, nil
}

// split carries a plan out, if nothing in it is in doubt.
func (t *turn) split(ctx context.Context, c ledger.Case, p planned) error {
	switch {
	case p.err != nil:
		return t.failed(ctx, c, p.err)
	case p.split.Late:
		return t.follow(ctx, c, p.split)
	}
	if words := doubts(p.split.Plan); len(words) > 0 {
		return t.review(ctx, c, couchmend.ReasonTwoRoots, slices.Concat(c.Evidence, words, []string{command(t.db, c.ID)})...)
	}
	report, err := t.splitter.Apply(ctx, p.split)
	return t.end(ctx, c, report, err)
}

// maxDoubts is how many references a case tells of.
const maxDoubts = 8

// doubts say why only a person may carry a plan out.
func doubts(p collision.Plan) []string {
	words := slices.Concat(p.Waits, p.Doubts)
	open := p.Open()
	for _, r := range open[:min(len(open), maxDoubts)] {
		words = append(words, fmt.Sprintf("it is not known what %s in %s/%s means: %s", r.Place, r.DB, r.Doc, r.Reason))
	}
	if more := len(open) - maxDoubts; more > 0 {
		words = append(words, fmt.Sprintf("nor what %d more references mean", more))
	}
	return words
}

// follow has late leaves follow their versions.
func (t *turn) follow(ctx context.Context, c ledger.Case, split *Split) error {
	var report Report
	err := t.splitter.follow(ctx, split, &report)
	if err == nil {
		err = report.refusal(split.Plan)
	}
	return t.end(ctx, c, report, err)
}

// end ends what a case waited for.
func (t *turn) end(ctx context.Context, c ledger.Case, report Report, err error) error {
	if err != nil {
		return t.failed(ctx, c, err)
	}
	for _, q := range report.asked {
		if err := t.ask(ctx, q, c.ID); err != nil {
			return err
		}
	}
	if _, err := t.mender.Ledger.EndCase(ctx, c); err != nil {
		return err
	}
	t.ended++
	t.Stats.Followed.Add(int64(len(report.Followed)))
	if report.Stage == ledger.SplitDone {
		t.Stats.Split.Add(1)
	}
	t.mender.Log.Info("split", "resolver_status", "ok", "db", t.db, "doc_id", c.ID, "created", report.Created,
		"repointed", report.Documents, "followed", report.Followed, "left", report.Left)
	return nil
}

// ask puts a document before a person of which it is not known what it refers to.
func (t *turn) ask(ctx context.Context, q question, id string) error {
	live, dead, err := t.splitter.leaves(ctx, q.db, q.id)
	if err != nil {
		return err
	}
	words := []string{q.words, command(t.db, id)}
	c := ledger.Case{
		DB: q.db, ID: q.id, Reason: couchmend.ReasonLate, Leaves: revsOf(slices.Concat(live, dead)), Evidence: words,
		Decision: couchmend.Decision{Outcome: couchmend.Review, Reason: couchmend.ReasonLate, Evidence: words},
	}
	before, waits, err := t.mender.Ledger.Case(ctx, q.db, q.id)
	if err != nil || waits && before.Reason == c.Reason && slices.Equal(before.Leaves, c.Leaves) {
		return err
	}
	t.Stats.Reviewed.Add(1)
	return t.mender.Ledger.PutCases(ctx, c)
}

// review puts a case before a person, unless there is news of its document.
func (t *turn) review(ctx context.Context, c ledger.Case, reason couchmend.Reason, words ...string) error {
	c.Reason, c.Evidence = reason, words
	c.Decision.Reason, c.Decision.Evidence = reason, words
	ok, err := t.mender.Ledger.ReplaceCase(ctx, c)
	if !ok || err != nil {
		return err
	}
	t.ended++
	t.Stats.Reviewed.Add(1)
	t.mender.Log.Info("conflict", "resolver_status", "review", "db", c.DB, "doc_id", c.ID, "reason", reason, "outcome", c.Decision.Outcome, "evidence", words)
	return nil
}

// patient is how often a server's failure is taken for the server's: more often
// than a document's own failures.
const patient = 8

// failed ends a case whose split failed; an error where it was not the
// document's fault, and the turn ends. A document that has changed since it was
// decided on is tried again: the feed brings the change, and another case.
func (t *turn) failed(ctx context.Context, c ledger.Case, err error) error {
	attempts := 0
	switch kind := couchmend.KindOf(err); {
	case ctx.Err() != nil, errors.Is(err, errPaused), fatal(err), kind == couchmend.KindUnreachable:
		return err
	case kind == couchmend.KindServer:
		attempts = patient
	case kind == couchmend.KindConflict, kind == couchmend.KindUsage, kind == couchmend.KindNotFound:
		attempts = mender.MaxAttempts
	}
	t.mender.Log.Warn("split", "resolver_status", "error", "db", t.db, "doc_id", c.ID, "error", err)
	if c.Attempts++; c.Attempts < attempts {
		t.later(t.db, t.mender.Pace(c.Attempts))
		_, err := t.mender.Ledger.ReplaceCase(ctx, c)
		return err
	}
	c.Attempts = 0
	flags := []string{}
	if found, _ := t.splitter.Find(ctx, t.db, c.ID); found != nil && found.State.Stage.UnderWay() {
		flags = append(flags, "--resume")
	}
	return t.review(ctx, c, couchmend.ReasonTwoRoots, slices.Concat(c.Evidence, []string{err.Error(), command(t.db, c.ID, flags...)})...)
}

// failedAll is failed for an error that no single document is to blame for.
func (t *turn) failedAll(ctx context.Context, cases []ledger.Case, err error) error {
	for _, c := range cases {
		if err := t.failed(ctx, c, err); err != nil {
			return err
		}
	}
	return nil
}

// quoted is a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 && word[0] != '-' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
