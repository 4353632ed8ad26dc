package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/revtree"
)

// previewView is what document_preview.html shows: exactly what will be
// written, before it is.
type previewView struct {
	DB, ID   string
	What     string // "resolve", "delete" or "undo"
	Leaves   []couchmend.Rev
	Winner   couchmend.Rev // what the merge is written on top of
	Decision couchmend.Decision
	Nothing  bool // there is nothing to write
	Changes  []fieldRow
	Columns  []fieldColumn
	Text     string // the merged document, for people
	Draft    string // the text that it was made from
	Picks    picks  // and what was picked, for the way back
	Rule     string
	Problems []document.Problem // of the schema: it can be written in spite of them
	Unsaid   bool               // the person has not said that it should
	Failed   string             // what CouchDB said when it was to be written
	Note     string
	Entry    *ledger.Entry // that an undo takes back
	Restored []couchmend.Revision
}

// pinned reads the leaves that a form is about (I3).
func (v *visit) pinned() ([]couchmend.Rev, error) {
	var pins []couchmend.Rev
	for _, text := range v.r.PostForm["leaf"] {
		rev, err := couchmend.ParseRev(text)
		if err != nil {
			return nil, refuse(couchmend.KindUsage, err.Error())
		}
		pins = append(pins, rev)
	}
	if pins == nil {
		return nil, refuse(couchmend.KindUsage, "the form does not say which leaves it is about")
	}
	return pins, nil
}

// lookPinned reads the document that a form is about; moved says how its leaves
// differ from the form's, nil where they don't.
func (v *visit) lookPinned() (seen *document.Sight, moved *document.Change, err error) {
	pins, err := v.pinned()
	if err != nil {
		return nil, nil, err
	}
	if seen, err = v.look(); err != nil {
		return nil, nil, err
	}
	return seen, seen.Since(pins), nil
}

// posted is the draft of a form.
func (v *visit) posted() draft {
	d := draft{picks: v.picked()}
	if v.r.PostForm.Has("document") {
		d.text = []byte(v.r.PostForm.Get("document"))
	}
	return d
}

// announce shows the document as it is now to somebody who was about to decide
// on what it was. Their draft stays; nothing was written (I3).
func (v *visit) announce(seen *document.Sight, d draft, moved *document.Change) error {
	d.moved = moved
	if v.api {
		return &couchmend.Error{Op: "resolve", DB: seen.Conflict.DB, ID: seen.Conflict.ID, Kind: couchmend.KindConflict, Err: errors.New("the document has changed. " + moved.String())}
	}
	return v.showDocument(http.StatusConflict, seen, d)
}

// compose makes a draft from picks: of all fields that differ, of one side as it
// is, or, where the form says which field was just picked, of that one in the
// draft that there is, so that nothing that was written by hand is lost.
func (v *visit) compose() error {
	v.api = strings.HasPrefix(v.r.Header.Get("Accept"), "application/json") // a script of the page asks
	seen, moved, err := v.lookPinned()
	if err != nil {
		return err
	}
	d := v.posted()
	if moved != nil {
		return v.announce(seen, d, moved)
	}
	c, err := seen.Beside(v.r.Context(), v.mender)
	if err != nil {
		return err
	}
	if all := v.r.PostForm.Get("all"); all != "" { // one side, as it is
		for _, f := range c.Fields {
			d.picks[pickName(f)] = all
		}
	}
	only := v.r.PostForm.Get("only")
	switch at := slices.IndexFunc(c.Fields, func(f document.Field) bool { return pickName(f) == only }); {
	case v.r.PostForm.Get("keep") != "": // back from the preview
	case at >= 0 && d.text != nil:
		if d.text, err = seen.Put(c, d.text, c.Fields[at], d.picks.side(c, c.Fields[at])); err != nil {
			return err
		}
	default:
		d.text = c.Assemble(func(f document.Field) int { return d.picks.side(c, f) })
	}
	if v.api {
		return v.json(http.StatusOK, map[string]string{"document": string(d.text)})
	}
	return v.showDocument(http.StatusOK, seen, d)
}

// checked is what check answers.
type checked struct {
	Rule     string             `json:"rule"` // that the policy has for it; "": none
	Problems []document.Problem `json:"problems"`
}

// check says what is wrong with a draft, and where.
func (v *visit) check() error {
	v.api = true
	seen, _, err := v.lookPinned()
	if err != nil {
		return err
	}
	answer := checked{Problems: []document.Problem{}}
	_, rule, problems := seen.Check(v.mender, []byte(v.r.PostForm.Get("document")))
	answer.Rule = rule
	answer.Problems = append(answer.Problems, problems...)
	return v.json(http.StatusOK, answer)
}

// previewChoice shows exactly what a draft, or a deletion, would write.
func (v *visit) previewChoice() error {
	seen, moved, err := v.lookPinned()
	if err != nil {
		return err
	}
	if moved != nil {
		return v.announce(seen, v.posted(), moved)
	}
	p, err := v.planned(seen)
	if err != nil {
		return err
	}
	return v.preview(http.StatusOK, seen, p, nil)
}

// plan is a person's decision, ready to be applied.
type plan struct {
	what     string // the journal's kind
	decision couchmend.Decision
	rule     string
	problems []document.Problem
}

// planned makes the form's draft or deletion a decision. Problems that can't be
// written are in the plan, without a decision.
func (v *visit) planned(seen *document.Sight) (plan, error) {
	p := plan{what: "resolve"}
	var err error
	if v.r.PostForm.Get("what") == "delete" {
		p.what = "delete"
		p.decision, err = seen.Delete(v.Name())
		return p, err
	}
	var choice decide.Choice
	choice, p.rule, p.problems = seen.Check(v.mender, v.posted().text)
	if !document.Writable(p.problems) {
		return p, nil
	}
	choice.By = v.Name()
	p.decision, err = seen.Decide(v.r.Context(), v.mender, choice)
	return p, err
}

// preview shows a plan; failed is why it could not be written.
func (v *visit) preview(status int, seen *document.Sight, p plan, failed error) error {
	if !document.Writable(p.problems) {
		return v.showDocument(http.StatusUnprocessableEntity, seen, v.posted())
	}
	view := previewView{
		DB: seen.Conflict.DB, ID: seen.Conflict.ID, What: p.what, Leaves: seen.LeafRevs(), Winner: seen.LeafRevs()[0],
		Decision: p.decision, Nothing: p.decision.Merge == nil && len(p.decision.Bury) == 0,
		Draft: string(v.posted().text), Picks: v.picked(), Rule: p.rule, Problems: p.problems, Unsaid: status == http.StatusUnprocessableEntity, Note: v.r.PostForm.Get("note"),
	}
	if failed != nil {
		view.Failed = words(failed)
	}
	if m := p.decision.Merge; m != nil {
		before := seen.SideOf(seen.Leaves()[0])
		table, files := tabulate(seen.Compare(before, document.Side{Name: document.Merged, Revision: *m}), couchmend.Decision{}, nil)
		view.Columns, view.Changes = table.Columns, table.Differ
		for _, row := range files.Differ() {
			view.Changes = append(view.Changes, row.fieldRow)
		}
		view.Columns[1].Name = "Will be"
		view.Text = string(document.Indent(m.Body))
	}
	return v.renderStatus(status, "document_preview", page{Title: "Write " + view.ID, Nav: "/cases", Data: view})
}

// apply writes what was previewed, if the document still has the leaves that it
// was made from; otherwise it announces what changed, and writes nothing (I3).
func (v *visit) apply() error {
	seen, moved, err := v.lookPinned()
	if err != nil {
		return err
	}
	if moved != nil {
		return v.announce(seen, v.posted(), moved)
	}
	p, err := v.planned(seen)
	if err != nil {
		return err
	}
	switch {
	case !document.Writable(p.problems), len(p.problems) > 0 && v.r.PostForm.Get("anyway") == "":
		return v.preview(http.StatusUnprocessableEntity, seen, p, nil)
	}
	err = v.mender.Apply(v.r.Context(), seen.Conflict, p.decision, p.what, v.Name(), v.r.PostForm.Get("note"))
	if err != nil {
		return v.unwritten(seen, p, err)
	}
	v.say(written(p))
	return v.redirect(documentLink(seen.Conflict.DB, seen.Conflict.ID))
}

// unwritten answers where a plan was not written, or not wholly: with what came
// meanwhile, or with the plan and CouchDB's words. The draft is kept.
func (v *visit) unwritten(seen *document.Sight, p plan, err error) error {
	switch couchmend.KindOf(err) {
	case couchmend.KindConflict: // a leaf came while we wrote
		if now, moved, lookErr := v.lookPinned(); lookErr == nil && moved != nil {
			return v.announce(now, v.posted(), moved)
		}
	case couchmend.KindForbidden, couchmend.KindRefused, couchmend.KindTooLarge, couchmend.KindUnreachable, couchmend.KindServer, couchmend.KindFull:
		return v.preview(statusOf(err), seen, p, err)
	}
	return err
}

// written says what was done.
func written(p plan) string {
	switch d := p.decision; {
	case p.what == "delete":
		return "Deleted: " + plural(len(d.Bury), "tombstone") + " written."
	case d.Merge != nil:
		return "Written: " + shortRev(d.Merge.Rev) + " contains every leaf. Undo takes it back."
	case len(d.Bury) > 0:
		return "Written: " + plural(len(d.Bury), "tombstone") + ". The winner stands."
	}
	return "The document is that already: nothing was written."
}

// undo shows what taking the newest decision back would write, and takes it
// back where that was confirmed.
func (v *visit) undo() error {
	seen, moved, err := v.lookPinned()
	if err != nil {
		return err
	}
	if moved != nil {
		return v.announce(seen, draft{}, moved)
	}
	db, id := seen.Conflict.DB, seen.Conflict.ID
	undone, err := v.mender.Undo(v.r.Context(), db, id, v.Name(), true)
	if err != nil {
		return err
	}
	if v.r.PostForm.Get("entry") != entryName(undone) {
		return v.render("document_preview", page{Title: "Undo " + id, Nav: "/cases", Data: previewView{
			DB: db, ID: id, What: "undo", Leaves: seen.LeafRevs(), Entry: &undone.Entry, Restored: undone.Restored,
		}})
	}
	if _, err := v.mender.UndoShown(v.r.Context(), db, id, v.Name(), seen.LeafRevs()); err != nil {
		return err
	}
	v.say("Taken back: its leaves are live again, and wait for a person.")
	return v.redirect(documentLink(db, id))
}

// entryName tells entries of one document's journal apart.
func entryName(u mender.Undone) string { return u.Entry.Time.UTC().Format(time.RFC3339Nano) }

// Name is the entry's, see entryName.
func (p previewView) Name() string { return entryName(mender.Undone{Entry: *p.Entry}) }

// Parent is what a restored revision is a child of: marks are no revisions.
func (previewView) Parent(r couchmend.Revision) couchmend.Rev {
	for _, ancestor := range r.Path[1:] {
		if !revtree.IsMark(ancestor) {
			return ancestor
		}
	}
	return couchmend.Rev{}
}

// dismiss lets a conflict stand as it is.
func (v *visit) dismiss() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	if err := document.Dismiss(v.r.Context(), v.mender, db, id, v.Name(), v.r.PostForm.Get("note")); err != nil {
		return err
	}
	v.say("Dismissed: it stands as it is until the document changes.")
	return v.redirect(documentLink(db, id))
}

// retry has a document in review decided again.
func (v *visit) retry() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	waits, found, err := v.Ledger.Case(v.r.Context(), db, id)
	switch {
	case err != nil:
		return err
	case !found:
		return document.NotInReview(db, id)
	}
	if err := document.Retry(v.r.Context(), v.Ledger, waits); err != nil {
		return err
	}
	v.say("To be decided again: a run takes it from the queue.")
	return v.redirect(documentLink(db, id))
}
