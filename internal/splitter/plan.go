package splitter

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Plan plans a split and writes nothing. Of a document whose split is done the
// plan is about what came late: see Split.Late. The error is of KindConflict
// where a split of the document broke off, else those of collision.Make.
func (s *Splitter) Plan(ctx context.Context, r Request) (*Split, error) {
	before, err := s.Find(ctx, r.DB, r.ID)
	if err != nil {
		return nil, err
	}
	if before != nil && before.State.Stage.UnderWay() {
		return nil, fault(r.DB, r.ID, couchmend.KindConflict, "a split of it broke off (%s): say --resume or --rollback", before.State.Stage)
	}
	c, err := s.load(ctx, r.DB, r.ID)
	if err != nil {
		return nil, err
	}
	if before != nil && before.State.Stage == ledger.SplitDone && settled(before.Plan, c) {
		return s.late(ctx, before, c, r)
	}
	p, err := collision.Make(ctx, s.rules(r.DB), c, collision.Wish{Keep: r.Keep, Substrings: r.Substrings})
	if err != nil {
		return nil, err
	}
	if p, err = s.moved(ctx, p); err != nil {
		return nil, err
	}
	found, k, err := s.search(ctx, p, r)
	if err != nil {
		return nil, err
	}
	p = p.Assign(found, k)
	state := ledger.Split{DB: r.DB, ID: r.ID}
	if before != nil {
		state = before.State.Anew()
	}
	state.Also, state.Substrings = r.Also, r.Substrings
	return &Split{Plan: p, State: state, conflict: c}, nil
}

// settled reports whether what lives under the old id is what the split left
// there: the version that keeps it, and late leaves.
func settled(p collision.Plan, c couchmend.Conflict) bool {
	late := collision.LateLeaves(c)
	return !slices.ContainsFunc(c.Leaves, func(leaf couchmend.Revision) bool {
		kept := slices.ContainsFunc(p.Versions, func(v collision.Version) bool { return v.Keep && v.Root == leaf.Path[len(leaf.Path)-1] })
		return !kept && !slices.ContainsFunc(late, func(l collision.Late) bool { return l.Leaf.Rev == leaf.Rev })
	})
}

// late plans for what came after a split: references of which its plan knows
// nothing, or that say the old id again.
func (s *Splitter) late(ctx context.Context, before *Split, c couchmend.Conflict, r Request) (*Split, error) {
	split := &Split{Plan: before.Plan, State: before.State, Late: true, conflict: c}
	r.Also = append(slices.Clone(before.State.Also), r.Also...)
	r.Substrings = r.Substrings || before.State.Substrings
	split.State.Also, split.State.Substrings = r.Also, r.Substrings
	split.Plan.References, split.Plan.Doubts = nil, nil
	found, k, err := s.search(ctx, before.Plan, r)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if f.Err != nil {
			split.Plan.Doubts = append(split.Plan.Doubts, f.Err.Error())
		}
	}
	found = slices.DeleteFunc(found, func(f collision.Found) bool { return f.Err != nil })
	all, _ := before.Plan.Mean(found, k)
	for _, ref := range all {
		itself := ref.DB == r.DB && ref.Doc == r.ID
		if !itself && ref.To != collision.Leave {
			split.Plan.References = append(split.Plan.References, ref)
		}
	}
	return split, nil
}

// Nothing reports whether a late plan has nothing to do.
func (split *Split) Nothing() bool {
	return split.Late && len(split.Plan.References) == 0 && len(collision.LateLeaves(split.conflict)) == 0
}

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

// bodiesAtOnce is how many leaves are read in one request.
const bodiesAtOnce = 200

// search looks through all databases of a request, and returns what refers to
// the id and what can be known about that.
func (s *Splitter) search(ctx context.Context, p collision.Plan, r Request) ([]collision.Found, collision.Knowledge, error) {
	var all []collision.Found
	k := s.knowledge()
	for _, name := range databases(r.DB, r.Also) {
		found, err := s.searchOne(ctx, name, r)
		if err != nil {
			return nil, k, err
		}
		all = append(all, found...)
	}
	var err error
	k.Census, err = s.census(ctx, p, collision.Spots(all))
	return all, k, err
}

func (s *Splitter) searchOne(ctx context.Context, name string, r Request) ([]collision.Found, error) {
	o := collision.Options{Substrings: r.Substrings}
	if s.Progress != nil {
		o.Progress = func(done, total int64) { s.Progress(name, done, total) }
	}
	var refs []collision.Reference
	for ref, err := range collision.Find(ctx, s.db(name), []string{r.ID}, o) {
		if err != nil {
			return nil, err
		}
		if !ref.Self || ref.Kind != collision.DocID {
			refs = append(refs, ref)
		}
	}
	var all []collision.Found
	for piece := range slices.Chunk(refs, bodiesAtOnce) {
		found, err := s.bodies(ctx, name, piece)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// bodies reads the leaves in which references of one database stand.
func (s *Splitter) bodies(ctx context.Context, db string, refs []collision.Reference) ([]collision.Found, error) {
	found := make([]collision.Found, len(refs))
	var want []couch.Want
	for i, ref := range refs {
		found[i].Reference = ref
		if w := (couch.Want{ID: ref.Doc, Rev: ref.Rev}); ref.Err == nil && !slices.Contains(want, w) {
			want = append(want, w)
		}
	}
	for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		for i := range found {
			switch f := &found[i]; {
			case f.Doc != got.ID || f.Rev != got.Rev:
			case got.Revision != nil:
				f.Body = got.Revision.Body
			case got.Err != nil:
				f.Err = got.Err
			default:
				f.Err = fault(db, got.ID, couchmend.KindConflict, "it changed while it was read")
			}
		}
	}
	return found, nil
}
