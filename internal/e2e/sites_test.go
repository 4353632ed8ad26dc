package e2e

import (
	"context"
	"hash/fnv"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
)

// branch is one of two places that are cut off from each other: a node (on the
// real server, a database) and a couchmend with a state of its own.
type branch struct {
	server server
	db     string
	site   site
}

// branches are two of them that hold the same conflicts, or of each conflict
// what part says.
func branches(t *testing.T, s server, g *conflictgen.Generator, part func(branch int, c conflictgen.Case) conflictgen.Case) [2]branch {
	t.Helper()
	var both [2]branch
	for i := range both {
		at := s
		if !s.real && i > 0 {
			at = newServer(t)
		}
		db := at.newName(t)
		cases := func(yield func(conflictgen.Case) bool) {
			for c := range g.Docs() {
				if part != nil {
					c = part(i, c)
				}
				if !yield(c) {
					return
				}
			}
		}
		if err := conflictgen.Load(context.Background(), at.url, db, iter.Seq[conflictgen.Case](cases)); err != nil {
			t.Fatal(err)
		}
		both[i] = branch{at, db, at.site(t, conflictgen.PolicyYAML())}
	}
	return both
}

func (b branch) once(t *testing.T) summary {
	t.Helper()
	return b.site.once(t, b.db)
}

func (b branch) leaves(t *testing.T) map[string][]string {
	t.Helper()
	return b.server.leaves(t, b.db)
}

// exchangeAll replicates both ways.
func exchangeAll(t *testing.T, both [2]branch) {
	t.Helper()
	replicate(t, both[0].server, both[0].db, both[1].server, both[1].db)
	replicate(t, both[1].server, both[1].db, both[0].server, both[0].db)
}

// maxRounds is how often both branches mend and replicate, at most, until
// nothing changes any more.
const (
	maxRounds         = 8
	waitForCompaction = 2 * time.Minute
)

// rest lets both branches mend and replicate until nothing changes, and
// returns the leaves that they then agree on.
func rest(t *testing.T, both [2]branch) map[string][]string {
	t.Helper()
	same := func(a, b map[string][]string) bool {
		return maps.EqualFunc(a, b, func(x, y []string) bool { return len(x) == len(y) && subset(x, y) })
	}
	var before map[string][]string
	for round := range maxRounds {
		now := mendAndMeet(t, both)
		if before != nil && same(before, now) && same(now, both[1].leaves(t)) {
			t.Logf("at rest after %d rounds", round+1)
			return now
		}
		before = now
	}
	sameLeaves(t, "in the last round", both[1].leaves(t), before)
	sameLeaves(t, "not at rest", mendAndMeet(t, both), before)
	t.FailNow()
	return nil
}

// mendAndMeet is one round: both branches mend, then replicate.
func mendAndMeet(t *testing.T, both [2]branch) map[string][]string {
	t.Helper()
	both[0].once(t)
	both[1].once(t)
	exchangeAll(t, both)
	return both[0].leaves(t)
}

func subset(some, all []string) bool {
	in := map[string]bool{}
	for _, s := range all {
		in[s] = true
	}
	for _, s := range some {
		if !in[s] {
			return false
		}
	}
	return true
}

func TestTwoSitesThatMergeTheSameConflictsApartNeedNoMergeWhenTheyMeet(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := generated(t, 300)
		both := branches(t, s, g, nil)
		for _, b := range both {
			b.once(t)
		}
		apart := both[0].leaves(t)
		sameLeaves(t, "apart", both[1].leaves(t), apart)
		exchangeAll(t, both)
		for _, b := range both {
			sameLeaves(t, "together", b.leaves(t), apart)
			b.server.check(t, b.db, g, b.site)
			done := b.once(t)
			if n := done.Merged + done.Kept + done.Buried + done.Deleted; n > 0 {
				t.Errorf("%d documents were mended once more", n)
			}
		}
	})
}

func TestASiteThatWasCompactedComesToTheSameEnd(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := generated(t, 300)
		both := branches(t, s, g, nil)
		both[0].compact(t)
		agreed(t, g, both, rest(t, both))
	})
}

func TestSitesThatEachSawAPartOfTheLeavesComeToTheSameEnd(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := conflictgen.New(1, conflictgen.Options{Docs: number(t, "COUCHMEND_E2E_DOCS", 300), Shares: orderless()})
		both := branches(t, s, g, someLeaves)
		agreed(t, g, both, rest(t, both), branch.onlyOrdered)
	})
}

// orderless leaves out what depends on what is merged first: values chosen by
// the clock of a whole document, since a merge bears the latest of its leaves'
// clocks for fields from the others, too; and attachments that the policy
// leaves to the winner. And sums beyond what JavaScript can count: once one
// branch has put back the digits that a client had cut off, the other one can't
// tell them from an addition.
func orderless() map[string]int {
	shares := map[string]int{}
	for _, name := range conflictgen.Scenarios() {
		switch name {
		case "lamport", "sequence", "timestamp", "overlap-under-clock", "no-base-strategies", "clock-tie", "clock-missing", "files-winner", "javascript-rounded":
		default:
			shares[name] = 1
		}
	}
	return shares
}

// someLeaves gives each branch a part of a case's leaves, by lot, each leaf to
// one of them or to both; and what these leaves grew from.
func someLeaves(branch int, c conflictgen.Case) conflictgen.Case {
	last := len(c.Steps) - 1
	var mine []couchmend.Revision
	for _, leaf := range c.Steps[last] {
		lot := fnv.New32a()
		_, _ = lot.Write([]byte(c.ID + leaf.Rev.String()))
		if to := lot.Sum32() >> 8 % 3; to == 2 || int(to) == branch {
			mine = append(mine, leaf)
		}
	}
	var steps [][]couchmend.Revision
	for _, step := range append(c.Steps[:last:last], mine) {
		step = slices.DeleteFunc(slices.Clone(step), func(r couchmend.Revision) bool {
			return !slices.ContainsFunc(mine, func(leaf couchmend.Revision) bool { return slices.Contains(leaf.Path, r.Rev) })
		})
		if len(step) > 0 {
			steps = append(steps, step)
		}
	}
	c.Steps = steps
	return c
}

// Replication runs all the while, and no tombstone is written before both
// branches have replicated once more: each sees the other's merges beside
// leaves that are about to be buried.
func TestReplicationBetweenMergeAndBurialDoesNoHarm(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := generated(t, 300)
		both := branches(t, s, g, nil)
		passes := newPasses()
		watch := newWitness(g)
		var group sync.WaitGroup
		for i, b := range both {
			p := through(t, b.server, func(m moment, x *exchange) {
				watch.hear(m, x)
				if m == asked && burying(x) {
					passes.wait()
				}
			})
			both[i].site = p.site(t, conflictgen.PolicyYAML())
			group.Go(func() { both[i].once(t) })
		}
		go func() {
			group.Wait()
			passes.end()
		}()
		for passes.begin() {
			exchangeAll(t, both)
			passes.finish()
		}
		if passes.held == 0 {
			t.Error("no burial was held up")
		}
		agreed(t, g, both, rest(t, both))
	})
}

// burying says that a request writes tombstones.
func burying(x *exchange) bool {
	w := &witness{}
	if x.kind != "POST _bulk_docs" {
		return false
	}
	for _, r := range w.revisions(x) {
		if r.Deleted {
			return true
		}
	}
	return false
}

// passes counts replications both ways; who waits sees a whole one pass.
type passes struct {
	mu          sync.Mutex
	change      *sync.Cond
	begun, done int
	held        int // that waited
	over        bool
}

func newPasses() *passes {
	p := &passes{}
	p.change = sync.NewCond(&p.mu)
	return p
}

func (p *passes) begin() (more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun++
	return !p.over
}

func (p *passes) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.change.Broadcast()
}

func (p *passes) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.change.Broadcast()
}

func (p *passes) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held++
	for next := p.begun + 1; p.done < next && !p.over; {
		p.change.Wait()
	}
}

// agreed checks two branches at rest: the same leaves; each document as the
// oracle wants it, or in review on both; and no other conflict. A document that
// differs from the oracle's may be excused.
func agreed(t *testing.T, g *conflictgen.Generator, both [2]branch, leaves map[string][]string, excuses ...func(branch, *testing.T, conflictgen.Case) bool) {
	t.Helper()
	cases := map[string]conflictgen.Case{}
	for c := range g.Docs() {
		cases[c.ID] = c
	}
	sameLeaves(t, "at rest", both[1].leaves(t), leaves)
	reviews := [2]map[string]couchmend.Reason{both[0].site.reviews(t, both[0].db), both[1].site.reviews(t, both[1].db)}
	for i, b := range both {
		wrong, err := conflictgen.Check(context.Background(), b.server.url, b.db, g.Docs(), reviews[i])
		if err != nil {
			t.Fatal(err)
		}
		var bad []conflictgen.Mismatch
		waiting, excused := 0, 0
		for _, m := range wrong {
			switch {
			case reviews[0][m.ID] != "" && reviews[1][m.ID] != "":
				waiting++
			case slices.ContainsFunc(excuses, func(fine func(branch, *testing.T, conflictgen.Case) bool) bool { return fine(b, t, cases[m.ID]) }):
				excused++
			default:
				bad = append(bad, m)
			}
		}
		report(t, bad)
		t.Logf("%d documents that the oracle merges are in review, %d are excused", waiting, excused)
	}
}

// compact takes the bodies of ancestors away.
func (b branch) compact(t *testing.T) {
	t.Helper()
	before := b.size(t)
	b.server.must(t, http.MethodPost, "/"+b.db+"/_compact", map[string]any{}, nil)
	eventually(t, waitForCompaction, "compaction", func() bool {
		var info struct {
			Running bool `json:"compact_running"`
		}
		b.server.must(t, http.MethodGet, "/"+b.db, nil, &info)
		return !info.Running && (!b.server.real || b.size(t) < before)
	})
}

// size is the database's on disk.
func (b branch) size(t *testing.T) int64 {
	var info struct{ Sizes struct{ File int64 } }
	b.server.must(t, http.MethodGet, "/"+b.db, nil, &info)
	return info.Sizes.File
}
