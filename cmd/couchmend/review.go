package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

type reviewCmd struct {
	List    reviewListCmd `cmd:"" help:"List what waits for a person."`
	Show    reviewShowCmd `cmd:"" help:"Show one of them: the tree, the leaves, and why it waits."`
	Retry   retryCmd      `cmd:"" help:"Have documents decided again, after a change of the policy say."`
	Resolve resolveCmd    `cmd:"" help:"Decide on one of them: the same as couchmend resolve."`
	Dismiss dismissCmd    `cmd:"" help:"Let a conflict stand, until its document changes."`
}

// picking says which cases are meant.
type picking struct {
	Reason couchmend.Reason `placeholder:"REASON" help:"Only those that wait for this reason, such as overlap or no_base."`
}

// cases hands f the cases that are meant, those of databases that a --db names.
func (c *connection) cases(a *app, l *ledger.Ledger, filter ledger.Filter, f func(ledger.Case) error) error {
	for waits, err := range l.Cases(a.ctx, filter) {
		if err != nil {
			return err
		}
		named := func(glob string) bool { return policy.Match(glob, waits.DB) }
		if len(c.Databases) > 0 && !slices.ContainsFunc(c.Databases, named) {
			continue
		}
		if err := f(waits); err != nil {
			return err
		}
	}
	return nil
}

type reviewListCmd struct {
	connection
	picking
	All  bool `help:"Dismissed ones too."`
	JSON bool `name:"json" help:"Print a JSON object a line."`
}

// listPage is how many rows are aligned with each other.
const listPage = 250

// Run lists the review queue.
func (r *reviewListCmd) Run(a *app) error {
	t := a.table(a.stdout, "DB", "DOCUMENT", "REASON", "SINCE", "LEAVES", "RULE", "WHY").cut(5, 6)
	done, err := r.glance()
	if err != nil {
		return err
	}
	defer done()
	n, dismissed := 0, 0
	err = r.state(a, func(l *ledger.Ledger) error {
		return r.cases(a, l, ledger.Filter{Reason: r.Reason}, func(waits ledger.Case) error {
			if waits.Dismissed && !r.All {
				dismissed++
				return nil
			}
			n++
			if r.JSON {
				return a.printJSON(waits)
			}
			t.add(caseRow(waits)...)
			if n%listPage == 0 {
				return t.flush()
			}
			return nil
		})
	})
	if err != nil || r.JSON {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	if n == 0 {
		a.printf("Nothing is in review.\n")
	}
	if dismissed > 0 {
		a.printf("%s dismissed: --all shows them.\n", plural(dismissed, "conflict"))
	}
	return nil
}

func caseRow(c ledger.Case) []string {
	reason, why := string(c.Reason), ""
	if c.Dismissed {
		reason += ", dismissed by " + c.By
	}
	if len(c.Evidence) > 0 {
		why, _, _ = strings.Cut(c.Evidence[0], "\n") // a resolver's call stack follows
	}
	return []string{c.DB, c.ID, reason, age(time.Since(c.First)), fmt.Sprint(len(c.Leaves)), c.Rule, why}
}

type reviewShowCmd struct{ showCmd }

// Run shows a document that is in review.
func (r *reviewShowCmd) Run(a *app) error { return r.show(a, true) }

// Help is the long help.
func (reviewShowCmd) Help() string { return showCmd{}.Help() }

type dismissCmd struct {
	connection
	place
	person
	writing
}

// Help is the long help.
func (dismissCmd) Help() string {
	return "Nothing is written to CouchDB: readers go on seeing the winner. The case is no longer listed or counted, until the document's leaves change. review retry takes a dismissal back."
}

// Run dismisses a case, if the document still has the leaves that it is about (I3).
func (d *dismissCmd) Run(a *app) error {
	var waits ledger.Case
	err := d.visit(a, func(c *mend.Couchmend) (err error) {
		waits, err = document.UnchangedCase(a.ctx, c.Mender, d.DB, d.ID)
		return err
	})
	if err != nil {
		return err
	}
	a.printf("%s/%s waits since %s: %s\n", clean(d.DB), clean(d.ID), when(waits.First), waits.Reason)
	if ok, err := a.confirm(d.writing, "Let it stand as it is?"); !ok {
		return err
	}
	return d.visit(a, func(c *mend.Couchmend) error {
		err := document.Dismiss(a.ctx, c.Mender, d.DB, d.ID, d.name(), d.Note)
		if err == nil {
			a.printf("Dismissed.\n")
		}
		return err
	})
}
