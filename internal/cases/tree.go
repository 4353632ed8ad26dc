package cases

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/revtree"
)

// defaultRevsLimit is CouchDB's own.
const defaultRevsLimit = 1000

// star is a conflict whose leaves are given, and what they grew from:
//
//	1-base ─┬─ 2-ffff…   the first leaf: the winner
//	        ├─ 2-fffe…
//	        └─ 2-fffd…
//
// Ids that no document names are made up such that CouchDB's winner is the
// leaf that is listed first.
type star struct {
	id     string
	bases  []document
	leaves []document
	apart  bool // each leaf is a first revision
}

// grow makes the conflict, in which the live leaf that is listed as number
// winner, from 0, comes first, and what people call its revisions.
func (s star) grow(winner int) (couchmend.Conflict, map[couchmend.Rev]string) {
	c := couchmend.Conflict{ID: s.id, RevsLimit: defaultRevsLimit, Bases: map[couchmend.Rev]couchmend.Revision{}}
	names := map[couchmend.Rev]string{}
	below := s.trunk()
	for i, base := range s.bases {
		path := base.path
		if i == 0 {
			path = below
		}
		rev := cmp.Or(base.rev, below[0])
		c.Bases[rev] = base.revision(append([]couchmend.Rev{rev}, path[min(1, len(path)):]...))
		names[rev] = "the base"
		if i > 0 {
			names[rev] = fmt.Sprintf("base %d", i+1)
		}
	}
	if s.apart {
		below = nil
	}
	for place, i := range s.order(winner) {
		leaf := s.leaves[i].revision(s.path(s.leaves[i], place, below))
		names[leaf.Rev] = fmt.Sprintf("leaf %d", i+1)
		switch {
		case leaf.Deleted:
			names[leaf.Rev] = fmt.Sprintf("deleted leaf %d", i+1)
			c.Dead = append(c.Dead, leaf)
			continue
		case i == winner:
			names[leaf.Rev] = "the winner"
		}
		c.Leaves = append(c.Leaves, leaf)
	}
	return c, names
}

// order puts the winner before the other leaves.
func (s star) order(winner int) []int {
	order := []int{winner}
	for i := range s.leaves {
		if i != winner {
			order = append(order, i)
		}
	}
	return order
}

// trunk is the path of what the leaves grew from.
func (s star) trunk() []couchmend.Rev {
	if len(s.bases) > 0 && s.bases[0].path != nil {
		return s.bases[0].path
	}
	if len(s.bases) > 0 && s.bases[0].rev != (couchmend.Rev{}) {
		return []couchmend.Rev{s.bases[0].rev}
	}
	return []couchmend.Rev{{Gen: 1, Hash: s.hash(0xffff)}}
}

// path is that of a leaf; place counts from 0 in winner order.
func (s star) path(leaf document, place int, below []couchmend.Rev) []couchmend.Rev {
	rev := couchmend.Rev{Gen: 1, Hash: s.hash(place)}
	if len(below) > 0 {
		rev.Gen += below[0].Gen
	}
	switch {
	case leaf.path != nil:
		return leaf.path
	case leaf.rev != (couchmend.Rev{}):
		rev = leaf.rev
	case leaf.deleted && string(leaf.body) == "{}" && len(below) > 0:
		rev = revtree.Tombstone(below[0])
	}
	return append([]couchmend.Rev{rev}, below...)
}

// hash makes 32 digits that sort by place, the first highest, and differ from
// document to document.
func (s star) hash(place int) string {
	sum := md5.Sum(fmt.Appendf(nil, "%s\x00%d", s.id, place))
	return fmt.Sprintf("%04x", 0xffff-place) + hex.EncodeToString(sum[2:])
}

func (d document) revision(path []couchmend.Rev) couchmend.Revision {
	return couchmend.Revision{Rev: path[0], Path: path, Deleted: d.deleted, Body: json.RawMessage(d.body), Attachments: slices.Clone(d.attachments)}
}

// check notes what cannot be a conflict's leaves.
func (s star) check(r *reader, at *yaml.Node) {
	if len(s.leaves) > 0xfff0 {
		r.problem(at, "leaves are more than %d", 0xfff0)
		return
	}
	for i, base := range s.bases {
		if base.deleted {
			r.problem(base.at, "a base cannot be deleted: where it is gone, leave it out")
		}
		if len(s.bases) > 1 && base.rev == (couchmend.Rev{}) {
			r.problem(base.at, "base %d has no _rev: where there are several, each needs one", i+1)
		}
	}
	below := s.trunk()[0]
	for i, leaf := range s.leaves {
		switch {
		case leaf.path != nil || leaf.rev == (couchmend.Rev{}):
		case s.apart && leaf.rev.Gen != 1:
			r.problem(leaf.at, "leaf %d is %s: with roots: apart it is of generation 1, or has its _revisions", i+1, leaf.rev)
		case !s.apart && (len(s.bases) == 0 || leaf.rev.Gen != below.Gen+1):
			r.problem(leaf.at, "leaf %d has a _rev and no _revisions: then there is a base, whose _rev is one generation below", i+1)
		}
	}
}

// sound notes where revisions that a file names do not make a tree, or not with
// the winner that stands first.
func sound(r *reader, at *yaml.Node, c couchmend.Conflict) {
	if len(c.Leaves)+len(c.Dead) == 0 {
		r.problem(at, "the case has no leaves")
	}
	tree := treeOf(c)
	seen := map[couchmend.Rev]bool{}
	for _, leaf := range slices.Concat(c.Leaves, c.Dead) {
		switch {
		case seen[leaf.Rev]:
			r.problem(at, "the revision %s stands there twice", leaf.Rev)
		case tree.Outgrown(leaf.Rev):
			r.problem(at, "%s is no leaf: another one grew from it", leaf.Rev)
		}
		seen[leaf.Rev] = true
	}
	sorted := slices.Clone(c.Leaves)
	revtree.WinnerFirst(sorted)
	if len(sorted) > 0 && sorted[0].Rev != c.Leaves[0].Rev {
		r.problem(at, "%s is listed first, but CouchDB's winner is %s: put that one first", c.Leaves[0].Rev, sorted[0].Rev)
	}
}

func treeOf(c couchmend.Conflict) *revtree.Tree {
	var paths []revtree.Path
	for _, leaf := range slices.Concat(c.Leaves, c.Dead) {
		paths = append(paths, leaf.Path)
	}
	return revtree.New(paths...)
}

// needed leaves a conflict the bases that couchmend would read: a body that is
// at hand and is not the exact base's is not looked at.
func needed(c couchmend.Conflict) couchmend.Conflict {
	known := c.Bases
	c.Bases = nil
	for _, rev := range decide.Bases(c) {
		if base, ok := known[rev]; ok {
			if c.Bases == nil {
				c.Bases = map[couchmend.Rev]couchmend.Revision{}
			}
			c.Bases[rev] = base
		}
	}
	return c
}
