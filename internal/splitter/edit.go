package splitter

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
)

// maxRounds is how often a document is read again that others save at the same
// time.
const maxRounds = 20

// change makes of a leaf's body what is to be written; the same body where
// nothing is.
type change func(id string, leaf couchmend.Revision) ([]byte, error)

// edit is a child of a leaf, to be written.
type edit struct {
	couch.Write
	leaf couchmend.Revision
}

// editAll writes a child of each live leaf of documents that edit changes:
// some hundred documents in five requests. durable is called before each write,
// with what will be written.
// What was saved meanwhile is a leaf beside the child, is edited in its turn,
// and then merged with it by the policy.
func (s *Splitter) editAll(ctx context.Context, db string, ids []string, change change, durable func([]edit) error, report *Report) error {
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
		edits, err := s.children(ctx, db, pending, now, change, limit, report)
		if err != nil {
			return err
		}
		if len(edits) == 0 {
			return s.mendTorn(ctx, db, ids, begun, report)
		}
		if edits, err = s.stillCurrent(ctx, db, edits); err != nil {
			return err
		}
		if err := durable(edits); err != nil {
			return err
		}
		refused, err := s.writeEdits(ctx, db, edits, report)
		if err != nil {
			return err
		}
		pending = slices.DeleteFunc(slices.Clone(pending), func(id string) bool { return slices.Contains(refused, id) })
		if now, err = s.db(db).LiveLeaves(ctx, pending); err != nil {
			return err
		}
	}
	return fault(db, pending[0], couchmend.KindConflict, "others save it again and again: say --resume later")
}

// writeEdits writes children, and returns the documents of those that were
// refused.
func (s *Splitter) writeEdits(ctx context.Context, db string, edits []edit, report *Report) (refused []string, err error) {
	writes := make([]couch.Write, len(edits))
	for i, e := range edits {
		writes[i] = e.Write
	}
	errs, err := s.write(ctx, db, writes)
	if err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			report.refuse(writes[i].ID, err)
			refused = append(refused, writes[i].ID)
		} else {
			report.Documents++
		}
	}
	s.watch(*report)
	return refused, nil
}

// children reads live leaves and makes the children that edit wants.
func (s *Splitter) children(ctx context.Context, db string, ids []string, live map[string][]couchmend.Rev, change change, limit int, report *Report) ([]edit, error) {
	var want []couch.Want
	for _, id := range ids {
		for _, rev := range live[id] {
			want = append(want, couch.Want{ID: id, Rev: rev})
		}
	}
	var edits []edit
	for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		if got.Revision == nil || got.Revision.Deleted {
			continue // no leaf any more: the next look tells
		}
		body, err := change(got.ID, *got.Revision)
		switch {
		case err != nil:
			report.refuse(got.ID, err)
		case string(body) != string(got.Revision.Body):
			edits = append(edits, edit{couch.Write{ID: got.ID, Revision: decide.Child(*got.Revision, body, limit)}, *got.Revision})
		}
	}
	return edits, nil
}

// stillCurrent looks at the leaves once more, right before writing: a document
// that somebody has saved since it was read is read again instead. Without this
// look nothing would be lost either; readers would see an older body for a
// moment.
func (s *Splitter) stillCurrent(ctx context.Context, db string, edits []edit) ([]edit, error) {
	var ids []string
	for _, e := range edits {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	live, err := s.db(db).LiveLeaves(ctx, slices.Compact(ids))
	return slices.DeleteFunc(edits, func(e edit) bool { return !slices.Contains(live[e.ID], e.leaf.Rev) }), err
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
// person to look at is left to the work queue, and so to review; and all, where
// nobody watches.
func (s *Splitter) mend(ctx context.Context, db string, ids []string, report *Report) error {
	if s.Gate != nil {
		return s.queue(ctx, db, ids)
	}
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
			if err := s.queue(ctx, db, []string{id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// queue has documents decided by whoever works the queue.
func (s *Splitter) queue(ctx context.Context, db string, ids []string) error {
	items := make([]ledger.Item, len(ids))
	for i, id := range ids {
		items[i] = ledger.Item{DB: db, ID: id}
	}
	_, err := s.Mender.Ledger.Put(ctx, items...)
	return err
}
