package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
)

func bulkRoutes() []route {
	return []route{
		{pattern: "POST /cases/preview", serve: (*visit).bulkPreviewPage},
		{pattern: "POST /cases/apply", serve: (*visit).bulkApplyPage},
		{pattern: "POST /api/v1/bulk/preview", serve: (*visit).bulkPreviewAPI},
		{pattern: "POST /api/v1/bulk/apply", serve: (*visit).bulkApplyAPI},
	}
}

// bulkAction is something that can be done to many documents at once.
type bulkAction struct {
	Name   string // in requests
	Words  string // on the button
	Danger bool
}

// The actions. Retry and dismiss write nothing to CouchDB.
var bulkActions = []bulkAction{
	{Name: "retry", Words: "Retry"},
	{Name: "policy", Words: "Take the policy's answer"},
	{Name: "winner", Words: "Keep the winner"},
	{Name: "dismiss", Words: "Dismiss"},
	{Name: "delete", Words: "Delete", Danger: true},
}

const (
	// maxBulk is how many documents one action is for at most: as many as a page
	// has rows, and a person may look through.
	maxBulk = 200
	// bulkAtOnce is how many of them are looked at or written at a time.
	bulkAtOnce = 8
)

// bulkItem names a document, and pins what was previewed: the leaves that it
// had (I3), and the revisions that are to be written. They follow from the
// leaves and the policy (I4), so others mean that the policy has changed.
type bulkItem struct {
	DB     string          `json:"db"`
	ID     string          `json:"id"`
	Leaves []couchmend.Rev `json:"leaves,omitempty"`
	Writes []couchmend.Rev `json:"writes,omitempty"`
}

// bulkPlan is what an action would do to one document, or has done.
type bulkPlan struct {
	bulkItem
	Does     string              `json:"does,omitempty"` // in words
	Skip     string              `json:"skip,omitempty"` // why nothing is done to it
	Decision *couchmend.Decision `json:"decision,omitempty"`
	Done     bool                `json:"done,omitempty"`

	whole couchmend.Decision // with the bytes of attachments
	seen  *document.Sight
}

// itemKey is an item in a form's field.
func itemKey(db, id string) string {
	text, _ := json.Marshal(bulkItem{DB: db, ID: id}) // strings can be marshalled
	return string(text)
}

// Key is the plan as the form that carries it out sends it.
func (p bulkPlan) Key() string {
	text, _ := json.Marshal(p.bulkItem) // strings can be marshalled
	return string(text)
}

// plan says what an action would do to each document. It writes nothing.
func (v *visit) bulkPlan(ctx context.Context, action string, items []bulkItem) ([]bulkPlan, error) {
	if !slices.ContainsFunc(bulkActions, func(a bulkAction) bool { return a.Name == action }) {
		return nil, refuse(couchmend.KindUsage, "there is no such action: want retry, policy, winner, dismiss or delete")
	}
	switch {
	case len(items) == 0:
		return nil, refuse(couchmend.KindUsage, "no document was marked")
	case len(items) > maxBulk:
		return nil, refuse(couchmend.KindUsage, "at most 200 documents at a time")
	}
	for _, item := range items {
		if err := v.see(item.DB); err != nil {
			return nil, err
		}
	}
	plans := make([]bulkPlan, len(items))
	v.bulk(len(items), func(i int) { plans[i] = v.planOne(ctx, action, items[i]) })
	return plans, ctx.Err()
}

// bulk calls f for 0…n-1, a few at a time.
func (v *visit) bulk(n int, f func(i int)) {
	var all sync.WaitGroup
	free := make(chan struct{}, bulkAtOnce)
	for i := range n {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	all.Wait()
}

func (v *visit) planOne(ctx context.Context, action string, item bulkItem) bulkPlan {
	p := bulkPlan{bulkItem: bulkItem{DB: item.DB, ID: item.ID}}
	var err error
	if p.seen, err = document.Look(ctx, v.mender, item.DB, item.ID); err == nil {
		p.Leaves = p.seen.LeafRevs()
		err = v.decideOne(ctx, action, &p)
	}
	if err != nil {
		p.Skip = words(err)
	}
	for _, r := range writesOf(p.whole) {
		p.Writes = append(p.Writes, r.Rev)
	}
	return p
}

// decideOne fills in what an action does to a document.
func (v *visit) decideOne(ctx context.Context, action string, p *bulkPlan) (err error) {
	open := len(p.seen.Conflict.Leaves) > 1 || p.seen.Case != nil
	switch {
	case !open:
		return errors.New("it is not in conflict any more")
	case action == "retry":
		if p.seen.Case == nil {
			return document.NotInReview(p.DB, p.ID)
		}
		p.Does = "It goes back into the queue, to be decided again."
		return nil
	case action == "dismiss":
		switch {
		case p.seen.Case == nil:
			return document.NotInReview(p.DB, p.ID)
		case p.seen.CaseMoved():
			return errors.New("it has changed since it came to review: retry it")
		}
		p.Does = "It stays as it is, and is no longer listed until its leaves change."
		return nil
	case action == "policy":
		p.whole = p.seen.Decision
	case action == "winner":
		p.whole, err = v.keepWinner(ctx, p.seen)
	case action == "delete":
		p.whole, err = p.seen.Delete(v.Name())
	}
	if err != nil {
		return err
	}
	if len(writesOf(p.whole)) == 0 {
		why := document.Verdict(p.whole)
		p.whole = couchmend.Decision{}
		return errors.New("nothing to write: " + why)
	}
	slim := document.SlimDecision(p.whole)
	p.Decision = &slim
	switch action {
	case "winner":
		p.Does = "What readers see now stands, and contains the others."
	case "delete":
		p.Does = "Every live leaf gets a tombstone."
	default:
		p.Does = document.Verdict(p.whole)
	}
	return nil
}

func (v *visit) keepWinner(ctx context.Context, seen *document.Sight) (couchmend.Decision, error) {
	if len(seen.Conflict.Leaves) == 0 {
		return couchmend.Decision{}, errors.New("it has no live leaf: open it to restore one")
	}
	choice, err := document.Take(seen.Conflict.Leaves[0])
	if err != nil {
		return couchmend.Decision{}, err
	}
	choice.By = v.Name()
	return seen.Decide(ctx, v.mender, choice)
}

// writesOf are the revisions that a decision writes.
func writesOf(d couchmend.Decision) []couchmend.Revision {
	if d.Outcome == couchmend.Review || d.Outcome == couchmend.Split {
		return nil
	}
	var writes []couchmend.Revision
	if d.Merge != nil {
		writes = append(writes, *d.Merge)
	}
	return append(writes, d.Bury...)
}

// bulkApply carries out what was previewed, each document by itself: one that
// has changed meanwhile is left alone, and told of.
func (v *visit) bulkApply(ctx context.Context, action, note string, items []bulkItem) ([]bulkPlan, error) {
	for _, item := range items {
		if len(item.Leaves) == 0 {
			return nil, refuse(couchmend.KindUsage, "an item names no leaves: preview it first")
		}
	}
	plans, err := v.bulkPlan(ctx, action, items)
	if err != nil {
		return nil, err
	}
	v.bulk(len(plans), func(i int) {
		p := &plans[i]
		if p.Skip == "" {
			err := v.applyOne(ctx, action, note, items[i], p)
			if p.Done = err == nil; err != nil {
				p.Skip = words(err)
			}
		}
	})
	v.Log.Info("bulk action", "action", action, "by", v.Name(), "documents", len(plans), "done", doneOf(plans))
	return plans, nil
}

func (v *visit) applyOne(ctx context.Context, action, note string, pinned bulkItem, p *bulkPlan) error {
	if err := document.Moved(p.DB, p.ID, pinned.Leaves, p.seen.Leaves()); err != nil {
		return err
	}
	if !slices.Equal(pinned.Writes, p.Writes) {
		return &couchmend.Error{Op: action, DB: p.DB, ID: p.ID, Kind: couchmend.KindConflict, Err: errors.New("the policy has another answer by now; nothing was written")}
	}
	switch action {
	case "retry":
		return document.Retry(ctx, v.Ledger, *p.seen.Case)
	case "dismiss":
		return document.Dismiss(ctx, v.mender, p.DB, p.ID, v.Name(), note)
	case "delete":
		return v.mender.Apply(ctx, p.seen.Conflict, p.whole, "delete", v.Name(), note)
	}
	return v.mender.Apply(ctx, p.seen.Conflict, p.whole, "resolve", v.Name(), note)
}

func doneOf(plans []bulkPlan) (n int) {
	for _, p := range plans {
		if p.Done {
			n++
		}
	}
	return n
}

// bulkView is what bulk.html shows: a preview, or what came of it.
type bulkView struct {
	Action  bulkAction
	Plans   []bulkPlan
	Note    string
	Applied bool
	Back    string // the list that it was begun from
}

// Will counts the documents to which something is done.
func (b bulkView) Will() (n int) {
	for _, p := range b.Plans {
		if p.Skip == "" {
			n++
		}
	}
	return n
}

// Did counts those to which it was.
func (b bulkView) Did() int { return doneOf(b.Plans) }

// bulkForm reads which documents were marked, and what is to be done to them.
func (v *visit) bulkForm() (b bulkView, items []bulkItem, err error) {
	if err := v.parseForm(); err != nil {
		return b, nil, err
	}
	form := v.r.PostForm
	b.Note, b.Back = form.Get("note"), safeNext(form.Get("back"))
	if at := slices.IndexFunc(bulkActions, func(a bulkAction) bool { return a.Name == form.Get("action") }); at >= 0 {
		b.Action = bulkActions[at]
	}
	for _, text := range form["item"] {
		var item bulkItem
		if json.Unmarshal([]byte(text), &item) != nil {
			return b, nil, refuse(couchmend.KindUsage, "a marked row can't be read")
		}
		items = append(items, item)
	}
	return b, items, nil
}

func (v *visit) bulkPreviewPage() error {
	b, items, err := v.bulkForm()
	if err != nil {
		return err
	}
	if b.Plans, err = v.bulkPlan(v.r.Context(), b.Action.Name, items); err != nil {
		return err
	}
	return v.render("bulk", page{Title: b.Action.Words, Nav: "/cases", Data: b})
}

func (v *visit) bulkApplyPage() error {
	b, items, err := v.bulkForm()
	if err != nil {
		return err
	}
	if b.Plans, err = v.bulkApply(v.r.Context(), b.Action.Name, b.Note, items); err != nil {
		return err
	}
	if done := b.Did(); done == len(b.Plans) {
		v.say(b.Action.Words + ": done for " + plural(done, "document") + ".")
		return v.redirect(b.Back)
	}
	b.Applied = true
	return v.render("bulk", page{Title: b.Action.Words, Nav: "/cases", Data: b})
}

// bulkRequest is a bulk action as the API takes it.
type bulkRequest struct {
	Action string     `json:"action"`
	Items  []bulkItem `json:"items"`
	Note   string     `json:"note,omitempty"`
}

// bulkAnswer is what an action would do, or what came of it.
type bulkAnswer struct {
	Documents []bulkPlan `json:"documents"`
	Done      int        `json:"done"`
}

func (v *visit) bulkPreviewAPI() error {
	var asked bulkRequest
	if err := v.body(&asked); err != nil {
		return err
	}
	plans, err := v.bulkPlan(v.r.Context(), asked.Action, asked.Items)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, bulkAnswer{Documents: plans})
}

func (v *visit) bulkApplyAPI() error {
	var asked bulkRequest
	if err := v.body(&asked); err != nil {
		return err
	}
	plans, err := v.bulkApply(v.r.Context(), asked.Action, asked.Note, asked.Items)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, bulkAnswer{Documents: plans, Done: doneOf(plans)})
}
