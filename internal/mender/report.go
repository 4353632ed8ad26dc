package mender

import (
	"context"
	"log/slog"
	"time"

	"github.com/couchmend/couchmend"
)

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
		"outcome", j.decision.Outcome, "leaf_revs", j.leaves(),
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
