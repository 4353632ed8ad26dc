package splitter

import (
	"context"
	"maps"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Rollback takes a split back, wherever it got to: the old leaves are live
// again, references say the old id where they still say what the split wrote,
// and the new documents are deleted. The documents are what they were, in
// revisions of their own. The error is of KindConflict where somebody has
// edited a new document since (nothing was written then), and of KindNotFound
// where nothing is stored of a split.
func (s *Splitter) Rollback(ctx context.Context, db, id string) (Report, error) {
	split, err := s.Find(ctx, db, id)
	switch {
	case err != nil:
		return Report{}, err
	case split == nil || split.State.Stage == ledger.SplitRolledBack:
		return Report{}, fault(db, id, couchmend.KindNotFound, "there is no split of it to take back; they are remembered as long as the undo horizon")
	}
	for _, v := range split.Plan.Versions {
		if _, changed, err := s.newborn(ctx, split.Plan, v); err != nil {
			return Report{}, err
		} else if changed {
			return Report{}, fault(db, v.NewID, couchmend.KindConflict, "somebody has edited what %s became: nothing is taken back", v.Name)
		}
	}
	entry := ledger.Entry{
		DB: db, ID: id, Kind: "rollback", By: s.By, Note: s.Note,
		Decision: couchmend.Decision{Outcome: couchmend.Split, Bury: split.Plan.Bury},
	}
	if err := s.Mender.Ledger.Append(ctx, entry); err != nil {
		return Report{}, err
	}
	if err := s.save(ctx, split, ledger.SplitRollingBack); err != nil {
		return Report{}, err
	}
	return s.takeBack(ctx, split)
}

// takeBack takes the steps of a rollback. Each finds out what of it is done.
func (s *Splitter) takeBack(ctx context.Context, split *Split) (Report, error) {
	report := Report{Stage: ledger.SplitRollingBack}
	for _, step := range []func(context.Context, *Split, *Report) error{s.restore, s.pointBack, s.discard} {
		if err := step(ctx, split, &report); err != nil {
			return report, err
		}
	}
	report.Stage = ledger.SplitRolledBack
	return report, s.save(ctx, split, ledger.SplitRolledBack)
}

// newborn returns the live leaf of what a version became, and whether somebody
// has changed it since; nil where there is none.
func (s *Splitter) newborn(ctx context.Context, p collision.Plan, v collision.Version) (leaf *couchmend.Revision, changed bool, err error) {
	if v.Revision == nil {
		return nil, false, nil
	}
	live, _, err := s.leaves(ctx, p.DB, v.NewID)
	if err != nil || len(live) == 0 {
		return nil, false, err
	}
	own := slices.DeleteFunc(slices.Clone(p.References), func(r collision.Repoint) bool { return r.DB != p.DB || r.Doc != v.NewID })
	edited, err := collision.Apply(v.Revision.Body, own)
	if err != nil {
		return nil, false, err
	}
	looks := func(body []byte) bool { return jsondoc.Equal(jsondoc.Value(live[0].Body), jsondoc.Value(body)) }
	same := len(live) == 1 && sameFiles(live[0].Attachments, v.Revision.Attachments) && (looks(v.Revision.Body) || looks(edited))
	return &live[0], !same, nil
}

// restore makes the leaves live again that were buried.
func (s *Splitter) restore(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	_, dead, err := s.leaves(ctx, p.DB, p.ID)
	if err != nil {
		return err
	}
	limit, err := s.db(p.DB).RevsLimit(ctx)
	if err != nil {
		return err
	}
	kept, err := s.journaled(ctx, p)
	if err != nil {
		return err
	}
	var writes []couch.Write
	for _, grave := range dead {
		buried, ok := revtree.SplitFrom(grave.Path)
		leaf, known := kept[buried]
		ours := slices.ContainsFunc(p.Bury, func(t couchmend.Revision) bool { return t.Rev == grave.Rev })
		switch {
		case !ok || !ours:
		case !known:
			return fault(p.DB, p.ID, couchmend.KindNotFound, "the journal no longer has %s", buried)
		default:
			writes = append(writes, couch.Write{ID: p.ID, Revision: decide.Again(leaf, grave, limit)})
			report.Restored = append(report.Restored, buried)
		}
	}
	if err := s.writeAll(ctx, p.DB, writes); err != nil {
		return err
	}
	return s.verify(ctx, p.DB, writes)
}

// journaled returns the leaves that the newest split was made from.
func (s *Splitter) journaled(ctx context.Context, p collision.Plan) (map[couchmend.Rev]couchmend.Revision, error) {
	history, err := s.Mender.Ledger.History(ctx, p.DB, p.ID)
	kept := map[couchmend.Rev]couchmend.Revision{}
	for _, e := range history {
		if e.Kind == "split" {
			for _, leaf := range e.Leaves {
				kept[leaf.Rev] = leaf
			}
		}
	}
	return kept, err
}

// pointBack makes references say the old id again. Those that say a new id and
// are not the split's are left, and told.
func (s *Splitter) pointBack(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	var ids, born []string
	for _, v := range p.Versions {
		if !v.Keep {
			ids = append(ids, v.NewID)
		}
		if v.Revision != nil {
			born = append(born, v.NewID)
		}
	}
	o := collision.Options{Substrings: split.State.Substrings}
	seeker, err := collision.Seek(ids, o)
	if err != nil {
		return err
	}
	backs := p.Backs()
	back := func(db string) change {
		return func(id string, leaf couchmend.Revision) ([]byte, error) {
			found, err := seeker.In(db, id, leaf)
			if err != nil {
				return nil, err
			}
			ours, others := backs.Of(found)
			for _, other := range others {
				if slices.Contains(born, other.ID) {
					report.leave("%s in %s/%s refers to %s, which is deleted: the split did not write that", other.Place, db, id, other.ID)
				}
			}
			return collision.Apply(leaf.Body, ours)
		}
	}
	for _, name := range databases(p.DB, split.State.Also) {
		docs := map[string]bool{}
		for ref, err := range collision.Find(ctx, s.db(name), ids, o) {
			if err != nil {
				return err
			}
			if ref.Err == nil && !ref.Design && ref.Kind != collision.DocID && (name != p.DB || !slices.Contains(born, ref.Doc)) {
				docs[ref.Doc] = true
			}
		}
		for piece := range slices.Chunk(slices.Sorted(maps.Keys(docs)), docsAtOnce) {
			if err := s.editAll(ctx, name, piece, back(name), func(edits []edit) error { return s.journal(ctx, name, p, edits) }, report); err != nil {
				return err
			}
		}
	}
	return nil
}

// discard deletes the new documents, last: until here each version had one.
func (s *Splitter) discard(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	limit, err := s.db(p.DB).RevsLimit(ctx)
	if err != nil {
		return err
	}
	var writes []couch.Write
	for _, v := range p.Versions {
		leaf, changed, err := s.newborn(ctx, p, v)
		switch {
		case err != nil:
			return err
		case changed:
			report.leave("%s was edited during the rollback: it stays", v.NewID)
		case leaf != nil:
			writes = append(writes, couch.Write{ID: v.NewID, Revision: decide.SplitBurial(nil, *leaf, p.ID, limit)})
			report.Deleted = append(report.Deleted, v.NewID)
		}
	}
	return s.writeAll(ctx, p.DB, writes)
}

// databases are those of a split, each once.
func databases(db string, also []string) []string {
	names := []string{db}
	for _, name := range also {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
