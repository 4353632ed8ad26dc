package decide

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Choice is what a person wants a conflicted document to be.
type Choice struct {
	Body        json.RawMessage
	Attachments []couchmend.Attachment // From names the leaf; Data is needed where that is not the winner
	By          string
}

// Choose makes a person's choice a decision: a merge on top of the winner that
// contains every leaf and releases every hold, and tombstones for the losers.
// Where no live leaf is left, the document is created anew on top of the first
// tombstone.
func Choose(rules Rules, c couchmend.Conflict, choice Choice) (couchmend.Decision, error) {
	body, err := jsondoc.Parse(choice.Body)
	if err != nil || body.Kind() != '{' {
		return couchmend.Decision{}, &couchmend.Error{Op: "resolve", DB: c.DB, ID: c.ID, Kind: couchmend.KindUsage, Err: fmt.Errorf("the merged document must be a JSON object: %v", err)}
	}
	leaves := slices.Concat(c.Leaves, c.Dead)
	if len(leaves) == 0 {
		return couchmend.Decision{}, &couchmend.Error{Op: "resolve", DB: c.DB, ID: c.ID, Kind: couchmend.KindNotFound}
	}
	if len(c.Leaves) > 0 {
		leaves = c.Leaves
	}
	tree := treeOf(c)
	open := uncontained(tree, leaves)
	var releases []revtree.Mark
	for _, held := range tree.OpenHolds(revs(leaves), nil) {
		releases = append(releases, revtree.ReleaseMark(held))
	}
	d := couchmend.Decision{Outcome: couchmend.Merge, Deep: len(c.Leaves) > DeepLeaves}
	d.Fields = []couchmend.Origin{{From: revs(leaves), Why: "decided by " + choice.By}}
	rule := rules(c.ID, body)
	if rule != nil {
		d.Rule = rule.Name
	}
	m := newRevision(tree, c, open, body, choice.Attachments, releases...)
	stands := leaves[0]
	if len(open) > 1 || len(releases) > 0 || stands.Deleted || !standsAlone(m, stands) {
		d.Merge, stands = &m, m
	} else {
		d.Outcome = couchmend.Bury
	}
	if len(c.Leaves) > 1 {
		d.Bury = burials(rule, c.Leaves[1:], stands)
	}
	return d, nil
}

// ChooseDelete makes a person's wish to delete a document a decision:
// tombstones for every live leaf.
func ChooseDelete(c couchmend.Conflict, by string) couchmend.Decision {
	return couchmend.Decision{
		Outcome:  couchmend.Delete,
		Bury:     burials(nil, c.Leaves, couchmend.Revision{}),
		Evidence: []string{"deleted by " + by},
	}
}

// Undo takes a decision back. Each buried leaf becomes live again as a child of
// what it was, and the winner's old body stands on top of the merge; each with
// the mark of a hold in its path, so that no couchmend, on any site, merges
// them again before a person has decided. leaves are those that the decision
// was made from, winner first, attachments with their bytes.
func Undo(taken couchmend.Decision, leaves []couchmend.Revision, revsLimit int) []couchmend.Revision {
	var restored []couchmend.Revision
	for _, leaf := range leaves {
		parent := leaf
		if leaf.Rev == leaves[0].Rev && taken.Merge != nil {
			parent = *taken.Merge
		}
		if leaf.Rev == leaves[0].Rev && taken.Outcome == couchmend.Bury {
			continue // the winner still stands as it was
		}
		marks := revtree.Placed(parent.Rev, revtree.HoldMark(parent.Rev))
		restored = append(restored, onTop(parent, marks, jsondoc.Value(leaf.Body), inline(leaf.Attachments), revsLimit))
	}
	return restored
}

// inline makes attachments travel with their bytes: those of a buried leaf may
// be gone from the server.
func inline(attachments []couchmend.Attachment) []couchmend.Attachment {
	inlined := slices.Clone(attachments)
	for i := range inlined {
		inlined[i].From = couchmend.Rev{}
	}
	return inlined
}
