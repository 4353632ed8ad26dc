package mender

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/couchmend/couchmend"
)

// Ending says how one document left a batch, as its line of the log does. What
// was no conflict, and what is in review already as it was, has none.
type Ending struct {
	DB, ID string
	// Status is "ok", "review", "error" (it is tried again) or "skipped" (a
	// newer save has overtaken it, or it waits to be split).
	Status  string
	Outcome couchmend.Outcome
	Rule    string // "policy/rule"; "" where none applied
	Reason  couchmend.Reason
	// FailureClass is "merge_logic", "schema", "write_timeout",
	// "write_refused", "forbidden" or "attachment"; "" where nothing failed.
	FailureClass string
	Live         int // live leaves that were read; 0 where none could be
	Deep         bool
	// Latency is the time since a feed put the document into the queue, Worked
	// the time since a worker took it.
	Latency, Worked time.Duration
}

// report counts, logs and traces how a job ended.
func (m *Mender) report(ctx context.Context, j *job) {
	m.Stats.count(j)
	e := j.ending()
	level := slog.LevelInfo
	switch j.end {
	case resolved:
		if e.Outcome == couchmend.Nothing || e.Outcome == "" {
			return
		}
	case inReview:
		if j.known {
			return
		}
		if j.err != nil {
			level = slog.LevelWarn
		}
	case failed:
		level = slog.LevelWarn
	default: // a server that is away is said once, of the whole batch
		level = slog.LevelDebug
	}
	m.Log.Log(ctx, level, "conflict", j.line(e)...)
	tell(ctx, e)
	if m.Ended != nil {
		m.Ended(e)
	}
}

func (j *job) ending() Ending {
	e := Ending{
		DB: j.conflict.DB, ID: j.conflict.ID, Status: "skipped",
		Outcome: j.decision.Outcome, Rule: j.decision.Rule, Reason: j.reason(), FailureClass: failureClass(j),
		Live: len(j.conflict.Leaves), Deep: j.decision.Deep, Worked: time.Since(j.started),
	}
	switch j.end {
	case resolved:
		e.Status = "ok"
	case inReview:
		if e.Status = "review"; j.waits {
			e.Status = "skipped"
		}
	case failed, away:
		e.Status = "error"
	}
	if e.Latency = e.Worked; !j.task.Enqueued.IsZero() {
		e.Latency = max(time.Since(j.task.Enqueued), 0) // another machine's clock
	}
	return e
}

// line is what the log says of an ending. Each line has the first twelve.
func (j *job) line(e Ending) []any {
	leaves := j.leaves()
	var winner couchmend.Rev
	if len(leaves) > 0 {
		winner = leaves[0]
	}
	attrs := []any{
		"resolver_status", e.Status,
		"conflict_resolution_latency_ms", e.Latency.Milliseconds(),
		"failure_class", e.FailureClass,
		"db", e.DB, "doc_id", e.ID, "seq", cmp.Or(j.task.Seq, j.task.Since), // CouchDB works out only some rows' while catching up
		"leaf_revs", leaves, "winner_rev", winner, "trace_id", j.task.Trace,
		"outcome", e.Outcome, "rule", e.Rule, "reason", e.Reason,
	}
	if j.err != nil {
		attrs = append(attrs, "error", j.err.Error())
	}
	return attrs
}

// failureClass is the log's word for what went wrong.
func failureClass(j *job) string {
	switch j.reason() {
	case "", couchmend.ReasonSplitting, couchmend.ReasonLate, couchmend.ReasonDeleted, couchmend.ReasonHeld, couchmend.ReasonPaused:
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
