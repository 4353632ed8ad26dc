package mender

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Look reads a document and says what would become of it, without writing.
// KindNotFound where there is no such document.
func (m *Mender) Look(ctx context.Context, dbName, id string) (couchmend.Conflict, couchmend.Decision, error) {
	var none couchmend.Conflict
	db, err := m.database(ctx, dbName)
	if err != nil {
		return none, couchmend.Decision{}, err
	}
	leaves, err := db.Leaves(ctx, id)
	if err != nil {
		return none, couchmend.Decision{}, err
	}
	row := ledger.Item{DB: dbName, ID: id}
	for _, leaf := range leaves {
		row.Leaves = append(row.Leaves, leaf.Rev)
	}
	previews, err := m.Preview(ctx, dbName, []ledger.Item{row})
	if err != nil {
		return none, couchmend.Decision{}, err
	}
	return previews[0].Conflict, previews[0].Decision, previews[0].Err
}

// Preview is what would become of one document.
type Preview struct {
	Conflict couchmend.Conflict
	Decision couchmend.Decision
	Err      error // it could not be read
}

// Preview decides on documents of one database without writing. Items name
// them and their leaves, as the feed's rows do.
func (m *Mender) Preview(ctx context.Context, dbName string, items []ledger.Item) ([]Preview, error) {
	previews := make([]Preview, 0, len(items))
	for preview, err := range m.Previews(ctx, dbName, items) {
		if err != nil {
			return nil, err
		}
		previews = append(previews, preview)
	}
	return previews, nil
}

// Previews is Preview for many documents, in order: it holds no more than about
// BatchBytes of them at a time. An error is the last thing that it yields.
func (m *Mender) Previews(ctx context.Context, dbName string, items []ledger.Item) iter.Seq2[Preview, error] {
	return func(yield func(Preview, error) bool) {
		b, err := m.look(ctx, dbName)
		if err != nil {
			yield(Preview{}, err)
			return
		}
		jobs := make([]*job, len(items))
		for i := range items {
			jobs[i] = &job{task: &ledger.Task{Item: items[i]}, conflict: couchmend.Conflict{DB: dbName, ID: items[i].ID}, preview: true}
		}
		for len(jobs) > 0 {
			n, err := b.load(ctx, jobs)
			if err != nil {
				yield(Preview{}, err)
				return
			}
			inParallel(jobs[:n], func(_ int, j *job) { b.decide(ctx, j) })
			for i, j := range jobs[:n] {
				preview, err := b.preview(ctx, j)
				if !yield(preview, err) || err != nil {
					return
				}
				jobs[i] = nil
			}
			jobs = jobs[n:]
		}
	}
}

// preview says what was decided on a document, whose leaves may have to be read
// again.
func (b *batch) preview(ctx context.Context, j *job) (Preview, error) {
	if j.end == again {
		j.unload()
		j.reread = true
		if _, err := b.load(ctx, []*job{j}); err != nil {
			return Preview{}, err
		}
		guarded(j, func() { b.decide(ctx, j) })
	}
	return Preview{Conflict: j.conflict, Decision: j.decision, Err: j.err}, nil
}

// look returns a batch that writes nothing by itself.
func (m *Mender) look(ctx context.Context, dbName string) (*batch, error) {
	db, err := m.database(ctx, dbName)
	if err != nil {
		return nil, err
	}
	rules, _ := m.Rules(dbName)
	if rules == nil {
		return nil, &couchmend.Error{Op: "decide", DB: dbName, Kind: couchmend.KindUsage, Err: errors.New("the policy names no such database")}
	}
	return &batch{Mender: m, db: db, gated: db.DB, rules: rules, worked: map[string]bool{}}, nil
}

// Apply carries out a person's decision on what that person was shown: c. It
// is refused, with KindConflict and in words what changed, if the document has
// other leaves by now, dead ones counted (I3). A pause does not stop it: a
// person's word is what a pause waits for. kind is the journal's: "resolve",
// "delete"…
func (m *Mender) Apply(ctx context.Context, c couchmend.Conflict, d couchmend.Decision, kind, by, note string) error {
	if couch.TraceOf(ctx) == "" {
		ctx = couch.WithTrace(ctx, couch.NewTrace())
	}
	db, err := m.database(ctx, c.DB)
	if err != nil {
		return err
	}
	if err := unchanged(ctx, db, c); err != nil {
		return err
	}
	b := &batch{Mender: m, db: db, gated: db.DB, worked: map[string]bool{}}
	j := &job{task: &ledger.Task{}, conflict: c, decision: d, started: time.Now()}
	if err := b.loadDoomed(ctx, []*job{j}); err != nil {
		return err
	}
	e := entry(j.conflict, d)
	e.Kind, e.By, e.Note, e.Trace = kind, by, note, couch.TraceOf(ctx)
	if err := m.Ledger.Append(ctx, e); err != nil {
		return err
	}
	merged, err := b.writeMerges(ctx, []*job{j})
	if err == nil {
		err = b.writeTombstones(ctx, merged)
	}
	if err == nil {
		err = j.err
	}
	if err != nil {
		return err
	}
	return m.Ledger.DropCases(ctx, c.DB, c.ID)
}

// unchanged checks that a document's leaves are still those of c.
func unchanged(ctx context.Context, db *database, c couchmend.Conflict) error {
	now, err := db.Leaves(ctx, c.ID)
	if err != nil {
		return err
	}
	return Moved(c, now)
}

// Moved returns an error of KindConflict that says how the leaves of a document
// differ from those that c shows; nil where they are the same.
func Moved(c couchmend.Conflict, now []couchmend.Revision) error {
	return moved("resolve", c.DB, c.ID, leavesOf(c), now)
}

func moved(op, db, id string, shown []couchmend.Rev, now []couchmend.Revision) error {
	current := revsOf(now)
	if sameRevs(shown, current) {
		return nil
	}
	var words []string
	for _, leaf := range now {
		if !slices.Contains(shown, leaf.Rev) {
			word := "is new"
			if leaf.Deleted {
				word = "is a new deletion"
			}
			words = append(words, leaf.Rev.String()+" "+word)
		}
	}
	for _, r := range shown {
		if !slices.Contains(current, r) {
			words = append(words, r.String()+" is no longer a leaf")
		}
	}
	return &couchmend.Error{Op: op, DB: db, ID: id, Kind: couchmend.KindConflict, Err: fmt.Errorf("the document has changed since it was shown: %v; nothing was written", words)}
}

// Undone is what an undo does.
type Undone struct {
	Entry    ledger.Entry         // the decision that is taken back
	Restored []couchmend.Revision // to write, or written
	Leaves   []couchmend.Rev      // the document's as they were before, all of them
}

// Undo takes the newest decision on a document back that is not undone yet: see
// decide.Undo. With dryRun nothing is written. KindNotFound where the journal
// holds none.
func (m *Mender) Undo(ctx context.Context, dbName, id, by string, dryRun bool) (Undone, error) {
	return m.undo(ctx, dbName, id, by, dryRun, func([]couchmend.Revision) error { return nil })
}

// UndoShown is Undo by a person who was shown the leaves that a dry run told
// of. It is refused, with KindConflict and in words what changed, if the
// document has others by now (I3).
func (m *Mender) UndoShown(ctx context.Context, dbName, id, by string, shown []couchmend.Rev) (Undone, error) {
	return m.undo(ctx, dbName, id, by, false, func(now []couchmend.Revision) error {
		return moved("undo", dbName, id, shown, now)
	})
}

func (m *Mender) undo(ctx context.Context, dbName, id, by string, dryRun bool, check func(now []couchmend.Revision) error) (Undone, error) {
	db, err := m.database(ctx, dbName)
	if err != nil {
		return Undone{}, err
	}
	now, err := db.Leaves(ctx, id)
	if err == nil {
		err = check(now)
	}
	if err != nil {
		return Undone{}, err
	}
	history, err := m.Ledger.History(ctx, dbName, id)
	if err != nil {
		return Undone{}, err
	}
	e, ok := toUndo(history, now)
	if !ok {
		return Undone{}, &couchmend.Error{Op: "undo", DB: dbName, ID: id, Kind: couchmend.KindNotFound,
			Err: fmt.Errorf("the journal holds no decision on it that can be undone; it remembers as long as its undo horizon")}
	}
	if e.Kind == "split" {
		return Undone{}, &couchmend.Error{Op: "undo", DB: dbName, ID: id, Kind: couchmend.KindUsage,
			Err: errors.New("it was split: split --rollback takes that back, or did")}
	}
	if err := fillContents(ctx, db, id, e.Leaves, now); err != nil {
		return Undone{}, err
	}
	undone := Undone{Entry: e, Restored: decide.Undo(e.Decision, e.Leaves, db.revsLimit), Leaves: revsOf(now)}
	if dryRun {
		return undone, nil
	}
	if err := m.Ledger.Append(ctx, ledger.Entry{DB: dbName, ID: id, Kind: "undo", By: by, Decision: e.Decision, Leaves: now}); err != nil {
		return Undone{}, err
	}
	err = restore(ctx, db, id, undone.Restored)
	if refusesPerson(err) { // whoever has the rights can still undo it
		refusal := ledger.Entry{DB: dbName, ID: id, Kind: undoRefused, By: by, Note: err.Error(), Decision: e.Decision}
		err = errors.Join(err, m.Ledger.Append(ctx, refusal))
	}
	return undone, err
}

// undoRefused is the kind of the journal's entry on an undo that CouchDB did
// not take.
const undoRefused = "undo_refused"

func refusesPerson(err error) bool {
	kind := couchmend.KindOf(err)
	return kind == couchmend.KindForbidden || kind == couchmend.KindAuth || refusesRequest(err)
}

// restore writes the revisions of an undo.
func restore(ctx context.Context, db *database, id string, restored []couchmend.Revision) error {
	writes := make([]couch.Write, len(restored))
	for i, r := range restored {
		writes[i] = couch.Write{ID: id, Revision: r}
	}
	written, err := db.Write(ctx, writes)
	if err != nil {
		return err
	}
	for _, err := range written.Errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// toUndo returns the newest entry that took effect and was not undone.
func toUndo(history []ledger.Entry, now []couchmend.Revision) (ledger.Entry, bool) {
	undone, refused := map[couchmend.Rev]bool{}, map[couchmend.Rev]bool{}
	for i, e := range slices.Backward(history) {
		written := effect(e.Decision)
		switch {
		case e.Kind == undoRefused:
			refused[written] = true
		case e.Kind == "undo" && refused[written]: // of that very undo
			delete(refused, written)
		case e.Kind == "rollback":
			undone[written] = true
		case written == couchmend.Rev{} || len(e.Leaves) == 0 || undone[written]:
		case e.Kind == "undo":
			undone[written] = true
		case e.Kind == "follow": // part of a split
		case finishes(e, history[:i]):
		case tookEffect(written, now):
			return e, true
		}
	}
	return ledger.Entry{}, false
}

// finishes reports whether an entry only buries what an earlier one was about to
// bury: a worker saw that one's merge before its tombstones were written. To
// take the two back is to take the merge back.
func finishes(e ledger.Entry, earlier []ledger.Entry) bool {
	if e.Decision.Merge != nil {
		return false
	}
	return slices.ContainsFunc(earlier, func(f ledger.Entry) bool {
		return f.Decision.Merge != nil && f.Kind != "undo" && !slices.ContainsFunc(e.Decision.Bury, func(tombstone couchmend.Revision) bool {
			return !slices.ContainsFunc(f.Decision.Bury, func(r couchmend.Revision) bool { return r.Rev == tombstone.Rev })
		})
	})
}

// effect is a revision by which one sees that a decision was carried out.
func effect(d couchmend.Decision) couchmend.Rev {
	switch {
	case d.Merge != nil:
		return d.Merge.Rev
	case len(d.Bury) > 0:
		return d.Bury[0].Rev
	}
	return couchmend.Rev{}
}

func tookEffect(written couchmend.Rev, now []couchmend.Revision) bool {
	return slices.ContainsFunc(now, func(leaf couchmend.Revision) bool { return slices.Contains(leaf.Path, written) })
}

// fillContents fetches the bytes of attachments that the journal holds as
// stubs: all leaves showed the same one, and a live leaf still has it.
func fillContents(ctx context.Context, db *database, id string, leaves, now []couchmend.Revision) error {
	for i := range leaves {
		for k := range leaves[i].Attachments {
			a := &leaves[i].Attachments[k]
			if a.Data != nil {
				continue
			}
			holder := slices.IndexFunc(now, func(leaf couchmend.Revision) bool {
				return !leaf.Deleted && slices.ContainsFunc(leaf.Attachments, func(b couchmend.Attachment) bool {
					return b.Name == a.Name && b.Digest == a.Digest && b.Length == a.Length
				})
			})
			rev := leaves[i].Rev
			if holder >= 0 {
				rev = now[holder].Rev
			}
			data, err := db.Attachment(ctx, id, rev, a.Name)
			if err != nil {
				return err
			}
			a.Data = data
		}
	}
	return nil
}

// Tree is the revision tree of a conflict, for people to look at.
func Tree(c couchmend.Conflict) *revtree.Tree {
	var paths []revtree.Path
	for _, leaf := range slices.Concat(c.Leaves, c.Dead) {
		paths = append(paths, leaf.Path)
	}
	return revtree.New(paths...)
}
