package document

import (
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Kind is a revision's place in its conflict.
type Kind string

// The kinds of revision.
const (
	Winner  Kind = "winner"   // the live leaf that readers see
	Leaf    Kind = "leaf"     // any other live leaf
	Deleted Kind = "deleted"  // a user's tombstone
	Buried  Kind = "buried"   // the tombstone of a leaf that a merge contains
	Base    Kind = "base"     // what the leaves grew from, as the decision needs it
	Inner   Kind = "revision" // any other that leaves grew from
)

// Body says whether a revision's body can be had.
type Body string

// The states of a body.
const (
	BodyUnasked Body = ""          // nobody asked: see Sight.AskBodies
	BodyHere    Body = "here"      // CouchDB has it
	BodyKept    Body = "kept"      // CouchDB has compacted it away; couchmend's journal has it
	BodyGone    Body = "compacted" // nobody has it
)

// Node is one revision of a tree.
type Node struct {
	Rev  couchmend.Rev `json:"rev"`
	Kind Kind          `json:"kind"`
	Body Body          `json:"body,omitempty"`
	// Contains are the revisions of this tree that a merge absorbed right
	// here; Unseen counts those that this tree no longer shows.
	Contains []couchmend.Rev `json:"contains,omitempty"`
	Unseen   int             `json:"contains_unseen,omitempty"`
	// Notes are what there is to say about it, a few words each.
	Notes []string `json:"notes,omitempty"`

	parent   *Node
	children []*Node
	marks    []revtree.Mark      // in the path between it and its parent
	leaf     *couchmend.Revision // nil where others grew from it
	top      couchmend.Revision  // see best
}

// Tree is a document's revision tree, laid out to be drawn: usually one tree,
// several where first revisions differ. Marks are no revisions: they are told
// as what the revision above them contains.
type Tree struct {
	// Rows are in drawing order: a revision stands above those that grew from
	// it, the winner's branch before live ones, tombstones last.
	Rows   []Row         `json:"rows"`
	Winner couchmend.Rev `json:"winner,omitzero"` // zero where no leaf is alive
	// Incomplete says that a merge contains more than its path names.
	Incomplete bool `json:"incomplete,omitempty"`

	nodes map[couchmend.Rev]*Node
	roots []*Node
}

// Node returns the tree's node of a revision, nil where it has none.
func (t *Tree) Node(r couchmend.Rev) *Node { return t.nodes[r] }

// Kind is a revision's place; Inner for one that is not in the tree.
func (t *Tree) Kind(r couchmend.Rev) Kind {
	if n := t.nodes[r]; n != nil {
		return n.Kind
	}
	return Inner
}

// incomplete is the mark of a merge that could not name all that it contains.
var incomplete = revtree.WordMark("incomplete")

// NewTree lays out the tree of a conflict.
func NewTree(c couchmend.Conflict) *Tree {
	t := &Tree{nodes: map[couchmend.Rev]*Node{}}
	if len(c.Leaves) > 0 {
		t.Winner = c.Leaves[0].Rev
	}
	leaves := slices.Concat(c.Leaves, c.Dead)
	for i := range leaves {
		t.grow(&leaves[i])
	}
	for _, n := range t.nodes {
		if n.parent == nil {
			t.roots = append(t.roots, n)
		}
		slices.SortFunc(n.children, inOrder)
	}
	slices.SortFunc(t.roots, inOrder)
	t.name(c)
	for _, n := range t.nodes {
		n.Notes = t.notes(n)
	}
	t.tellMarks()
	t.lay()
	return t
}

// grow adds a leaf and its path.
func (t *Tree) grow(leaf *couchmend.Revision) {
	var child *Node
	var marks []revtree.Mark
	for i, r := range leaf.Path {
		if m, ok := revtree.AsMark(r); ok && i > 0 {
			marks = append(marks, m)
			continue
		}
		n := t.nodes[r]
		if n == nil {
			n = &Node{Rev: r, Kind: Inner}
			t.nodes[r] = n
		}
		if child == nil {
			n.leaf = leaf
		} else if child.parent == nil {
			child.parent, child.marks = n, marks
			n.children = append(n.children, child)
		}
		child, marks = n, nil
	}
}

// inOrder draws the winner's branch first, then live ones, then the rest.
func inOrder(a, b *Node) int {
	x, y := a.best(), b.best()
	if x.Deleted != y.Deleted {
		if x.Deleted {
			return 1
		}
		return -1
	}
	return y.Rev.Compare(x.Rev)
}

// best is the leaf above n that CouchDB would choose. It is remembered.
func (n *Node) best() couchmend.Revision {
	if n.top.Path != nil {
		return n.top
	}
	if n.leaf != nil {
		n.top = *n.leaf
	}
	for _, child := range n.children {
		b := child.best()
		if n.top.Path == nil || n.top.Deleted && !b.Deleted || n.top.Deleted == b.Deleted && b.Rev.Compare(n.top.Rev) > 0 {
			n.top = b
		}
	}
	return n.top
}

// name gives each node its kind, and what is known of its body.
func (t *Tree) name(c couchmend.Conflict) {
	bases := map[couchmend.Rev]Body{}
	for _, r := range decide.Bases(c) { // those that could not be had
		bases[r] = BodyGone
	}
	for r := range c.Bases {
		bases[r] = BodyHere
	}
	borne := map[revtree.Mark]bool{}
	for _, n := range t.nodes {
		for _, m := range n.marks {
			borne[m] = true
		}
	}
	t.Incomplete = borne[incomplete]
	for r, n := range t.nodes {
		body, isBase := bases[r]
		switch {
		case n.leaf == nil && isBase:
			n.Kind, n.Body = Base, body
		case n.leaf == nil:
		case n.leaf.Deleted && n.parent != nil && borne[revtree.MarkOf(n.parent.Rev)]:
			n.Kind, n.Body = Buried, BodyHere
		case n.leaf.Deleted:
			n.Kind, n.Body = Deleted, BodyHere
		case r == t.Winner:
			n.Kind, n.Body = Winner, BodyHere
		default:
			n.Kind, n.Body = Leaf, BodyHere
		}
	}
}

// notes are what a node's place says.
func (t *Tree) notes(n *Node) []string {
	switch {
	case n.Kind == Winner:
		return []string{"winner"}
	case n.Kind == Leaf:
		return []string{"live"}
	case n.Kind == Buried:
		return []string{"buries " + Short(n.parent.Rev) + ", which a merge contains"}
	case n.Kind == Deleted && t.Incomplete:
		return []string{"deleted, or buried by the merge that could not name all it contains"}
	case n.Kind == Deleted:
		return []string{"deleted"}
	}
	var notes []string
	if n.parent == nil && n.Rev.Gen > 1 {
		notes = append(notes, "what came before is no longer known")
	}
	switch {
	case n.Kind == Base && n.Body == BodyGone:
		notes = append(notes, "base, its body is gone")
	case n.Kind == Base:
		notes = append(notes, "base")
	}
	return notes
}

// tellMarks adds to each node what the marks right under it say.
func (t *Tree) tellMarks() {
	revs, words := map[revtree.Mark]couchmend.Rev{}, map[revtree.Mark]string{}
	for r := range t.nodes {
		revs[revtree.MarkOf(r)] = r
		words[revtree.HoldMark(r)] = "held: an undo restored it from " + Short(r)
		words[revtree.ReleaseMark(r)] = "releases the hold of " + Short(r)
	}
	words[incomplete] = "contains more than its path could name"
	for _, n := range t.nodes {
		var said []string
		for _, m := range n.marks {
			if r, ok := revs[m]; ok {
				n.Contains = append(n.Contains, r)
			} else if text, ok := words[m]; ok {
				said = append(said, text)
			} else {
				n.Unseen++
			}
		}
		if contains := n.contains(); contains != "" {
			n.Notes = append(n.Notes, contains)
		}
		n.Notes = append(n.Notes, said...)
	}
}

func (n *Node) contains() string {
	var words []string
	if len(n.Contains) > 0 {
		words = append(words, ShortList(n.Contains))
	}
	if n.Unseen > 0 {
		words = append(words, fmt.Sprintf("%d more that this tree no longer shows", n.Unseen))
	}
	if words == nil {
		return ""
	}
	return "contains " + strings.Join(words, ", ")
}
