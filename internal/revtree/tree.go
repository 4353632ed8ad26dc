package revtree

import (
	"slices"

	"github.com/couchmend/couchmend"
)

// Path is the way from a revision to the first one that is still known, newest
// first, one generation a step; marks are part of it.
type Path = []couchmend.Rev

// Tree is what is known of one document's history: the paths of its leaves,
// live and dead. It is not for several goroutines: it remembers what it worked
// out.
type Tree struct {
	paths map[couchmend.Rev]Path // of each real revision seen: the longest known
	real  map[Mark]couchmend.Rev
	marks map[couchmend.Rev]Mark     // MarkOf, remembered
	sets  map[couchmend.Rev]Contents // Contains, remembered
	borne Contents                   // every mark in some leaf's path
	inner map[couchmend.Rev]struct{} // every real revision below some leaf
	words Contents                   // see isWord; nil until it is asked
}

// New builds the tree of a document from its leaves' paths.
func New(leaves ...Path) *Tree {
	t := &Tree{
		paths: map[couchmend.Rev]Path{},
		real:  map[Mark]couchmend.Rev{},
		marks: map[couchmend.Rev]Mark{},
		sets:  map[couchmend.Rev]Contents{},
		borne: Contents{},
		inner: map[couchmend.Rev]struct{}{},
	}
	for _, path := range leaves {
		for i, r := range path {
			if m, ok := AsMark(r); ok && i > 0 {
				t.borne[m] = struct{}{}
				continue
			}
			if i > 0 {
				t.inner[r] = struct{}{}
			}
			if known, ok := t.paths[r]; ok && len(known) >= len(path)-i {
				break // and so are all below it
			}
			t.paths[r] = path[i:]
			t.real[t.mark(r)] = r
		}
	}
	return t
}

func (t *Tree) mark(r couchmend.Rev) Mark {
	m, ok := t.marks[r]
	if !ok {
		m = MarkOf(r)
		t.marks[r] = m
	}
	return m
}

// Bears reports whether some leaf's path holds a mark.
func (t *Tree) Bears(m Mark) bool { return t.borne.Has(m) }

// Outgrown reports whether some leaf grew from r, which then is no leaf.
func (t *Tree) Outgrown(r couchmend.Rev) bool {
	_, ok := t.inner[r]
	return ok
}

// Path returns the longest known path of a revision of the tree.
func (t *Tree) Path(r couchmend.Rev) Path { return t.paths[r] }

// Contains returns what r contains. The word "incomplete" is left out: it
// speaks of the place where it stands (see Tree.Meet), not of contents.
func (t *Tree) Contains(r couchmend.Rev) Contents {
	if set, ok := t.sets[r]; ok {
		return set
	}
	path := t.paths[r]
	set := make(Contents, len(path))
	for i, p := range path {
		m, isMark := AsMark(p)
		if !isMark || i == 0 {
			m = t.mark(p)
		}
		if m != incomplete {
			set[m] = struct{}{}
		}
	}
	t.sets[r] = set
	return set
}

// Meeting says how two paths meet.
type Meeting struct {
	// At is the newest real revision that both paths hold; zero if none.
	At couchmend.Rev
	// Visible says that in both paths everything above At (or, where there is
	// no such revision, down to generation 1) can be seen and that no merge in
	// it left out a mark. Only then is what two revisions have in common fully
	// known. Below At a gap does no harm: it is the same on both sides.
	Visible bool
}

// Meet tells how the paths of a and b meet.
func (t *Tree) Meet(a, b couchmend.Rev) Meeting { return t.sightFrom(a).meet(b) }

// sight is one path made ready to be met by many.
type sight struct {
	tree  *Tree
	path  Path
	place map[couchmend.Rev]int // of each real revision in path
}

func (t *Tree) sightFrom(r couchmend.Rev) sight {
	path := t.paths[r]
	place := make(map[couchmend.Rev]int, len(path))
	for i, p := range path {
		if i == 0 || !IsMark(p) {
			place[p] = i
		}
	}
	return sight{tree: t, path: path, place: place}
}

func (s sight) meet(r couchmend.Rev) Meeting {
	other := s.tree.paths[r]
	for i, p := range other {
		if j, ok := s.place[p]; ok {
			return Meeting{At: p, Visible: complete(other[:i]) && complete(s.path[:j])}
		}
	}
	return Meeting{Visible: fromFirst(other) && fromFirst(s.path) && complete(other) && complete(s.path)}
}

func complete(segment Path) bool {
	for _, r := range segment {
		if m, ok := AsMark(r); ok && m == incomplete {
			return false
		}
	}
	return true
}

// fromFirst reports whether a path reaches its first revision. Where it does
// not, the database has stemmed it and the root is unknown.
func fromFirst(path Path) bool {
	return len(path) > 0 && path[len(path)-1].Gen == 1
}

// RealGeneration is the generation that r would have without the marks in its
// known path: the count of edits.
func (t *Tree) RealGeneration(r couchmend.Rev) int {
	gen := r.Gen
	for _, p := range t.paths[r] {
		if IsMark(p) {
			gen--
		}
	}
	return gen
}

// WinnerFirst sorts live leaves as CouchDB orders them: higher generation
// first, then higher hash.
func WinnerFirst(leaves []couchmend.Revision) {
	slices.SortFunc(leaves, func(a, b couchmend.Revision) int { return b.Rev.Compare(a.Rev) })
}

// OpenHolds returns the revisions whose hold keeps these live leaves from
// being merged without a person's word. A hold binds where one leaf has it in
// its path, without its release, and another leaf does not: leaves that all
// grew from the same restored revision are an ordinary conflict. A tombstone
// on another leaf that the same undo restored releases it too.
func (t *Tree) OpenHolds(live, dead []couchmend.Rev) []couchmend.Rev {
	if len(t.borne) == 0 {
		return nil
	}
	var open []couchmend.Rev
	for _, r := range t.sorted() {
		hold, release := HoldMark(r), ReleaseMark(r)
		if !t.Bears(hold) {
			continue
		}
		holding := 0
		for _, leaf := range live {
			if set := t.Contains(leaf); set.Has(hold) && !set.Has(release) {
				holding++
			}
		}
		if holding > 0 && holding < len(live) && !t.buriedByHand(r, live, dead) {
			open = append(open, r)
		}
	}
	return open
}

// buriedByHand reports whether the other leaves that were restored together
// with the one held from r are all dead.
func (t *Tree) buriedByHand(r couchmend.Rev, live, dead []couchmend.Rev) bool {
	related := func(other couchmend.Rev) bool { // restored by the same undo: one is the merge that contained the other
		return other != r && (t.Contains(other).Has(t.mark(r)) || t.Contains(r).Has(t.mark(other)))
	}
	heldElsewhere := func(leaves []couchmend.Rev) bool {
		for _, leaf := range leaves {
			for _, other := range t.restored(leaf) {
				if related(other) {
					return true
				}
			}
		}
		return false
	}
	return heldElsewhere(dead) && !heldElsewhere(live)
}

// restored returns the revisions from which an undo restored a leaf's path.
func (t *Tree) restored(leaf couchmend.Rev) []couchmend.Rev {
	var from []couchmend.Rev
	path := t.paths[leaf]
	for i := 1; i+1 < len(path); i++ {
		if m, ok := AsMark(path[i]); ok && m == HoldMark(path[i+1]) {
			from = append(from, path[i+1])
		}
	}
	return from
}

// sorted returns the real revisions of the tree, oldest first.
func (t *Tree) sorted() []couchmend.Rev {
	revs := make([]couchmend.Rev, 0, len(t.paths))
	for r := range t.paths {
		revs = append(revs, r)
	}
	slices.SortFunc(revs, couchmend.Rev.Compare)
	return revs
}
