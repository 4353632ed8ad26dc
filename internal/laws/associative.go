package laws

import (
	"context"
	"fmt"
)

// associative lets three leaves meet in every order, on sites of their own:
//
//	all at once   (A·B)·C   (A·C)·B   (B·C)·A   (A·B)·(B·C)   (A·B)·(A·C)   (A·C)·(B·C)
//
// In the last three, two sites merged one and the same edit with different ones,
// and then met: what is in both must not count twice.
func (t *trial) associative(ctx context.Context, q Question) *breach {
	if len(q.Leaves) < 3 {
		return nil
	}
	q.Leaves = q.Leaves[:3]
	p := plant(q, upward(3))
	first := t.settle(ctx, p.site(t.rules, q.ID, 0, 1, 2), "A·B·C at once")
	var worst *breach
	for _, a := range append(t.chains(ctx, q, p), t.crossings(ctx, q, p)...) {
		worst = worse(worst, t.compare(q, first, a, func(where []string) string {
			return fmt.Sprintf("Two clinics that meet these edits in different orders show different values of %s, though both hold every edit; "+
				"when they meet they settle on one of them or on a third, and which one, the order decides, not what was entered.", list(where, "the whole document"))
		}))
	}
	return worst
}

// chains merge two leaves, and the third one after them.
func (t *trial) chains(ctx context.Context, q Question, p planted) []Answer {
	var answers []Answer
	for last := 2; last >= 0; last-- {
		first, second := (last+1)%3, (last+2)%3
		if first > second {
			first, second = second, first
		}
		s := p.site(t.rules, q.ID, first, second)
		t.settle(ctx, s, "")
		s.put(p.leaves[last])
		answers = append(answers, t.settle(ctx, s, fmt.Sprintf("(%s)·%s", letters(first, second), letters(last))))
	}
	return answers
}

// crossings merge two pairs that share a leaf, apart, and then what they became.
func (t *trial) crossings(ctx context.Context, q Question, p planted) []Answer {
	var answers []Answer
	for shared := range 3 {
		x, y := (shared+1)%3, (shared+2)%3
		here, there := p.site(t.rules, q.ID, shared, x), p.site(t.rules, q.ID, shared, y)
		t.settle(ctx, here, "")
		t.settle(ctx, there, "")
		here.put(there.revisions()...)
		if q.Base == nil { // a database that was compacted
			here.compact()
		}
		how := fmt.Sprintf("(%s)·(%s), merged apart", letters(min(shared, x), max(shared, x)), letters(min(shared, y), max(shared, y)))
		answers = append(answers, t.settle(ctx, here, how))
	}
	return answers
}
