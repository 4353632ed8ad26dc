package main

import (
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/mend"
)

type undoCmd struct {
	connection
	place
	person
	writing
	JSON bool `name:"json" help:"Print what is taken back and written as JSON."`
}

// Help is the long help.
func (undoCmd) Help() string {
	return "Takes the newest decision on a document back: the leaves that it was made from are live again, each as a child of what it was. No couchmend, on any site, merges them by itself: they wait in review until a person resolves them."
}

// Run takes a decision back.
func (u *undoCmd) Run(a *app) error {
	undo := func(dryRun bool) (undone mender.Undone, err error) {
		return undone, u.visit(a, func(c *mend.Couchmend) error {
			undone, err = c.Mender.Undo(a.ctx, u.DB, u.ID, u.name(), dryRun)
			return err
		})
	}
	plan, err := undo(true)
	if err != nil {
		return err
	}
	if u.JSON {
		err = a.printJSON(map[string]any{"entry": document.SlimEntry(plan.Entry), "restored": document.Slim(plan.Restored)})
	} else {
		err = printPlan(a, plan)
	}
	if err != nil {
		return err
	}
	if ok, err := a.confirm(u.writing, "Take it back?"); !ok {
		return err
	}
	if _, err = undo(false); err == nil && !u.JSON {
		a.printf("Written. It waits in review now.\n")
	}
	return err
}

func printPlan(a *app, plan mender.Undone) error {
	e := plan.Entry
	a.printf("The %s by %s of %s: %s\n\n", e.Kind, clean(e.By), when(e.Time), verdict(e.Decision))
	t := a.table(a.stdout, "RESTORED", "FROM", "BODY").cut(2)
	for i, r := range plan.Restored {
		from := ""
		if len(plan.Restored) == len(e.Leaves) {
			from = document.Short(e.Leaves[i].Rev)
		} else if i+1 < len(e.Leaves) { // the winner still stands as it was
			from = document.Short(e.Leaves[i+1].Rev)
		}
		t.add(r.Rev.String(), from, string(r.Body))
	}
	return t.flush()
}
