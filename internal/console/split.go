package console

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/splitter"
)

func splitRoutes() []route {
	return []route{
		{pattern: "GET /split", serve: (*visit).split},
		{pattern: "POST /split/search", serve: (*visit).searchReferences, reads: true},
		{pattern: "POST /split/drop", serve: (*visit).dropSplit, reads: true},
		{pattern: "POST /split/choose", serve: (*visit).chooseMeanings, reads: true, body: splitBody},
		{pattern: "POST /split/apply", serve: (*visit).applySplit, body: splitBody},
		{pattern: "POST /split/resume", serve: (*visit).resumeSplit},
		{pattern: "POST /split/rollback", serve: (*visit).rollBackSplit},
	}
}

// splitBody bounds the form of a plan: what each of its references means.
const splitBody = 8 << 20

// splitAddress is the address of a split's page.
func splitAddress(db, id string) string {
	return "/split?" + url.Values{"db": {db}, "id": {id}}.Encode()
}

// split shows where the split of a document stands.
func (v *visit) split() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	l, err := v.lookAtSplit(db, id)
	if err != nil {
		return err
	}
	return v.render("split", page{Title: "Split " + id, Nav: "/splits", Data: splitPage{
		splitLook: l, Paused: v.Ledger.Paused(db), Back: v.r.URL.Query().Get("back") != "" && l.Stored != nil,
	}})
}

// splitForm reads a POST's document, and checks that the person sees it.
func (v *visit) splitForm() (db, id string, err error) {
	if err := v.parseForm(); err != nil {
		return "", "", err
	}
	return v.document()
}

// searchReferences has a plan made.
func (v *visit) searchReferences() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	form := v.r.PostForm
	r := splitter.Request{DB: db, ID: id, Also: databaseNames(form.Get("also")), Substrings: form.Get("substrings") != ""}
	if keep := form.Get("keep"); keep != "" {
		if r.Keep, err = couchmend.ParseRev(keep); err != nil {
			return refuse(couchmend.KindUsage, "the version that keeps the id is named by no revision")
		}
	}
	if err := v.beginSearch(r); err != nil {
		return err
	}
	return v.redirect(splitAddress(db, id))
}

// databaseNames reads the names of databases that a person has typed.
func databaseNames(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// beginSearch looks for references in databases that the person sees.
func (v *visit) beginSearch(r splitter.Request) error {
	for _, other := range r.Also {
		if err := v.see(other); err != nil {
			return err
		}
	}
	return v.splits.search(v.person, r)
}

// dropSplit stops a search, or throws a plan away.
func (v *visit) dropSplit() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	v.splits.drop(v.taskKey(db, id))
	return v.redirect(splitAddress(db, id))
}

// chooseMeanings takes over what a person says that references mean.
func (v *visit) chooseMeanings() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	if _, err := v.takeChoices(db, id); err != nil {
		return err
	}
	return v.redirect(splitAddress(db, id))
}

// takeChoices changes the plan that was shown by the choices in the form, and
// reports whether it is another one now.
func (v *visit) takeChoices(db, id string) (changed bool, err error) {
	form := v.r.PostForm
	err = v.splits.change(v.taskKey(db, id), form.Get("plan"), func(p collision.Plan) (collision.Plan, error) {
		p, changed, err = choose(p, form)
		return p, err
	})
	return changed, err
}

// applySplit carries out the plan that was shown. Where the form says of a
// reference what that plan does not, nothing is written: the person has not seen
// what it would be.
func (v *visit) applySplit() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	seen, err := v.inHand(db, id)
	if err != nil {
		return err
	}
	pin := v.r.PostForm.Get("plan")
	if seen.split != nil && seen.pin == pin {
		if _, changed, err := choose(seen.split.Plan, v.r.PostForm); err != nil || changed {
			if _, err := v.takeChoices(db, id); err != nil {
				return err
			}
			v.say("You have chosen otherwise since the plan was shown. This is the plan now; nothing is written yet.")
			return v.redirect(splitAddress(db, id))
		}
	}
	if err := v.splits.apply(v.person, db, id, pin, v.r.PostForm.Get("note")); err != nil {
		return err
	}
	return v.redirect(splitAddress(db, id))
}

// resumeSplit goes on with a split, or a rollback, that broke off.
func (v *visit) resumeSplit() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	if err := v.beginResume(db, id, v.r.PostForm.Get("note")); err != nil {
		return err
	}
	return v.redirect(splitAddress(db, id))
}

func (v *visit) beginResume(db, id, note string) error {
	if _, err := v.own(db, id); err != nil {
		return err
	}
	return v.splits.write(v.person, db, id, note, func(ctx context.Context, s *splitter.Splitter) (splitter.Report, error) {
		return s.Resume(ctx, db, id)
	})
}

// rollBackSplit takes the split back whose preview was shown.
func (v *visit) rollBackSplit() error {
	db, id, err := v.splitForm()
	if err != nil {
		return err
	}
	if err := v.beginRollback(db, id, v.r.PostForm.Get("split"), v.r.PostForm.Get("note")); err != nil {
		return err
	}
	return v.redirect(splitAddress(db, id))
}

func (v *visit) beginRollback(db, id, pin, note string) error {
	stored, err := v.own(db, id)
	if err != nil {
		return err
	}
	if stored.Pin != pin {
		return &couchmend.Error{Op: "split", DB: db, ID: id, Kind: couchmend.KindConflict, Err: errors.New("the split has changed since: look at it as it is now")}
	}
	return v.splits.write(v.person, db, id, note, func(ctx context.Context, s *splitter.Splitter) (splitter.Report, error) {
		return s.Rollback(ctx, db, id)
	})
}

// own returns a stored split that the person may go on with: one that reaches
// into no database that they have no rights on. It would break off there.
func (v *visit) own(db, id string) (*storedSplit, error) {
	stored, _, err := v.storedSplit(v.r.Context(), db, id)
	switch {
	case err != nil:
		return nil, err
	case stored == nil:
		return nil, &couchmend.Error{Op: "split", DB: db, ID: id, Kind: couchmend.KindNotFound, Err: errors.New("there is no split of it")}
	case stored.Hidden:
		return nil, &couchmend.Error{Op: "split", DB: db, ID: id, Kind: couchmend.KindForbidden, Err: errors.New("it reaches into databases that you have no rights on")}
	}
	return stored, nil
}

// choose makes references mean what a form says: group.N for all at one place,
// ref.N for one. Fields that say what the plan says change nothing.
func choose(p collision.Plan, form url.Values) (chosen collision.Plan, changed bool, err error) {
	chosen = p
	chosen.References = append([]collision.Repoint(nil), p.References...)
	answer := func(i int, to string) error {
		answered, err := p.Answer(p.References[i], to)
		if err == nil {
			chosen.References[i], changed = answered, true
		}
		return err
	}
	for n, g := range groupsOf(p) {
		if to := form.Get(fmt.Sprintf("group.%d", n)); to != "" && to != g.Means() {
			for _, r := range g.References {
				if r.Fixed() {
					continue
				}
				if err := answer(r.Index, to); err != nil {
					return p, false, err
				}
			}
		}
	}
	for i, r := range p.References {
		if to := form.Get(fmt.Sprintf("ref.%d", i)); to != "" && to != r.To {
			if err := answer(i, to); err != nil {
				return p, false, err
			}
		}
	}
	return chosen, changed, nil
}

// stageWords says how far a split has got.
func stageWords(s ledger.SplitStage) string {
	words, ok := map[ledger.SplitStage]string{
		ledger.SplitPlanned:     "creating documents",
		ledger.SplitCreated:     "changing references",
		ledger.SplitRepointed:   "burying old revisions",
		ledger.SplitDone:        "done",
		ledger.SplitRollingBack: "being taken back",
		ledger.SplitRolledBack:  "taken back",
	}[s]
	if !ok {
		return string(s)
	}
	return words
}
