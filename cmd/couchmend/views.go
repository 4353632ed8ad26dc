package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/triage"
)

type viewsCmd struct {
	Install viewsInstallCmd `cmd:"" help:"Put up a view of conflicts and a Mango index, for who works by hand."`
	Remove  viewsRemoveCmd  `cmd:"" help:"Take both away."`
}

// viewsAsk is what both have in common.
type viewsAsk struct {
	connection
	DB   string `arg:"" name:"db" help:"The database."`
	JSON bool   `name:"json" help:"Print a JSON object for each of the two."`
	writing

	pouch bool // the server is PouchDB's
}

type viewsInstallCmd struct{ viewsAsk }

// Help is the long help.
func (viewsInstallCmd) Help() string {
	return `For people who work by hand while mending is paused. The view ` + conflictsDesign + "/" + conflictsView + ` has a row for each document in conflict: its id, and as the key the list of the conflicting revisions. The Mango index holds the documents in conflict alone, so that _find goes through no others.

Both are in design documents of their own: no application's views are built anew for them. CouchDB goes through the whole database once to build them, and keeps them up with each write. A design document of one of these names that is somebody else's, or was changed, is left alone.`
}

type viewsRemoveCmd struct{ viewsAsk }

// viewState is how one of the two design documents stands.
type viewState struct {
	DB     string `json:"db"`
	Design string `json:"design"` // its id
	State  string `json:"state"`  // "missing", "there", "foreign", "installed", "removed", "impossible"
	Says   string `json:"says,omitempty"`

	rev couchmend.Rev
}

// The states.
const (
	viewMissing    = "missing"
	viewThere      = "there"
	viewForeign    = "foreign"
	viewInstalled  = "installed"
	viewRemoved    = "removed"
	viewImpossible = "impossible" // the server has no Mango
)

// states looks at both design documents.
func (v *viewsAsk) states(ctx context.Context, s *couch.Server) ([]viewState, error) {
	db := s.DB(v.DB)
	if _, err := db.Info(ctx); err != nil {
		return nil, err
	}
	welcome, err := s.Ping(ctx)
	if err != nil {
		return nil, err
	}
	v.pouch = welcome.PouchDB
	all := []viewState{{Design: conflictsDesign}, {Design: indexDesign}}
	for i := range all {
		state := &all[i]
		body, err := db.Design(ctx, state.Design)
		switch couchmend.KindOf(err) {
		case "":
			state.rev, state.State = revOf(body), viewForeign
			if state.Design == conflictsDesign && isConflictsView(body) || state.Design == indexDesign && isConflictsIndex(body) {
				state.State = viewThere
			}
		case couchmend.KindNotFound:
			state.State = viewMissing
		default:
			return nil, err
		}
		if state.State == viewMissing && state.Design == indexDesign && v.pouch {
			state.State, state.Says = viewImpossible, "PouchDB's server has no Mango indexes of this kind"
		}
		state.DB = v.DB
	}
	return all, nil
}

func revOf(body json.RawMessage) couchmend.Rev {
	var d struct {
		Rev string `json:"_rev"`
	}
	_ = json.Unmarshal(body, &d)
	rev, _ := couchmend.ParseRev(d.Rev) // zero, which no document has
	return rev
}

// isConflictsView reports whether a design document is the one that install
// makes, unchanged.
func isConflictsView(body json.RawMessage) bool {
	var is, want map[string]any
	if json.Unmarshal(body, &is) != nil || json.Unmarshal(conflictsBody(), &want) != nil {
		return false
	}
	delete(is, "_id")
	delete(is, "_rev")
	return reflect.DeepEqual(is, want)
}

// isConflictsIndex is isConflictsView for the index, which the server writes.
func isConflictsIndex(body json.RawMessage) bool {
	type mapping struct {
		Fields  map[string]string
		Partial map[string]any `json:"partial_filter_selector"`
	}
	var is struct {
		Language string
		Views    map[string]struct{ Map mapping }
	}
	var partial map[string]any
	if json.Unmarshal(body, &is) != nil || json.Unmarshal(conflictsIndex().Partial, &partial) != nil {
		return false
	}
	want := mapping{Fields: map[string]string{"_id": "asc"}, Partial: partial}
	return is.Language == "query" && len(is.Views) == 1 && reflect.DeepEqual(is.Views[indexName].Map, want)
}

// print tells of states, and sums up what is left to do.
func (v *viewsAsk) print(a *app, all []viewState, words map[string]string) error {
	for _, s := range all {
		if v.JSON {
			if err := a.printJSON(s); err != nil {
				return err
			}
			continue
		}
		says := words[s.State]
		if s.Says != "" {
			says += ": " + s.Says
		}
		a.printf("  %-42s %s\n", clean(s.DB+"/_design/"+s.Design), says)
	}
	return nil
}

func shellWord(text string) string { return triage.Shell(text)[1:] }

// Run installs.
func (v *viewsInstallCmd) Run(a *app) error {
	s, err := v.server(a)
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := v.states(a.ctx, s)
	if err != nil {
		return err
	}
	before := map[string]string{viewMissing: "to be written", viewThere: "there already", viewForeign: "somebody else's, or changed: left alone", viewImpossible: "not possible"}
	missing := count(all, viewMissing)
	if missing > 0 && (v.DryRun || !v.Yes) || v.DryRun {
		if err := v.print(a, all, before); err != nil {
			return err
		}
	}
	if missing > 0 || v.DryRun {
		if ok, err := a.confirm(v.writing, "Write this?"); !ok {
			return err
		}
	}
	if err := v.install(a, s, all); err != nil {
		return err
	}
	after := map[string]string{viewInstalled: "installed", viewThere: before[viewThere], viewForeign: before[viewForeign], viewImpossible: before[viewImpossible]}
	if err := v.print(a, all, after); err != nil {
		return err
	}
	if count(all, viewForeign) > 0 {
		return usage(fmt.Errorf("_design/%s or _design/%s is not couchmend's: look at it, and remove or rename it", conflictsDesign, indexDesign))
	}
	v.explain(a, s, all)
	return nil
}

func count(all []viewState, state string) (n int) {
	for _, s := range all {
		if s.State == state {
			n++
		}
	}
	return n
}

// install writes what is missing, and waits until all is built.
func (v *viewsInstallCmd) install(a *app, s *couch.Server, all []viewState) error {
	db := s.DB(v.DB)
	bar := a.progress()
	defer bar.close()
	for i := range all {
		state := &all[i]
		view := conflictsView
		if state.State == viewMissing {
			err := db.PutDesign(a.ctx, conflictsDesign, conflictsBody())
			if state.Design == indexDesign {
				err = db.PutIndex(a.ctx, conflictsIndex())
			}
			if err != nil {
				return err
			}
			state.State = viewInstalled
		}
		if state.Design == indexDesign {
			view = indexName
		}
		if state.State == viewInstalled || state.State == viewThere {
			if err := built(a.ctx, db, state.Design, view, bar); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	// buildPoll is how often the server is asked how far it is.
	buildPoll = 500 * time.Millisecond
	// nearlyBuilt is how few changes a view may lack: on a busy database there
	// are always some.
	nearlyBuilt = 1000
	// buildStall is how long nothing may move.
	buildStall = 2 * time.Minute
)

// built waits until a view is built.
func built(ctx context.Context, db *couch.DB, design, view string, bar *progress) error {
	if err := db.StartView(ctx, design, view); err != nil {
		return err
	}
	bar.begin(design)
	most, last, moved := int64(0), int64(-1), time.Now()
	for {
		pending, _, err := db.ViewPending(ctx, design)
		if couchmend.KindOf(err) == couchmend.KindNotFound { // PouchDB's server answers a view when it is built, and tells no more
			return nil
		}
		if err != nil || pending <= nearlyBuilt {
			return err
		}
		most = max(most, pending)
		bar.set(most-pending, most)
		if pending != last {
			last, moved = pending, time.Now()
		}
		if time.Since(moved) > buildStall {
			return &couchmend.Error{Op: "build view", DB: db.Name(), ID: "_design/" + design, Kind: couchmend.KindServer,
				Err: fmt.Errorf("%d changes are left and nothing has moved for %v: see CouchDB's log", pending, buildStall)}
		}
		wait(ctx, buildPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// explain says how both are used.
func (v *viewsInstallCmd) explain(a *app, s *couch.Server, all []viewState) {
	if v.JSON {
		return
	}
	base := s.URL() + "/" + v.DB
	a.printf("\nBy hand:\n  curl -s -u \"$COUCHDB_USER:$COUCHDB_PASSWORD\" %s\n", shellWord(base+"/_design/"+conflictsDesign+"/_view/"+conflictsView))
	if all[1].State != viewImpossible {
		query := `{"selector":{"_conflicts":{"$exists":true}},"conflicts":true,"use_index":["` + indexDesign + `","` + indexName + `"],"fields":["_id","_conflicts"]}`
		a.printf("  curl -s -u \"$COUCHDB_USER:$COUCHDB_PASSWORD\" -H 'Content-Type: application/json' %s -d %s\n", shellWord(base+"/_find"), shellWord(query))
	}
	a.printf("With couchmend:\n  couchmend scan %s --from-view\n", shellWord(v.DB))
}

// Run removes.
func (v *viewsRemoveCmd) Run(a *app) error {
	s, err := v.server(a)
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := v.states(a.ctx, s)
	if err != nil {
		return err
	}
	words := map[string]string{viewMissing: "not there", viewThere: "to be removed", viewForeign: "somebody else's, or changed: left alone", viewImpossible: "not there", viewRemoved: "removed"}
	there := count(all, viewThere)
	if there > 0 && !v.Yes || v.DryRun {
		if err := v.print(a, all, words); err != nil {
			return err
		}
	}
	if there > 0 || v.DryRun {
		if ok, err := a.confirm(v.writing, "Remove this?"); !ok {
			return err
		}
	}
	db := s.DB(v.DB)
	for i := range all {
		if all[i].State != viewThere {
			continue
		}
		if err := db.DropDesignAt(a.ctx, all[i].Design, all[i].rev); err != nil {
			return err
		}
		all[i].State = viewRemoved
	}
	if there > 0 && !v.pouch { // which never answers
		if err := db.CleanViews(a.ctx); err != nil && couchmend.KindOf(err) != couchmend.KindForbidden && couchmend.KindOf(err) != couchmend.KindNotFound {
			return err
		}
	}
	if err := v.print(a, all, words); err != nil {
		return err
	}
	if count(all, viewForeign) > 0 {
		return usage(fmt.Errorf("what is not couchmend's, or was changed, is not removed"))
	}
	return nil
}
