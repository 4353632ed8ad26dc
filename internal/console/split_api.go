package console

import (
	"net/http"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/splitter"
)

func splitAPIRoutes() []route {
	return []route{
		{pattern: "GET /api/v1/splits", serve: (*visit).apiSplits},
		{pattern: "GET /api/v1/split", serve: (*visit).apiSplit},
		{pattern: "GET /api/v1/split/progress", serve: (*visit).apiSplitProgress},
		{pattern: "POST /api/v1/split/search", serve: (*visit).apiSearch, reads: true},
		{pattern: "POST /api/v1/split/drop", serve: (*visit).apiDrop, reads: true},
		{pattern: "POST /api/v1/split/choose", serve: (*visit).apiChoose, reads: true, body: splitBody},
		{pattern: "POST /api/v1/split/apply", serve: (*visit).apiApply},
		{pattern: "POST /api/v1/split/resume", serve: (*visit).apiResume},
		{pattern: "POST /api/v1/split/rollback", serve: (*visit).apiRollback},
	}
}

// splitOrder is what the API is asked to do with a document's split. Each call
// has members of its own; the others are refused.
type splitOrder struct {
	DB         string            `json:"db"`
	ID         string            `json:"id"`
	Keep       *couchmend.Rev    `json:"keep,omitempty"`       // search
	Also       []string          `json:"also,omitempty"`       // search
	Substrings bool              `json:"substrings,omitempty"` // search
	Pin        string            `json:"pin,omitempty"`        // choose, apply, rollback: of what was shown
	Choices    []referenceChoice `json:"choices,omitempty"`    // choose
	Note       string            `json:"note,omitempty"`       // apply, resume, rollback
}

// referenceChoice says what references mean: those at one place of documents of
// one database, or with Doc those of that document alone.
type referenceChoice struct {
	DB  string `json:"db"`
	At  string `json:"at"`
	Doc string `json:"doc,omitempty"`
	To  string `json:"to"`
}

func (v *visit) apiSplits() error {
	list, err := v.listSplits(v.r.Context())
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, list)
}

func (v *visit) apiSplit() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	return v.answerSplit(http.StatusOK, db, id)
}

func (v *visit) answerSplit(status int, db, id string) error {
	l, err := v.lookAtSplit(db, id)
	if err != nil {
		return err
	}
	return v.json(status, l)
}

// apiSplitProgress tells how far a split is, and asks CouchDB nothing of the
// document: a page asks again and again.
func (v *visit) apiSplitProgress() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	l := splitLook{DB: db, ID: id, Writer: v.splits.writer(db, id)}
	task, err := v.inHand(db, id)
	if err != nil {
		return err
	}
	l.Phase, l.Searched, l.Pin = task.phase, task.searched, task.pin
	if l.Stored, _, err = v.storedSplit(v.r.Context(), db, id); err != nil {
		return err
	}
	l.State = l.stateOf()
	return v.json(http.StatusOK, l)
}

// readSplitOrder reads what is asked for, of a document that the person sees.
func (v *visit) readSplitOrder() (o splitOrder, err error) {
	if err := v.body(&o); err != nil {
		return o, err
	}
	if o.DB == "" || o.ID == "" {
		return o, refuse(couchmend.KindUsage, "want db and id, the names of a database and a document")
	}
	return o, v.see(o.DB)
}

// orderSplit reads an order, has it done, and tells how the split stands then.
func (v *visit) orderSplit(do func(splitOrder) error) error {
	o, err := v.readSplitOrder()
	if err != nil {
		return err
	}
	if err := do(o); err != nil {
		return err
	}
	return v.answerSplit(http.StatusAccepted, o.DB, o.ID)
}

func (v *visit) apiSearch() error {
	return v.orderSplit(func(o splitOrder) error {
		r := splitter.Request{DB: o.DB, ID: o.ID, Also: o.Also, Substrings: o.Substrings}
		if o.Keep != nil {
			r.Keep = *o.Keep
		}
		return v.beginSearch(r)
	})
}

func (v *visit) apiDrop() error {
	return v.orderSplit(func(o splitOrder) error {
		v.splits.drop(v.taskKey(o.DB, o.ID))
		return nil
	})
}

func (v *visit) apiChoose() error {
	return v.orderSplit(func(o splitOrder) error {
		return v.splits.change(v.taskKey(o.DB, o.ID), o.Pin, func(p collision.Plan) (collision.Plan, error) {
			for _, c := range o.Choices {
				var err error
				if p, err = p.Choose(c.DB, c.At, c.Doc, c.To); err != nil {
					return p, err
				}
			}
			return p, nil
		})
	})
}

func (v *visit) apiApply() error {
	return v.orderSplit(func(o splitOrder) error {
		if _, err := v.inHand(o.DB, o.ID); err != nil { // drops what the person may not have written
			return err
		}
		return v.splits.apply(v.person, o.DB, o.ID, o.Pin, o.Note)
	})
}

func (v *visit) apiResume() error {
	return v.orderSplit(func(o splitOrder) error { return v.beginResume(o.DB, o.ID, o.Note) })
}

func (v *visit) apiRollback() error {
	return v.orderSplit(func(o splitOrder) error { return v.beginRollback(o.DB, o.ID, o.Pin, o.Note) })
}
