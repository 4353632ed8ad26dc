package decide

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// The mutants build merges otherwise than revtree.MarksFor and onTop do. Each
// leaves out one thing that looks as if it could be spared.

// ownMarks gives a merge marks of the losing leaves alone, without what they
// contain in turn.
func ownMarks(_ *world, c couchmend.Conflict, d couchmend.Decision) couchmend.Decision {
	if d.Merge == nil {
		return d
	}
	var marks []revtree.Mark
	for _, loser := range uncontained(treeOf(c), c.Leaves)[1:] {
		marks = append(marks, revtree.MarkOf(loser.Rev))
	}
	m := onTop(c.Leaves[0], revtree.Placed(c.Leaves[0].Rev, marks...), jsondoc.Value(d.Merge.Body), nil, c.RevsLimit)
	d.Merge = &m
	return d
}

// silentCut leaves the word "incomplete" out where marks had to be left out.
func silentCut(_ *world, c couchmend.Conflict, d couchmend.Decision) couchmend.Decision {
	if d.Merge == nil {
		return d
	}
	var marks []revtree.Mark
	for _, r := range d.Merge.Path[1:slices.Index(d.Merge.Path, c.Leaves[0].Rev)] {
		if m, _ := revtree.AsMark(r); m != revtree.WordMark("incomplete") {
			marks = append(marks, m)
		}
	}
	m := onTop(c.Leaves[0], revtree.Placed(c.Leaves[0].Rev, marks...), jsondoc.Value(d.Merge.Body), nil, c.RevsLimit)
	d.Merge = &m
	return d
}

// shortID makes a merge's id of its last mark and its body alone.
func shortID(_ *world, c couchmend.Conflict, d couchmend.Decision) couchmend.Decision {
	if d.Merge == nil {
		return d
	}
	m := *d.Merge
	mark, _ := revtree.AsMark(m.Path[slices.Index(m.Path, c.Leaves[0].Rev)-1])
	sum := md5.Sum(slices.Concat(mark[:], jsondoc.Canonical(jsondoc.Value(m.Body))))
	m.Rev.Hash = hex.EncodeToString(sum[:])
	m.Path = slices.Concat([]couchmend.Rev{m.Rev}, m.Path[1:])
	d.Merge = &m
	return d
}

// unwritten leaves a merge out whose body is the winner's.
func unwritten(_ *world, c couchmend.Conflict, d couchmend.Decision) couchmend.Decision {
	if d.Outcome == couchmend.Keep {
		d.Merge = nil
	}
	return d
}

// mutantRuns is how many worlds a mutant gets to break a law.
const mutantRuns = 3000

// TestTheLawsFailForEachMutant shows that the gossip can find what it is for:
// each invariant of the merge's path and id, broken, ends in a violation.
func TestTheLawsFailForEachMutant(t *testing.T) {
	mutants := []struct {
		name   string
		breaks func(*world, couchmend.Conflict, couchmend.Decision) couchmend.Decision
		world  scenario
		seed   uint64 // from which to search: a world that is known to fail is near
	}{
		{"marks of the losing leaves alone", ownMarks, scenario{bodiesEverywhere: true}, 0},
		{"marks cut without saying so", silentCut, scenario{bodiesEverywhere: true, revsLimit: 50, burst: 25}, 4},
		{"an id that leaves out marks", shortID, scenario{bodiesEverywhere: true, plain: true}, 285},
		{"no merge where the body is the winner's", unwritten, scenario{bodiesEverywhere: true}, 20},
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.world.breaks = m.breaks
			for seed := m.seed; seed < m.seed+mutantRuns; seed++ {
				if end := newWorld(t, m.world, seed).run(); !end.allowed {
					t.Logf("seed %d: %s", seed, end.kind)
					return
				}
			}
			t.Errorf("no violation in %d worlds", mutantRuns)
		})
	}
}
