package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

const (
	// trialBody bounds the request: a form writes many bytes as three.
	trialBody = 4 * policy.MaxText
	// triedCases is on how many open conflicts an edited policy is tried, the
	// newest.
	triedCases = 500
	// shownChanges bounds the documents that are listed with their merge.
	shownChanges = 100
	// shownMerge bounds the text of one of these, in bytes.
	shownMerge = 8 << 10
	// trialLimit bounds how long it takes.
	trialLimit = 20 * time.Second
)

// trial is what an edited policy makes of the open conflicts. Nothing was
// written.
type trial struct {
	Problems []problemAt `json:"problems,omitempty"` // of the text; then it was not tried
	Warnings []string    `json:"warnings,omitempty"`
	Open     int         `json:"open"`  // conflicts that wait, as far as the person sees
	Tried    int         `json:"tried"` // of these, the newest
	Changed  int         `json:"changed"`
	Late     bool        `json:"out_of_time,omitempty"`
	Shifts   []shift     `json:"shifts"`
	Changes  []change    `json:"changes"`          // the first of those that changed
	Failed   []string    `json:"failed,omitempty"` // what could not be tried, and why
}

// problemAt is a mistake in the text, and the line that it stands in.
type problemAt struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
	Source string `json:"source"`
	Caret  string `json:"-"` // spaces up to the column
}

// verdictOf is what a policy makes of a conflict.
type verdictOf struct {
	Outcome couchmend.Outcome `json:"outcome,omitempty"` // empty: the policy names no such database
	Reason  couchmend.Reason  `json:"reason,omitempty"`
	Rule    string            `json:"rule,omitempty"`
}

// Words says a verdict for people.
func (o verdictOf) Words() string {
	switch o.Outcome {
	case "":
		return "not followed"
	case couchmend.Review:
		return "review: " + reasonWords(o.Reason)
	case couchmend.Nothing:
		return "no conflict any more"
	case couchmend.Keep:
		return "keep the winner"
	case couchmend.Bury:
		return "only bury"
	}
	return string(o.Outcome)
}

// shift is how many conflicts go from one verdict to another.
type shift struct {
	Before verdictOf `json:"before"`
	After  verdictOf `json:"after"`
	N      int       `json:"n"`
}

// Same reports whether the edit changes nothing for these.
func (s shift) Same() bool { return s.Before == s.After }

// change is one document whose verdict changes.
type change struct {
	DB       string             `json:"db"`
	ID       string             `json:"id"`
	Before   verdictOf          `json:"before"`
	After    verdictOf          `json:"after"`
	Merge    string             `json:"merge,omitempty"` // the document that would be written; cut where it is long
	Fields   []couchmend.Origin `json:"fields,omitempty"`
	Evidence []string           `json:"evidence,omitempty"`
}

// tryPage tries the text of the form.
func (v *visit) tryPage() error {
	text := strings.ReplaceAll(v.r.PostForm.Get("text"), "\r\n", "\n") // as forms send lines
	tried, err := v.try(text)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(tried.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return v.showPolicies(status, text, tried)
}

func (v *visit) tryAPI() error {
	var order struct {
		Text string `json:"text"`
	}
	if err := v.body(&order); err != nil {
		return err
	}
	tried, err := v.try(order.Text)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(tried.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return v.json(status, tried)
}

// try reads an edited policy and decides on the newest open conflicts by it, as
// the person who asks. It writes nothing, and the text brings no program and no
// file with it: see policy.File.Trial. One trial is under way at a time.
func (v *visit) try(text string) (*trial, error) {
	if !v.Admin() {
		return nil, refuse(couchmend.KindForbidden, "only a server admin may try a policy")
	}
	if len(text) > policy.MaxText {
		return nil, refuse(couchmend.KindTooLarge, "the text is larger than any policy")
	}
	if !v.trying.TryLock() {
		return nil, refuse(couchmend.KindLocked, "another trial is under way: try again in a moment")
	}
	defer v.trying.Unlock()
	name := "couchmend.yaml"
	if v.Policy != nil {
		name = filepath.Base(v.Policy.Name)
	}
	edited, err := v.Policy.Trial(name, []byte(text))
	var problems policy.Problems
	switch {
	case errors.As(err, &problems):
		return &trial{Problems: problemsAt(problems, text), Shifts: []shift{}, Changes: []change{}}, nil
	case err != nil:
		return nil, err
	}
	t := &trying{visit: v, edited: edited, before: v.asLoaded(name), shifts: map[shift]int{}}
	for _, w := range edited.Warnings {
		t.Warnings = append(t.Warnings, w.String())
	}
	return t.run()
}

// asLoaded are the loaded rules. Where that can be had they are a trial's, too,
// so that what they ask resolvers is not counted as work.
func (v *visit) asLoaded(name string) func(db string) decide.Rules {
	if v.Policy != nil {
		if loaded, err := v.Policy.Trial(name, v.Policy.Text); err == nil {
			return rulesOf(loaded)
		}
	}
	return func(db string) decide.Rules {
		rules, _ := v.Rules(db)
		return rules
	}
}

func rulesOf(f *policy.File) func(db string) decide.Rules {
	return func(db string) decide.Rules {
		p := f.For(db)
		if p == nil {
			return nil
		}
		return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
	}
}

// problemsAt shows each problem at its place in the text.
func problemsAt(problems policy.Problems, text string) []problemAt {
	lines := strings.Split(text, "\n")
	shown := make([]problemAt, len(problems))
	for i, p := range problems {
		shown[i] = problemAt{File: p.File, Line: p.Line, Column: p.Column, Text: p.Text}
		if p.Line < 1 || p.Line > len(lines) {
			continue
		}
		line := []rune(strings.ReplaceAll(lines[p.Line-1], "\t", " "))
		from := max(0, min(p.Column-1, len(line))-60)
		to := min(len(line), from+120)
		shown[i].Source = string(line[from:to])
		shown[i].Caret = strings.Repeat(" ", max(0, min(p.Column-1, len(line))-from)) + "^"
	}
	return shown
}

// trying is a trial under way.
type trying struct {
	trial
	*visit
	edited *policy.File
	before func(db string) decide.Rules
	shifts map[shift]int
}

func (t *trying) run() (*trial, error) {
	ctx, cancel := context.WithTimeout(t.r.Context(), trialLimit)
	defer cancel()
	visible, err := t.sight(ctx, t.Board.Databases())
	if err != nil {
		return nil, err
	}
	page, err := t.Board.Cases(board.Query{Order: board.Newest, Limit: triedCases}, visible)
	if err != nil {
		return nil, err
	}
	t.Open, t.Changes = page.Total, []change{}
	var dbs []string
	ids := map[string][]string{}
	for _, c := range page.Cases {
		if ids[c.DB] == nil {
			dbs = append(dbs, c.DB)
		}
		ids[c.DB] = append(ids[c.DB], c.ID)
	}
	for _, db := range dbs {
		if err := t.database(ctx, db, ids[db]); err != nil {
			if t.r.Context().Err() != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				t.Late = true
				break
			}
			t.Failed = append(t.Failed, err.Error())
		}
	}
	return t.sum(), nil
}

// database tries the cases of one database.
func (t *trying) database(ctx context.Context, db string, ids []string) error {
	cases, err := t.Ledger.CasesOf(ctx, db, ids...)
	if err != nil {
		return err
	}
	var items []ledger.Item
	for _, id := range ids {
		if c, ok := cases[id]; ok { // else it was resolved meanwhile
			items = append(items, ledger.Item{DB: db, ID: id, Leaves: c.Leaves})
		}
	}
	rules := rulesOf(t.edited)
	m := mender.New(mender.Config{Server: t.server, Ledger: t.Ledger, Log: t.Log, Rules: func(db string) (decide.Rules, string) {
		if edited := rules(db); edited != nil {
			return edited, ""
		}
		return func(string, jsondoc.Value) *merge.Rule { return nil }, "" // to read it all the same
	}})
	for p, err := range m.Previews(ctx, db, items) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p.Err != nil {
			t.Failed = append(t.Failed, p.Err.Error())
			continue
		}
		after := p.Decision
		if rules(db) == nil {
			after = couchmend.Decision{}
		}
		var before couchmend.Decision
		if loaded := t.before(db); loaded != nil {
			before = decide.Decide(ctx, loaded, p.Conflict)
		}
		t.note(p.Conflict, before, after)
	}
	return nil
}

// note takes a document's two verdicts in.
func (t *trying) note(c couchmend.Conflict, before, after couchmend.Decision) {
	t.Tried++
	s := shift{Before: verdict(before), After: verdict(after)}
	t.shifts[s]++
	if s.Same() && sameMerge(before, after) {
		return
	}
	t.Changed++
	if len(t.Changes) >= shownChanges {
		return
	}
	one := change{DB: c.DB, ID: c.ID, Before: s.Before, After: s.After, Fields: after.Fields, Evidence: after.Evidence}
	if after.Merge != nil {
		one.Merge = cutText(string(document.Indent(after.Merge.Body)), shownMerge)
	}
	t.Changes = append(t.Changes, one)
}

func verdict(d couchmend.Decision) verdictOf {
	return verdictOf{Outcome: d.Outcome, Reason: d.Reason, Rule: d.Rule}
}

// sameMerge reports whether two decisions write the same document.
func sameMerge(a, b couchmend.Decision) bool {
	if a.Merge == nil || b.Merge == nil {
		return a.Merge == b.Merge
	}
	return a.Merge.Rev == b.Merge.Rev
}

// sum sorts what was counted: what changes before what does not, large numbers
// first.
func (t *trying) sum() *trial {
	t.Shifts = []shift{}
	for s, n := range t.shifts {
		s.N = n
		t.Shifts = append(t.Shifts, s)
	}
	words := func(o verdictOf) string { return o.Rule + " " + o.Words() }
	slices.SortFunc(t.Shifts, func(a, b shift) int {
		if a.Same() != b.Same() {
			if b.Same() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(words(a.Before), words(b.Before)), cmp.Compare(words(a.After), words(b.After)))
	})
	return &t.trial
}
