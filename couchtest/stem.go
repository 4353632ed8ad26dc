package couchtest

import (
	"cmp"
	"slices"
)

// stem forgets every id that is limit or more generations older than each leaf
// below it (_revs_limit). Where the rest falls apart, its parts become roots.
//
// If one hash occurs twice in the whole forest, CouchDB rebuilds the tree from
// the stemmed paths of its leaves instead, shortest beginnings first. The
// outcome can differ: a path that now begins with such a name is grafted onto
// the first branch that bears it.
func (t *tree) stem(limit int) {
	leaves := t.leaves()
	if len(leaves) == 1 {
		t.cut(leaves[0], limit)
		return
	}
	if t.hasTwins() {
		t.rebuild(leaves, limit)
		return
	}
	keep := make(map[*node]bool)
	for _, leaf := range leaves {
		for n, i := leaf, 0; n != nil && i < limit; n, i = n.parent, i+1 {
			keep[n] = true
		}
	}
	t.prune(keep)
}

// cut leaves the last limit nodes of the only branch.
func (t *tree) cut(leaf *node, limit int) {
	if leaf.gen-t.roots[0].gen < limit {
		return
	}
	root := leaf
	for range limit - 1 {
		root = root.parent
	}
	root.parent = nil
	t.roots = []*node{root}
}

// prune drops the nodes that are not kept. What hung on one becomes a root.
func (t *tree) prune(keep map[*node]bool) {
	var roots []*node
	var down func(n *node)
	down = func(n *node) {
		if keep[n] && !keep[n.parent] {
			n.parent = nil
			roots = append(roots, n)
		}
		for _, c := range n.children {
			down(c)
		}
		n.children = slices.DeleteFunc(n.children, func(c *node) bool { return !keep[c] })
	}
	for _, root := range t.roots {
		down(root)
	}
	t.roots = roots
	t.sortRoots()
}

func (t *tree) hasTwins() bool {
	seen := make(map[string]bool)
	twins := false
	t.walk(func(n *node) {
		twins = twins || seen[n.hash]
		seen[n.hash] = true
	})
	return twins
}

func (t *tree) rebuild(leaves []*node, limit int) {
	type branch struct {
		path  path
		nodes []*node // as in path
	}
	branches := make([]branch, 0, len(leaves))
	for _, leaf := range leaves {
		b := branch{path: leaf.path(limit)}
		for n := leaf; len(b.nodes) < len(b.path.hashes); n = n.parent {
			b.nodes = append(b.nodes, n)
		}
		branches = append(branches, b)
	}
	slices.SortStableFunc(branches, func(a, b branch) int {
		return cmp.Or(cmp.Compare(a.path.oldest(), b.path.oldest()), slices.Compare(a.path.hashes, b.path.hashes))
	})
	t.roots = nil
	for _, b := range branches {
		n, _ := t.merge(b.path, b.nodes[0].rev)
		for _, was := range b.nodes { // ancestors keep their bodies
			if n.rev == nil {
				n.rev = was.rev
			}
			n = n.parent
		}
	}
}
