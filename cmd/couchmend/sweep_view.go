package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/mend"
)

// viewName is a view of conflicts as DESIGN/VIEW. As a flag it stands alone, for
// the view that `views install` makes, or with a value: --from-view=DESIGN/VIEW.
type viewName struct{ design, view string }

// IsBool lets the flag stand alone.
func (viewName) IsBool() bool { return true }

// Decode reads the flag.
func (v *viewName) Decode(ctx *kong.DecodeContext) error {
	*v = viewName{conflictsDesign, conflictsView}
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := ctx.Scan.Pop().String()
	if text == "true" { // so kong writes that it stood alone
		return nil
	}
	text = strings.TrimPrefix(strings.Replace(text, "/_view/", "/", 1), "_design/")
	var ok bool
	v.design, v.view, ok = strings.Cut(text, "/")
	if !ok || v.design == "" || v.view == "" || strings.Contains(v.view, "/") {
		return fmt.Errorf("%q is no view: want DESIGN/VIEW, such as medic-conflicts/conflicts", text)
	}
	return nil
}

func (v viewName) given() bool { return v.design != "" }

func (v viewName) String() string { return v.design + "/" + v.view }

// viewIDs is how many documents are looked up at once: up to there CouchDB reads
// single documents, above it its whole feed.
const viewIDs = 100

// viewPage reads the next rows of the view and shows the conflicts that it
// tells of, and at its end those of design documents, which most views do not
// have.
func (s *sweep) viewPage(ctx context.Context, c *mend.Couchmend, m *mender.Mender) (full bool, err error) {
	db := c.Server.DB(s.left[0])
	rows, more, err := db.ConflictRows(ctx, s.view.design, s.view.view, &s.place)
	if couchmend.KindOf(err) == couchmend.KindNotFound {
		return false, s.noView(ctx, db)
	}
	if err != nil {
		return false, err
	}
	var ids []string
	for _, row := range rows {
		if !strings.HasPrefix(row.ID, "_design/") {
			ids = append(ids, row.ID)
		}
	}
	if !more {
		designs, err := conflictedDesigns(ctx, db)
		if err != nil {
			return false, err
		}
		ids = append(ids, designs...)
	}
	items, err := s.leavesOf(ctx, db, ids)
	if err != nil {
		return false, err
	}
	s.documents += int64(len(ids))
	if full, err = s.show(ctx, c, m, items, int64(len(ids))); err != nil || full {
		return full, err
	}
	s.rows += int64(len(ids))
	s.bar.set(s.rows, s.rows)
	if !more {
		s.left, s.place, s.rows = s.left[1:], couch.ViewPlace{}, 0
	}
	return false, nil
}

// leavesOf reads all leaves of documents, dead ones too, as a feed tells of
// them. A document that is gone since the view was read is left out.
func (s *sweep) leavesOf(ctx context.Context, db *couch.DB, ids []string) ([]ledger.Item, error) {
	ids = slices.DeleteFunc(ids, func(id string) bool { return !s.to.wants(id) })
	var items []ledger.Item
	for some := range slices.Chunk(ids, viewIDs) {
		for row, err := range db.Changes(ctx, couch.ChangesOptions{IDs: some}) {
			if err != nil {
				return nil, err
			}
			if len(row.Leaves) > 1 {
				items = append(items, ledger.Item{DB: db.Name(), ID: row.ID, Leaves: row.Leaves, Deleted: row.Deleted})
			}
		}
	}
	return items, nil
}

// conflictedDesigns are the design documents in conflict.
func conflictedDesigns(ctx context.Context, db *couch.DB) (ids []string, err error) {
	for row, err := range db.AllDocs(ctx, couch.AllDocsOptions{Conflicts: true, Start: "_design/", End: "_design0"}) {
		if err != nil {
			return nil, err
		}
		doc, err := jsondoc.Parse(row.Text)
		if err != nil {
			return nil, err
		}
		if doc.Get("doc").Get("_conflicts") != nil {
			ids = append(ids, row.ID)
		}
	}
	return ids, nil
}

// noView says what to do about a view that is not there.
func (s *sweep) noView(ctx context.Context, db *couch.DB) error {
	if _, err := db.Info(ctx); err != nil {
		return err
	}
	err := fmt.Errorf("the database has no view %s: couchmend views install %s makes one", s.view, shellWord(db.Name()))
	if s.view.design != conflictsDesign {
		err = fmt.Errorf("the database has no view %s", s.view)
	}
	return &couchmend.Error{Op: "scan", DB: db.Name(), Kind: couchmend.KindNotFound, Err: err}
}

// conflictsDesign and conflictsView are the view that `views install` makes, and
// indexDesign and indexName the Mango index.
const (
	conflictsDesign, conflictsView = "couchmend-conflicts", "conflicts"
	indexDesign, indexName         = "couchmend-conflicts-index", "by-id"
)

// conflictsBody is the design document of the view: a row for each document in
// conflict, design documents too, its key the list of the conflicting revisions.
func conflictsBody() json.RawMessage {
	source := "function (doc) {\n  if (doc._conflicts) {\n    emit(doc._conflicts, null);\n  }\n}"
	return json.RawMessage(`{"language":"javascript","options":{"include_design":true},"views":{"` + conflictsView + `":{"map":` + string(jsondoc.String(source)) + `}}}`)
}

// conflictsIndex is the Mango index: its partial filter lets through what is in
// conflict, so that it holds nothing else.
func conflictsIndex() couch.Index {
	return couch.Index{Design: indexDesign, Name: indexName, Fields: []string{"_id"}, Partial: json.RawMessage(`{"_conflicts":{"$exists":true}}`)}
}
