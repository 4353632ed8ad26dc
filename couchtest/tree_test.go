package couchtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawn reads a path as it is drawn, oldest first: "1-a 2-b 3-c". A star
// behind the newest id makes it a tombstone.
func drawn(line string) (path, *revision) {
	ids := strings.Fields(line)
	rev := new(revision)
	var p path
	for i := len(ids) - 1; i >= 0; i-- {
		id, dead := strings.CutSuffix(ids[i], "*")
		rev.deleted = rev.deleted || dead
		gen, hash, _ := parseRev(id)
		p.hashes = append(p.hashes, hash)
		p.gen = max(p.gen, gen)
	}
	return p, rev
}

// draw writes t as the paths of its leaves.
func (t *tree) draw() []string {
	var lines []string
	for _, n := range t.leaves() {
		var ids []string
		for ; n != nil; n = n.parent {
			ids = append(ids, revText(n.gen, n.hash))
		}
		slices.Reverse(ids)
		lines = append(lines, strings.Join(ids, " "))
	}
	return lines
}

func grow(lines ...string) *tree {
	t := new(tree)
	for _, line := range lines {
		p, rev := drawn(line)
		t.merge(p, rev)
	}
	return t
}

func TestPathsMergeWhereTheyMeet(t *testing.T) {
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"the first path", []string{"1-a 2-b"}, []string{"1-a 2-b"}},
		{"a longer path goes on where the shorter ended", []string{"1-a 2-b", "1-a 2-b 3-c"}, []string{"1-a 2-b 3-c"}},
		{"a shorter path adds nothing", []string{"1-a 2-b 3-c", "1-a 2-b"}, []string{"1-a 2-b 3-c"}},
		{"a branch", []string{"1-a 2-b 3-c", "1-a 2-d"}, []string{"1-a 2-b 3-c", "1-a 2-d"}},
		{"branches stand in the order of hashes", []string{"1-a 2-d", "1-a 2-b"}, []string{"1-a 2-b", "1-a 2-d"}},
		{"two roots, the later first", []string{"1-a 2-b", "1-c"}, []string{"1-c", "1-a 2-b"}},
		{"a stemmed path finds its place in the middle", []string{"1-a 2-b 3-c", "2-b 3-d"}, []string{"1-a 2-b 3-c", "1-a 2-b 3-d"}},
		{"a whole path goes above a stemmed one", []string{"3-c 4-d", "1-a 2-b 3-c 4-e"}, []string{"1-a 2-b 3-c 4-d", "1-a 2-b 3-c 4-e"}},
		{"a stemmed path that meets nothing is a root", []string{"1-a 2-b", "4-d 5-e"}, []string{"4-d 5-e", "1-a 2-b"}},
		{"a name on two branches takes the first", []string{"1-a 2-b 3-m", "1-a 2-c 3-m", "3-m 4-x"},
			[]string{"1-a 2-b 3-m 4-x", "1-a 2-c 3-m"}},
	} {
		if got := grow(c.paths...).draw(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q became %q, want %q", c.name, c.paths, got, c.want)
		}
	}
}

func TestTryForetellsWhatMergeDoes(t *testing.T) {
	for _, c := range []struct {
		have []string
		add  string
		want merged
	}{
		{nil, "1-a", newLeaf},
		{[]string{"1-a"}, "1-a 2-b", newLeaf},
		{[]string{"1-a"}, "1-b", newBranch},
		{[]string{"1-a 2-b"}, "1-a 2-c", newBranch},
		{[]string{"1-a 2-b"}, "1-a", internalNode},
		{[]string{"1-a 2-b"}, "1-a 2-b", internalNode},
	} {
		p, _ := drawn(c.add)
		if got := grow(c.have...).try(p); got != c.want {
			t.Errorf("%q and then %q: %d, want %d", c.have, c.add, got, c.want)
		}
	}
}

func TestLiveLeafWinsThenGenerationThenHash(t *testing.T) {
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"1-a 2-b", "1-a 2-c"}, "2-c"},
		{[]string{"1-a 2-b 3-a", "1-a 2-c"}, "3-a"},
		{[]string{"1-a 2-b 3-z*", "1-a 2-c"}, "2-c"},
		{[]string{"1-a 2-b*", "1-a 2-c*"}, "2-c"},
		{[]string{"1-ff", "1-00000000000000000000000000000001"}, "1-ff"},
	} {
		leaves := grow(c.paths...).leaves()
		byWinner(leaves)
		if got := revText(leaves[0].gen, leaves[0].hash); got != c.want {
			t.Errorf("%q: %s wins, want %s", c.paths, got, c.want)
		}
	}
}

func TestStemmingCutsTheOldEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		paths []string
		limit int
		want  []string
	}{
		{"short enough", []string{"1-a 2-b"}, 2, []string{"1-a 2-b"}},
		{"one branch", []string{"1-a 2-b 3-c"}, 2, []string{"2-b 3-c"}},
		{"a shared beginning stays for the shorter branch", []string{"1-a 2-b 3-c", "1-a 2-d"}, 2, []string{"1-a 2-b 3-c", "1-a 2-d"}},
		{"branches fall apart", []string{"1-a 2-b 3-c", "1-a 2-d 3-e"}, 1, []string{"3-e", "3-c"}},
		{"a hole in the middle", []string{"1-a 2-b 3-c 4-d", "1-a 2-e"}, 2, []string{"3-c 4-d", "1-a 2-e"}},
		{"a name on two branches is grafted", []string{"1-a 2-b 3-m 4-x", "1-a 2-c 3-m 4-y"}, 2, []string{"3-m 4-x", "3-m 4-y"}},
	} {
		tree := grow(c.paths...)
		tree.stem(c.limit)
		if got := tree.draw(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q stemmed to %d is %q, want %q", c.name, c.paths, c.limit, got, c.want)
		}
	}
}

// anyPaths draws whole paths of one family: each branches off another. No name
// occurs twice.
func anyPaths(t *rapid.T) []path {
	paths := []path{{gen: 1, hashes: []string{"r"}}}
	for i := range rapid.IntRange(1, 12).Draw(t, "branches") {
		from := rapid.SampledFrom(paths).Draw(t, "from")
		shared := rapid.IntRange(1, len(from.hashes)).Draw(t, "shared")
		hashes := slices.Clone(from.hashes[len(from.hashes)-shared:])
		for j := range rapid.IntRange(1, 4).Draw(t, "new") {
			hashes = slices.Insert(hashes, 0, fmt.Sprintf("%c%d", 'z'-rune(i), j))
		}
		paths = append(paths, path{gen: len(hashes), hashes: hashes})
	}
	return paths
}

func mergeAll(paths []path) *tree {
	t := new(tree)
	for _, p := range paths {
		t.merge(p, new(revision))
	}
	return t
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := anyPaths(t)
		one := mergeAll(paths).draw()
		if other := mergeAll(rapid.Permutation(paths).Draw(t, "order")).draw(); !slices.Equal(one, other) {
			t.Fatalf("%q and %q", one, other)
		}
	})
}

func TestMergingAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := anyPaths(t)
		tree := mergeAll(paths)
		before := tree.draw()
		for _, p := range paths {
			if _, changed := tree.merge(p, new(revision)); changed {
				t.Fatalf("merging %v again says that it changed %q", p, before)
			}
		}
		if after := tree.draw(); !slices.Equal(before, after) {
			t.Fatalf("%q became %q", before, after)
		}
	})
}

func TestStemmingKeepsLeavesAndBoundsPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := mergeAll(anyPaths(t))
		limit := rapid.IntRange(1, 8).Draw(t, "limit")
		tips := func() []string {
			var tips []string
			for _, n := range tree.leaves() {
				tips = append(tips, revText(n.gen, n.hash))
			}
			return slices.Sorted(slices.Values(tips))
		}
		before := tips()
		tree.stem(limit)
		if after := tips(); !slices.Equal(before, after) {
			t.Fatalf("leaves %q became %q", before, after)
		}
		tree.walk(func(n *node) {
			near := false
			for _, leaf := range n.appendLeaves(nil) {
				near = near || leaf.gen-n.gen < limit
			}
			if !near {
				t.Fatalf("%s stays, though every leaf is %d or more away: %q", revText(n.gen, n.hash), limit, tree.draw())
			}
		})
		again := tree.draw()
		if tree.stem(limit); !slices.Equal(again, tree.draw()) {
			t.Fatalf("stemming %q once more made it %q", again, tree.draw())
		}
	})
}

func TestEveryNodeKnowsItsParentAndItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grown := mergeAll(rapid.Permutation(anyPaths(t)).Draw(t, "order"))
		grown.stem(rapid.IntRange(1, 8).Draw(t, "limit"))
		clone := grown.clone()
		if !slices.Equal(grown.draw(), clone.draw()) {
			t.Fatalf("the clone of %q is %q", grown.draw(), clone.draw())
		}
		for _, each := range []*tree{grown, clone} {
			each.walk(func(n *node) {
				if !slices.IsSortedFunc(n.children, func(a, b *node) int { return strings.Compare(a.hash, b.hash) }) {
					t.Fatalf("children of %s are not sorted", revText(n.gen, n.hash))
				}
				for _, c := range n.children {
					if c.parent != n || c.gen != n.gen+1 {
						t.Fatalf("%s is not the child of %s", revText(c.gen, c.hash), revText(n.gen, n.hash))
					}
				}
				if each.get(n.gen, n.hash) != n {
					t.Fatalf("%s is not found", revText(n.gen, n.hash))
				}
			})
		}
	})
}
