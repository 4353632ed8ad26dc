package laws

import (
	"context"
	"fmt"
	"math/rand/v2"
)

const (
	worldSites  = 3
	worldRounds = 25 // of gossip, with crashes and cut replications
	calmRounds  = 12 // in which the sites must come to rest; three are plenty
	schedules   = 2  // random ones for one question, after the one in step
)

// agreement lets sites that each saw some leaves replicate and mend until nothing
// changes any more: once in step, as nightly jobs do, and then in random order,
// cut off and crashing in between.
func (t *trial) agreement(ctx context.Context, q Question) *breach {
	var first Answer
	var worst *breach
	for schedule := range uint64(schedules + 1) {
		a, broken := t.gossip(ctx, q, schedule)
		if broken != nil {
			return broken
		}
		if schedule == 0 {
			first = a
			continue
		}
		worst = worse(worst, t.compare(q, first, a, func(where []string) string {
			return fmt.Sprintf("All sites end with one document, but %s depend%s on the order in which they met, not on what was entered.", list(where, "what becomes of it"), plural(where))
		}))
	}
	return worst
}

// gossip runs one world to its end: the schedule 0 is in step from the beginning.
func (t *trial) gossip(ctx context.Context, q Question, schedule uint64) (Answer, *breach) {
	rnd := rand.New(rand.NewPCG(schedule, 7))
	sites := t.sites(q, rnd)
	how := fmt.Sprintf("%d sites in step", worldSites)
	if schedule > 0 {
		how = fmt.Sprintf("%d sites, schedule %d", worldSites, schedule)
		t.meet(ctx, q, sites, rnd)
	}
	for range calmRounds {
		if a, atRest := t.atRest(ctx, sites); atRest {
			a.How = how
			return a, annihilated(a, sites)
		}
		t.inStep(ctx, sites)
	}
	broken := &breach{status: Failed, means: "The sites do not come to rest: each merge is a new conflict for the others, and is merged again, without end."}
	for i, s := range sites {
		broken.answers = append(broken.answers, t.settle(ctx, s, fmt.Sprintf("site %d, after %d nights in which all replicated and then merged", i+1, calmRounds)))
	}
	return Answer{}, broken
}

// sites are those of a world: each has seen the base and some leaves.
func (t *trial) sites(q Question, rnd *rand.Rand) []*site {
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
	return sites
}

// meet lets pairs of sites replicate, and the one that has news mend, or not, or
// crash between its merge and the burials.
func (t *trial) meet(ctx context.Context, q Question, sites []*site, rnd *rand.Rand) {
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
}

// inStep lets all sites hear of everything, and then mend at the same time.
func (t *trial) inStep(ctx context.Context, sites []*site) {
	for i, s := range sites {
		for _, other := range sites[i+1:] {
			s.put(other.revisions()...)
			other.put(s.revisions()...)
		}
	}
	for _, s := range sites {
		t.decisions++
		s.mend(ctx, true)
	}
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
