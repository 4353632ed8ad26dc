package cases

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/revtree"
)

// renaming gives revisions other ids: theirs are hashes of what they say. The
// order of those of one generation stays; a bare tombstone's is still CouchDB's
// formula for it, and a mark still that of what it stands for.
type renaming struct {
	revs  map[couchmend.Rev]couchmend.Rev
	marks map[revtree.Mark]revtree.Mark
}

func newRenaming(c couchmend.Conflict) renaming {
	n := renaming{revs: map[couchmend.Rev]couchmend.Rev{}, marks: map[revtree.Mark]revtree.Mark{}}
	parents := map[couchmend.Rev]couchmend.Rev{}
	for _, r := range revisionsOf(c) {
		for i, rev := range r.Path {
			if i > 0 && revtree.IsMark(rev) {
				continue
			}
			n.revs[rev] = rev
			if i+1 < len(r.Path) {
				parents[rev] = r.Path[i+1]
			}
		}
	}
	var all []couchmend.Rev
	for rev := range n.revs {
		all = append(all, rev)
	}
	slices.SortFunc(all, couchmend.Rev.Compare)
	for i, rev := range all { // parents first
		n.revs[rev] = numbered(rev.Gen, i)
		if parent, ok := parents[rev]; ok && rev == revtree.Tombstone(parent) {
			n.revs[rev] = revtree.Tombstone(n.rev(parent))
		}
		other := n.revs[rev]
		n.marks[revtree.MarkOf(rev)] = revtree.MarkOf(other)
		n.marks[revtree.HoldMark(rev)] = revtree.HoldMark(other)
		n.marks[revtree.ReleaseMark(rev)] = revtree.ReleaseMark(other)
	}
	return n
}

// numbered makes an id that sorts by n among those of its generation.
func numbered(gen, n int) couchmend.Rev {
	sum := md5.Sum(fmt.Appendf(nil, "revision %d", n))
	return couchmend.Rev{Gen: gen, Hash: fmt.Sprintf("%06x", n) + hex.EncodeToString(sum[3:])}
}

// rev is another id for a revision; its own, where it is none of the tree's.
func (n renaming) rev(r couchmend.Rev) couchmend.Rev {
	if other, ok := n.revs[r]; ok {
		return other
	}
	return r
}

// path renames all of a path. A mark speaks of the revision below it, too.
func (n renaming) path(path revtree.Path) revtree.Path {
	out := make(revtree.Path, len(path))
	var below couchmend.Rev
	for i := len(path) - 1; i >= 0; i-- {
		mark, isMark := revtree.AsMark(path[i])
		if !isMark || i == 0 {
			below = n.rev(path[i])
			out[i] = below
			continue
		}
		if other, ok := n.marks[mark]; ok {
			mark = other
		}
		out[i] = couchmend.Rev{Gen: path[i].Gen, Hash: mark.Hash(below)}
	}
	return out
}
