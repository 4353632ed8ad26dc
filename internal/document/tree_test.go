package document

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/revtree"
)

// outline writes rows as "parent:depth kind rev", a run as its length.
func outline(t *Tree) string {
	var lines []string
	for _, row := range t.Rows {
		what := fmt.Sprintf("run of %d", len(row.Run))
		if row.Node != nil {
			what = string(row.Kind) + " " + row.Rev.String()
		}
		lines = append(lines, fmt.Sprintf("%d:%d %s", row.Parent, row.Depth, what))
	}
	return strings.Join(lines, ", ")
}

func TestEachRowStandsBelowTheOneItGrewFrom(t *testing.T) {
	for _, c := range []struct {
		name     string
		conflict couchmend.Conflict
		want     string
	}{
		{"a fork", conflict("2-c 1-a", "2-b 1-a"), "-1:0 base 1-a, 0:1 winner 2-c, 0:1 leaf 2-b"},
		{"two roots", conflict("1-b", "!1-a"), "-1:1 winner 1-b, -1:1 deleted 1-a"},
		{"a run", conflict("7-g 6-f 5-e 4-d 3-c 2-b 1-a", "2-x 1-a"), "-1:0 base 1-a, 0:1 run of 5, 1:1 winner 7-g, 0:1 leaf 2-x"},
		{"a fork within a fork", conflict("3-c 2-b 1-a", "3-d 2-b 1-a", "2-x 1-a"), "-1:0 base 1-a, 0:1 base 2-b, 1:2 winner 3-d, 1:2 leaf 3-c, 0:1 leaf 2-x"},
		{"a burial", conflict(marked("m", "2-c 1-a", revtree.MarkOf(couchmend.MustRev("2-b"))), "!3-t 2-b 1-a"),
			"-1:0 revision 1-a, 0:1 revision 2-c, 1:1 winner 4-m, 0:1 revision 2-b, 3:1 buried 3-t"},
	} {
		revtree.WinnerFirst(c.conflict.Leaves)
		if got := outline(NewTree(c.conflict)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func TestAMergeTellsWhatItContains(t *testing.T) {
	b := couchmend.MustRev("2-b")
	tree := NewTree(conflict(marked("m", "2-c 1-a", revtree.MarkOf(b), revtree.WordMark("9-out-of-sight")), "!3-t 2-b 1-a"))
	merge := tree.Node(tree.Winner)
	if !slices.Equal(merge.Contains, []couchmend.Rev{b}) || merge.Unseen != 1 {
		t.Errorf("contains %v and %d unseen, want [2-b] and 1", merge.Contains, merge.Unseen)
	}
	if tree.Incomplete {
		t.Error("its path named all it could")
	}
}

func TestABaseSaysWhetherItsBodyCouldBeHad(t *testing.T) {
	c := conflict("2-c 1-a", "2-b 1-a")
	base := couchmend.MustRev("1-a")
	if got := NewTree(c).Node(base).Body; got != BodyGone {
		t.Errorf("%q, want %q", got, BodyGone)
	}
	c.Bases = map[couchmend.Rev]couchmend.Revision{base: {Rev: base, Body: []byte("{}")}}
	if got := NewTree(c).Node(base).Body; got != BodyHere {
		t.Errorf("%q, want %q", got, BodyHere)
	}
}

func TestDepthCountsEditsSinceTheLeavesParted(t *testing.T) {
	for _, c := range []struct {
		conflict couchmend.Conflict
		want     int
	}{
		{conflict("2-c 1-a", "2-b 1-a"), 1},
		{conflict("2-c 1-a", "5-e 4-d 3-c 2-b 1-a"), 4},
		{conflict("4-c 3-b 2-a 1-a", "4-d 3-b 2-a 1-a"), 1},
		{conflict("2-b 1-b", "3-c 2-a 1-a"), 3},
		{conflict(marked("m", "2-c 1-a", revtree.MarkOf(couchmend.MustRev("2-b"))), "3-x 2-b 1-a"), 2},
		{conflict("2-c 1-a"), 0},
	} {
		if got := Depth(c.conflict.Leaves); got != c.want {
			t.Errorf("%v: %d, want %d", c.conflict.Leaves, got, c.want)
		}
	}
}

func TestARevisionMayBeGivenByItsBeginning(t *testing.T) {
	c := conflict("2-abcd 1-a", "2-abff 1-a")
	s := &Sight{Conflict: c, Tree: NewTree(c)}
	for text, want := range map[string]string{"2-abc": "2-abcd", "1-a": "1-a", "2-abff": "2-abff"} {
		if got, err := s.Find(text); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"2-ab": "give more of it", "2": "no revision 2", "3-a": "no revision 3-a", "": "no revision"} {
		if got, err := s.Find(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v; want an error that says %q", text, got, err, want)
		}
	}
}
