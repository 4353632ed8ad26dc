package splitter

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	// docsAtOnce is how many documents that refer are edited in one request.
	docsAtOnce = 200
	// maxRounds is how often a document is read again that others save at the
	// same time.
	maxRounds = 20
)

// repoint makes all references mean what the plan says.
func (s *Splitter) repoint(ctx context.Context, split *Split, report *Report) error {
	byDB := map[string]map[string]bool{}
	for _, r := range split.Plan.References {
		if r.New == "" || r.New == r.Old {
			continue
		}
		if byDB[r.DB] == nil {
			byDB[r.DB] = map[string]bool{}
		}
		byDB[r.DB][r.Doc] = true
	}
	for _, db := range slices.Sorted(maps.Keys(byDB)) {
		for piece := range slices.Chunk(slices.Sorted(maps.Keys(byDB[db])), docsAtOnce) {
			if err := s.repointAll(ctx, split, db, piece, report); err != nil {
				return err
			}
		}
	}
	if n := len(report.refused); n > 0 { // nothing is buried while something refers to it that should not
		return fault(split.Plan.DB, split.Plan.ID, couchmend.KindRefused,
			"%d documents could not be edited (%s): mend that and --resume, or --rollback", n, strings.Join(report.Left, "; "))
	}
	return nil
}

// change makes of a leaf's body what is to be written; the same body where
// nothing is.
type change func(id string, leaf couchmend.Revision) ([]byte, error)

// repointAll edits documents of one database until none of their live leaves
// refers to the old id in a way that the plan changes.
func (s *Splitter) repointAll(ctx context.Context, split *Split, db string, ids []string, report *Report) error {
	fresh := len(split.Plan.References)
	edit := func(id string, leaf couchmend.Revision) ([]byte, error) {
		if db == split.Plan.DB && id == split.Plan.ID && !keeps(split.Plan, leaf) {
			return leaf.Body, nil
		}
		found, err := collision.In(db, id, leaf, []string{split.Plan.ID}, collision.Options{Substrings: split.State.Substrings})
		if err != nil {
			return nil, err
		}
		all, more := split.Plan.Mean(found, s.knowledge())
		split.Plan.References = append(split.Plan.References, more...)
		for _, r := range more {
			if r.To == "" {
				report.leave("%s in %s/%s came after the plan, and it is not known what it means", r.Place, db, id)
			}
		}
		return collision.Apply(leaf.Body, all)
	}
	durable := func() error {
		if len(split.Plan.References) == fresh {
			return nil
		}
		fresh = len(split.Plan.References)
		return s.save(ctx, split, split.State.Stage)
	}
	return s.editAll(ctx, db, ids, edit, durable, report)
}

// keeps reports whether a leaf of the old document is of the version that keeps
// its id.
func keeps(p collision.Plan, leaf couchmend.Revision) bool {
	return slices.ContainsFunc(p.Versions, func(v collision.Version) bool { return v.Keep && slices.Contains(leaf.Path, v.Root) })
}

// editAll writes a child of each live leaf of documents that edit changes:
// some hundred documents in five requests. durable is called before each write.
// What was saved meanwhile is a leaf beside the child, is edited in its turn,
// and then merged with it by the policy.
func (s *Splitter) editAll(ctx context.Context, db string, ids []string, edit change, durable func() error, report *Report) error {
	limit, err := s.db(db).RevsLimit(ctx)
	if err != nil {
		return err
	}
	begun, err := s.db(db).LiveLeaves(ctx, ids)
	if err != nil {
		return err
	}
	pending, now := ids, begun
	for range maxRounds {
		writes, err := s.children(ctx, db, pending, now, edit, limit, report)
		if err != nil {
			return err
		}
		if len(writes) == 0 {
			return s.mendTorn(ctx, db, ids, begun, report)
		}
		if err := durable(); err != nil {
			return err
		}
		if writes, err = s.stillCurrent(ctx, db, writes); err != nil {
			return err
		}
		errs, err := s.write(ctx, db, writes)
		if err != nil {
			return err
		}
		var refused []string
		for i, err := range errs {
			if err != nil {
				report.leave("%v", err)
				report.refused = append(report.refused, writes[i].ID)
				refused = append(refused, writes[i].ID)
			} else {
				report.Documents++
			}
		}
		pending = slices.DeleteFunc(slices.Clone(pending), func(id string) bool { return slices.Contains(refused, id) })
		if now, err = s.db(db).LiveLeaves(ctx, pending); err != nil {
			return err
		}
	}
	return fault(db, pending[0], couchmend.KindConflict, "others save it again and again: say --resume later")
}

// children reads live leaves and makes the children that edit wants.
func (s *Splitter) children(ctx context.Context, db string, ids []string, live map[string][]couchmend.Rev, edit change, limit int, report *Report) ([]couch.Write, error) {
	var want []couch.Want
	for _, id := range ids {
		for _, rev := range live[id] {
			want = append(want, couch.Want{ID: id, Rev: rev})
		}
	}
	var writes []couch.Write
	for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		if got.Revision == nil || got.Revision.Deleted {
			continue // no leaf any more: the next look tells
		}
		body, err := edit(got.ID, *got.Revision)
		switch {
		case err != nil:
			report.leave("%v", err)
			report.refused = append(report.refused, got.ID)
		case string(body) != string(got.Revision.Body):
			writes = append(writes, couch.Write{ID: got.ID, Revision: decide.Child(*got.Revision, body, limit)})
		}
	}
	return writes, nil
}

// stillCurrent looks at the leaves once more, right before writing: a document
// that somebody has saved since it was read is read again instead. Without this
// look nothing would be lost either; readers would see an older body for a
// moment.
func (s *Splitter) stillCurrent(ctx context.Context, db string, writes []couch.Write) ([]couch.Write, error) {
	var ids []string
	for _, w := range writes {
		if !slices.Contains(ids, w.ID) {
			ids = append(ids, w.ID)
		}
	}
	live, err := s.db(db).LiveLeaves(ctx, ids)
	return slices.DeleteFunc(writes, func(w couch.Write) bool {
		return !slices.Contains(live[w.ID], w.Revision.Path[1])
	}), err
}

// mendTorn merges documents that had one live leaf and have several now.
func (s *Splitter) mendTorn(ctx context.Context, db string, ids []string, begun map[string][]couchmend.Rev, report *Report) error {
	now, err := s.db(db).LiveLeaves(ctx, ids)
	if err != nil {
		return err
	}
	torn := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return len(now[id]) < 2 || len(begun[id]) > 1 })
	return s.mend(ctx, db, torn, report)
}

// mend has the policy merge documents that are in conflict. What it wants a
// person to look at is left to the work queue, and so to review.
func (s *Splitter) mend(ctx context.Context, db string, ids []string, report *Report) error {
	for _, id := range ids {
		c, d, err := s.Mender.Look(ctx, db, id)
		if couchmend.KindOf(err) == couchmend.KindUsage { // the policy names no such database
			report.leave("%s/%s is in conflict: somebody saved it meanwhile", db, id)
			continue
		}
		if err != nil {
			return err
		}
		switch d.Outcome {
		case couchmend.Nothing:
		case couchmend.Merge, couchmend.Bury, couchmend.Keep:
			if err := s.Mender.Apply(ctx, c, d, string(d.Outcome), "couchmend", "beside a split"); err != nil {
				return err
			}
			report.Merged = append(report.Merged, db+"/"+id)
		default:
			report.leave("%s/%s is in conflict, and for review: somebody saved it meanwhile", db, id)
			if _, err := s.Mender.Ledger.Put(ctx, ledger.Item{DB: db, ID: id}); err != nil {
				return err
			}
		}
	}
	return nil
}
