package collision

import (
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
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
// was one (revtree.SplitFrom), and their bodies, where they are at hand, where
// the version went.
func LateLeaves(c couchmend.Conflict) []Late {
	var late []Late
	for _, g := range group(c) {
		if id, ok := movedTo(c.ID, g); ok {
			for _, leaf := range g.conflict.Leaves {
				late = append(late, Late{leaf, g.root.First, id})
			}
		}
	}
	return late
}

// movedTo returns the id that an earlier split gave a version; false where none
// did.
func movedTo(old string, g histories) (string, bool) {
	i := slices.IndexFunc(g.conflict.Dead, isMoved)
	if i < 0 {
		return "", false
	}
	if id := jsondoc.Value(g.conflict.Dead[i].Body).Get(decide.SplitTo).Text(); id != "" {
		return id, true
	}
	return NewID(old, g.root.First), true
}
