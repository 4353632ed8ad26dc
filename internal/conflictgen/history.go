package conflictgen

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// node is one revision of a history, before it has a body.
type node struct {
	parent  *node
	rev     couchmend.Rev
	deleted bool
	kept    bool          // its body is written, also where it is no leaf
	remains jsondoc.Value // a tombstone's body; nil is a bare one
}

// follows says whether n has seen what happened at m: n is m or comes from it.
func (n *node) follows(m *node) bool {
	for ; n != nil; n = n.parent {
		if n == m {
			return true
		}
	}
	return false
}

// segment is a run of revisions without a fork, oldest first.
type segment []*node

func (s segment) last() *node { return s[len(s)-1] }

// draft is a document in the making.
type draft struct {
	*rand.Rand
	opts     Options
	seed     uint64
	id       string
	nodes    []*node // parents before children
	base     *node   // the trunk's end: where branches start
	segments []segment
	slots    []slot
	files    []*file
	counter  int // draws for names that must be unique in the document
	bodies   map[*node]jsondoc.Value
	shuffled map[*node]bool // revisions whose writer changed the order of keys
}

// slot is a field at its place.
type slot struct {
	path  []string
	field field
}

// field is one field's history.
type field interface {
	// at is the value in the body of n, nil where there is none.
	at(n *node) jsondoc.Value
	// truth is the value when every edit has been taken in, nil for none.
	truth(d *draft) jsondoc.Value
}

func newDraft(seed uint64, n int, scenario string, opts Options) *draft {
	d := &draft{
		Rand:     rand.New(rand.NewPCG(seed, uint64(n)+1)),
		opts:     opts,
		seed:     seed,
		bodies:   map[*node]jsondoc.Value{},
		shuffled: map[*node]bool{},
	}
	d.id = fmt.Sprintf("%s-%06d", scenario, n)
	switch d.IntN(12) {
	case 0:
		d.id += "/übung 1" // ids may hold slashes, spaces and any letter
	case 1:
		d.id += ":患者+ü"
	}
	return d
}

// grow adds one revision under parent (nil: a root). Its hash depends on seed,
// id and order of growth alone: who wins is known before any body is.
func (d *draft) grow(parent *node) *node {
	gen := 1
	if parent != nil {
		gen = parent.rev.Gen + 1
	}
	sum := md5.Sum(fmt.Appendf(nil, "%d\x00%s\x00%d", d.seed, d.id, len(d.nodes)))
	n := &node{parent: parent, rev: couchmend.Rev{Gen: gen, Hash: hex.EncodeToString(sum[:])}}
	d.nodes = append(d.nodes, n)
	return n
}

// trunk makes the shared history, length revisions long. The last one is the
// base and its body is kept; the older ones' are kept by chance.
func (d *draft) trunk(length int) {
	for range length {
		d.base = d.grow(d.base)
		d.base.kept = d.chance(0.4)
	}
	d.base.kept = true
}

// branch adds a segment of length revisions under from.
func (d *draft) branch(from *node, length int) segment {
	var s segment
	for range length {
		from = d.grow(from)
		from.kept = d.chance(0.1)
		s = append(s, from)
	}
	d.segments = append(d.segments, s)
	return s
}

// star makes a trunk and leaves branches of one to three revisions from its end.
func (d *draft) star(leaves int) {
	d.trunk(1 + d.IntN(3))
	for range leaves {
		d.branch(d.base, 1+d.IntN(3))
	}
}

// fork makes a tree with two forks, so that bases differ from pair to pair:
//
//	trunk ── base ──┬── segment 0 ──┬── leaf
//	                │               └── leaf …
//	                └── leaf …
func (d *draft) fork() {
	d.trunk(1 + d.IntN(2))
	middle := d.branch(d.base, 1+d.IntN(2)).last()
	middle.kept = true
	for range 2 + d.IntN(2) {
		d.branch(middle, 1+d.IntN(2))
	}
	for range 1 + d.IntN(3) {
		d.branch(d.base, 1+d.IntN(3))
	}
}

// few draws the usual number of leaves: mostly two, at most eight.
func (d *draft) few() int {
	if d.chance(0.6) {
		return 2
	}
	return 3 + d.IntN(6)
}

func (d *draft) isLeaf(n *node) bool {
	return !slices.ContainsFunc(d.nodes, func(m *node) bool { return m.parent == n })
}

// live are the leaves that are no tombstones, CouchDB's winner first: higher
// generation, then higher hash.
func (d *draft) live() []*node {
	var leaves []*node
	for _, n := range d.nodes {
		if !n.deleted && d.isLeaf(n) {
			leaves = append(leaves, n)
		}
	}
	slices.SortFunc(leaves, func(a, b *node) int { return winnerOrder(a.rev, b.rev) })
	return leaves
}

func winnerOrder(a, b couchmend.Rev) int {
	return cmp.Or(cmp.Compare(b.Gen, a.Gen), cmp.Compare(b.Hash, a.Hash))
}

func winnerFirst(revisions []couchmend.Revision) {
	slices.SortFunc(revisions, func(a, b couchmend.Revision) int { return winnerOrder(a.Rev, b.Rev) })
}

// rank is n's place among the live leaves, the winner's is 0.
func (d *draft) rank(n *node) int { return slices.Index(d.live(), n) }

// body is the document at n: its parent's, with n's own edits made to it.
func (d *draft) body(n *node) jsondoc.Value {
	if body, ok := d.bodies[n]; ok {
		return body
	}
	body := jsondoc.Value("{}")
	anew := n.parent == nil || n.parent.deleted
	if !anew {
		body = d.body(n.parent)
	}
	for _, s := range d.slots {
		value := s.field.at(n)
		if anew || !bytes.Equal(value, s.field.at(n.parent)) {
			body = with(body, s.path, value)
		}
	}
	if d.shuffled[n] {
		body = d.shuffleKeys(body)
	}
	if n.deleted {
		body = jsondoc.Value("{}")
		if n.remains != nil {
			body = n.remains
		}
	}
	d.bodies[n] = body
	return body
}

func (d *draft) shuffleKeys(v jsondoc.Value) jsondoc.Value {
	members := v.Members()
	d.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return jsondoc.Object(members)
}

func (d *draft) revision(n *node) couchmend.Revision {
	r := couchmend.Revision{Rev: n.rev, Deleted: n.deleted, Body: []byte(d.body(n))}
	for m := n; m != nil; m = m.parent {
		r.Path = append(r.Path, m.rev)
	}
	if !n.deleted {
		for _, f := range d.files {
			if a, ok := f.attachment(n); ok {
				r.Attachments = append(r.Attachments, a)
			}
		}
	}
	return r
}

// steps are the kept ancestors, oldest generation first, then all leaves in
// some order of arrival.
func (d *draft) steps() [][]couchmend.Revision {
	byGen := map[int][]couchmend.Revision{}
	var leaves []couchmend.Revision
	deepest := 0
	for _, n := range d.nodes {
		switch {
		case d.isLeaf(n):
			leaves = append(leaves, d.revision(n))
		case n.kept:
			byGen[n.rev.Gen] = append(byGen[n.rev.Gen], d.revision(n))
			deepest = max(deepest, n.rev.Gen)
		}
	}
	var steps [][]couchmend.Revision
	for gen := 1; gen <= deepest; gen++ {
		if len(byGen[gen]) > 0 {
			steps = append(steps, byGen[gen])
		}
	}
	d.Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
	return append(steps, leaves)
}
