package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// errNoEntry is the answer about an entry that there is not, and about one that
// the person may not know of.
var errNoEntry = refuse(couchmend.KindNotFound, "the journal has no such entry, or no longer: it remembers as long as its undo horizon")

// entryNumber reads an entry of the journal by its number.
func (v *visit) entryNumber(text string) (uint64, ledger.Entry, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number == 0 {
		return 0, ledger.Entry{}, refuse(couchmend.KindUsage, "want the number of an entry of the journal")
	}
	e, err := v.Ledger.Entry(v.r.Context(), number)
	if couchmend.KindOf(err) == couchmend.KindNotFound {
		return 0, e, errNoEntry
	}
	if err != nil {
		return 0, e, err
	}
	switch ok, err := v.sees(v.r.Context(), e.DB); {
	case err != nil:
		return 0, e, err
	case !ok:
		return 0, ledger.Entry{}, errNoEntry
	}
	return number, e, nil
}

func (v *visit) entryAPI() error {
	_, e, err := v.entryNumber(v.r.PathValue("number"))
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, document.SlimEntry(e))
}

const (
	// shownSides bounds the leaves that the page puts side by side.
	shownSides = 6
	// shownText bounds the text of one value on the page, in bytes.
	shownText = 2000
	// shownBody bounds that of a document; the API has all of it.
	shownBody = 64 << 10
)

// entryView is what entry.html shows: one entry of the journal.
type entryView struct {
	Number uint64
	Entry  ledger.Entry
	Sides  []document.Side
	Hidden int // leaves that have no column
	Differ []entryField
	Alike  []entryField
	Undo   *undoView // where the person asks for it
	Moved  string    // how the document changed since an undo was shown
}

// entryField is a field of what was decided.
type entryField struct {
	Path   string
	Values []entryValue // one for each side
	Origin *couchmend.Origin
}

// entryValue is what one side has there.
type entryValue struct {
	Absent bool
	Text   string
	Cut    bool
}

// undoView is what taking the newest decision on a document back would write.
type undoView struct {
	mender.Undone
	Another bool   // the newest decision is another one than the entry
	Cannot  string // why nothing can be undone
}

// Text is a restored body for people.
func (undoView) Text(r couchmend.Revision) string {
	return cutText(string(document.Indent(r.Body)), shownBody)
}

func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + " …"
}

// newEntryView lays out what an entry tells.
func newEntryView(number uint64, e ledger.Entry) entryView {
	view := entryView{Number: number, Entry: e}
	if len(e.Bases) == 1 {
		view.Sides = append(view.Sides, document.Side{Name: document.Base, Rev: e.Bases[0].Rev, Revision: e.Bases[0]})
	}
	for i, leaf := range e.Leaves {
		name := document.Leaf
		if i == 0 && !leaf.Deleted {
			name = document.Winner
		}
		if leaf.Deleted {
			name = document.Deleted
		}
		if i < shownSides {
			view.Sides = append(view.Sides, document.Side{Name: name, Rev: leaf.Rev, Revision: leaf})
		} else {
			view.Hidden++
		}
	}
	if m := e.Decision.Merge; m != nil {
		view.Sides = append(view.Sides, document.Side{Name: document.Merged, Rev: m.Rev, Revision: *m})
	}
	if len(view.Sides) == 0 {
		return view
	}
	origins := map[string]*couchmend.Origin{}
	for i := range e.Decision.Fields {
		origins[e.Decision.Fields[i].Path] = &e.Decision.Fields[i]
	}
	for _, f := range document.Compare(view.Sides) {
		field := entryField{Path: f.Path(), Origin: origins[f.Path()]}
		for _, value := range f.Values {
			text := string(value)
			field.Values = append(field.Values, entryValue{Absent: value == nil, Text: cutText(text, shownText), Cut: len(text) > shownText})
		}
		if f.Differs {
			view.Differ = append(view.Differ, field)
		} else {
			view.Alike = append(view.Alike, field)
		}
	}
	return view
}

// Back reports whether the entry took a decision back: what it shows as the
// merge is no longer there.
func (e entryView) Back() bool { return e.Entry.Kind == "undo" || e.Entry.Kind == "undo_refused" }

// Undoable reports whether the entry wrote something that an undo may take
// back. Only CouchDB and the rest of the journal tell whether it does.
func (e entryView) Undoable() bool {
	d := e.Entry.Decision
	return !e.Back() && e.Entry.Kind != "split" && e.Entry.Kind != "follow" && e.Entry.Kind != "rollback" && (d.Merge != nil || len(d.Bury) > 0)
}

// Heading says what was done to which document.
func (e entryView) Heading() string { return deedWords(e.Entry.Kind) }

// UndoLink is the address of the page with what an undo would write.
func (e entryView) UndoLink() string { return fmt.Sprintf("/history/entry?n=%d&undo=1", e.Number) }

// entryPage shows one entry, and with ?undo=1 what an undo would write.
func (v *visit) entryPage() error {
	number, e, err := v.entryNumber(v.r.FormValue("n"))
	if err != nil {
		return err
	}
	view := newEntryView(number, e)
	if v.r.FormValue("undo") != "" {
		if view.Undo, err = v.planUndo(e); err != nil {
			return err
		}
	}
	return v.renderEntry(http.StatusOK, view)
}

func (v *visit) renderEntry(status int, view entryView) error {
	return v.renderStatus(status, "entry", page{Title: view.Entry.ID, Nav: "/history", Data: view})
}

// planUndo asks what an undo would write; that there is nothing to undo is an
// answer, too.
func (v *visit) planUndo(e ledger.Entry) (*undoView, error) {
	plan, err := v.mender.Undo(v.r.Context(), e.DB, e.ID, v.Name(), true)
	switch couchmend.KindOf(err) {
	case "":
		return &undoView{Undone: plan, Another: !plan.Entry.Time.Equal(e.Time)}, nil
	case couchmend.KindNotFound, couchmend.KindUsage:
		return &undoView{Cannot: causeOf(err)}, nil
	}
	return nil, err
}

// undoEntry takes the newest decision on a document back, if the document is as
// the person was shown it (I3).
func (v *visit) undoEntry() error {
	number, e, err := v.entryNumber(v.r.PostForm.Get("n"))
	if err != nil {
		return err
	}
	var shown []couchmend.Rev
	for _, text := range v.r.PostForm["leaf"] {
		rev, err := couchmend.ParseRev(text)
		if err != nil {
			return refuse(couchmend.KindUsage, err.Error())
		}
		shown = append(shown, rev)
	}
	_, err = v.mender.UndoShown(v.r.Context(), e.DB, e.ID, v.Name(), shown)
	if couchmend.KindOf(err) == couchmend.KindConflict {
		view := newEntryView(number, e)
		view.Moved = causeOf(err)
		if view.Undo, err = v.planUndo(e); err != nil {
			return err
		}
		return v.renderEntry(http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	v.Log.Info("undone", "db", e.DB, "doc_id", e.ID, "by", v.Name())
	v.say("Taken back. The leaves are live again, and wait for a person to resolve them.")
	return v.redirect(historyLink(e.DB, e.ID))
}

// causeOf is the innermost thing that an error says: what was being done, and
// where, stands beside it on the page.
func causeOf(err error) string {
	var e *couchmend.Error
	for errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	return err.Error()
}
