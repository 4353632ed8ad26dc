package console

import (
	"encoding/json"
	"net/http"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
)

// documentAPI is what the document's page shows and does, for programs: see
// openapi.yaml.
func documentAPI() []route {
	return []route{
		{pattern: "GET /api/v1/document", serve: (*visit).apiDocument},
		{pattern: "GET /api/v1/document/tree", serve: (*visit).apiTree},
		{pattern: "GET /api/v1/document/diff", serve: (*visit).apiDiff},
		{pattern: "GET /api/v1/document/history", serve: (*visit).apiHistory},
		{pattern: "GET /api/v1/document/attachment", serve: (*visit).attachment},
		{pattern: "POST /api/v1/document/check", serve: (*visit).apiCheck, body: documentBody},
		{pattern: "POST /api/v1/document/resolve", serve: (*visit).apiResolve, body: documentBody},
		{pattern: "POST /api/v1/document/undo", serve: (*visit).apiUndo},
		{pattern: "POST /api/v1/document/dismiss", serve: (*visit).apiDismiss},
		{pattern: "POST /api/v1/document/retry", serve: (*visit).apiRetry},
	}
}

func (v *visit) apiDocument() error {
	seen, err := v.look()
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, seen.Facts())
}

func (v *visit) apiTree() error {
	seen, err := v.look()
	if err == nil {
		err = seen.AskBodies(v.r.Context(), v.mender)
	}
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, seen.Tree)
}

// apiDiff compares the sides that the page does, or the revisions that ?rev=
// names.
func (v *visit) apiDiff() error {
	seen, err := v.look()
	if err != nil {
		return err
	}
	var sides []document.Side
	for _, text := range v.r.URL.Query()["rev"] {
		rev, err := seen.Find(text)
		if err != nil {
			return err
		}
		r, err := seen.Revision(v.r.Context(), v.mender, rev)
		if err != nil {
			return err
		}
		sides = append(sides, seen.SideOf(r))
	}
	return v.json(http.StatusOK, seen.Compare(sides...))
}

func (v *visit) apiHistory() error {
	seen, err := v.look()
	if err != nil {
		return err
	}
	entries := []ledger.Entry{}
	for _, e := range seen.History {
		entries = append(entries, document.SlimEntry(e))
	}
	return v.json(http.StatusOK, map[string]any{"entries": entries})
}

// documentOrder is what a program wants done with a document. Leaves are those that it
// was decided from: with others by now nothing is done (I3).
type documentOrder struct {
	DB       string          `json:"db"`
	ID       string          `json:"id"`
	Leaves   []couchmend.Rev `json:"leaves"`
	Document json.RawMessage `json:"document"`
	Pick     string          `json:"pick"`   // a revision to take as it is, instead
	Delete   bool            `json:"delete"` // instead
	Anyway   bool            `json:"despite_schema"`
	DryRun   bool            `json:"dry_run"`
	Note     string          `json:"note"`
}

// documentOrder reads a request and looks at the document that it is about. Where the
// request must name leaves, they are checked.
func (v *visit) documentOrder(pinned bool) (o documentOrder, seen *document.Sight, err error) {
	if err := v.body(&o); err != nil {
		return o, nil, err
	}
	if o.DB == "" || o.ID == "" {
		return o, nil, refuse(couchmend.KindUsage, "want db and id, the names of a database and a document")
	}
	if err := v.see(o.DB); err != nil {
		return o, nil, err
	}
	if seen, err = document.Look(v.r.Context(), v.mender, o.DB, o.ID); err != nil || !pinned {
		return o, seen, err
	}
	if len(o.Leaves) == 0 {
		return o, seen, refuse(couchmend.KindUsage, "want leaves: all that the document was seen with")
	}
	return o, seen, seen.Pinned(o.Leaves)
}

func (v *visit) apiCheck() error {
	o, seen, err := v.documentOrder(false)
	if err != nil {
		return err
	}
	_, rule, problems := seen.Check(v.mender, o.Document)
	return v.json(http.StatusOK, checked{Rule: rule, Problems: append([]document.Problem{}, problems...)})
}

// refusedDocument is the answer to a document that is not written.
type refusedDocument struct {
	Error    string             `json:"error"`
	Kind     couchmend.Kind     `json:"kind"`
	Problems []document.Problem `json:"problems"`
}

func (v *visit) apiResolve() error {
	o, seen, err := v.documentOrder(true)
	if err != nil {
		return err
	}
	ways := 0
	for _, said := range []bool{o.Document != nil, o.Pick != "", o.Delete} {
		if said {
			ways++
		}
	}
	if ways != 1 {
		return refuse(couchmend.KindUsage, "say what the document is to become: document, pick or delete")
	}
	d, problems, err := v.ordered(o, seen)
	if err != nil {
		return err
	}
	if len(problems) > 0 && (!o.Anyway || !document.Writable(problems)) {
		return v.json(http.StatusUnprocessableEntity, refusedDocument{"the document is not as it should be", couchmend.KindUsage, problems})
	}
	if !o.DryRun {
		kind := "resolve"
		if o.Delete {
			kind = "delete"
		}
		if err := v.mender.Apply(v.r.Context(), seen.Conflict, d, kind, v.Name(), o.Note); err != nil {
			return err
		}
	}
	return v.json(http.StatusOK, map[string]any{"written": !o.DryRun, "decision": document.SlimDecision(d)})
}

// ordered makes an order a decision.
func (v *visit) ordered(o documentOrder, seen *document.Sight) (couchmend.Decision, []document.Problem, error) {
	var choice decide.Choice
	var problems []document.Problem
	switch {
	case o.Delete:
		d, err := seen.Delete(v.Name())
		return d, nil, err
	case o.Pick != "":
		rev, err := seen.Find(o.Pick)
		if err != nil {
			return couchmend.Decision{}, nil, err
		}
		r, err := seen.Revision(v.r.Context(), v.mender, rev)
		if err == nil {
			choice, err = document.Take(r)
		}
		if err != nil {
			return couchmend.Decision{}, nil, err
		}
	default:
		if choice, _, problems = seen.Check(v.mender, o.Document); !document.Writable(problems) {
			return couchmend.Decision{}, problems, nil
		}
	}
	choice.By = v.Name()
	d, err := seen.Decide(v.r.Context(), v.mender, choice)
	return d, problems, err
}

func (v *visit) apiUndo() error {
	o, _, err := v.documentOrder(true)
	if err != nil {
		return err
	}
	undone, err := v.mender.Undo(v.r.Context(), o.DB, o.ID, v.Name(), true)
	if err == nil && !o.DryRun {
		undone, err = v.mender.UndoShown(v.r.Context(), o.DB, o.ID, v.Name(), o.Leaves)
	}
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, map[string]any{"written": !o.DryRun, "entry": document.SlimEntry(undone.Entry), "restored": document.Slim(undone.Restored)})
}

func (v *visit) apiDismiss() error {
	o, _, err := v.documentOrder(false)
	if err == nil {
		err = document.Dismiss(v.r.Context(), v.mender, o.DB, o.ID, v.Name(), o.Note)
	}
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, map[string]bool{"dismissed": true})
}

func (v *visit) apiRetry() error {
	o, seen, err := v.documentOrder(false)
	switch {
	case err != nil:
		return err
	case seen.Case == nil:
		return document.NotInReview(o.DB, o.ID)
	}
	if err := document.Retry(v.r.Context(), v.Ledger, *seen.Case); err != nil {
		return err
	}
	return v.json(http.StatusOK, map[string]bool{"queued": true})
}
