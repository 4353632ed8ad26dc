// Package splitter carries a collision's plan out: create → repoint → bury.
//
// Each version of the document is written under its new id and read back; then
// whatever refers to the old id is edited to refer to the one that it means;
// and last of all the old leaves are buried. How far that has got is stored
// before each step, and each step finds out by itself what of it is done: so a
// split that broke off anywhere can be resumed, by the same revision ids, or
// rolled back.
//
// References are edited as replicas edit: each leaf of a document that refers
// gets a child of its own. Where somebody saves the document in that moment
// both stand, and are merged by the policy: nothing is lost.
package splitter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
)

// Splitter plans splits and carries them out. One is for one goroutine.
type Splitter struct {
	Mender   *mender.Mender
	By, Note string // who has it done, and that person's words, for the journal
	// Progress, where there is one, is told of the search for references.
	Progress func(db string, done, total int64)
	// Watch, where there is one, is told what was written so far, after each
	// request that wrote.
	Watch func(Report)
	// Gate, where there is one, is asked before each write to a database, and
	// its error ends the split where it is (I12). Without one somebody watches
	// it, and answers: a person.
	Gate func(db string) error
}

// Request says what is to be split, and how.
type Request struct {
	DB, ID string
	// Also are other databases in which references are looked for.
	Also []string
	// Keep is a revision whose version keeps the id; none where zero.
	Keep couchmend.Rev
	// Substrings counts ids within longer strings, too.
	Substrings bool
}

// Split is a split that is planned, under way or done.
type Split struct {
	Plan  collision.Plan
	State ledger.Split
	// Late says that the split was done before, and the plan's references are
	// those that came later.
	Late bool

	conflict  couchmend.Conflict // what it was planned from
	knowledge collision.Knowledge
	meanings  *collision.Meanings // of references in documents as they are now; see means
}

// Report says what was written, by this call.
type Report struct {
	Created   []string          `json:"created,omitempty"`  // documents
	Documents int               `json:"documents"`          // revisions that were written for them
	Merged    []string          `json:"merged,omitempty"`   // documents saved meanwhile, merged by the policy; as db/id
	Left      []string          `json:"left,omitempty"`     // what was left as it is and why, a sentence each
	Buried    []couchmend.Rev   `json:"buried,omitempty"`   // leaves of the old document
	Followed  []couchmend.Rev   `json:"followed,omitempty"` // late leaves, written under their new ids
	Restored  []couchmend.Rev   `json:"restored,omitempty"` // leaves that are live again
	Deleted   []string          `json:"deleted,omitempty"`  // documents that a rollback took away
	Stage     ledger.SplitStage `json:"stage"`

	refused []refusal  // documents whose references could not be changed
	asked   []question // what nobody is there to answer
}

// question is a document of which it is not known what it refers to.
type question struct {
	db, id, words string
}

// refusal is a document that could not be edited.
type refusal struct {
	id  string
	err error
}

// refuse notes a document that could not be edited.
func (r *Report) refuse(id string, err error) {
	r.leave("%v", err)
	r.refused = append(r.refused, refusal{id, err})
}

// refusal is an error where documents could not be edited: nothing is buried
// while something refers to it that should not.
func (r *Report) refusal(p collision.Plan) error {
	if len(r.refused) == 0 {
		return nil
	}
	return fault(p.DB, p.ID, couchmend.KindRefused, "%d documents could not be edited (%s): mend that and --resume, or --rollback", len(r.refused), strings.Join(r.Left, "; "))
}

func (r *Report) leave(format string, args ...any) {
	if words := fmt.Sprintf(format, args...); !slices.Contains(r.Left, words) {
		r.Left = append(r.Left, words)
	}
}

// ask notes a reference of which nobody is there to say what it means.
func (r *Report) ask(ref collision.Repoint) {
	words := fmt.Sprintf("%s names %s, which was split: %s", ref.Place, ref.ID, ref.Reason)
	r.asked = append(r.asked, question{ref.DB, ref.Doc, words})
}

func (s *Splitter) watch(r Report) {
	if s.Watch != nil {
		s.Watch(r)
	}
}

func fault(db, id string, kind couchmend.Kind, format string, args ...any) error {
	return &couchmend.Error{Op: "split", DB: db, ID: id, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// db is a database, for writes that the gate lets through.
func (s *Splitter) db(name string) *couch.DB {
	db := s.Mender.Server.DB(name)
	if s.Gate == nil {
		return db
	}
	return db.Gated(func() error { return s.Gate(name) })
}

func (s *Splitter) rules(db string) decide.Rules {
	rules, _ := s.Mender.Rules(db)
	if rules == nil {
		return func(string, jsondoc.Value) *merge.Rule { return nil }
	}
	return rules
}

func (s *Splitter) knowledge() collision.Knowledge {
	return collision.Knowledge{Rules: func(db, id string, body jsondoc.Value) *merge.Rule { return s.rules(db)(id, body) }}
}

// means says what references mean in documents as they are now, and notes those
// that the plan does not know yet.
func (s *Splitter) means(split *Split, found []collision.Found) (all, fresh []collision.Repoint) {
	if split.meanings == nil {
		if split.knowledge.Rules == nil {
			split.knowledge = s.knowledge()
		}
		split.meanings = split.Plan.Meanings(split.knowledge)
	}
	all, fresh = split.meanings.Of(found)
	split.Plan.References = append(split.Plan.References, fresh...)
	return all, fresh
}

// Find returns what is stored of a document's split; nil where there was none.
func (s *Splitter) Find(ctx context.Context, db, id string) (*Split, error) {
	state, ok, err := s.Mender.Ledger.Split(ctx, db, id)
	if err != nil || !ok {
		return nil, err
	}
	found := &Split{State: state}
	if err := json.Unmarshal(state.Plan, &found.Plan); err != nil {
		return nil, fault(db, id, couchmend.KindOther, "the stored plan: %w", err)
	}
	return found, nil
}

// save stores how far a split has got.
func (s *Splitter) save(ctx context.Context, split *Split, stage ledger.SplitStage) error {
	plan := split.Plan
	plan.Versions = slices.Clone(plan.Versions)
	for i, v := range plan.Versions {
		if v.Revision != nil {
			plan.Versions[i].Revision = withoutData(*v.Revision)
		}
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return fault(plan.DB, plan.ID, couchmend.KindOther, "the plan: %w", err)
	}
	split.State.Plan, split.State.Stage = text, stage
	return s.Mender.Ledger.PutSplit(ctx, &split.State)
}

func withoutData(r couchmend.Revision) *couchmend.Revision {
	r.Attachments = slices.Clone(r.Attachments)
	for i := range r.Attachments {
		r.Attachments[i].Data = nil
	}
	return &r
}

// write writes revisions of one database and returns why each was refused. A
// quorum that is missing is an error: nothing may be built on what was not
// confirmed.
func (s *Splitter) write(ctx context.Context, db string, writes []couch.Write) ([]error, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	written, err := s.db(db).Write(ctx, writes)
	if err == nil && written.Accepted {
		err = fault(db, "", couchmend.KindUnreachable, "too few copies of the database confirm what was written")
	}
	return written.Errs, err
}

// writeAll is write where nothing may be refused.
func (s *Splitter) writeAll(ctx context.Context, db string, writes []couch.Write) error {
	errs, err := s.write(ctx, db, writes)
	return cmp.Or(err, errors.Join(errs...))
}
