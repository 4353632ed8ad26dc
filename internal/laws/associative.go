package laws

import (
	"context"
	"fmt"
	"math/rand/v2"
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

const (
	worldSites  = 3
	worldRounds = 25 // of gossip, with crashes and cut replications
	calmRounds  = 25 // in which the sites must come to rest
	worldSeeds  = 2  // schedules for one question
)

// agreement lets sites that each saw some leaves replicate and mend, in random
// order, cut off and crashing in between, until nothing changes any more.
func (t *trial) agreement(ctx context.Context, q Question) *breach {
	var first Answer
	var worst *breach
	for seed := range uint64(worldSeeds) {
		a, broken := t.gossip(ctx, q, seed)
		if broken != nil {
			return broken
		}
		if seed == 0 {
			first = a
			continue
		}
		worst = worse(worst, t.compare(q, first, a, func(where []string) string {
			return fmt.Sprintf("All sites end with one document, but %s depend%s on the order in which they met, not on what was entered.", list(where, "what becomes of it"), plural(where))
		}))
	}
	return worst
}

// gossip runs one world to its end.
func (t *trial) gossip(ctx context.Context, q Question, seed uint64) (Answer, *breach) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	p := plant(q, rnd.Perm(len(q.Leaves)))
	sites := make([]*site, worldSites)
	for i := range sites {
		rules := t.rules
		if t.fresh != nil && i%2 == 1 {
			rules = t.fresh
		}
		sites[i] = p.site(rules, q.ID)
	}
	for i, leaf := range p.leaves {
		sites[i%worldSites].put(leaf)
	}
	for range worldRounds {
		from, to := pair(rnd)
		sites[from].replicate(sites[to], rnd)
		if rnd.Float64() < 0.6 {
			t.decisions++
			sites[to].mend(ctx, rnd.Float64() < 0.7)
		}
		if q.Base == nil {
			sites[to].compact()
		}
	}
	for range calmRounds {
		if a, atRest := t.atRest(ctx, sites); atRest {
			a.How = fmt.Sprintf("%d sites, schedule %d", worldSites, seed+1)
			return a, annihilated(a, sites)
		}
		for i, from := range sites {
			to := sites[(i+1)%worldSites]
			to.put(from.revisions()...)
			t.decisions++
			to.mend(ctx, true)
		}
	}
	broken := &breach{status: Failed, means: "The sites do not come to rest: each merge is a new conflict for the others, and is merged again, without end."}
	for i, s := range sites {
		broken.answers = append(broken.answers, t.settle(ctx, s, fmt.Sprintf("site %d, after %d rounds of replication", i+1, worldRounds+calmRounds)))
	}
	return Answer{}, broken
}

func pair(rnd *rand.Rand) (from, to int) {
	from = rnd.IntN(worldSites)
	return from, (from + 1 + rnd.IntN(worldSites-1)) % worldSites
}

// atRest reports whether all sites have the same leaves and none has anything
// to do.
func (t *trial) atRest(ctx context.Context, sites []*site) (Answer, bool) {
	for _, s := range sites[1:] {
		if !sameLeaves(sites[0], s) {
			return Answer{}, false
		}
	}
	before := len(sites[0].leaves)
	live := sites[0].live()
	a := t.settle(ctx, sites[0], "")
	if len(sites[0].leaves) != before || len(sites[0].live()) != len(live) {
		return a, false
	}
	return a, true
}

func sameLeaves(a, b *site) bool {
	if len(a.leaves) != len(b.leaves) {
		return false
	}
	for r := range a.leaves {
		if _, ok := b.leaves[r]; !ok {
			return false
		}
	}
	return true
}

// annihilated reports a document of which no leaf is left that nobody deleted.
func annihilated(a Answer, sites []*site) *breach {
	if len(sites[0].live()) > 0 || a.Outcome == "" {
		return nil
	}
	for _, s := range sites {
		if s.deleted {
			return nil
		}
	}
	a.How = "all sites, at rest"
	return &breach{status: Failed, answers: []Answer{a}, means: "Every revision is dead, and nobody wanted that: the document is gone on all sites."}
}
