package revtree

import (
	"fmt"
	"slices"
	"testing"

	"github.com/couchmend/couchmend"
	"pgregory.net/rapid"
)

// history is a document's true history: what each revision was made from. The
// tree must find it out from paths alone.
type history struct {
	paths map[couchmend.Rev]Path
	holds map[couchmend.Rev]map[couchmend.Rev]bool // every revision that went into it, itself included
	order []couchmend.Rev                          // as they were made
}

func newHistory() *history {
	h := &history{paths: map[couchmend.Rev]Path{}, holds: map[couchmend.Rev]map[couchmend.Rev]bool{}}
	h.add(path("1-a"))
	return h
}

func (h *history) add(p Path, madeFrom ...couchmend.Rev) {
	r := p[0]
	h.paths[r], h.holds[r] = p, map[couchmend.Rev]bool{r: true}
	for _, from := range madeFrom {
		for x := range h.holds[from] {
			h.holds[r][x] = true
		}
	}
	h.order = append(h.order, r)
}

func (h *history) tree(of ...couchmend.Rev) *Tree {
	var paths []Path
	for _, r := range of {
		paths = append(paths, h.paths[r])
	}
	return New(paths...)
}

// drawHistory lets users edit and couchmends merge, now and then criss-cross.
func drawHistory(t *rapid.T) *history {
	h := newHistory()
	for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
		a := rapid.SampledFrom(h.order).Draw(t, "a")
		b := rapid.SampledFrom(h.order).Draw(t, "b")
		name := fmt.Sprint("r", i)
		if rapid.Bool().Draw(t, "edit") || h.holds[a][b] || h.holds[b][a] {
			h.add(slices.Concat(Path{{Gen: a.Gen + 1, Hash: name}}, h.paths[a]), a)
			continue
		}
		winner, loser := a, b
		if b.Compare(a) > 0 {
			winner, loser = b, a
		}
		marks := h.tree(winner, loser).MarksFor(winner, []couchmend.Rev{loser}, 1000)
		h.add(MergePath(name, marks, h.paths[winner], 1000), winner, loser)
	}
	return h
}

func TestWhatARevisionContainsIsInItsPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		for _, r := range h.order {
			contents := h.tree(r).Contains(r)
			if len(contents) != len(h.holds[r]) {
				t.Fatalf("%s contains %d revisions, its path says %d", r, len(h.holds[r]), len(contents))
			}
			for x := range h.holds[r] {
				if !contents.Has(MarkOf(x)) {
					t.Fatalf("%s contains %s, and its path does not say so", r, x)
				}
			}
		}
	})
}

func TestTheBaseIsAllThatTwoRevisionsShareAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		a := rapid.SampledFrom(h.order).Draw(t, "left")
		b := rapid.SampledFrom(h.order).Draw(t, "right")
		step := h.tree(h.order...).Fold([]couchmend.Rev{a, b}).Steps[0]
		switch {
		case h.holds[a][b] != (step.How == Contained):
			t.Fatalf("%s contains %s: %v, but joins as %d", a, b, h.holds[a][b], step.How)
		case h.holds[a][b]:
			return
		case h.holds[b][a] != (step.How == Ahead):
			t.Fatalf("%s contains %s: %v, but joins as %d", b, a, h.holds[b][a], step.How)
		case h.holds[b][a]:
			return
		case step.How != ThreeWay:
			t.Fatalf("%s and %s join as %d", a, b, step.How)
		}
		covered := map[couchmend.Rev]bool{}
		for i, base := range step.Base.Heads {
			for x := range h.holds[base] {
				covered[x] = true
				if !h.holds[a][x] || !h.holds[b][x] {
					t.Fatalf("base %s holds %s, which not both sides contain", base, x)
				}
			}
			for j, other := range step.Base.Heads {
				if i != j && h.holds[base][other] {
					t.Fatalf("base %s contains base %s", base, other)
				}
			}
		}
		for x := range h.holds[a] {
			if h.holds[b][x] && !covered[x] {
				t.Fatalf("both contain %s, no base does", x)
			}
		}
	})
}

func TestATreeDoesNotDependOnTheOrderOfItsLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		heads := rapid.SliceOfNDistinct(rapid.SampledFrom(h.order), 1, 5, rapid.ID).Draw(t, "heads")
		slices.SortFunc(heads, func(a, b couchmend.Rev) int { return b.Compare(a) })
		shuffled := rapid.Permutation(h.order).Draw(t, "order")
		one, other := h.tree(h.order...), h.tree(shuffled...)
		if !slices.EqualFunc(one.Fold(heads).Steps, other.Fold(heads).Steps, func(a, b Step) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Fatal("two folds of the same leaves")
		}
		if !slices.Equal(one.MarksFor(heads[0], heads[1:], 1000), other.MarksFor(heads[0], heads[1:], 1000)) {
			t.Fatal("two sets of marks for the same leaves")
		}
	})
}

func TestAPathSplitAnywhereIsVisibleOnlyAboveItsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		a := rapid.SampledFrom(h.order).Draw(t, "left")
		b := rapid.SampledFrom(h.order).Draw(t, "right")
		whole := h.tree(a, b).Meet(a, b)
		stemmed := h.paths[a][:rapid.IntRange(1, len(h.paths[a])).Draw(t, "limit")]
		got := New(stemmed, h.paths[b]).Meet(a, b)
		if want := slices.Contains(stemmed, whole.At); got.Visible != want {
			t.Fatalf("they meet at %s; of %v it is visible: %v", whole.At, stemmed, got.Visible)
		}
	})
}

// ladder is a history in which sites, each on its own, merge what all of them
// had merged on the rung before: criss-cross upon criss-cross.
func ladder(sites, rungs int) (*history, []couchmend.Rev) {
	h := newHistory()
	var rung []couchmend.Rev
	for site := range sites {
		r := couchmend.Rev{Gen: 2, Hash: fmt.Sprint("s", site)}
		h.add(slices.Concat(Path{r}, h.paths[h.order[0]]), h.order[0])
		rung = append(rung, r)
	}
	for i := range rungs {
		var next []couchmend.Rev
		for site, winner := range rung {
			losers := slices.DeleteFunc(slices.Clone(rung), func(r couchmend.Rev) bool { return r == winner })
			marks := h.tree(rung...).MarksFor(winner, losers, 4000)
			p := MergePath(fmt.Sprintf("m%d-%d", i, site), marks, h.paths[winner], 4000)
			h.add(p, rung...)
			next = append(next, p[0])
		}
		slices.SortFunc(next, func(a, b couchmend.Rev) int { return b.Compare(a) })
		rung = next
	}
	return h, rung
}

func TestCrissCrossesAreFoldedAndATangleOfThemHasNoBase(t *testing.T) {
	for _, c := range []struct {
		sites, rungs int
		how          How
	}{{2, 12, ThreeWay}, {3, 5, ThreeWay}, {4, 20, NoBase}} {
		h, rung := ladder(c.sites, c.rungs)
		fold := h.tree(rung...).Fold(rung)
		if got := fold.Steps[len(fold.Steps)-1].How; got != c.how {
			t.Errorf("%d sites, %d rungs: joins as %d, want %d", c.sites, c.rungs, got, c.how)
		}
	}
}
