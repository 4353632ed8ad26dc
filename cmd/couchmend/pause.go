package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

type pauseCmd struct {
	connection
	DB     string        `arg:"" optional:"" name:"db" help:"The database; all of them, if none is named."`
	Reason string        `help:"Why, for whoever wonders."`
	For    time.Duration `xor:"end" placeholder:"2h" help:"When it ends by itself, from now."`
	Until  string        `xor:"end" placeholder:"TIME" help:"When it ends by itself: 17:30, 2026-12-01, or RFC 3339."`
	List   bool          `help:"List the pauses in force instead."`
	By     string        `env:"COUCHMEND_BY" help:"Who says so. Default: the user's name."`
	DryRun bool          `short:"n" help:"Show what would be done, and do nothing."`
	JSON   bool          `name:"json" help:"Print JSON, with --list an object a line."`
}

// Help is the long help.
func (pauseCmd) Help() string {
	return "Nothing is written to a paused database by couchmend itself; conflicts are still found and wait. A person's own resolve and undo go through. It takes effect at once, also in a run on another machine with the same state, and asks no question."
}

// Run pauses, or lists pauses.
func (p *pauseCmd) Run(a *app) error {
	if p.List {
		return p.list(a)
	}
	if p.Reason == "" {
		return usage(errors.New("say why: --reason TEXT"))
	}
	if strings.ContainsAny(p.DB, `*?[`) {
		return usage(errors.New("a pause is of one database or, if none is named, of all: it takes no glob"))
	}
	until, err := p.until(time.Now())
	if err != nil {
		return err
	}
	pause := ledger.Pause{DB: p.DB, Reason: p.Reason, By: person{By: p.By}.name(), Since: time.Now(), Until: until}
	if !p.DryRun {
		err = p.state(a, func(l *ledger.Ledger) error { return l.Pause(a.ctx, pause) })
	}
	switch {
	case err != nil:
		return err
	case p.JSON:
		return a.printJSON(pause)
	}
	a.printf("Paused: %s, %s.\n", databaseName(pause.DB), pauseEnd(pause))
	return nil
}

// until says when the pause ends; zero: when it is resumed.
func (p *pauseCmd) until(now time.Time) (time.Time, error) {
	switch {
	case p.For < 0:
		return time.Time{}, usage(errors.New("--for is a time to come: give one such as 90m"))
	case p.For > 0:
		return now.Add(p.For), nil
	case p.Until == "":
		return time.Time{}, nil
	}
	end, err := parseMoment(p.Until, now)
	if err != nil {
		return end, err
	}
	if !end.After(now) {
		return end, usage(fmt.Errorf("--until %s is past", p.Until))
	}
	return end, nil
}

// parseMoment reads a moment in local time: a time of day is the next such.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, usage(fmt.Errorf("--until %q: want a time such as 17:30, 2026-12-01, or 2026-12-01T17:30:00Z", text))
	}
	t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
	if !t.After(now) {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}

func (p *pauseCmd) list(a *app) error {
	var pauses []ledger.Pause
	err := p.state(a, func(l *ledger.Ledger) (err error) {
		pauses, err = l.Pauses(a.ctx)
		return err
	})
	if err != nil {
		return err
	}
	t := a.table(a.stdout, "DATABASE", "SINCE", "BY", "ENDS", "REASON").cut(4)
	for _, pause := range pauses {
		if !p.JSON {
			t.add(databaseName(pause.DB), when(pause.Since), pause.By, pauseEnd(pause), pause.Reason)
		} else if err := a.printJSON(pause); err != nil {
			return err
		}
	}
	if len(pauses) == 0 && !p.JSON {
		a.printf("Nothing is paused.\n")
	}
	return t.flush()
}

func databaseName(db string) string {
	if db == "" {
		return "all databases"
	}
	return clean(db)
}

func pauseEnd(p ledger.Pause) string {
	if p.Until.IsZero() {
		return "until resumed"
	}
	return "until " + when(p.Until)
}

type resumeCmd struct {
	connection
	DB string `arg:"" optional:"" name:"db" help:"The database; if none is named, the pause of all databases ends, and those of single ones stay."`
	writing
}

// Run ends a pause.
func (r *resumeCmd) Run(a *app) error {
	paused := false
	err := r.state(a, func(l *ledger.Ledger) error {
		pauses, err := l.Pauses(a.ctx)
		for _, p := range pauses {
			if p.DB == r.DB {
				paused = true
				a.printf("Paused since %s by %s: %s\n", when(p.Since), clean(p.By), clean(p.Reason))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if !paused {
		a.printf("No pause of %s is in force.\n", databaseName(r.DB))
		return nil
	}
	if ok, err := a.confirm(r.writing, "Go on with mending "+databaseName(r.DB)+"?"); !ok {
		return err
	}
	err = r.state(a, func(l *ledger.Ledger) error { return l.Resume(a.ctx, r.DB) })
	if err == nil {
		a.printf("Resumed: %s.\n", databaseName(r.DB))
	}
	return err
}
