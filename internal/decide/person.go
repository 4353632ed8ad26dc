package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Choice is what a person wants a conflicted document to be.
type Choice struct {
	Body        json.RawMessage
	Attachments []couchmend.Attachment // From names the leaf; Data is needed where that is not the winner
	By          string
}

// Choose makes a person's choice a decision: a merge on top of the winner that
// contains every leaf, releases every hold and stands over every deletion that
// the rule would ask about again, and tombstones for the losers. Where no live
// leaf is left, the document is created anew on top of the first tombstone. The
// error is of KindUsage for a body that is no JSON object, KindNotFound for a
// document without leaves.
func Choose(rules Rules, c couchmend.Conflict, choice Choice) (couchmend.Decision, error) {
	body, err := jsondoc.Parse(choice.Body)
	if err == nil && body.Kind() != '{' {
		err = errors.New("it is no JSON object")
	}
	if err != nil {
		return couchmend.Decision{}, &couchmend.Error{Op: "resolve", DB: c.DB, ID: c.ID, Kind: couchmend.KindUsage, Err: fmt.Errorf("the merged document: %w", err)}
	}
	c, tree := grown(c)
	leaves := c.Leaves
	if len(leaves) == 0 {
		leaves = c.Dead
	}
	if len(leaves) == 0 {
		return couchmend.Decision{}, &couchmend.Error{Op: "resolve", DB: c.DB, ID: c.ID, Kind: couchmend.KindNotFound}
	}
	d := couchmend.Decision{Outcome: couchmend.Nothing, Deep: len(c.Leaves) > DeepLeaves}
	d.Fields = []couchmend.Origin{{From: revs(leaves), Why: "decided by " + choice.By}}
	rule := rules(c.ID, body)
	if rule != nil {
		d.Rule = rule.Name
	}
	stands := leaves[0]
	open, words := uncontained(tree, leaves), releases(rule, tree, c)
	if m := newRevision(tree, c, open, body, choice.Attachments, words...); len(open) > 1 || len(words) > 0 || stands.Deleted || !standsAlone(m, stands) {
		d.Outcome, d.Merge, stands = couchmend.Merge, &m, m
	}
	if len(c.Leaves) > 1 {
		d.Bury = burials(rule, c.Leaves[1:], stands)
		if d.Merge == nil {
			d.Outcome = couchmend.Bury
		}
	}
	return d, nil
}

// releases are a person's words about what stands in the way of a decision:
// open holds, and deletions that the rule would ask about again.
func releases(rule *merge.Rule, tree *revtree.Tree, c couchmend.Conflict) []revtree.Mark {
	var words []revtree.Mark
	for _, held := range tree.OpenHolds(revs(c.Leaves), nil) {
		words = append(words, revtree.ReleaseMark(held))
	}
	for _, tombstone := range c.Dead {
		if len(c.Leaves) > 0 && rule != nil && rule.Deletes != merge.EditWins && byUser(tombstone, tree) {
			words = append(words, revtree.ReleaseMark(tombstone.Rev))
		}
	}
	return words
}

// ChooseDelete makes a person's wish to delete a document a decision:
// tombstones for every live leaf. Where leaves were buried before, a document
// without a live leaf looks annihilated; so that nobody is asked about it, a
// merge that says otherwise is written first, and buried with the rest.
func ChooseDelete(c couchmend.Conflict, by string) couchmend.Decision {
	return deleteAll(nil, c, by)
}

// deleteAll is ChooseDelete with tombstones that keep what a rule says, of each
// leaf.
func deleteAll(rule *merge.Rule, c couchmend.Conflict, by string) couchmend.Decision {
	c, tree := grown(c)
	d := couchmend.Decision{Outcome: couchmend.Delete, Evidence: []string{"deleted by " + by}}
	for _, leaf := range c.Leaves {
		d.Bury = append(d.Bury, burials(rule, []couchmend.Revision{leaf}, leaf)...)
	}
	var words []revtree.Mark
	for _, tombstone := range c.Dead {
		if isBurial(tombstone, tree) && !released(tombstone, tree) {
			words = append(words, revtree.ReleaseMark(tombstone.Rev))
		}
	}
	if len(words) == 0 || len(c.Leaves) == 0 {
		return d
	}
	winner := c.Leaves[0]
	m := onTop(winner, revtree.Placed(winner.Rev, words...), jsondoc.Value(winner.Body), from(winner.Rev, winner.Attachments), c.RevsLimit)
	d.Merge = &m
	d.Bury[0] = burials(rule, []couchmend.Revision{m}, m)[0]
	return d
}

// Undo takes a decision back. Each buried leaf becomes live again as a child of
// what it was, and the winner's old body stands on top of the merge; each with
// the mark of a hold in its path, so that no couchmend, on any site, merges
// them again before a person has decided. leaves are those that the decision
// was made from, winner first, attachments with their bytes: what a buried leaf
// had may be gone from the server.
func Undo(taken couchmend.Decision, leaves []couchmend.Revision, revsLimit int) []couchmend.Revision {
	var restored []couchmend.Revision
	for i, leaf := range leaves {
		parent := leaf
		switch {
		case i == 0 && taken.Merge != nil:
			parent = *taken.Merge
		case i == 0 && taken.Outcome == couchmend.Bury:
			continue // the winner still stands as it was
		}
		hold := revtree.Placed(parent.Rev, revtree.HoldMark(parent.Rev))
		restored = append(restored, onTop(parent, hold, jsondoc.Value(leaf.Body), from(couchmend.Rev{}, leaf.Attachments), revsLimit))
	}
	return restored
}

// from returns attachments as those of leaf; of none, they all travel with
// their bytes.
func from(leaf couchmend.Rev, attachments []couchmend.Attachment) []couchmend.Attachment {
	marked := slices.Clone(attachments)
	for i := range marked {
		marked[i].From = leaf
	}
	return marked
}
