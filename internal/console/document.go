package console

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
)

// documentBody bounds the form of a document: CouchDB takes documents of
// 8,000,000 bytes, and a form writes many of them as three.
const documentBody = 32 << 20

func documentRoutes() []route {
	return slices.Concat([]route{
		{pattern: "GET /document", serve: (*visit).documentPage},
		{pattern: "GET /document/attachment", serve: (*visit).attachment},
		{pattern: "GET " + documentEvents, serve: (*visit).documentLive},
		{pattern: "POST /document/compose", serve: (*visit).compose, body: documentBody},
		{pattern: "POST /document/check", serve: (*visit).check, body: documentBody},
		{pattern: "POST /document/preview", serve: (*visit).previewChoice, body: documentBody},
		{pattern: "POST /document/apply", serve: (*visit).apply, body: documentBody},
		{pattern: "POST /document/undo", serve: (*visit).undo},
		{pattern: "POST /document/dismiss", serve: (*visit).dismiss},
		{pattern: "POST /document/retry", serve: (*visit).retry},
	}, documentAPI())
}

// documentView is what document.html shows.
type documentView struct {
	DB, ID   string
	Leaves   []couchmend.Rev // what decisions made here are pinned to (I3)
	Conflict couchmend.Conflict
	Decision couchmend.Decision
	State    string
	Verdict  string
	Case     *ledger.Case
	Old      bool // the case is about other leaves
	Tree     treeView
	Fields   fieldTable
	Files    fileTable
	Journal  []ledger.Entry // newest first
	Undoable bool
	Open     bool // there is something to decide

	Draft     string
	Rule      string
	Problems  []document.Problem
	Fits      bool             // there is a schema, and the draft satisfies it
	Moved     *document.Change // since the person was shown it; nil: nothing
	Mine      bool             // the draft is the person's, not the first proposal
	DraftSize int              // in lines
}

// shownEntries is how many entries of the journal the page has; the history has
// all.
const shownEntries = 12

// look reads the document that the request names.
func (v *visit) look() (*document.Sight, error) {
	db, id, err := v.document()
	if err != nil {
		return nil, err
	}
	return document.Look(v.r.Context(), v.mender, db, id)
}

// draft is what a person has made of a document so far.
type draft struct {
	text  []byte // nil: nothing yet, so that the proposal stands there
	picks picks
	moved *document.Change // the document has other leaves than the person was shown
}

// documentPage shows a document.
func (v *visit) documentPage() error {
	seen, err := v.look()
	if err != nil {
		return err
	}
	return v.showDocument(http.StatusOK, seen, draft{})
}

func (v *visit) showDocument(status int, seen *document.Sight, d draft) error {
	if err := seen.AskBodies(v.r.Context(), v.mender); err != nil {
		return err
	}
	compared, err := seen.Beside(v.r.Context(), v.mender)
	if err != nil {
		return err
	}
	waits := seen.Case != nil && !seen.Case.Dismissed
	view := documentView{
		DB: seen.Conflict.DB, ID: seen.Conflict.ID, Leaves: seen.LeafRevs(), Conflict: seen.Conflict, Decision: seen.Decision,
		State: seen.State(), Verdict: document.Verdict(seen.Decision), Case: seen.Case, Old: seen.CaseMoved(),
		Open:     seen.Decision.Outcome != couchmend.Nothing || waits && len(seen.Conflict.Leaves) == 0,
		Mine:     d.text != nil,
		Moved:    d.moved,
		Tree:     drawTree(seen.Tree),
		Undoable: undoable(seen.History),
	}
	view.Fields, view.Files = tabulate(compared, seen.Decision, d.picks)
	for _, e := range slices.Backward(seen.History) {
		if len(view.Journal) < shownEntries {
			view.Journal = append(view.Journal, e)
		}
	}
	if d.moved != nil {
		view.Tree.mark(d.moved.New)
	}
	if view.Open {
		if d.text == nil {
			d.text = compared.Assemble(func(document.Field) int { return -1 })
		}
		_, view.Rule, view.Problems = seen.Check(v.mender, d.text)
		view.Draft, view.DraftSize = string(d.text), 1+strings.Count(string(d.text), "\n")
		view.Fits = view.Rule != "" && len(view.Problems) == 0
	}
	return v.renderStatus(status, "document", page{Title: view.ID, Nav: "/cases", Data: view})
}

// undoable reports whether the newest entry that wrote something can be taken
// back, as far as the journal tells.
func undoable(history []ledger.Entry) bool {
	for _, e := range slices.Backward(history) {
		if e.Decision.Merge != nil || len(e.Decision.Bury) > 0 {
			return e.Kind != "undo" && e.Kind != "rollback" && e.Kind != "split"
		}
	}
	return false
}

// longRev is a revision id with all of its hash.
var longRev = regexp.MustCompile(`\b(\d+-[0-9a-f]{7})[0-9a-f]{25}\b`)

// Brief shortens the revision ids in a sentence.
func (documentView) Brief(sentence string) string {
	return longRev.ReplaceAllString(sentence, "$1")
}

// Origins says of a document that is not in conflict where the fields of its
// last merge came from (I10).
func (d documentView) Origins() []couchmend.Origin {
	if d.Open || len(d.Conflict.Leaves) == 0 {
		return nil
	}
	for _, e := range d.Journal {
		if m := e.Decision.Merge; m != nil && slices.Contains(d.Conflict.Leaves[0].Path, m.Rev) {
			return e.Decision.Fields
		}
	}
	return nil
}

// Events is where the page hears that the document's leaves have changed.
func (d documentView) Events() string { return documentEvents + documentQuery(d.DB, d.ID) }

// EditorRows is how many lines a plain text field shows.
func (d documentView) EditorRows() int { return min(max(8, d.DraftSize+1), 40) }

// Evidence is why it waits, in sentences: the case's, as long as it is about
// the leaves that there are.
func (d documentView) Evidence() []string {
	if d.Case != nil && !d.Old {
		return d.Case.Evidence
	}
	return d.Decision.Evidence
}

// shownEvidence is how many of its sentences are seen at once.
const shownEvidence = 5

// FirstEvidence are the sentences that are seen at once.
func (d documentView) FirstEvidence() []string {
	all := d.Evidence()
	return all[:min(len(all), shownEvidence)]
}

// MoreEvidence are the sentences that are folded.
func (d documentView) MoreEvidence() []string {
	all := d.Evidence()
	return all[min(len(all), shownEvidence):]
}

// Last is the journal's newest entry, nil where it holds none.
func (d documentView) Last() *ledger.Entry {
	if len(d.Journal) == 0 {
		return nil
	}
	return &d.Journal[0]
}
