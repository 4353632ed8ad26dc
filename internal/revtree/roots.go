package revtree

import (
	"slices"

	"github.com/couchmend/couchmend"
)

// Root is the leaves that share a history: all of them go back to one first
// revision, or a merge has joined what they go back to.
//
//	1-a ─ 2-b ┬ 3-c                one root: 1-a, of 3-c and 3-d
//	          └ 3-d
//	1-x ─ 2-y                      another: 1-x, of 2-y
//	9-p ─ 8-q ┄                    a third or not: its beginning was stemmed
type Root struct {
	// First is the first revision; where the path to it has been stemmed, the
	// oldest one that is known.
	First  couchmend.Rev
	Leaves []couchmend.Rev // in the order in which they were given
	// Doubt says why these leaves may share a history with others all the
	// same; "" where that is known.
	Doubt Doubt
}

// Doubt is why a history proves nothing.
type Doubt string

// The doubts.
const (
	Stemmed    Doubt = "stemmed"    // the database has cut off its beginning
	Incomplete Doubt = "incomplete" // a merge in it could not name all that it contains
)

// Roots groups leaves of the tree by the histories that they share, in the
// order of the groups' first leaves. What a merge contained and an undo took
// back is not shared.
func (t *Tree) Roots(leaves []couchmend.Rev) []Root {
	group := make([]int, len(leaves)) // of each leaf: the place of its group's first leaf
	owner := map[Mark]int{}
	for i, leaf := range leaves {
		group[i] = i
		for m := range t.lasting(leaf) {
			if other, ok := owner[m]; ok {
				join(group, i, other)
			} else {
				owner[m] = i
			}
		}
	}
	var roots []Root
	at := map[int]int{}
	for i, leaf := range leaves {
		k, ok := at[group[i]]
		if !ok {
			k = len(roots)
			at[group[i]] = k
			roots = append(roots, Root{})
		}
		roots[k].Leaves = append(roots[k].Leaves, leaf)
	}
	for k := range roots {
		roots[k].First, roots[k].Doubt = t.first(roots[k].Leaves)
	}
	return roots
}

// join makes the groups of two leaves one.
func join(group []int, a, b int) {
	from, to := max(group[a], group[b]), min(group[a], group[b])
	for i, g := range group {
		if g == from && from != to {
			group[i] = to
		}
	}
}

// first returns the first revision of leaves that share a history. Of several,
// which a merge has joined, it is the least, so that it does not depend on
// which leaves a site has seen.
func (t *Tree) first(leaves []couchmend.Rev) (couchmend.Rev, Doubt) {
	var ends []couchmend.Rev
	doubt := Stemmed
	for _, leaf := range leaves {
		path := t.paths[leaf]
		if fromFirst(path) && doubt == Stemmed {
			doubt = ""
		}
		if !complete(path) {
			doubt = Incomplete
		}
		ends = append(ends, path[len(path)-1])
	}
	return slices.MinFunc(ends, couchmend.Rev.Compare), doubt
}

// lasting is what a revision contains for good: without what a merge brought
// that an undo has taken back since (the mark of its hold stands right above
// it), and without a person's words.
func (t *Tree) lasting(r couchmend.Rev) Contents {
	path := t.paths[r]
	set := make(Contents, len(path))
	undone := false // marks below belong to a merge that was taken back
	for i, p := range path {
		m, isMark := AsMark(p)
		switch {
		case !isMark || i == 0:
			undone = i > 0 && t.isHold(path[i-1], p)
			set[t.mark(p)] = struct{}{}
		case !undone && m != incomplete && !t.isWord(m):
			set[m] = struct{}{}
		}
	}
	return set
}

// isHold reports whether an id in a path is the hold of r.
func (t *Tree) isHold(p, r couchmend.Rev) bool {
	m, ok := AsMark(p)
	return ok && m == HoldMark(r)
}

// SplitMark stands right below a tombstone that buries leaf because its
// document was given an id of its own.
func SplitMark(leaf couchmend.Rev) Mark { return WordMark("split " + leaf.String()) }

// SplitFrom returns the leaf that a tombstone buries because its document was
// given an id of its own; false where it is another tombstone.
func SplitFrom(tombstone Path) (couchmend.Rev, bool) {
	if len(tombstone) < 3 {
		return couchmend.Rev{}, false
	}
	m, ok := AsMark(tombstone[1])
	return tombstone[2], ok && m == SplitMark(tombstone[2])
}

// Unsplit reports whether a path goes on above a tombstone that a split wrote:
// the split was taken back, or the document was created anew.
func Unsplit(path Path) bool {
	for i := 1; i+2 < len(path); i++ {
		if _, ok := SplitFrom(path[i:]); ok {
			return true
		}
	}
	return false
}

// Restored reports whether a path goes on above a revision that an undo has
// put back.
func Restored(path Path) bool {
	for i := 1; i < len(path); i++ {
		if m, ok := AsMark(path[i-1]); ok && m == HoldMark(path[i]) {
			return true
		}
	}
	return false
}
