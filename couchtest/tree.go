package couchtest

import (
	"cmp"
	"slices"
	"strings"
)

// tree is the revision tree of one document: every revision id that the
// database has heard of, and which came from which.
//
//	1-a ── 2-b ── 3-c          two leaves: 3-c and 2-d
//	   └── 2-d
//	              7-x ── 8-y   a path whose beginning was cut off by stemming,
//	                           or never met the first tree
//
// It is a forest rather than a tree: replication brings paths, newest revision
// first, and a path that touches nothing known starts a root of its own. Most
// nodes are names without a body: replication carries the bodies of leaves
// only, and compaction drops all others.
//
// The rules are those of CouchDB's key tree, ties included, because they decide
// onto which branch a stemmed path is grafted when several would do.
type tree struct {
	roots []*node // by generation, then hash
}

// node is one revision of a tree. Children are sorted by hash.
type node struct {
	gen      int
	hash     string // raw bytes: 16 for CouchDB's own ids
	parent   *node
	children []*node
	rev      *revision // nil: the id is known, its body is not
}

// path is a line of revision ids as replication brings it: newest first, one
// generation a step, the first of generation gen.
type path struct {
	gen    int
	hashes []string
}

// oldest is the generation of the last id of p.
func (p path) oldest() int { return p.gen - len(p.hashes) + 1 }

// at returns the hash of generation gen, which must lie within p.
func (p path) at(gen int) string { return p.hashes[p.gen-gen] }

// merged says what a merge of a path did to a tree.
type merged int

const (
	internalNode merged = iota // the path's end was known already
	newLeaf                    // the path extends a leaf, or is the first
	newBranch                  // a new branch or a new root: a conflict, unless replicated
)

// try says what merging p would do, and changes nothing.
func (t *tree) try(p path) merged {
	if len(t.roots) == 0 {
		return newLeaf
	}
	start := t.locate(p)
	if start == nil {
		return newBranch
	}
	_, result := start.follow(p)
	return result
}

// merge adds p to t and hangs rev on its newest id, unless that id has a body
// already. It returns the node of that id, and whether it or its body is new.
func (t *tree) merge(p path, rev *revision) (end *node, changed bool) {
	start := t.locate(p)
	if start == nil {
		first, end := chain(p, p.oldest(), nil)
		end.rev = rev
		t.roots = append(t.roots, first)
		t.sortRoots()
		return end, true
	}
	if start.parent == nil && start.gen > p.oldest() {
		t.deepen(start, p)
	}
	end, result := start.follow(p)
	if result != internalNode {
		first, last := chain(p, end.gen+1, end)
		end.insert(first)
		end = last
	}
	if end.rev != nil {
		return end, false
	}
	end.rev = rev
	return end, true
}

// locate finds the first place where p can start to be merged: its oldest id
// somewhere in a tree, or a tree's root somewhere in p.
func (t *tree) locate(p path) *node {
	oldest := p.oldest()
	for _, root := range t.roots {
		switch {
		case root.gen > p.gen:
		case root.gen >= oldest:
			if root.hash == p.at(root.gen) {
				return root
			}
		default:
			if n := root.find(oldest, p.at(oldest)); n != nil {
				return n
			}
		}
	}
	return nil
}

// find returns the first descendant with that id, in the order of hashes.
func (n *node) find(gen int, hash string) *node {
	for n.gen < gen && len(n.children) == 1 {
		n = n.children[0]
	}
	if n.gen == gen {
		if n.hash == hash {
			return n
		}
		return nil
	}
	if n.gen+1 == gen {
		return n.child(hash)
	}
	for _, c := range n.children {
		if found := c.find(gen, hash); found != nil {
			return found
		}
	}
	return nil
}

// follow walks p downwards from n as far as the tree knows it.
func (n *node) follow(p path) (last *node, result merged) {
	for n.gen < p.gen {
		next := n.child(p.at(n.gen + 1))
		if next == nil {
			if len(n.children) == 0 {
				return n, newLeaf
			}
			return n, newBranch
		}
		n = next
	}
	return n, internalNode
}

func (n *node) child(hash string) *node {
	i, found := n.search(hash)
	if !found {
		return nil
	}
	return n.children[i]
}

func (n *node) search(hash string) (int, bool) {
	return slices.BinarySearchFunc(n.children, hash, func(c *node, hash string) int {
		return strings.Compare(c.hash, hash)
	})
}

func (n *node) insert(c *node) {
	i, _ := n.search(c.hash)
	n.children = slices.Insert(n.children, i, c)
}

// chain builds the nodes of p from generation from to its newest. Their parent
// does not know them yet.
func chain(p path, from int, parent *node) (first, last *node) {
	first = &node{gen: from, hash: p.at(from), parent: parent}
	last = first
	for gen := from + 1; gen <= p.gen; gen++ {
		n := &node{gen: gen, hash: p.at(gen), parent: last}
		last.children = []*node{n}
		last = n
	}
	return first, last
}

// deepen puts the part of p that is older than root above it.
func (t *tree) deepen(root *node, p path) {
	above := path{gen: root.gen - 1, hashes: p.hashes[p.gen-root.gen+1:]}
	top, bottom := chain(above, above.oldest(), nil)
	bottom.children = []*node{root}
	root.parent = bottom
	t.roots[slices.Index(t.roots, root)] = top
	t.sortRoots()
}

func (t *tree) sortRoots() {
	slices.SortStableFunc(t.roots, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.gen, b.gen), strings.Compare(a.hash, b.hash))
	})
}

// get returns the node with that id, the first where two branches bear it.
func (t *tree) get(gen int, hash string) *node {
	for _, root := range t.roots {
		if root.gen <= gen {
			if n := root.find(gen, hash); n != nil {
				return n
			}
		}
	}
	return nil
}

// path returns the line from n to its root, at most limit ids.
func (n *node) path(limit int) path {
	p := path{gen: n.gen}
	for ; n != nil && len(p.hashes) < limit; n = n.parent {
		p.hashes = append(p.hashes, n.hash)
	}
	return p
}

// clone copies the nodes; revisions are shared, as they never change.
func (t *tree) clone() *tree {
	var copied func(n, parent *node) *node
	copied = func(n, parent *node) *node {
		c := *n
		c.parent = parent
		c.children = make([]*node, len(n.children))
		for i, child := range n.children {
			c.children[i] = copied(child, &c)
		}
		return &c
	}
	clone := new(tree)
	for _, root := range t.roots {
		clone.roots = append(clone.roots, copied(root, nil))
	}
	return clone
}

// walk calls f for every node.
func (t *tree) walk(f func(*node)) {
	var down func(*node)
	down = func(n *node) {
		f(n)
		for _, c := range n.children {
			down(c)
		}
	}
	for _, root := range t.roots {
		down(root)
	}
}
