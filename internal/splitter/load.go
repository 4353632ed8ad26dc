package splitter

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// load reads a document's leaves with their attachments, and the bases that its
// versions' own conflicts need.
func (s *Splitter) load(ctx context.Context, dbName, id string) (couchmend.Conflict, error) {
	db := s.db(dbName)
	c := couchmend.Conflict{DB: dbName, ID: id, Bases: map[couchmend.Rev]couchmend.Revision{}}
	leaves, err := db.Leaves(ctx, id)
	if err != nil {
		return c, err
	}
	if c.RevsLimit, err = db.RevsLimit(ctx); err != nil {
		return c, err
	}
	for _, leaf := range leaves {
		if leaf.Deleted {
			c.Dead = append(c.Dead, leaf)
		} else {
			c.Leaves = append(c.Leaves, leaf)
		}
	}
	revtree.WinnerFirst(c.Leaves)
	revtree.WinnerFirst(c.Dead)
	for i := range c.Leaves {
		if err := s.fill(ctx, dbName, id, &c.Leaves[i]); err != nil {
			return c, err
		}
	}
	return c, s.loadBases(ctx, c)
}

// fill reads the bytes of a revision's attachments, from the leaves of the old
// document that they come from.
func (s *Splitter) fill(ctx context.Context, db, id string, r *couchmend.Revision) error {
	r.Attachments = slices.Clone(r.Attachments)
	for i := range r.Attachments {
		a := &r.Attachments[i]
		if a.Data != nil {
			continue
		}
		from := a.From
		if from == (couchmend.Rev{}) {
			from = r.Rev
		}
		var err error
		if a.Data, err = s.db(db).Attachment(ctx, id, from, a.Name); err != nil {
			return err
		}
	}
	return nil
}

// loadBases reads ancestors, from CouchDB or, where it no longer has their
// bodies, from the journal.
func (s *Splitter) loadBases(ctx context.Context, c couchmend.Conflict) error {
	bases, _ := collision.Needs(c)
	want := make([]couch.Want, len(bases))
	for i, rev := range bases {
		want[i] = couch.Want{ID: c.ID, Rev: rev}
	}
	var gone []couchmend.Rev
	for got, err := range s.db(c.DB).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return err
		}
		if got.Revision != nil {
			c.Bases[got.Rev] = *got.Revision
		} else {
			gone = append(gone, got.Rev)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	kept, err := s.Mender.Ledger.Bodies(ctx, c.DB, c.ID, gone)
	for rev, r := range kept {
		c.Bases[rev] = r
	}
	return err
}

// moved shows the plan what versions look like that an earlier split moved:
// references may mean them.
func (s *Splitter) moved(ctx context.Context, p collision.Plan) (collision.Plan, error) {
	p.Versions = slices.Clone(p.Versions)
	for i, v := range p.Versions {
		if !v.Moved {
			continue
		}
		live, _, err := s.leaves(ctx, p.DB, v.NewID)
		if err != nil {
			return p, err
		}
		if len(live) > 0 {
			p.Versions[i].Body, p.Versions[i].Type = live[0].Body, decide.TypeOf(jsondoc.Value(live[0].Body))
		}
	}
	return p, nil
}

// leaves reads the leaves of a document; none where there is no such document.
func (s *Splitter) leaves(ctx context.Context, db, id string) (live, dead []couchmend.Revision, err error) {
	all, err := s.db(db).Leaves(ctx, id)
	if couchmend.KindOf(err) == couchmend.KindNotFound {
		return nil, nil, nil
	}
	for _, leaf := range all {
		if leaf.Deleted {
			dead = append(dead, leaf)
		} else {
			live = append(live, leaf)
		}
	}
	return live, dead, err
}
