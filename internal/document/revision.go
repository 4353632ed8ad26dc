package document

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/mender"
)

// Revision reads one revision of the document: a leaf, or an older one whose
// body CouchDB or the journal still has; KindNotFound where neither has.
func (s *Sight) Revision(ctx context.Context, m *mender.Mender, rev couchmend.Rev) (couchmend.Revision, error) {
	leaves := s.Leaves()
	if i := slices.IndexFunc(leaves, func(l couchmend.Revision) bool { return l.Rev == rev }); i >= 0 {
		return leaves[i], nil
	}
	if base, ok := s.Conflict.Bases[rev]; ok {
		return base, nil
	}
	for got, err := range m.Server.DB(s.Conflict.DB).BulkGet(ctx, []couch.Want{{ID: s.Conflict.ID, Rev: rev}}, couch.Get{}) {
		if err != nil {
			return couchmend.Revision{}, err
		}
		if got.Revision != nil {
			return *got.Revision, nil
		}
	}
	kept, err := m.Ledger.Bodies(ctx, s.Conflict.DB, s.Conflict.ID, []couchmend.Rev{rev})
	if err != nil {
		return couchmend.Revision{}, err
	}
	body, ok := kept[rev]
	if !ok {
		return body, s.notFound(rev, "its body is gone: CouchDB has compacted it, and the journal does not hold it")
	}
	return body, nil
}

// restorable is how many revisions Beside offers to restore.
const restorable = 6

// Beside is Compare for a person who decides. Of a document that has no live
// leaf it shows what the tombstones deleted, as far as the bodies can be had,
// so that it can be restored.
func (s *Sight) Beside(ctx context.Context, m *mender.Mender) (Comparison, error) {
	if len(s.Conflict.Leaves) > 0 {
		return s.Compare(), nil
	}
	var sides []Side
	for _, tombstone := range s.Conflict.Dead[:min(len(s.Conflict.Dead), restorable)] {
		n := s.Tree.Node(tombstone.Rev)
		if n == nil || n.parent == nil || slices.ContainsFunc(sides, func(side Side) bool { return side.Rev == n.parent.Rev }) {
			continue
		}
		r, err := s.Revision(ctx, m, n.parent.Rev)
		switch {
		case couchmend.KindOf(err) == couchmend.KindNotFound:
		case err != nil:
			return Comparison{}, err
		case !r.Deleted:
			sides = append(sides, s.SideOf(r))
		}
	}
	return s.Compare(sides...), nil
}

// askedBodies is how many bodies AskBodies reads at most: CouchDB opens the
// whole tree for each.
const askedBodies = 32

// AskBodies finds out which bodies of the revisions that are drawn can still be
// had: of the newest 32 that nothing is known of, in two requests.
func (s *Sight) AskBodies(ctx context.Context, m *mender.Mender) error {
	var unknown []*Node
	for _, row := range s.Tree.Rows {
		if row.Node != nil && row.Body == BodyUnasked {
			unknown = append(unknown, row.Node)
		}
	}
	slices.SortFunc(unknown, func(a, b *Node) int { return b.Rev.Compare(a.Rev) })
	unknown = unknown[:min(len(unknown), askedBodies)]
	if len(unknown) == 0 {
		return nil
	}
	want := make([]couch.Want, len(unknown))
	revs := make([]couchmend.Rev, len(unknown))
	for i, n := range unknown {
		want[i], revs[i] = couch.Want{ID: s.Conflict.ID, Rev: n.Rev}, n.Rev
	}
	kept, err := m.Ledger.Bodies(ctx, s.Conflict.DB, s.Conflict.ID, revs)
	if err != nil {
		return err
	}
	i := 0
	for got, err := range m.Server.DB(s.Conflict.DB).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return err
		}
		_, isKept := kept[revs[i]]
		switch {
		case got.Revision != nil:
			unknown[i].Body = BodyHere
		case isKept:
			unknown[i].Body = BodyKept
		case got.Missing:
			unknown[i].Body = BodyGone
		}
		i++
	}
	return nil
}
