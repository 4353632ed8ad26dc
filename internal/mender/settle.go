package mender

import (
	"context"
	"errors"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// settle ends jobs. Those without an ending of their own get the given one;
// cause is the error behind it. What is resolved or in review is acknowledged,
// all else handed back. Its error is the ledger's.
func (m *Mender) settle(ctx context.Context, jobs []*job, ending ending, cause error) error {
	if len(jobs) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // what is done is done: say so
	var cases, done []*job
	for _, j := range jobs {
		if j.end == unfinished {
			j.end = ending
			if cause != nil {
				j.err = cause
			}
		}
		j.review()
		switch j.end {
		case inReview:
			cases = append(cases, j)
		case resolved:
			done = append(done, j)
		}
	}
	broken := errors.Join(
		orAway(cases, m.putCases(ctx, cases)),
		orAway(done, m.dropCases(ctx, done)))
	m.tellSplits(jobs)
	for _, j := range jobs {
		if j.end == inReview && j.decision.Reason == couchmend.ReasonPaused {
			m.halt(j.conflict.DB) // once its case is there to be found
		}
		m.report(ctx, j)
		broken = errors.Join(broken, m.handBack(ctx, j))
	}
	if broken != nil {
		return stateError{broken}
	}
	return nil
}

// review puts a job before a person that has no attempts left, or that a pause
// stopped.
func (j *job) review() {
	switch {
	case j.end == failed && j.task.Attempt+1 >= MaxAttempts:
		j.end = inReview
		j.decision = couchmend.Decision{Outcome: couchmend.Review, Reason: couchmend.ReasonFailed, Evidence: []string{j.err.Error()}}
	case j.end == paused:
		j.end = inReview
		j.decision.Reason, j.decision.Evidence = couchmend.ReasonPaused, []string{"mending is paused; it goes on by itself"}
	}
}

// orAway lets jobs be tried again whose state could not be written.
func orAway(jobs []*job, err error) error {
	if err != nil {
		for _, j := range jobs {
			j.end, j.err = away, err
		}
	}
	return err
}

func (m *Mender) handBack(ctx context.Context, j *job) error {
	switch j.end {
	case failed:
		return j.task.Retry(m.Pace(j.task.Attempt + 1))
	case away:
		return release([]*job{j}, max(m.tired(j.conflict.DB), m.Pace(1)))
	}
	return j.task.Ack(ctx)
}

// putCases puts documents before a person: those that are not there already
// for the same reason with the same leaves. Each is reported once.
func (m *Mender) putCases(ctx context.Context, jobs []*job) error {
	if len(jobs) == 0 {
		return nil
	}
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.conflict.ID
	}
	known, err := m.Ledger.CasesOf(ctx, jobs[0].conflict.DB, ids...)
	if err != nil {
		return err
	}
	var cases []ledger.Case
	var kept []ledger.Entry
	for _, j := range jobs {
		c := caseOf(j)
		if before, ok := known[c.ID]; ok {
			same := len(c.Leaves) > 0 && sameRevs(before.Leaves, c.Leaves)
			if same && (before.Reason == c.Reason || j.answered(before)) {
				j.known = true
				continue
			}
			c.First = before.First
			if same { // a person let these leaves stand, for whatever reason they wait
				c.Dismissed, c.By = before.Dismissed, before.By
			}
		}
		cases = append(cases, c)
		evidence := len(j.conflict.Bases) > 0 || j.decision.Reason == couchmend.ReasonSchema
		if evidence && j.decision.Outcome == couchmend.Review {
			e := entry(j.conflict, j.decision)
			e.By, e.Seq, e.Trace = "couchmend", j.task.Seq, j.task.Trace
			kept = append(kept, e)
		}
	}
	if len(kept) > 0 { // compaction may take the bases before a person comes to look, and a program mend what a schema refused
		if err := m.Ledger.Append(ctx, kept...); err != nil {
			return err
		}
	}
	if len(cases) == 0 {
		return nil
	}
	return m.Ledger.PutCases(ctx, cases...)
}

func caseOf(j *job) ledger.Case {
	d := j.decision
	d.Merge = withoutData(d.Merge)
	return ledger.Case{
		DB: j.conflict.DB, ID: j.conflict.ID, Reason: j.reason(), Decision: d, Leaves: j.leavesNow(),
		Type: typeOf(j.conflict), Fields: disputed(j.conflict), Live: len(j.conflict.Leaves),
		Deep: d.Deep, Rule: d.Rule, Evidence: d.Evidence,
		Attempts: j.task.Attempt, Trace: j.task.Trace, FailureClass: failureClass(j),
	}
}

// leaves returns the leaves that a job was about: those that were read, or
// those that its task names where they could not be.
func (j *job) leaves() []couchmend.Rev {
	if read := leavesOf(j.conflict); len(read) > 0 {
		return read
	}
	return j.task.Leaves
}

// leavesNow returns the leaves that a job leaves behind: where a tombstone was
// refused, the merge and the other tombstones are written. The feed's next row
// names these; the document must not be reported again for them, and a person
// decides on them.
func (j *job) leavesNow() []couchmend.Rev {
	now := slices.Clone(j.leaves())
	if j.decision.Reason != couchmend.ReasonNotBuried {
		return now
	}
	if j.decision.Merge != nil {
		now[0] = j.decision.Merge.Rev
	}
	for _, tombstone := range j.decision.Bury {
		if i := slices.Index(now, tombstone.Path[1]); i >= 0 && !slices.Contains(j.unburied, tombstone.Rev) {
			now[i] = tombstone.Rev
		}
	}
	return now
}

// leavesOf returns all leaves of a conflict, live ones first.
func leavesOf(c couchmend.Conflict) []couchmend.Rev {
	var all []couchmend.Rev
	for _, leaf := range c.Leaves {
		all = append(all, leaf.Rev)
	}
	for _, leaf := range c.Dead {
		all = append(all, leaf.Rev)
	}
	return all
}

func sameRevs(a, b []couchmend.Rev) bool {
	if len(a) != len(b) {
		return false
	}
	in := map[couchmend.Rev]bool{}
	for _, r := range a {
		in[r] = true
	}
	for _, r := range b {
		if !in[r] {
			return false
		}
	}
	return true
}

// dropCases takes documents that are resolved out of review.
func (m *Mender) dropCases(ctx context.Context, jobs []*job) error {
	if len(jobs) == 0 {
		return nil
	}
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.conflict.ID
	}
	return m.Ledger.DropCases(ctx, jobs[0].conflict.DB, ids...)
}

func revsOf(revisions []couchmend.Revision) []couchmend.Rev {
	revs := make([]couchmend.Rev, len(revisions))
	for i, r := range revisions {
		revs[i] = r.Rev
	}
	return revs
}
