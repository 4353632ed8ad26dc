package main

import (
	"context"
	"errors"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/mend"
)

type diffCmd struct {
	connection
	document
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
	var sides []side
	err = d.visit(a, func(c *mend.Couchmend) error {
		seen, err := d.look(a, c)
		if err != nil {
			return err
		}
		if len(d.Revs) == 0 {
			sides = seen.sides()
			return nil
		}
		for _, text := range d.Revs {
			r, err := d.revision(a.ctx, c, seen, text)
			if err != nil {
				return err
			}
			sides = append(sides, sideOf(seen.name(r.Rev), r))
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows := compare(sides)
	if d.JSON {
		return a.printJSON(newComparison(d.DB, d.ID, sides, rows))
	}
	return printRows(a, sides, rows, d.All)
}

// sides are what a person wants to see beside each other.
func (s sight) sides() []side {
	var sides []side
	if bases := s.bases(); len(bases) == 1 && len(decide.Bases(s.conflict)) == 0 {
		sides = append(sides, sideOf("base", bases[0]))
	}
	leaves := s.conflict.Leaves
	if len(leaves) == 0 {
		leaves = s.conflict.Dead
	}
	for _, leaf := range leaves {
		sides = append(sides, sideOf(s.name(leaf.Rev), leaf))
	}
	if s.decision.Merge != nil {
		merged := sideOf("merge", *s.decision.Merge)
		merged.Rev = couchmend.Rev{} // it is not written
		sides = append(sides, merged)
	}
	return sides
}

// revision reads one revision of a document: a leaf, or an older one whose body
// CouchDB or the journal still has.
func (d document) revision(ctx context.Context, c *mend.Couchmend, seen sight, text string) (couchmend.Revision, error) {
	rev, err := seen.revision(text)
	if err != nil {
		return couchmend.Revision{}, err
	}
	if i := slices.IndexFunc(seen.leaves(), func(l couchmend.Revision) bool { return l.Rev == rev }); i >= 0 {
		return seen.leaves()[i], nil
	}
	if base, ok := seen.conflict.Bases[rev]; ok {
		return base, nil
	}
	for got, err := range c.Server.DB(d.DB).BulkGet(ctx, []couch.Want{{ID: d.ID, Rev: rev}}, couch.Get{}) {
		if err != nil {
			return couchmend.Revision{}, err
		}
		if got.Revision != nil {
			return *got.Revision, nil
		}
	}
	kept, err := c.Ledger.Bodies(ctx, d.DB, d.ID, []couchmend.Rev{rev})
	if err != nil {
		return couchmend.Revision{}, err
	}
	body, ok := kept[rev]
	if !ok {
		return body, &couchmend.Error{Op: "read", DB: d.DB, ID: d.ID, Rev: rev, Kind: couchmend.KindNotFound,
			Err: errors.New("its body is gone: CouchDB has compacted it, and the journal does not hold it")}
	}
	return body, nil
}

// maxSides is how many revisions are put beside each other for a person.
const maxSides = 12

// printRows shows a comparison to a person.
func printRows(a *app, sides []side, rows []fieldRow, all bool) error {
	shown := min(len(sides), maxSides)
	head := []string{"FIELD"}
	for _, s := range sides[:shown] {
		head = append(head, s.title())
	}
	t := a.table(a.stdout, head...)
	for i := range shown {
		t.give = append(t.give, i+1)
	}
	alike := 0
	for _, row := range rows {
		if !row.Differs {
			alike++
			if !all {
				continue
			}
		}
		cells := []string{row.Path}
		for _, v := range row.Values[:shown] {
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
	if shown < len(sides) {
		a.printf("%d sides more: --json has them all, and two revisions can be named.\n", len(sides)-shown)
	}
	switch {
	case alike == len(rows):
		a.printf("No field differs (%s).\n", plural(alike, "field"))
	case alike > 0 && !all:
		a.printf("%s alike: --all shows them.\n", plural(alike, "field"))
	}
	return nil
}
