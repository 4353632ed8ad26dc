package mender

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// settle ends a batch. Jobs without an ending of their own get the given one;
// cause is the error behind it. What is resolved or in review is acknowledged,
// all else handed back. It returns cause where that concerns more than these
// documents.
func (m *Mender) settle(ctx context.Context, jobs []*job, ending ending, cause error) error {
	ctx = context.WithoutCancel(ctx) // what is done is done: say so
	var cases []*job
	for _, j := range jobs {
		if j.end == unfinished {
			j.end, j.err = ending, cause
		}
		if j.end == failed && j.task.Attempt+1 >= MaxAttempts {
			j.end = inReview
			j.decision = couchmend.Decision{Outcome: couchmend.Review, Reason: couchmend.ReasonFailed, Evidence: []string{j.err.Error()}}
		}
		if j.end == paused {
			j.end = inReview
			j.decision.Reason, j.decision.Evidence = couchmend.ReasonPaused, []string{"mending is paused; it goes on by itself"}
			m.halt(j.conflict.DB)
		}
		if j.end == inReview {
			cases = append(cases, j)
		}
	}
	if err := m.putCases(ctx, cases); err != nil {
		for _, j := range cases {
			j.end, j.err = away, err
		}
		cause = errors.Join(cause, err)
	}
	if err := m.dropCases(ctx, jobs); err != nil {
		cause = errors.Join(cause, err)
	}
	for _, j := range jobs {
		m.report(j)
		if err := m.handBack(ctx, j); err != nil {
			cause = errors.Join(cause, err)
		}
	}
	if ending == away {
		return cause
	}
	return nil
}

func (m *Mender) handBack(ctx context.Context, j *job) error {
	switch j.end {
	case failed:
		return j.task.Retry(m.Pace(j.task.Attempt + 1))
	case away:
		return j.task.Release(m.Pace(1))
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
		c := caseOf(j.conflict, j.decision)
		c.Attempts, c.Trace, c.FailureClass = j.task.Attempt, j.task.Trace, failureClass(j)
		if before, ok := known[c.ID]; ok {
			same := sameRevs(before.Leaves, c.Leaves)
			if same && before.Reason == c.Reason {
				j.known = true
				continue
			}
			c.First = before.First
			if same { // a person let these leaves stand, for whatever reason they wait
				c.Dismissed, c.By = before.Dismissed, before.By
			}
		}
		cases = append(cases, c)
		if len(j.conflict.Bases) > 0 && j.decision.Outcome == couchmend.Review {
			e := entry(j.conflict, j.decision)
			e.By, e.Seq, e.Trace = "couchmend", j.task.Seq, j.task.Trace
			kept = append(kept, e)
		}
	}
	if len(kept) > 0 { // compaction may take the bases before a person comes to look
		if err := m.Ledger.Append(ctx, kept...); err != nil {
			return err
		}
	}
	if len(cases) == 0 {
		return nil
	}
	return m.Ledger.PutCases(ctx, cases...)
}

func caseOf(c couchmend.Conflict, d couchmend.Decision) ledger.Case {
	d.Merge = withoutData(d.Merge)
	return ledger.Case{
		DB: c.DB, ID: c.ID, Reason: d.Reason, Decision: d, Leaves: leavesOf(c),
		Deep: d.Deep, Rule: d.Rule, Evidence: d.Evidence,
	}
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
	var ids []string
	for _, j := range jobs {
		if j.end == resolved {
			ids = append(ids, j.conflict.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return m.Ledger.DropCases(ctx, jobs[0].conflict.DB, ids...)
}

// failureClass is the log's word for what went wrong.
func failureClass(j *job) string {
	switch j.decision.Reason {
	case "", couchmend.ReasonDeleted, couchmend.ReasonHeld, couchmend.ReasonPaused:
	case couchmend.ReasonSchema:
		return "schema"
	case couchmend.ReasonAttachment:
		return "attachment"
	case couchmend.ReasonRefused, couchmend.ReasonNotBuried:
		if couchmend.KindOf(j.err) == couchmend.KindForbidden {
			return "forbidden"
		}
		return "write_refused"
	case couchmend.ReasonFailed:
	default:
		return "merge_logic"
	}
	switch couchmend.KindOf(j.err) {
	case couchmend.KindUnreachable, couchmend.KindServer:
		return "write_timeout"
	case couchmend.KindForbidden, couchmend.KindAuth:
		return "forbidden"
	case couchmend.KindRefused, couchmend.KindTooLarge, couchmend.KindConflict:
		return "write_refused"
	}
	return ""
}

// report counts and logs how a job ended.
func (m *Mender) report(j *job) {
	m.Stats.count(j)
	level, status := slog.LevelInfo, "ok"
	switch j.end {
	case resolved:
		if j.decision.Outcome == couchmend.Nothing || j.decision.Outcome == "" {
			return
		}
	case inReview:
		if status = "review"; j.known {
			return
		}
		if j.err != nil {
			level = slog.LevelWarn
		}
	case failed:
		level, status = slog.LevelWarn, "error"
	case away: // said once, of the whole batch
		level, status = slog.LevelDebug, "error"
	default:
		level, status = slog.LevelDebug, "skipped"
	}
	attrs := []any{
		"resolver_status", status,
		"conflict_resolution_latency_ms", time.Since(j.started).Milliseconds(),
		"db", j.conflict.DB, "doc_id", j.conflict.ID, "seq", j.task.Seq,
		"outcome", j.decision.Outcome, "leaf_revs", leavesOf(j.conflict),
	}
	if len(j.conflict.Leaves) > 0 {
		attrs = append(attrs, "winner_rev", j.conflict.Leaves[0].Rev)
	}
	for _, pair := range [][2]string{
		{"rule", j.decision.Rule}, {"reason", string(j.decision.Reason)},
		{"failure_class", failureClass(j)}, {"trace_id", j.task.Trace},
	} {
		if pair[1] != "" {
			attrs = append(attrs, pair[0], pair[1])
		}
	}
	if j.err != nil {
		attrs = append(attrs, "error", j.err.Error())
	}
	m.Log.Log(context.Background(), level, "conflict", attrs...)
}

// backoff is 1 s, 2 s, 4 s …, each ± 25 % so that many workers do not come
// back at once.
func backoff(attempt int) time.Duration {
	d := time.Second << min(max(attempt-1, 0), 6)
	return d*3/4 + rand.N(d/2)
}
