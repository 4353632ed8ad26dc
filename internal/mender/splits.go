package mender

import (
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// A split takes long: what refers to the document may be anywhere. So it is not
// carried out here. Its document waits in review as ReasonSplitting, and so does
// one that refers to an id that was split, while whoever is told (Config.Split)
// deals with them; the feed goes on (I6).

// quiet ends a job without a conflict, unless it refers to what was split.
func (b *batch) quiet(j *job) {
	j.end = resolved
	if b.Late == nil || len(j.conflict.Leaves) == 0 || strings.HasPrefix(j.conflict.ID, "_design/") {
		return
	}
	if words := b.Late(j.conflict); len(words) > 0 {
		j.end, j.waits = inReview, true
		j.decision = couchmend.Decision{Outcome: couchmend.Review, Rule: j.decision.Rule, Reason: couchmend.ReasonLate, Evidence: words}
	}
}

// reason is why a job's document is in review.
func (j *job) reason() couchmend.Reason {
	if j.waits {
		return couchmend.ReasonSplitting
	}
	return j.decision.Reason
}

// answered reports whether a document that would wait to be split was tried
// already, with these leaves, and waits for a person since. A retry tries again.
func (j *job) answered(before ledger.Case) bool {
	return j.waits && before.Reason == j.decision.Reason && j.task.Since != ""
}

// tellSplits says which database has documents that wait to be split.
func (m *Mender) tellSplits(jobs []*job) {
	for _, j := range jobs {
		if j.waits && j.end == inReview {
			m.Split(j.conflict.DB)
			return
		}
	}
}
