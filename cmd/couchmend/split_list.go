package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/ledger"
)

// wantPlace checks that a document is named: only --list does without.
func (r *splitCmd) wantPlace() error {
	switch {
	case r.DB != "" && r.ID != "":
		return nil
	case r.DB != "":
		return usage(errors.New("name the document after the database, or say --list"))
	}
	return usage(errors.New("name a database and a document, or say --list"))
}

// splitLine is one split of the list.
type splitLine struct {
	DB         string            `json:"db"`
	ID         string            `json:"id"`
	Stage      ledger.SplitStage `json:"stage"`
	By         string            `json:"by"`
	Started    time.Time         `json:"started"`
	Also       []string          `json:"also,omitempty"`
	Documents  []splitInto       `json:"documents"`
	References int               `json:"references"`
}

// splitInto is where one of the versions went.
type splitInto struct {
	Name    string `json:"name"`
	ID      string `json:"id,omitempty"` // none where it was deleted
	Root    string `json:"root"`         // its first revision
	Keeps   bool   `json:"keeps_id,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

func newSplitLine(s ledger.Split) (splitLine, error) {
	line := splitLine{DB: s.DB, ID: s.ID, Stage: s.Stage, By: s.By, Started: s.Started, Also: s.Also}
	var p collision.Plan
	if err := json.Unmarshal(s.Plan, &p); err != nil {
		return line, fmt.Errorf("the stored plan of %s/%s: %w", s.DB, s.ID, err)
	}
	for _, v := range p.Versions {
		into := splitInto{Name: v.Name, ID: v.NewID, Root: v.Root.String(), Keeps: v.Keep, Deleted: v.Deleted}
		if v.Deleted {
			into.ID = ""
		}
		line.Documents = append(line.Documents, into)
	}
	line.References = len(p.References)
	return line, nil
}

// list lists the splits that are remembered.
func (r *splitCmd) list(a *app) error {
	if r.ID != "" {
		return usage(errors.New("--list lists all splits of a database: leave the document out"))
	}
	done, err := r.glance()
	if err != nil {
		return err
	}
	defer done()
	t := a.table(a.stdout, "DB", "DOCUMENT", "STAGE", "BY", "STARTED", "REFERENCES", "BECAME").cut(6)
	n := 0
	err = r.state(a, func(l *ledger.Ledger) error {
		for s, err := range l.Splits(a.ctx, r.DB) {
			if err != nil {
				return err
			}
			line, err := newSplitLine(s)
			if err != nil {
				return err
			}
			if n++; r.JSON {
				if err := a.printJSON(line); err != nil {
					return err
				}
				continue
			}
			t.add(line.DB, line.ID, strings.ReplaceAll(string(line.Stage), "_", " "), line.By, when(line.Started), fmt.Sprint(line.References), line.became())
		}
		return nil
	})
	if err != nil || r.JSON {
		return err
	}
	if n == 0 {
		a.printf("No split is remembered.\n")
		return nil
	}
	return t.flush()
}

// became says where the versions went.
func (line splitLine) became() string {
	var words []string
	for _, d := range line.Documents {
		switch {
		case d.Deleted:
			words = append(words, d.Name+" (deleted)")
		case d.Keeps:
			words = append(words, d.Name+" (keeps the id)")
		default:
			words = append(words, d.Name+" "+d.ID)
		}
	}
	return strings.Join(words, ", ")
}
