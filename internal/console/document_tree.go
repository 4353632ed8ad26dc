package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
)

// The drawing's measures, in CSS pixels. Each revision is one row, as high as
// the line of text beside it.
const (
	treeRow     = 28
	treeStep    = 18  // from one fork to the next
	treeGutter  = 22  // left of the roots, where arcs from a merge to what it contains bulge
	treeRoom    = 200 // deeper forks are drawn closer, so that the text keeps its place
	treeMinStep = 3.0
)

// drawnRows is how many rows are drawn (I11).
const drawnRows = 2000

// drawnArcs is how many arcs are drawn: of a merge that contains more, the text
// tells.
const drawnArcs = 24

// treeView is a revision tree as it is drawn: lines and dots on the left, a
// line of text for each row on the right.
type treeView struct {
	Width, Height int
	Edges, Arcs   []string // the d of a <path>
	Rows          []treeLine
	Shown         string // in words
	Rest          int    // rows that are not drawn
	HasMerge      bool
	HasGone       bool
}

// treeLine is one row: a revision, or a run of them.
type treeLine struct {
	X, Y  float64
	Kind  document.Kind // "" for a run
	Gone  bool          // its body is compacted away
	Kept  bool          // only the journal has it
	Rev   couchmend.Rev
	New   bool // since the person was shown the document
	Run   int
	Notes string
}

// mark tells which leaves are new.
func (v *treeView) mark(fresh []couchmend.Rev) {
	for i := range v.Rows {
		v.Rows[i].New = slices.Contains(fresh, v.Rows[i].Rev)
	}
}

// Above is a place above the row's dot.
func (l treeLine) Above(by float64) float64 { return l.Y - by }

// Left is a place left of the row's dot.
func (l treeLine) Left(by float64) float64 { return l.X - by }

// Tag is the revision's kind in a word, "" where nothing is to say.
func (l treeLine) Tag() string {
	switch l.Kind {
	case document.Inner:
		return ""
	case document.Leaf:
		return "live"
	}
	return string(l.Kind)
}

// drawTree lays the lines and dots of a tree out.
func drawTree(t *document.Tree) treeView {
	rows := t.Rows[:min(len(t.Rows), drawnRows)]
	depth := 0
	for _, row := range rows {
		depth = max(depth, row.Depth)
	}
	step := min(treeStep, max(treeMinStep, treeRoom/float64(max(1, depth))))
	v := treeView{Width: treeGutter + int(step*float64(depth)) + 14, Height: treeRow * len(rows), Rest: len(t.Rows) - len(rows)}
	at := map[couchmend.Rev]int{}
	for i, row := range rows {
		line := treeLine{X: treeGutter + step*float64(row.Depth), Y: treeRow*float64(i) + treeRow/2, Run: len(row.Run)}
		if row.Node != nil {
			at[row.Rev] = i
			line.Rev, line.Kind = row.Rev, row.Kind
			line.Gone, line.Kept = row.Body == document.BodyGone, row.Body == document.BodyKept
			line.Notes = strings.Join(notes(row.Node), "; ")
			v.HasGone = v.HasGone || line.Gone
		} else {
			line.Rev = row.Run[0]
		}
		v.Rows = append(v.Rows, line)
		if row.Parent >= 0 {
			v.Edges = append(v.Edges, edge(v.Rows[row.Parent], line))
		}
	}
	for _, row := range rows {
		if row.Node == nil {
			continue
		}
		for _, r := range row.Contains {
			from, ok := at[r]
			if ok && len(v.Arcs) < drawnArcs {
				v.Arcs = append(v.Arcs, arc(v.Rows[at[row.Rev]], v.Rows[from]))
			}
		}
	}
	v.HasMerge = len(v.Arcs) > 0
	v.Shown = treeWords(t)
	return v
}

// notes are what there is to say about a revision, its kind left out: the page
// shows it as a tag.
func notes(n *document.Node) []string {
	var said []string
	for _, note := range n.Notes {
		switch note {
		case "winner", "live", "deleted", "base", "base, its body is gone":
		default:
			said = append(said, note)
		}
	}
	return said
}

// edge goes from a revision to one that grew from it: straight on, or out into
// a branch of its own.
func edge(from, to treeLine) string {
	if from.X == to.X {
		return fmt.Sprintf("M%g %gV%g", from.X, from.Y, to.Y)
	}
	r := min(8, to.X-from.X)
	return fmt.Sprintf("M%g %gV%gq0 %g %g %gH%g", from.X, from.Y, to.Y-r, r, r, r, to.X)
}

// arc goes from a merge, on the left of everything, to what it contains.
func arc(from, to treeLine) string {
	return fmt.Sprintf("M%g %gC%d %g %d %g %g %g", from.X, from.Y, 2, from.Y, 2, to.Y, to.X, to.Y)
}

// treeWords is a tree in one sentence.
func treeWords(t *document.Tree) string {
	counts := map[document.Kind]int{}
	revisions := 0
	for _, row := range t.Rows {
		if row.Node == nil {
			revisions += len(row.Run)
			continue
		}
		revisions++
		counts[row.Kind]++
	}
	parts := []string{plural(revisions, "revision"), plural(counts[document.Winner]+counts[document.Leaf], "live leaf")}
	parts[1] = strings.Replace(parts[1], "leafs", "leaves", 1)
	if n := counts[document.Deleted]; n > 0 {
		parts = append(parts, fmt.Sprintf("%s deleted", number(n)))
	}
	if n := counts[document.Buried]; n > 0 {
		parts = append(parts, fmt.Sprintf("%s buried", number(n)))
	}
	return strings.Join(parts, ", ")
}
