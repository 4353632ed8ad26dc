package couchtest

import (
	"cmp"
	"slices"
	"strings"
)

// leaves lists the leaves in the tree's own order: branches by hash, roots last
// to first.
func (t *tree) leaves() []*node {
	var leaves []*node
	for _, root := range slices.Backward(t.roots) {
		leaves = root.appendLeaves(leaves)
	}
	return leaves
}

// regrown lists the leaves as CouchDB does when a client asks for all of them:
// it merges their paths, of at most limit ids, into a new tree. The order can
// differ from that of leaves, and a leaf whose id stands in the stemmed path of
// another may be left out: _bulk_get merges in another order than open_revs.
func (t *tree) regrown(limit int, order func(a, b path) int) []*node {
	leaves := t.leaves()
	if len(t.roots) == 1 && !slices.ContainsFunc(leaves, func(n *node) bool { return n.gen-t.roots[0].gen >= limit }) {
		return leaves
	}
	type line struct {
		leaf *node
		path path
	}
	lines := make([]line, len(leaves))
	for i, n := range leaves {
		lines[i] = line{leaf: n, path: n.path(limit)}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return order(a.path, b.path) })
	var again tree
	origin := make(map[*node]*node, len(lines))
	for _, l := range lines {
		if end, _ := again.merge(l.path, l.leaf.rev); origin[end] == nil {
			origin[end] = l.leaf
		}
	}
	leaves = leaves[:0]
	for _, n := range again.leaves() {
		leaves = append(leaves, origin[n])
	}
	return leaves
}

// oldestFirst orders paths by their beginnings, newestFirst by their ends.

func oldestFirst(a, b path) int {
	for gen := a.oldest(); a.oldest() == b.oldest() && gen <= min(a.gen, b.gen); gen++ {
		if c := strings.Compare(a.at(gen), b.at(gen)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.oldest(), b.oldest()), cmp.Compare(a.gen, b.gen))
}

func newestFirst(a, b path) int {
	return cmp.Or(cmp.Compare(b.gen, a.gen), strings.Compare(b.hashes[0], a.hashes[0]))
}

func (n *node) appendLeaves(leaves []*node) []*node {
	for len(n.children) == 1 {
		n = n.children[0]
	}
	if len(n.children) == 0 {
		return append(leaves, n)
	}
	for _, c := range n.children {
		leaves = c.appendLeaves(leaves)
	}
	return leaves
}

// byWinner sorts leaves as CouchDB does: not deleted first, then the higher
// generation, then the higher hash. Two leaves of one name change places.
func byWinner(leaves []*node) {
	slices.Reverse(leaves)
	slices.SortStableFunc(leaves, func(a, b *node) int {
		if a.deleted() != b.deleted() {
			if a.deleted() {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.gen, a.gen), strings.Compare(b.hash, a.hash))
	})
}

// deleted reports whether n is a tombstone. A leaf always has its revision.
func (n *node) deleted() bool { return n.rev != nil && n.rev.deleted }

// stored is n's revision; nil if its body is gone or n is no node.
func (n *node) stored() *revision {
	if n == nil {
		return nil
	}
	return n.rev
}
