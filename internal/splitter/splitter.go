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

	conflict couchmend.Conflict // what it was planned from
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

	refused []string // documents whose references could not be changed, as db/id
}

func (r *Report) leave(format string, args ...any) {
	if words := fmt.Sprintf(format, args...); !slices.Contains(r.Left, words) {
		r.Left = append(r.Left, words)
	}
}

func fault(db, id string, kind couchmend.Kind, format string, args ...any) error {
	return &couchmend.Error{Op: "split", DB: db, ID: id, Kind: kind, Err: fmt.Errorf(format, args...)}
}

func (s *Splitter) db(name string) *couch.DB { return s.Mender.Server.DB(name) }

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

// leaves reads the leaves of a document; none where there is no such document.
func (s *Splitter) leaves(ctx context.Context, db, id string) (live, dead []couchmend.Revision, err error) {
	all, err := s.db(db).Leaves(ctx, id)
	if couchmend.KindOf(err) == couchmend.KindNotFound {
		return nil, nil, nil
	}
	for _, leaf := range all {
		if leaf.Deleted {
			dead = append(dead, leaf)
		} else {
			live = append(live, leaf)
		}
	}
	return live, dead, err
}
