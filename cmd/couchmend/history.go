package main

import (
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
)

type historyCmd struct {
	connection
	place
	JSON bool `name:"json" help:"Print a JSON object a line, bodies included."`
}

// Help is the long help.
func (historyCmd) Help() string {
	return "The journal remembers for 30 days what was decided about a document, by whom, and the bodies that it was decided from. Oldest first."
}

// Run lists a document's journal.
func (h *historyCmd) Run(a *app) error {
	done, err := h.glance()
	if err != nil {
		return err
	}
	defer done()
	var entries []ledger.Entry
	err = h.state(a, func(l *ledger.Ledger) (err error) {
		entries, err = l.History(a.ctx, h.DB, h.ID)
		return err
	})
	if err != nil {
		return err
	}
	if h.JSON {
		for _, e := range entries {
			if err := a.printJSON(document.SlimEntry(e)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) == 0 {
		a.printf("The journal holds nothing about %s/%s.\n", clean(h.DB), clean(h.ID))
		return nil
	}
	t := a.table(a.stdout, "TIME", "WHAT", "BY", "FROM", "WROTE", "RULE", "NOTE").cut(3, 5, 6)
	for _, e := range entries {
		from, wrote := "", ""
		for i, leaf := range e.Leaves {
			if i > 0 {
				from += ", "
			}
			from += document.Short(leaf.Rev)
		}
		if e.Decision.Merge != nil && e.Kind != "undo" {
			wrote = e.Decision.Merge.Rev.String()
		}
		t.add(when(e.Time), e.Kind, e.By, from, wrote, e.Decision.Rule, e.Note)
	}
	return t.flush()
}
