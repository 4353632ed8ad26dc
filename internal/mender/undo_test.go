package mender

import (
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

// merged is a site with a document "d" that was merged.
func merged(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnUndoIsRefusedWhenTheLeavesAreNotThoseThatWereShown(t *testing.T) {
	t.Parallel()
	s := merged(t)
	plan, err := s.Undo(s.ctx, "clinic", "d", "ann", true)
	if err != nil {
		t.Fatal(err)
	}
	winner := s.db.Leaves("d")[0]
	s.put("d", winner.Path, `{"n":9}`)
	before := s.db.Leaves("d")
	if _, err := s.UndoShown(s.ctx, "clinic", "d", "ann", plan.Leaves); couchmend.KindOf(err) != couchmend.KindConflict {
		t.Errorf("somebody saved meanwhile, and the undo says %v", err)
	}
	if after := s.db.Leaves("d"); len(after) != len(before) || after[0].Rev != before[0].Rev {
		t.Errorf("it wrote: %v became %v", before, after)
	}
	if plan, err = s.Undo(s.ctx, "clinic", "d", "ann", true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UndoShown(s.ctx, "clinic", "d", "ann", plan.Leaves); err != nil {
		t.Errorf("shown anew, it says %v", err)
	}
}

func TestAnUndoThatCouchDBRefusesCanBeDoneBySomebodyElse(t *testing.T) {
	t.Parallel()
	s := merged(t)
	s.node.Inject(&couchtest.Fault{Times: 1, RowError: func(string, couchmend.Rev) (string, string) { return "forbidden", "not yours" }})
	if _, err := s.Undo(s.ctx, "clinic", "d", "ben", false); couchmend.KindOf(err) != couchmend.KindForbidden {
		t.Fatalf("CouchDB refused it, and the undo says %v", err)
	}
	history, err := s.ledger.History(s.ctx, "clinic", "d")
	if err != nil {
		t.Fatal(err)
	}
	if last := history[len(history)-1]; last.Kind != "undo_refused" || last.By != "ben" {
		t.Errorf("the journal ends with %s by %s", last.Kind, last.By)
	}
	if _, err := s.Undo(s.ctx, "clinic", "d", "ann", false); err != nil {
		t.Errorf("who has the rights is told %v", err)
	}
}

func TestAnUndoTakesTheMergeBackThoughAWorkerBuriedForIt(t *testing.T) {
	t.Parallel()
	s := merged(t)
	history, err := s.ledger.History(s.ctx, "clinic", "d")
	if err != nil || len(history) != 1 {
		t.Fatalf("%+v, %v", history, err)
	}
	// A worker saw the merge before its tombstones were written.
	e := history[0]
	e.Kind, e.Decision = "bury", couchmend.Decision{Outcome: couchmend.Bury, Bury: e.Decision.Bury}
	e.Leaves = append([]couchmend.Revision{*history[0].Decision.Merge}, e.Leaves[1:]...)
	if err := s.ledger.Append(s.ctx, e); err != nil {
		t.Fatal(err)
	}
	undone, err := s.Undo(s.ctx, "clinic", "d", "ann", false)
	if err != nil || undone.Entry.Kind != "merge" || len(undone.Restored) != 2 {
		t.Errorf("it took back %s, and restored %d: %v", undone.Entry.Kind, len(undone.Restored), err)
	}
	if _, err := s.Undo(s.ctx, "clinic", "d", "ann", true); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Errorf("undone twice: %v", err)
	}
}
