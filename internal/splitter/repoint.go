package splitter

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// docsAtOnce is how many documents that refer are edited in one request.
const docsAtOnce = 200

// repoint makes all references mean what the plan says, and then those that
// came while it was made and carried out.
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
	for _, db := range databases(split.Plan.DB, split.State.Also) {
		if err := s.repointChanged(ctx, split, db, report); err != nil {
			return err
		}
	}
	return report.refusal(split.Plan)
}

// repointAll edits documents of one database until none of their live leaves
// refers to the old id in a way that the plan changes. Where nobody watches, a
// document with a reference that may mean anything is not edited at all.
func (s *Splitter) repointAll(ctx context.Context, split *Split, db string, ids []string, report *Report) error {
	p := split.Plan
	seeker, err := collision.Seek([]string{p.ID}, collision.Options{Substrings: split.State.Substrings})
	if err != nil {
		return err
	}
	known := len(p.References)
	change := func(id string, leaf couchmend.Revision) ([]byte, error) {
		if db == p.DB && id == p.ID && !keeps(p, leaf) {
			return leaf.Body, nil
		}
		found, err := seeker.In(db, id, leaf)
		if err != nil {
			return nil, err
		}
		all, fresh := s.means(split, found)
		open := func(r collision.Repoint) bool { return r.To == "" }
		if at := slices.IndexFunc(all, open); at >= 0 && s.Gate != nil {
			report.ask(all[at])
			return leaf.Body, nil
		}
		for _, r := range fresh {
			if open(r) {
				report.leave("%s in %s/%s came after the plan, and it is not known what it means", r.Place, db, id)
			}
		}
		return collision.Apply(leaf.Body, all)
	}
	durable := func(edits []edit) error {
		if len(split.Plan.References) > known {
			known = len(split.Plan.References)
			if err := s.save(ctx, split, split.State.Stage); err != nil {
				return err
			}
		}
		return s.journal(ctx, db, p, edits)
	}
	return s.editAll(ctx, db, ids, change, durable, report)
}

// journal makes durable what documents were before they are edited, each for
// its own history and undo (I10).
func (s *Splitter) journal(ctx context.Context, db string, p collision.Plan, edits []edit) error {
	entries := make([]ledger.Entry, len(edits))
	for i, e := range edits {
		child := withoutData(e.Revision)
		entries[i] = ledger.Entry{
			DB: db, ID: e.ID, Kind: "repoint", Status: "decided", By: s.By, Note: "what it refers to, " + p.ID + ", was split",
			Leaves: []couchmend.Revision{e.leaf}, Decision: couchmend.Decision{Outcome: couchmend.Merge, Merge: child},
		}
	}
	return s.Mender.Ledger.Append(ctx, entries...)
}

// keeps reports whether a leaf of the old document is of the version that keeps
// its id.
func keeps(p collision.Plan, leaf couchmend.Revision) bool {
	return slices.ContainsFunc(p.Versions, func(v collision.Version) bool { return v.Keep && slices.Contains(leaf.Path, v.Root) })
}

// changedAtOnce is how many rows of a feed are read at a time.
const changedAtOnce = 2000

// repointChanged edits what was saved since the search for references began: it
// may have been behind what the search was reading. What comes after that is
// seen by whoever follows the feed, who knows of the split by now.
func (s *Splitter) repointChanged(ctx context.Context, split *Split, db string, report *Report) error {
	since := split.State.Since[db]
	if since == "" {
		return nil
	}
	seeker, err := collision.Seek([]string{split.Plan.ID}, collision.Options{})
	if err != nil {
		return err
	}
	for rows := changedAtOnce; rows == changedAtOnce; {
		rows = 0
		var leaves []couch.Want
		for row, err := range s.db(db).Changes(ctx, couch.ChangesOptions{Since: since, Limit: changedAtOnce, SeqInterval: changedAtOnce}) {
			if err != nil {
				return err
			}
			if row.Seq != "" {
				since = row.Seq
			}
			if row.ID == "" {
				continue
			}
			rows++
			if row.Deleted || strings.HasPrefix(row.ID, "_design/") {
				continue
			}
			for _, leaf := range row.Leaves {
				leaves = append(leaves, couch.Want{ID: row.ID, Rev: leaf})
			}
		}
		hold, err := s.holding(ctx, db, leaves, seeker)
		if err != nil {
			return err
		}
		for piece := range slices.Chunk(hold, docsAtOnce) {
			if err := s.repointAll(ctx, split, db, piece, report); err != nil {
				return err
			}
		}
	}
	return nil
}

// holding returns the documents in whose leaves an id may stand, each once.
func (s *Splitter) holding(ctx context.Context, db string, leaves []couch.Want, seeker *collision.Seeker) ([]string, error) {
	ids := map[string]bool{}
	for got, err := range s.db(db).BulkGet(ctx, leaves, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		if r := got.Revision; r == nil || !r.Deleted && seeker.MayHold(r.Body) {
			ids[got.ID] = true // what is gone has been saved over: its newer leaf is looked at
		}
	}
	return slices.Sorted(maps.Keys(ids)), nil
}
