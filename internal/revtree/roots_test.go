package revtree

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"pgregory.net/rapid"
)

func TestLeavesAreGroupedByTheHistoryThatTheyShare(t *testing.T) {
	for _, c := range []struct {
		name   string
		leaves []string
		want   string
	}{
		{"one history", []string{"3-c 2-b 1-a", "2-d 1-a"}, "1-a: 3-c 2-d"},
		{"two, one of them in conflict", []string{"3-c 2-b 1-a", "2-y 1-x", "2-d 1-a"}, "1-a: 3-c 2-d; 1-x: 2-y"},
		{"three", []string{"1-c", "1-b", "1-a"}, "1-c: 1-c; 1-b: 1-b; 1-a: 1-a"},
		{"a stemmed one", []string{"9-p 8-q", "1-a"}, "8-q: 9-p stemmed; 1-a: 1-a"},
		{"a stemmed one that meets a whole one", []string{"9-p 2-b", "3-c 2-b 1-a"}, "1-a: 9-p 3-c"},
		{"joined by a merge", []string{"3-m 1-b!1-a 1-b", "2-d 1-a"}, "1-a: 3-m 2-d"},
		{"joined, and taken back by an undo", []string{"5-x 3-m!hold_3-m 3-m 1-b!1-a 1-b", "3-y 1-a!hold_1-a 1-a"}, "1-b: 5-x; 1-a: 3-y"},
		{"a merge that could not name all", []string{"4-m 2-b!incomplete 2-b!1-z 2-b 1-b", "1-a"}, "1-b: 4-m incomplete; 1-a: 1-a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []Path
			var leaves []couchmend.Rev
			for _, l := range c.leaves {
				paths = append(paths, path(l))
				leaves = append(leaves, path(l)[0])
			}
			var got []string
			for _, root := range New(paths...).Roots(leaves) {
				text := root.First.String() + ":"
				for _, l := range root.Leaves {
					text += " " + l.String()
				}
				if root.Doubt != "" {
					text += " " + string(root.Doubt)
				}
				got = append(got, text)
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %s, want %s", strings.Join(got, "; "), c.want)
			}
		})
	}
}

func TestEveryLeafIsOfExactlyOneRootWhateverTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var leaves []couchmend.Rev
		var paths []Path
		for i := range rapid.IntRange(1, 9).Draw(t, "leaves") {
			root := rapid.IntRange(0, 3).Draw(t, "root")
			p := path(fmt.Sprintf("3-l%d 2-%d 1-%d", i, rapid.IntRange(0, 1).Draw(t, "branch")+10*root, root))
			leaves, paths = append(leaves, p[0]), append(paths, p)
		}
		firsts := func(order []couchmend.Rev) map[couchmend.Rev]couchmend.Rev {
			of := map[couchmend.Rev]couchmend.Rev{}
			for _, root := range New(paths...).Roots(order) {
				for _, l := range root.Leaves {
					if _, twice := of[l]; twice {
						t.Fatalf("%s is of two roots", l)
					}
					of[l] = root.First
				}
			}
			return of
		}
		of := firsts(leaves)
		for i, l := range leaves {
			if of[l] != paths[i][2] {
				t.Fatalf("%s is of %s, not of %s", l, of[l], paths[i][2])
			}
		}
		if shuffled := firsts(rapid.Permutation(leaves).Draw(t, "order")); fmt.Sprint(shuffled) != fmt.Sprint(of) {
			t.Fatalf("%v, in another order %v", of, shuffled)
		}
	})
}

func TestATombstoneOfASplitSaysWhichLeafItBuries(t *testing.T) {
	leaf := path("2-b 1-a")
	grave := MergePath("t", Placed(leaf[0], SplitMark(leaf[0])), leaf, 1000)
	if from, ok := SplitFrom(grave); !ok || from != leaf[0] {
		t.Errorf("%v of %v", from, grave)
	}
	for _, other := range []Path{nil, leaf, slices.Concat(Path{Tombstone(leaf[0])}, leaf), MergePath("m", Placed(leaf[0], MarkOf(rev("2-c"))), leaf, 1000)} {
		if _, ok := SplitFrom(other); ok {
			t.Errorf("%v is taken for one", other)
		}
	}
}
