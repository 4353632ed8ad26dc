package laws

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend/internal/decide"
)

// commutative lets each leaf win once, and lists the leaves backwards.
func (t *trial) commutative(ctx context.Context, q Question) *breach {
	n := len(q.Leaves)
	var first Answer
	var worst *breach
	for turn := range n {
		ranks := make([]int, n)
		for i := range ranks {
			ranks[i] = 1 + (i+turn)%n
		}
		p := plant(q, ranks)
		winner := slices.Index(ranks, n)
		s := p.site(t.rules, q.ID, indices(q)...)
		if broken := t.backwards(ctx, s); broken != nil {
			return broken
		}
		a := t.settle(ctx, s, fmt.Sprintf("%s, %s won", letters(indices(q)...), letters(winner)))
		if turn == 0 {
			first = a
			continue
		}
		worst = worse(worst, t.compare(q, first, a, func(where []string) string {
			return fmt.Sprintf("Which revision CouchDB calls the winner is chance, and %s depend%s on it: the same edits merge to something else where another one won.", list(where, "what the document becomes"), plural(where))
		}))
	}
	return worst
}

// backwards asks about the leaves in another order: the very same revisions, so
// the very same bytes.
func (t *trial) backwards(ctx context.Context, s *site) *breach {
	c := s.conflict()
	there := decide.Decide(ctx, t.rules, c)
	c.Leaves = slices.Clone(c.Leaves)
	slices.Reverse(c.Leaves)
	back := decide.Decide(ctx, t.rules, c)
	t.decisions += 2
	a, b := answerOf(there, "leaves read in one order"), answerOf(back, "leaves read in the other order")
	if a.Outcome != b.Outcome || !bytes.Equal(a.Body, b.Body) {
		return &breach{status: Failed, answers: []Answer{a, b}, means: unstable}
	}
	return nil
}
