package main

import (
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/revtree"
)

// leaf is a leaf with a path in text, newest first; "!" marks a tombstone.
func leaf(path string) couchmend.Revision {
	path, deleted := strings.CutPrefix(path, "!")
	r := couchmend.Revision{Deleted: deleted, Body: []byte("{}")}
	for _, text := range strings.Fields(path) {
		r.Path = append(r.Path, couchmend.MustRev(text))
	}
	r.Rev = r.Path[0]
	return r
}

func conflict(paths ...string) couchmend.Conflict {
	c := couchmend.Conflict{DB: "db", ID: "d", RevsLimit: 1000}
	for _, path := range paths {
		if r := leaf(path); r.Deleted {
			c.Dead = append(c.Dead, r)
		} else {
			c.Leaves = append(c.Leaves, r)
		}
	}
	return c
}

// marked puts marks between a merge and its winner's path.
func marked(hash, winner string, marks ...revtree.Mark) string {
	w := leaf(winner)
	path := revtree.MergePath(hash, revtree.Placed(w.Rev, marks...), w.Path, 1000)
	texts := make([]string, len(path))
	for i, r := range path {
		texts[i] = r.String()
	}
	return strings.Join(texts, " ")
}

func TestTheTreeIsDrawnOldestFirst(t *testing.T) {
	b := couchmend.MustRev("2-b")
	for _, c := range []struct {
		name     string
		conflict couchmend.Conflict
		want     string
	}{
		{"a fork", conflict("2-c 1-a", "2-b 1-a"), `
  · 1-a   base, its body is gone
  ├─● 2-c   winner
  └─○ 2-b   live`},
		{"the winner's branch comes first, tombstones last", conflict("3-x 2-c 1-a", "2-b 1-a", "!9-z 8-y 1-a"), `
  · 1-a   base, its body is gone
  ├─· 2-c
  │ ● 3-x   winner
  ├─○ 2-b   live
  └─· 8-y
    ✕ 9-z   deleted`},
		{"long runs are drawn short", conflict("7-g 6-f 5-e 4-d 3-c 2-b 1-a", "2-x 1-a"), `
  · 1-a   base, its body is gone
  ├─⋮     5 revisions from 2-b
  │ ● 7-g   winner
  └─○ 2-x   live`},
		{"two roots", conflict("1-b", "1-a"), `
  ├─● 1-b   winner
  └─○ 1-a   live`},
		{"a stemmed path", conflict("5-b 4-a", "5-a 4-a"), `
  · 4-a   what came before is no longer known; base, its body is gone
  ├─● 5-b   winner
  └─○ 5-a   live`},
		{"what a merge contains, and its burial", conflict(marked("m", "2-c 1-a", revtree.MarkOf(b)), "!3-t 2-b 1-a"), `
  · 1-a
  ├─· 2-c
  │ ● 4-m   winner; contains 2-b
  └─· 2-b
    ✕ 3-t   buries 2-b, which a merge contains`},
		{"a hold, a gap, and what is out of sight", conflict(marked("m", "2-c 1-a", revtree.WordMark("incomplete"), revtree.HoldMark(couchmend.MustRev("2-c")), revtree.WordMark("8-q"))), `
  · 1-a
  · 2-c
  ● 6-m   winner; contains 1 more that this tree no longer shows; contains more than its path could name; held: an undo restored it from 2-c`},
		{"every leaf is dead", conflict("!2-b 1-a"), `
  · 1-a
  ✕ 2-b   deleted`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := drawTree(&b, document.NewTree(c.conflict)); err != nil {
				t.Fatal(err)
			}
			if got := squeezed(b.String()); got != squeezed(c.want+"\n") {
				t.Errorf("got:\n%s\nwant:%s", b.String(), c.want)
			}
		})
	}
}

// squeezed takes the alignment of the notes out.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, indent+strings.Join(fields, " "))
		}
	}
	return strings.Join(lines, "\n")
}
