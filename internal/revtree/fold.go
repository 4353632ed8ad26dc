package revtree

import (
	"maps"
	"slices"

	"github.com/couchmend/couchmend"
)

// Fold is the order in which several revisions become one: Heads[0] is joined
// by each further head, as Steps say. It is made of ids alone; whoever has the
// bodies carries it out.
type Fold struct {
	Heads []couchmend.Rev
	Steps []Step // one for each of Heads[1:]
}

// Step is how one more head joins what was folded before it.
type Step struct {
	Head couchmend.Rev
	How  How
	// Base is what both sides grew from, for ThreeWay: one revision, or
	// several that are to be folded first (criss-cross merges), as git does.
	Base Fold
}

// How a head joins.
type How int

// The ways to join.
const (
	// Contained: what was folded contains the head already.
	Contained How = iota
	// Ahead: the head contains everything that was folded.
	Ahead
	// ThreeWay: both sides have changes since Base, which is exact.
	ThreeWay
	// NoBase: what both sides have in common is not fully known, or its body
	// can't be named. An older ancestor must not stand in for it: that would
	// undo reverts and bring back removed fields.
	NoBase
	// TwoRoots: both histories are complete and start at different revisions.
	TwoRoots
)

// maxFolds bounds the work on a tangle of criss-cross merges. A fold that
// needs more steps has no base.
const maxFolds = 10_000

// Fold plans how heads, winner first, become one.
func (t *Tree) Fold(heads []couchmend.Rev) Fold {
	budget := maxFolds + len(heads)
	fold, _ := t.fold(heads, &budget)
	return fold
}

// side is what was folded so far.
type side struct {
	contents Contents
	heads    map[Mark]couchmend.Rev // of which none contains another
}

func (t *Tree) side(head couchmend.Rev) side {
	return side{contents: maps.Clone(t.Contains(head)), heads: map[Mark]couchmend.Rev{t.mark(head): head}}
}

// fold reports whether each step of the plan is certain.
func (t *Tree) fold(heads []couchmend.Rev, budget *int) (Fold, bool) {
	fold, certain := Fold{Heads: heads}, true
	acc := t.side(heads[0])
	for _, head := range heads[1:] {
		*budget--
		step := t.join(acc, head, budget)
		fold.Steps = append(fold.Steps, step)
		if step.How == Contained {
			continue
		}
		certain = certain && step.How != NoBase && step.How != TwoRoots
		for m := range t.Contains(head) {
			delete(acc.heads, m)
		}
		acc.heads[t.mark(head)] = head
		acc.contents.addAll(t.Contains(head))
	}
	return fold, certain && *budget >= 0
}

// ahead reports whether contents hold all that was folded.
func (s side) ahead(contents Contents) bool {
	n := 0
	for m := range contents {
		if _, ok := s.heads[m]; ok {
			n++
		}
	}
	return n == len(s.heads)
}

func (t *Tree) join(acc side, head couchmend.Rev, budget *int) Step {
	contents := t.Contains(head)
	if acc.contents.Has(t.mark(head)) {
		return Step{Head: head, How: Contained}
	}
	if acc.ahead(contents) {
		return Step{Head: head, How: Ahead}
	}
	from := t.sightFrom(head)
	for _, h := range acc.heads {
		if !from.meet(h).Visible {
			return Step{Head: head, How: NoBase}
		}
	}
	common := contents.and(acc.contents)
	if len(common) == 0 {
		return Step{Head: head, How: TwoRoots}
	}
	if heads, ok := t.maximal(common); ok && *budget >= 0 {
		if base, certain := t.fold(heads, budget); certain {
			return Step{Head: head, How: ThreeWay, Base: base}
		}
	}
	return Step{Head: head, How: NoBase}
}

// maximal returns the newest real revisions that cover a set between them, in
// winner order; false where no known revisions cover it all.
func (t *Tree) maximal(set Contents) ([]couchmend.Rev, bool) {
	var known []couchmend.Rev
	for m := range set {
		if r, ok := t.real[m]; ok {
			known = append(known, r)
		}
	}
	slices.SortFunc(known, func(a, b couchmend.Rev) int { return b.Compare(a) })
	var heads []couchmend.Rev
	covered := make(Contents)
	for _, r := range known {
		if !covered.Has(t.mark(r)) {
			heads = append(heads, r)
			covered.addAll(t.Contains(r))
		}
	}
	for m := range set {
		if !covered.Has(m) && !t.isWord(m) {
			return nil, false
		}
	}
	return heads, len(heads) > 0
}

// isWord reports whether m is a hold or a release: a person's words about a
// revision, not contents that a base would have to cover.
func (t *Tree) isWord(m Mark) bool {
	if t.words == nil {
		t.words = make(Contents, 2*len(t.real))
		for _, r := range t.real {
			t.words[HoldMark(r)], t.words[ReleaseMark(r)] = struct{}{}, struct{}{}
		}
	}
	return t.words.Has(m)
}

// Bases returns the revisions whose bodies are needed to carry the fold out,
// beside those of its heads; each once.
func (f Fold) Bases() []couchmend.Rev {
	var revs []couchmend.Rev
	for _, step := range f.Steps {
		if step.How != ThreeWay {
			continue
		}
		for _, r := range append(slices.Clone(step.Base.Heads), step.Base.Bases()...) {
			if !slices.Contains(revs, r) {
				revs = append(revs, r)
			}
		}
	}
	return revs
}

// Uses returns the number of the fold's steps that are of one kind.
func (f Fold) Uses(how How) int {
	n := 0
	for _, step := range f.Steps {
		if step.How == how {
			n++
		}
	}
	return n
}
