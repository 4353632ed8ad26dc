package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/revtree"
	"github.com/mattn/go-runewidth"
)

// twig is one revision in the drawing of a document's revision tree.
type twig struct {
	rev      couchmend.Rev
	marks    []revtree.Mark // in the path between it and its parent
	parent   *twig
	children []*twig
	leaf     *couchmend.Revision // nil where others grew from it
	top      couchmend.Revision  // see best
}

// incomplete is the mark of a merge that could not name all that it contains.
var incomplete = revtree.WordMark("incomplete")

// grove is what is drawn: usually one tree, several where roots differ.
type grove struct {
	twigs  map[couchmend.Rev]*twig
	roots  []*twig
	winner couchmend.Rev              // zero where no leaf is alive
	named  map[revtree.Mark]string    // what the marks of this tree say
	bases  map[couchmend.Rev]bool     // that the decision needs; whether the body could be had
	buried map[couchmend.Rev]struct{} // revisions that a leaf bears a mark of
	// incomplete says that a merge contains more than its marks name.
	incomplete bool
}

// plant builds the drawing of a conflict. Marks are no revisions: they are left
// out and told as notes on the revision above them.
func plant(c couchmend.Conflict) *grove {
	g := &grove{
		twigs: map[couchmend.Rev]*twig{}, named: map[revtree.Mark]string{},
		bases: map[couchmend.Rev]bool{}, buried: map[couchmend.Rev]struct{}{},
	}
	if len(c.Leaves) > 0 {
		g.winner = c.Leaves[0].Rev
	}
	for r := range c.Bases {
		g.bases[r] = true
	}
	for _, r := range decide.Bases(c) { // those that could not be had
		g.bases[r] = false
	}
	leaves := slices.Concat(c.Leaves, c.Dead)
	for i := range leaves {
		g.grow(&leaves[i])
	}
	for r, t := range g.twigs {
		g.named[revtree.MarkOf(r)] = shortRev(r)
		g.named[revtree.HoldMark(r)] = "held: an undo restored it from " + shortRev(r)
		g.named[revtree.ReleaseMark(r)] = "releases the hold of " + shortRev(r)
		if t.parent == nil {
			g.roots = append(g.roots, t)
		}
		slices.SortFunc(t.children, g.order)
	}
	slices.SortFunc(g.roots, g.order)
	g.findBuried()
	return g
}

func (g *grove) grow(leaf *couchmend.Revision) {
	var child *twig
	var marks []revtree.Mark
	for i, r := range leaf.Path {
		if m, ok := revtree.AsMark(r); ok && i > 0 {
			marks = append(marks, m)
			continue
		}
		t := g.twigs[r]
		if t == nil {
			t = &twig{rev: r}
			g.twigs[r] = t
		}
		if child == nil {
			t.leaf = leaf
		} else if child.parent == nil {
			child.parent, child.marks = t, marks
			t.children = append(t.children, child)
		}
		child, marks = t, nil
	}
}

// order draws the winner's branch first, then live ones, then the rest.
func (g *grove) order(a, b *twig) int {
	x, y := a.best(), b.best()
	if x.Deleted != y.Deleted {
		if x.Deleted {
			return 1
		}
		return -1
	}
	return y.Rev.Compare(x.Rev)
}

// best is the leaf above t that CouchDB would choose. It is remembered.
func (t *twig) best() couchmend.Revision {
	if t.top.Path != nil {
		return t.top
	}
	if t.leaf != nil {
		t.top = *t.leaf
	}
	for _, child := range t.children {
		b := child.best()
		if t.top.Path == nil || t.top.Deleted && !b.Deleted || t.top.Deleted == b.Deleted && b.Rev.Compare(t.top.Rev) > 0 {
			t.top = b
		}
	}
	return t.top
}

func (g *grove) findBuried() {
	borne := map[revtree.Mark]bool{}
	for _, t := range g.twigs {
		for _, m := range t.marks {
			borne[m] = true
		}
	}
	g.incomplete = borne[incomplete]
	for r := range g.twigs {
		if borne[revtree.MarkOf(r)] {
			g.buried[r] = struct{}{}
		}
	}
}

// drawn is a line of the drawing: the tree, then what there is to say.
type drawn struct{ tree, note string }

// draw writes the tree, the oldest revision on top.
func (g *grove) draw(w io.Writer) error {
	var lines []drawn
	if len(g.roots) == 1 {
		lines = g.branch(nil, g.roots[0], "  ", "  ")
	} else {
		lines = g.fork(nil, g.roots, "  ")
	}
	width := 0
	for _, l := range lines {
		width = max(width, runewidth.StringWidth(l.tree))
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(runewidth.FillRight(clean(l.tree), width)+"   "+clean(l.note), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// runs of revisions that nothing is to say about are drawn as one line from
// this length on.
const longRun = 4

// branch draws a revision and, below it, those in line after it up to a fork.
func (g *grove) branch(lines []drawn, t *twig, first, next string) []drawn {
	for prefix := first; ; prefix = next {
		if run := g.plain(t); len(run) >= longRun {
			lines = append(lines, drawn{prefix + "⋮", plural(len(run), "revision") + " from " + shortRev(run[0].rev)})
			t = run[len(run)-1].children[0]
			prefix = next
		}
		lines = append(lines, drawn{prefix + g.symbol(t) + " " + shortRev(t.rev), strings.Join(g.notes(t), "; ")})
		if len(t.children) != 1 {
			return g.fork(lines, t.children, next)
		}
		t = t.children[0]
	}
}

func (g *grove) fork(lines []drawn, twigs []*twig, prefix string) []drawn {
	for i, t := range twigs {
		if i < len(twigs)-1 {
			lines = g.branch(lines, t, prefix+"├─", prefix+"│ ")
		} else {
			lines = g.branch(lines, t, prefix+"└─", prefix+"  ")
		}
	}
	return lines
}

// plain returns the revisions from t on that have one child and nothing to say.
func (g *grove) plain(t *twig) []*twig {
	var run []*twig
	for len(t.children) == 1 && len(g.notes(t)) == 0 {
		run = append(run, t)
		t = t.children[0]
	}
	return run
}

func (g *grove) symbol(t *twig) string {
	switch {
	case t.rev == g.winner:
		return "●"
	case t.leaf == nil:
		return "·"
	case t.leaf.Deleted:
		return "✕"
	}
	return "○"
}

// notes are what there is to say about a revision.
func (g *grove) notes(t *twig) []string {
	var notes []string
	switch {
	case t.rev == g.winner:
		notes = append(notes, "winner")
	case t.leaf != nil && t.leaf.Deleted:
		notes = append(notes, g.death(t))
	case t.leaf != nil:
		notes = append(notes, "live")
	case t.parent == nil && t.rev.Gen > 1:
		notes = append(notes, "what came before is no longer known")
	}
	if had, ok := g.bases[t.rev]; ok && t.leaf == nil {
		if had {
			notes = append(notes, "base")
		} else {
			notes = append(notes, "base, its body is gone")
		}
	}
	return append(notes, g.says(t.marks)...)
}

func (g *grove) death(t *twig) string {
	switch {
	case g.isBurial(*t.leaf):
		return "buries " + shortRev(t.parent.rev) + ", which a merge contains"
	case g.incomplete:
		return "deleted, or buried by the merge that could not name all it contains"
	}
	return "deleted"
}

// isBurial reports whether a tombstone is of a revision that a merge contains,
// and so no user's deletion.
func (g *grove) isBurial(tombstone couchmend.Revision) bool {
	t := g.twigs[tombstone.Rev]
	if t == nil || t.parent == nil {
		return false
	}
	_, ok := g.buried[t.parent.rev]
	return ok
}

// says tells what marks mean.
func (g *grove) says(marks []revtree.Mark) []string {
	var contains, words []string
	unknown := 0
	for _, m := range marks {
		text, known := g.named[m]
		switch {
		case m == incomplete:
			words = append(words, "contains more than its path could name")
		case !known:
			unknown++
		case strings.Contains(text, " "):
			words = append(words, text)
		default:
			contains = append(contains, text)
		}
	}
	if unknown > 0 {
		contains = append(contains, fmt.Sprintf("%d more that this tree no longer shows", unknown))
	}
	if len(contains) > 0 {
		words = append([]string{"contains " + strings.Join(contains, ", ")}, words...)
	}
	return words
}

// shortRev is a revision id short enough to read: its hash's first 7 letters.
func shortRev(r couchmend.Rev) string {
	return couchmend.Rev{Gen: r.Gen, Hash: r.Hash[:min(7, len(r.Hash))]}.String()
}

func shortRevs(revs []couchmend.Rev) string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = shortRev(r)
	}
	return strings.Join(texts, ", ")
}
