package laws

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// idempotent merges a document with itself, and a merge with what it contains.
func (t *trial) idempotent(ctx context.Context, q Question) *breach {
	same := Question{ID: q.ID, Base: q.Base, Leaves: []jsondoc.Value{q.Leaves[0], q.Leaves[0]}}
	if q.Base != nil {
		same.Base = q.Leaves[0]
	}
	a := t.settle(ctx, plant(same, upward(2)).site(t.rules, q.ID, 0, 1), "A·A")
	var worst *breach
	if a.answers() {
		worst = t.compare(q, Answer{How: "A", Outcome: couchmend.Merge, Body: json.RawMessage(q.Leaves[0])}, a, func(where []string) string {
			return fmt.Sprintf("A document that nobody changed is changed by being merged: whenever two sites meet, %s may change once more, and they need not come to rest.", list(where, "it"))
		})
	}
	pair := Question{ID: q.ID, Base: q.Base, Leaves: q.Leaves[:2], Source: q.Source}
	return worse(worst, worse(t.savedAgain(ctx, pair), t.metAgain(ctx, pair)))
}

// savedAgain merges a merge with one of its leaves that was saved once more
// without a change: a phone that had not heard of the merge.
func (t *trial) savedAgain(ctx context.Context, q Question) *breach {
	p := plant(q, upward(2))
	s := p.site(t.rules, q.ID, 0, 1)
	merged := t.settle(ctx, s, "A·B")
	if merged.Outcome != couchmend.Merge {
		return nil
	}
	var worst *breach
	for i, leaf := range p.leaves {
		at := p.site(t.rules, q.ID, 0, 1)
		t.settle(ctx, at, "")
		at.put(child(leaf.Path, q.Leaves[i], 255, "again"))
		how := fmt.Sprintf("(A·B)·%s, %s saved again as it was", letters(i), letters(i))
		worst = worse(worst, t.compare(q, merged, t.settle(ctx, at, how), func(where []string) string {
			return fmt.Sprintf("A phone that saves what it had, unchanged, changes the merge: each such save moves %s once more.", list(where, "it"))
		}))
	}
	return worst
}

// metAgain merges a merge, its base and marks forgotten, with a leaf that is in
// it: what only a join need survive, so only what is merged without a base.
func (t *trial) metAgain(ctx context.Context, q Question) *breach {
	q.Base = nil
	p := plant(q, upward(2))
	merged := t.settle(ctx, p.site(t.rules, q.ID, 0, 1), "A·B")
	if merged.Outcome != couchmend.Merge {
		return nil
	}
	var worst *breach
	for i := range q.Leaves {
		met := Question{ID: q.ID, Leaves: []jsondoc.Value{jsondoc.Value(merged.Body), q.Leaves[i]}}
		how := fmt.Sprintf("(A·B)·%s, the merge written by a hand that left no mark", letters(i))
		worst = worse(worst, t.compare(q, merged, t.settle(ctx, plant(met, upward(2)).site(t.rules, q.ID, 0, 1), how), func(where []string) string {
			return fmt.Sprintf("Without a base, what is in the merge already is merged into it once more: %s moves each time that an old copy meets a new one.", list(where, "it"))
		}))
	}
	if worst != nil {
		worst.asked = &q
	}
	return worst
}
