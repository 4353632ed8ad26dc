package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
	"github.com/couchmend/couchmend/internal/splitter"
)

// splitLook is where the split of a document stands, as one person sees it.
type splitLook struct {
	DB    string     `json:"db"`
	ID    string     `json:"id"`
	Phase splitPhase `json:"phase"`
	// Plan is the one in hand, or what is stored of a split, or, without
	// References, what can be told before these are looked for. Nil where there
	// is nothing to split: Error says why.
	Plan *collision.Plan `json:"plan,omitempty"`
	// Pin stands for the plan in hand: choices and the word to write name it.
	Pin      string           `json:"pin,omitempty"`
	Late     bool             `json:"late,omitempty"`    // the plan is about what came after a split
	Nothing  bool             `json:"nothing,omitempty"` // and nothing came
	Searched []searched       `json:"searched,omitempty"`
	Stored   *storedSplit     `json:"split,omitempty"`
	Report   *splitter.Report `json:"report,omitempty"` // of what was written last
	Error    string           `json:"error,omitempty"`  // of what was tried last
	Writer   string           `json:"writer,omitempty"` // who has it written by this console, right now

	// State stands for what is going on: progress.js compares it.
	State string `json:"state"`

	request splitter.Request
}

// storedSplit is what the ledger has of a split, beside its plan.
type storedSplit struct {
	Stage      ledger.SplitStage `json:"stage"`
	By         string            `json:"by"`
	Started    time.Time         `json:"started"`
	Also       []string          `json:"also,omitempty"`
	Substrings bool              `json:"substrings,omitempty"`
	UnderWay   bool              `json:"under_way,omitempty"` // something is left to be written
	Pin        string            `json:"pin"`                 // stands for the split as it is now: taking it back names it
	// Hidden says that it reaches into databases that the person has no rights
	// on: what is there is not told, and the person can't go on with it.
	Hidden bool `json:"hidden,omitempty"`
}

func (v *visit) taskKey(db, id string) taskKey { return taskKey{v.Name(), db, id} }

// lookAtSplit gathers where a document's split stands. The person sees db.
func (v *visit) lookAtSplit(db, id string) (*splitLook, error) {
	ctx := v.r.Context()
	task, err := v.inHand(db, id)
	if err != nil {
		return nil, err
	}
	l := &splitLook{
		DB: db, ID: id, Phase: task.phase, Pin: task.pin, Searched: task.searched, Report: task.report,
		Writer: v.splits.writer(db, id), request: task.request,
	}
	if task.err != nil {
		l.Error = words(task.err)
	}
	stored, plan, err := v.storedSplit(ctx, db, id)
	if err != nil {
		return nil, err
	}
	l.Stored = stored
	switch {
	case task.split != nil:
		l.Plan, l.Late, l.Nothing = &task.split.Plan, task.split.Late, task.split.Nothing()
	case plan != nil && stored.Stage != ledger.SplitRolledBack:
		l.Plan = plan
	default:
		if l.Plan, err = v.versions(ctx, db, id); couchmend.KindOf(err) == couchmend.KindUsage {
			l.Error, err = words(err), nil
		}
		if err != nil {
			return nil, err
		}
	}
	if l.Plan != nil {
		l.Plan = slimPlan(*l.Plan)
	}
	l.State = l.stateOf()
	return l, nil
}

// inHand returns what the person has in hand of a document's split. What reaches
// into databases that they had rights on and have no more is dropped.
func (v *visit) inHand(db, id string) (splitTask, error) {
	task := v.splits.look(v.taskKey(db, id))
	for _, other := range task.request.Also {
		seen, err := v.sees(v.r.Context(), other)
		if err != nil {
			return splitTask{}, err
		}
		if !seen {
			v.splits.drop(v.taskKey(db, id))
			return splitTask{err: refuse(couchmend.KindOther, "your rights have changed since you looked for references")}, nil
		}
	}
	return task, nil
}

// storedSplit reads what the ledger has of a split, without what the person may
// not see of it; nil where it has nothing.
func (v *visit) storedSplit(ctx context.Context, db, id string) (*storedSplit, *collision.Plan, error) {
	s, ok, err := v.Ledger.Split(ctx, db, id)
	if err != nil || !ok {
		return nil, nil, err
	}
	var plan collision.Plan
	if err := json.Unmarshal(s.Plan, &plan); err != nil {
		return nil, nil, err
	}
	stored := &storedSplit{Stage: s.Stage, By: s.By, Started: s.Started, Substrings: s.Substrings, UnderWay: s.Stage.UnderWay(), Pin: pinOf(s)}
	hidden := map[string]bool{}
	for _, other := range s.Also {
		seen, err := v.sees(ctx, other)
		if err != nil {
			return nil, nil, err
		}
		if seen {
			stored.Also = append(stored.Also, other)
		} else {
			stored.Hidden, hidden[other] = true, true
		}
	}
	plan.References = slices.DeleteFunc(plan.References, func(r collision.Repoint) bool { return hidden[r.DB] })
	if stored.Hidden {
		plan.Doubts = nil // sentences may name what is in those databases
	}
	return stored, &plan, nil
}

// pinOf stands for a stored split as it is now.
func pinOf(s ledger.Split) string {
	sum := sha256.New()
	fmt.Fprintln(sum, s.Stage, s.By, s.Started.UnixNano())
	sum.Write(s.Plan)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// versions tells what lives under an id, without looking for references.
func (v *visit) versions(ctx context.Context, db, id string) (*collision.Plan, error) {
	seen, err := document.Look(ctx, v.mender, db, id)
	if err != nil {
		return nil, err
	}
	rules, _ := v.Rules(db)
	plan, err := collision.Make(ctx, rules, seen.Conflict, collision.Wish{})
	if err != nil {
		return nil, err
	}
	plan.References, plan.Waits = nil, nil // known when they were looked for, attachments too
	return &plan, nil
}

// slimPlan takes attachments' bytes out of a plan.
func slimPlan(p collision.Plan) *collision.Plan {
	p.Versions = slices.Clone(p.Versions)
	for i, version := range p.Versions {
		if version.Revision != nil {
			p.Versions[i].Revision = &document.Slim([]couchmend.Revision{*version.Revision})[0]
		}
	}
	return &p
}

// Buried are the leaves that the plan buries.
func (l *splitLook) Buried() []couchmend.Rev {
	var buried []couchmend.Rev
	for _, tombstone := range l.Plan.Bury {
		if leaf, ok := revtree.SplitFrom(tombstone.Path); ok {
			buried = append(buried, leaf)
		}
	}
	return buried
}

// Ready reports whether the plan in hand can be carried out.
func (l *splitLook) Ready() bool {
	return l.Phase == splitPlanned && !l.Nothing && len(l.Plan.Open()) == 0 && len(l.Plan.Waits) == 0
}

// stateOf stands for what is going on.
func (l *splitLook) stateOf() string {
	stage := ledger.SplitStage("")
	if l.Stored != nil {
		stage = l.Stored.Stage
	}
	return fmt.Sprint(l.Phase, " ", l.Writer, " ", stage)
}

// Busy reports whether something is under way, so that the page is to be
// fetched again.
func (l *splitLook) Busy() bool {
	return l.Phase == splitSearching || l.Phase == splitWriting || l.Writer != ""
}
