package laws

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// revsLimit is that of every site: CouchDB's own.
const revsLimit = 1000

// site is one replica of one document, with a couchmend beside it.
type site struct {
	rules   decide.Rules
	id      string
	leaves  map[couchmend.Rev]couchmend.Revision // dead ones too
	known   map[couchmend.Rev]bool               // leaves and their ancestors
	bodies  map[couchmend.Rev]couchmend.Revision // of all that was ever a leaf here
	deleted bool                                 // by the rule's word
}

func newSite(rules decide.Rules, id string) *site {
	return &site{
		rules: rules, id: id,
		leaves: map[couchmend.Rev]couchmend.Revision{},
		known:  map[couchmend.Rev]bool{},
		bodies: map[couchmend.Rev]couchmend.Revision{},
	}
}

// put takes revisions in, as new_edits=false does.
func (s *site) put(revisions ...couchmend.Revision) {
	for _, r := range revisions {
		if s.known[r.Rev] {
			continue
		}
		for _, ancestor := range r.Path {
			delete(s.leaves, ancestor)
			s.known[ancestor] = true
		}
		s.leaves[r.Rev], s.bodies[r.Rev] = r, r
	}
}

// revisions are the leaves, dead ones too, in an order that is always the same.
func (s *site) revisions() []couchmend.Revision {
	all := make([]couchmend.Revision, 0, len(s.leaves))
	for _, r := range s.leaves {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b couchmend.Revision) int { return b.Rev.Compare(a.Rev) })
	return all
}

// conflict is what a couchmend would read here.
func (s *site) conflict() couchmend.Conflict {
	c := couchmend.Conflict{DB: "db", ID: s.id, RevsLimit: revsLimit, Bases: map[couchmend.Rev]couchmend.Revision{}}
	for _, r := range s.revisions() {
		if r.Deleted {
			c.Dead = append(c.Dead, r)
		} else {
			c.Leaves = append(c.Leaves, r)
		}
	}
	for _, r := range decide.Bases(c) {
		if body, ok := s.bodies[r]; ok {
			c.Bases[r] = body
		}
	}
	return c
}

// mend decides and carries it out, the burials only where bury is set.
func (s *site) mend(ctx context.Context, bury bool) couchmend.Decision {
	d := decide.Decide(ctx, s.rules, s.conflict())
	s.deleted = s.deleted || d.Outcome == couchmend.Delete
	if d.Merge != nil {
		s.put(*d.Merge)
	}
	if bury {
		s.put(d.Bury...)
	}
	return d
}

// compact forgets the bodies of all that is no leaf.
func (s *site) compact() {
	for r := range s.bodies {
		if _, leaf := s.leaves[r]; !leaf {
			delete(s.bodies, r)
		}
	}
}

// live are the leaves that are not deleted, the winner first.
func (s *site) live() []couchmend.Revision { return s.conflict().Leaves }

// replicate copies leaves to another site, in any order, and sometimes not all.
func (s *site) replicate(to *site, rnd *rand.Rand) {
	leaves := s.revisions()
	n := len(leaves)
	if n > 1 && rnd.Float64() < 0.2 {
		n = 1 + rnd.IntN(n-1)
	}
	for _, i := range rnd.Perm(len(leaves))[:n] {
		to.put(leaves[i])
	}
}

// child makes a user's revision on top of a path. Rank orders siblings: the
// highest wins.
func child(path []couchmend.Rev, body jsondoc.Value, rank int, salt string) couchmend.Revision {
	sum := md5.Sum(fmt.Append(nil, path, rank, salt))
	rev := couchmend.Rev{Gen: len(path) + 1, Hash: fmt.Sprintf("%02x%s", rank, hex.EncodeToString(sum[1:]))}
	return couchmend.Revision{Rev: rev, Path: append([]couchmend.Rev{rev}, path...), Body: json.RawMessage(body)}
}

// planted is a question as revisions.
type planted struct {
	base   couchmend.Revision // without a body where the question has none
	leaves []couchmend.Revision
}

// plant makes a question's revisions; ranks[i] orders leaf i, the highest wins.
func plant(q Question, ranks []int) planted {
	p := planted{base: child(nil, q.Base, 0, "base")}
	for i, body := range q.Leaves {
		p.leaves = append(p.leaves, child(p.base.Path, body, ranks[i], fmt.Sprint("leaf", i)))
	}
	return p
}

// site makes a site that has seen the base, if it is known, and some leaves.
func (p planted) site(rules decide.Rules, id string, leaves ...int) *site {
	s := newSite(rules, id)
	if p.base.Body != nil {
		s.put(p.base)
	}
	for _, i := range leaves {
		s.put(p.leaves[i])
	}
	return s
}

// upward ranks leaves in their order: the last one wins.
func upward(n int) []int {
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	return ranks
}
