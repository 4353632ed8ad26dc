package decide

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/revtree"
)

// scenarios are the worlds in which the laws must hold.
var scenarios = []scenario{
	{name: "ancestors' bodies everywhere", bodiesEverywhere: true},
	{name: "each site its own bodies"},
	{name: "compaction", compaction: 0.3},
	{name: "joins alone, compaction", joins: true, compaction: 0.5, never: "review"},
	{name: "joins alone, compaction, stemming", joins: true, compaction: 0.3, revsLimit: 60, burst: 10, never: "review"},
	{name: "soft deletions, compaction", joins: true, softDeletes: 0.4, compaction: 0.5},
	{name: "stemmed paths, more edits than marks", revsLimit: 50, burst: 25},
	{name: "stemmed paths, bodies everywhere", revsLimit: 60, burst: 12, bodiesEverywhere: true},
	{name: "a user saves between our read and our write", race: 0.3},
	{name: "compaction, stemming and races at once", compaction: 0.1, revsLimit: 80, burst: 4, race: 0.2},
	{name: "deletions, edit wins", deletes: 0.15, reasons: []couchmend.Reason{"annihilated"}},
	{name: "deletions, delete wins", deletes: 0.15, rule: "delete_wins", reasons: []couchmend.Reason{"deleted"}},
	{name: "deletions, review", deletes: 0.15, rule: "review", reasons: []couchmend.Reason{"deleted", "annihilated"}},
	{name: "undo", undo: 0.2, bodiesEverywhere: true, reasons: []couchmend.Reason{"held"}},
	{name: "another resolver", foreign: 0.05, bodiesEverywhere: true, reasons: []couchmend.Reason{"annihilated"}},
}

// gossipRuns is how many worlds each scenario is tried in: COUCHMEND_GOSSIP_RUNS,
// or few enough for every test run.
func gossipRuns(few int) int {
	if n, err := strconv.Atoi(os.Getenv("COUCHMEND_GOSSIP_RUNS")); err == nil {
		return n
	}
	return few
}

func TestGossipEndsExactOrInReview(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ends := map[string]int{}
			for seed := range uint64(gossipRuns(30)) {
				w := newWorld(t, s, seed)
				end := w.run()
				ends[end.kind]++
				for reason := range w.reasons {
					if !slices.Contains(s.reasons, reason) && reason != couchmend.ReasonNoBase {
						t.Fatalf("seed %d: review for %s\n%s", seed, reason, w.tell())
					}
				}
				if !end.allowed || end.kind == s.never {
					t.Fatalf("seed %d: %s: %s", seed, end.kind, end.words)
				}
			}
			t.Log(ends)
		})
	}
}

// end is how a world ended.
type end struct {
	kind    string
	allowed bool
	words   string
}

func broken(kind, words string) end { return end{kind: kind, words: words} }
func allowed(kind string) end       { return end{kind: kind, allowed: true} }

// run lets users edit, and then all sites come to rest.
func (w *world) run() end {
	for range editCount {
		w.sites[w.rnd.IntN(siteCount)].edit()
		w.gossip(w.rnd.IntN(4), 0.7, 0.4)
	}
	w.calm = true
	for round := range 60 {
		crashes := 0.0
		if round < 20 {
			crashes = 0.4
		}
		w.gossip(3*siteCount, 0.5, crashes)
		if w.broken != "" {
			return broken("LAW BROKEN", w.broken)
		}
		if len(w.undone) > 0 && round == 10 && w.chance(0.5) {
			w.sites[0].person()
		}
		if w.agree() {
			if end, atRest := w.judge(); atRest {
				return end
			}
		}
	}
	if w.burst > 1 && w.allInReview() {
		// CouchDB grafted one stemmed path onto two branches: its replicas will
		// never agree, whoever resolves. Nothing was guessed, nothing is lost.
		return allowed("review, replicas differ")
	}
	return broken("NO REST", w.tell())
}

func (w *world) allInReview() bool {
	return !slices.ContainsFunc(w.sites, func(s *site) bool {
		return s.decide(s.loaded(s.conflict())).Outcome != couchmend.Review
	})
}

// agree reports whether all sites have the same leaves.
func (w *world) agree() bool {
	first := w.leaves(w.sites[0])
	return !slices.ContainsFunc(w.sites[1:], func(s *site) bool { return !slices.Equal(first, w.leaves(s)) })
}

func (w *world) leaves(s *site) []couchmend.Rev {
	var revs []couchmend.Rev
	for _, leaf := range s.db.Leaves(docID) {
		revs = append(revs, leaf.Rev)
	}
	return revs
}

// judge says what a world came to whose sites agree; false where one of them
// has something left to do.
func (w *world) judge() (end, bool) {
	reviews := 0
	for _, s := range w.sites {
		switch d := s.decide(s.loaded(s.conflict())); d.Outcome {
		case couchmend.Nothing:
		case couchmend.Review:
			reviews++
			w.reasons[d.Reason] = true
		default:
			return end{}, false
		}
	}
	live := w.sites[0].conflict().Leaves
	switch {
	case reviews == siteCount:
		return w.judgeReview(live), true
	case reviews > 0:
		return end{}, false // another site can decide it
	case len(live) == 0 && w.deleted:
		return allowed("deleted"), true
	case len(live) == 0 && w.foreign > 0:
		return allowed("deleted by the other tool"), true
	case len(live) != 1:
		return broken("ANNIHILATED", w.tell()), true
	}
	return w.judgeContent(live[0]), true
}

// judgeReview checks that nothing is lost while a person is awaited: a live
// leaf contains each edit.
func (w *world) judgeReview(live []couchmend.Revision) end {
	if w.deleted || w.foreign > 0 || w.burst > 1 {
		return allowed("review")
	}
	contents := map[revtree.Mark]bool{}
	for _, leaf := range live {
		for m := range revtree.New(leaf.Path).Contains(leaf.Rev) {
			contents[m] = true
		}
	}
	for m := range w.edits {
		if !contents[m] {
			return broken("LOST", w.tell())
		}
	}
	return allowed("review")
}

// judgeContent checks that a document holds just what was edited.
func (w *world) judgeContent(leaf couchmend.Revision) end {
	want, all := newContent(), true
	contents := revtree.New(leaf.Path).Contains(leaf.Rev)
	for m, e := range w.edits {
		if contents.Has(m) || w.burst > 1 {
			want.add(e)
		} else {
			all = false
		}
	}
	for m, gone := range w.graves {
		if contents.Has(m) {
			want.add(gone)
		}
	}
	switch {
	case len(w.undone) > 0:
		return allowed("decided by a person")
	case w.softDeletes > 0 && all:
		return allowed("at rest") // a side that stands whole drops the other's edits
	case !all && !w.deleted && w.foreign == 0:
		return broken("LOST", w.tell())
	case !want.equal(contentOf(leaf.Body)):
		return broken("WRONG", fmt.Sprintf("want %s\n%s", want.body(), w.tell()))
	}
	return allowed("exact")
}

// check holds every single decision against the laws.
func (w *world) check(c couchmend.Conflict, d couchmend.Decision) {
	fail := func(words string) {
		if w.broken == "" {
			w.broken = fmt.Sprintf("%s: %+v", words, d)
		}
	}
	for _, tombstone := range d.Bury {
		buried := tombstone.Path[1]
		if buried == c.Leaves[0].Rev && d.Outcome != couchmend.Delete {
			fail("the winner is buried")
		}
		if !slices.ContainsFunc(c.Leaves, func(l couchmend.Revision) bool { return l.Rev == buried }) {
			fail("what was not read is buried")
		}
	}
	if d.Merge == nil {
		return
	}
	if !slices.Contains(d.Merge.Path, c.Leaves[0].Rev) {
		fail("the merge is no descendant of the winner")
	}
	contents := revtree.New(d.Merge.Path).Contains(d.Merge.Rev)
	for _, u := range w.undone {
		merged := 0
		for i, r := range u.restored {
			if contents.Has(revtree.MarkOf(r)) && !contents.Has(revtree.ReleaseMark(u.held[i])) {
				merged++
			}
		}
		if merged > 1 {
			fail("what an undo restored was merged again")
		}
	}
}

// tell draws what each site has.
func (w *world) tell() string {
	text := ""
	for i, s := range w.sites {
		d := s.decide(s.loaded(s.conflict()))
		text += fmt.Sprintf("site %d: %s %s %v\n", i, d.Outcome, d.Reason, d.Evidence)
		for _, leaf := range s.db.Leaves(docID) {
			text += fmt.Sprintf("  %s deleted=%v path of %d %s\n", leaf.Rev, leaf.Deleted, len(leaf.Path), leaf.Body)
		}
	}
	return text
}
