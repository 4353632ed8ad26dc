package suggest

import (
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// pair is two leaves as a merge puts them side by side.
type pair struct {
	base, a, b jsondoc.Value // base is nil where none could be had
	exact      bool          // base is what both grew from
	editsA     int           // revisions since the base
	editsB     int
}

// maxPairs bounds how many losers of one document are looked at.
const maxPairs = 8

// pairsOf puts a conflict's winner beside each leaf that it does not contain.
// Those that begin at different revisions are no pair, but counted.
func pairsOf(c couchmend.Conflict) (pairs []pair, twoRoots int) {
	leaves := slices.Clone(c.Leaves)
	if len(leaves) < 2 {
		return nil, 0
	}
	revtree.WinnerFirst(leaves)
	paths := make([]revtree.Path, 0, len(leaves)+len(c.Dead))
	for _, leaf := range slices.Concat(leaves, c.Dead) {
		paths = append(paths, leaf.Path)
	}
	tree := revtree.New(paths...)
	winner := leaves[0]
	for _, loser := range leaves[1:min(len(leaves), maxPairs+1)] {
		step := tree.Fold([]couchmend.Rev{winner.Rev, loser.Rev}).Steps[0]
		p := pair{a: jsondoc.Value(winner.Body), b: jsondoc.Value(loser.Body)}
		switch step.How {
		case revtree.Contained, revtree.Ahead:
			continue
		case revtree.TwoRoots:
			twoRoots++
			continue
		case revtree.ThreeWay:
			if heads := step.Base.Heads; len(heads) == 1 {
				p.base, p.exact = bodyOf(c, heads[0])
				p.editsA, p.editsB = edits(winner, heads[0]), edits(loser, heads[0])
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, twoRoots
}

func bodyOf(c couchmend.Conflict, rev couchmend.Rev) (jsondoc.Value, bool) {
	base, ok := c.Bases[rev]
	if !ok {
		if i := slices.IndexFunc(c.Leaves, func(l couchmend.Revision) bool { return l.Rev == rev }); i >= 0 {
			base = c.Leaves[i]
		}
	}
	return jsondoc.Value(base.Body), base.Body != nil
}

// edits counts the revisions from a leaf down to its base; marks are none.
func edits(leaf couchmend.Revision, base couchmend.Rev) int {
	n := 0
	for _, r := range leaf.Path {
		if r == base {
			break
		}
		if !revtree.IsMark(r) {
			n++
		}
	}
	return n
}
