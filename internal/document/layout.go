package document

import (
	"slices"

	"github.com/couchmend/couchmend"
)

// Row is one line of a tree's drawing: a revision, or a long run of revisions
// that nothing is to say about.
type Row struct {
	*Node
	Run []couchmend.Rev `json:"run,omitempty"` // a run, oldest first; Node is nil then
	// Parent is the row that this one grew from, counted from 0; -1: none.
	Parent int `json:"parent"`
	// Depth counts the forks between the root and this row: revisions in line
	// after each other have the same. First says that the row begins a branch
	// of such a fork, and More, for each of these forks from the outside in,
	// whether another branch of it follows below.
	Depth int    `json:"depth"`
	First bool   `json:"-"`
	More  []bool `json:"-"`
}

// longRun is how many revisions in line are drawn as one row.
const longRun = 4

// lay makes the rows.
func (t *Tree) lay() {
	if len(t.roots) == 1 {
		t.branch(t.roots[0], Row{Parent: -1})
		return
	}
	t.fork(t.roots, -1, nil)
}

// branch adds a revision and, below it, those in line after it up to a fork.
// at is the place of the first row.
func (t *Tree) branch(n *Node, at Row) {
	for ; ; n = n.children[0] {
		if run := plain(n); len(run) >= longRun {
			row := at
			for _, folded := range run {
				row.Run = append(row.Run, folded.Rev)
			}
			t.Rows = append(t.Rows, row)
			at.First, at.Parent = false, len(t.Rows)-1
			n = run[len(run)-1].children[0]
		}
		row := at
		row.Node = n
		t.Rows = append(t.Rows, row)
		at.First, at.Parent = false, len(t.Rows)-1
		if len(n.children) != 1 {
			t.fork(n.children, at.Parent, at.More)
			return
		}
	}
}

func (t *Tree) fork(nodes []*Node, parent int, more []bool) {
	for i, n := range nodes {
		t.branch(n, Row{Parent: parent, Depth: len(more) + 1, First: true, More: append(slices.Clone(more), i < len(nodes)-1)})
	}
}

// plain returns the revisions from n on that have one child and nothing to say.
func plain(n *Node) []*Node {
	var run []*Node
	for len(n.children) == 1 && len(n.Notes) == 0 {
		run = append(run, n)
		n = n.children[0]
	}
	return run
}
