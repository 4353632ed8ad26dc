package main

import (
	"errors"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/mend"
)

type diffCmd struct {
	connection
	place
	Revs []string `arg:"" optional:"" name:"rev" help:"Two revisions to compare, instead of the leaves; the beginning of an id will do."`
	All  bool     `help:"Show the fields too that are alike."`
	JSON bool     `name:"json" help:"Print the comparison as one JSON object, all fields included."`
}

// Help is the long help.
func (diffCmd) Help() string {
	return "The sides are the base, where one exact base is known, the winner, the other live leaves, and the merge that the policy would write. A field that a side does not have is shown as \"-\". Writes nothing."
}

// Run compares.
func (d *diffCmd) Run(a *app) error {
	if len(d.Revs) != 0 && len(d.Revs) != 2 {
		return usage(errors.New("give two revisions to compare, or none"))
	}
	done, err := d.glance()
	if err != nil {
		return err
	}
	defer done()
	var compared document.Comparison
	err = d.visit(a, func(c *mend.Couchmend) error {
		seen, err := d.look(a, c)
		if err != nil {
			return err
		}
		var sides []document.Side
		for _, text := range d.Revs {
			r, err := revision(a, c, seen, text)
			if err != nil {
				return err
			}
			sides = append(sides, seen.SideOf(r))
		}
		compared = seen.Compare(sides...)
		return nil
	})
	if err != nil {
		return err
	}
	if d.JSON {
		return a.printJSON(compared)
	}
	return printComparison(a, compared, d.All)
}

// revision reads the revision of a document that a person means.
func revision(a *app, c *mend.Couchmend, seen *document.Sight, text string) (couchmend.Revision, error) {
	rev, err := seen.Find(text)
	if err != nil {
		return couchmend.Revision{}, err
	}
	return seen.Revision(a.ctx, c.Mender, rev)
}

// maxSides is how many revisions are put beside each other for a person.
const maxSides = 12

// printComparison shows a comparison to a person.
func printComparison(a *app, c document.Comparison, all bool) error {
	shown := min(len(c.Sides), maxSides)
	head := []string{"FIELD"}
	for _, s := range c.Sides[:shown] {
		head = append(head, strings.TrimSpace(string(s.Name)+" "+document.Short(s.Rev)))
	}
	t := a.table(a.stdout, head...)
	for i := range shown {
		t.give = append(t.give, i+1)
	}
	alike := 0
	for _, f := range c.Fields {
		if !f.Differs {
			alike++
			if !all {
				continue
			}
		}
		cells := []string{f.Path()}
		for _, v := range f.Values[:shown] {
			if v == nil {
				v = []byte("-")
			}
			cells = append(cells, string(v))
		}
		t.add(cells...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if shown < len(c.Sides) {
		a.printf("%d sides more: --json has them all, and two revisions can be named.\n", len(c.Sides)-shown)
	}
	switch {
	case alike == len(c.Fields):
		a.printf("No field differs (%s).\n", plural(alike, "field"))
	case alike > 0 && !all:
		a.printf("%s alike: --all shows them.\n", plural(alike, "field"))
	}
	return nil
}
