package console

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func pauseRoutes() []route {
	return []route{
		{pattern: "GET /pause", serve: (*visit).pausePage},
		{pattern: "POST /pause", serve: (*visit).pauseForm},
		{pattern: "POST /resume", serve: (*visit).resumeForm},
		{pattern: "GET /api/v1/pauses", serve: (*visit).pausesAPI},
		{pattern: "POST /api/v1/pause", serve: (*visit).pauseAPI},
		{pattern: "POST /api/v1/resume", serve: (*visit).resumeAPI},
	}
}

const (
	// maxPauseReason bounds a pause's reason, in characters: it stands on every
	// page.
	maxPauseReason = 300
	// untilLayout is that of <input type="datetime-local">; the form says UTC.
	untilLayout = "2006-01-02T15:04"
)

// ending is a choice of when a pause ends by itself.
type ending struct {
	Key, Name string
	after     time.Duration
}

// The last two endings have no fixed length.
const (
	endsAt  = "at"
	endsNot = "resumed"
)

var endings = []ending{
	{"1h", "in 1 hour", time.Hour}, {"4h", "in 4 hours", 4 * time.Hour}, {"24h", "in 24 hours", 24 * time.Hour},
	{endsAt, "at a time", 0}, {endsNot, "when somebody resumes", 0},
}

// pauseView is what pause.html shows.
type pauseView struct {
	Pauses    []pauseLine
	Databases []string // that can be chosen; others can be typed
	Endings   []ending
	May       bool // pause anything at all

	DB, Reason, Ends, Until string // as they were filled in
	Wrong                   string // what is wrong with that
}

// pauseLine is a pause in force.
type pauseLine struct {
	ledger.Pause
	May bool // be ended by the person
}

func (v *visit) pausePage() error {
	return v.showPause(http.StatusOK, pauseView{DB: v.r.FormValue("db"), Ends: endings[0].Key})
}

func (v *visit) showPause(status int, view pauseView) error {
	ctx := v.r.Context()
	pauses, err := v.pausesSeen(ctx, v.Ledger)
	if err != nil {
		return err
	}
	for _, p := range pauses {
		view.Pauses = append(view.Pauses, pauseLine{p, v.mayPause(ctx, p.DB) == nil})
	}
	visible, err := v.sight(ctx, v.Board.Databases())
	if err != nil {
		return err
	}
	for _, db := range v.Board.Databases() {
		if visible(db) && len(view.Databases) < maxPauseChoices {
			view.Databases = append(view.Databases, db)
		}
	}
	view.Endings = endings
	view.May, err = v.mayPauseSome(view.Databases)
	if err != nil {
		return err
	}
	return v.renderStatus(status, "pause", page{Title: "Pause", Nav: "/pause", Data: view})
}

// maxPauseChoices bounds the databases that the form offers.
const maxPauseChoices = 500

// mayPauseSome reports whether the form can be of use to the person. Of many
// databases a few are asked about: the answer only hides a form.
func (v *visit) mayPauseSome(dbs []string) (bool, error) {
	if v.Admin() || len(dbs) > askers {
		return true, nil
	}
	for _, db := range dbs {
		err := v.mayPause(v.r.Context(), db)
		if err == nil {
			return true, nil
		}
		if couchmend.KindOf(err) != couchmend.KindForbidden {
			return false, err
		}
	}
	return len(dbs) == 0, nil
}

// pauseOrder is what somebody wants paused.
type pauseOrder struct {
	DB     string    `json:"db"` // "": all databases
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"` // zero: until somebody resumes
}

func (v *visit) pauseForm() error {
	f := v.r.PostForm
	view := pauseView{DB: strings.TrimSpace(f.Get("db")), Reason: f.Get("reason"), Ends: f.Get("ends"), Until: f.Get("until")}
	order := pauseOrder{DB: view.DB, Reason: view.Reason}
	var err error
	if order.Until, err = v.ends(view.Ends, view.Until); err == nil {
		_, err = v.pause(order)
	}
	switch couchmend.KindOf(err) {
	case "":
		v.say("Paused: " + nameOf(order.DB) + ".")
		return v.redirect("/pause")
	case couchmend.KindUsage, couchmend.KindNotFound:
		view.Wrong = causeOf(err)
		return v.showPause(statusOf(err), view)
	}
	return err
}

// ends is the moment that a form means; zero: when somebody resumes.
func (v *visit) ends(key, until string) (time.Time, error) {
	switch key {
	case endsNot:
		return time.Time{}, nil
	case endsAt:
		t, err := time.Parse(untilLayout, until)
		if err != nil {
			return t, refuse(couchmend.KindUsage, "say at which time it ends")
		}
		return t, nil
	}
	for _, e := range endings {
		if e.Key == key {
			return v.Now().Add(e.after), nil
		}
	}
	return time.Time{}, refuse(couchmend.KindUsage, "say when it ends")
}

// pause stops couchmend's writes, in the person's name.
func (v *visit) pause(o pauseOrder) (ledger.Pause, error) {
	o.Reason = oneLine(o.Reason)
	switch {
	case o.Reason == "":
		return ledger.Pause{}, refuse(couchmend.KindUsage, "say why: everybody will read it")
	case utf8.RuneCountInString(o.Reason) > maxPauseReason:
		return ledger.Pause{}, refuse(couchmend.KindUsage, "the reason is too long: want at most 300 letters, everybody will read them")
	case !o.Until.IsZero() && !o.Until.After(v.Now()):
		return ledger.Pause{}, refuse(couchmend.KindUsage, "its end is past")
	}
	if o.DB != "" {
		if err := v.see(o.DB); err != nil {
			return ledger.Pause{}, err
		}
		if !v.Follows(o.DB) {
			return ledger.Pause{}, refuse(couchmend.KindUsage, "couchmend does not look after this database")
		}
	}
	if err := v.mayPause(v.r.Context(), o.DB); err != nil {
		return ledger.Pause{}, err
	}
	p := ledger.Pause{DB: o.DB, Reason: o.Reason, By: v.Name(), Since: v.Now(), Until: o.Until}
	if err := v.Ledger.Pause(v.r.Context(), p); err != nil {
		return p, err
	}
	v.Log.Info("paused", "db", p.DB, "by", p.By, "reason", p.Reason, "until", p.Until)
	return p, nil
}

// oneLine makes a text fit to stand in a line: control characters, and what
// turns the direction of writing, become spaces.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}), " ")
}

func (v *visit) resumeForm() error {
	db := v.r.PostForm.Get("db")
	ended, err := v.resume(db)
	if err != nil {
		return err
	}
	if ended {
		v.say("Resumed: " + nameOf(db) + ".")
	} else {
		v.say("It was not paused any more: " + nameOf(db) + ".")
	}
	return v.redirect("/pause")
}

// resume ends a pause, and reports whether there was one.
func (v *visit) resume(db string) (bool, error) {
	ctx := v.r.Context()
	if db != "" && !v.Admin() { // an admin may end the pause of what is deleted
		if err := v.see(db); err != nil {
			return false, err
		}
	}
	if err := v.mayPause(ctx, db); err != nil {
		return false, err
	}
	pauses, err := v.Ledger.Pauses(ctx)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(pauses, func(p ledger.Pause) bool { return p.DB == db }) {
		return false, nil
	}
	if err := v.Ledger.Resume(ctx, db); err != nil {
		return false, err
	}
	v.Log.Info("resumed", "db", db, "by", v.Name())
	return true, nil
}

func nameOf(db string) string {
	if db == "" {
		return "all databases"
	}
	return db
}

func (v *visit) pausesAPI() error {
	pauses, err := v.pausesSeen(v.r.Context(), v.Ledger)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, map[string]any{"pauses": append([]ledger.Pause{}, pauses...)})
}

func (v *visit) pauseAPI() error {
	var o pauseOrder
	if err := v.body(&o); err != nil {
		return err
	}
	p, err := v.pause(o)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, p)
}

func (v *visit) resumeAPI() error {
	var o struct {
		DB string `json:"db"`
	}
	if err := v.body(&o); err != nil {
		return err
	}
	ended, err := v.resume(o.DB)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, map[string]bool{"resumed": ended})
}
