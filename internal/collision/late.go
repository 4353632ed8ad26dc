package collision

import (
	"slices"

	"github.com/couchmend/couchmend"
)

// Late is a live leaf under an id that was split, which grew from a version that
// got an id of its own: what a phone wrote onto the old document before it saw
// the split. It is to be written under NewID as it is, with its path and
// new_edits=false, and buried under the old id like the others of its version.
type Late struct {
	Leaf  couchmend.Revision
	Root  couchmend.Rev // the version's
	NewID string
}

// LateLeaves returns the late leaves of a document. It needs their paths and
// those of the dead leaves, and no plan: the tombstones of a split say that it
// was one (revtree.SplitFrom).
func LateLeaves(c couchmend.Conflict) []Late {
	var late []Late
	for _, g := range group(c) {
		if !slices.ContainsFunc(g.conflict.Dead, isMoved) {
			continue
		}
		for _, leaf := range g.conflict.Leaves {
			late = append(late, Late{leaf, g.root.First, NewID(c.ID, g.root.First)})
		}
	}
	return late
}
