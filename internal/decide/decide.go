// Package decide turns a conflict into a decision: a pure function of the
// rules, the revision tree and the bodies of the leaves and their exact bases
// (I4). It reads no clock, draws nothing at random and does no I/O, though a
// rule's custom resolver may run a program; it carries the exact revisions to
// write.
package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Rules picks the rule that applies to a body, nil where none does. It must be
// pure, and return the same pointer for the same rule.
type Rules func(id string, body jsondoc.Value) *merge.Rule

// DeepLeaves is the most live leaves that a document has without being marked
// deep: a winner and three conflicting revisions.
const DeepLeaves = 4

// Bases returns the ancestors whose bodies a decision on c needs, beside those
// that c has: to be read, where they can be had, into c.Bases.
func Bases(c couchmend.Conflict) []couchmend.Rev {
	c, tree := grown(c)
	if len(c.Leaves) < 2 || isDesign(c.ID) {
		return nil
	}
	known := bodies(c)
	return slices.DeleteFunc(tree.Fold(revs(uncontained(tree, c.Leaves))).Bases(), func(r couchmend.Rev) bool {
		return known[r].Body != nil
	})
}

// Contents returns the leaves whose attachments' bytes a decision on c needs:
// to compare them, to carry them over, and for the journal. None, where all
// leaves show the same attachments.
func Contents(c couchmend.Conflict) []couchmend.Rev {
	if !slices.ContainsFunc(c.Leaves, func(leaf couchmend.Revision) bool { return !sameAttachments(leaf, c.Leaves[0]) }) {
		return nil
	}
	var need []couchmend.Rev
	for _, leaf := range c.Leaves {
		if len(leaf.Attachments) > 0 {
			need = append(need, leaf.Rev)
		}
	}
	return need
}

func sameAttachments(a, b couchmend.Revision) bool {
	return slices.EqualFunc(a.Attachments, b.Attachments, func(x, y couchmend.Attachment) bool {
		return x.Name == y.Name && x.Digest == y.Digest && x.Length == y.Length && x.ContentType == y.ContentType
	})
}

// Decide says what becomes of a conflict. The order in which c lists leaves
// does not matter. ctx is for custom resolvers: where it ends while one is asked,
// the decision is one to throw away.
func Decide(ctx context.Context, rules Rules, c couchmend.Conflict) couchmend.Decision {
	c, tree := grown(c)
	d := couchmend.Decision{Outcome: couchmend.Nothing, Deep: len(c.Leaves) > DeepLeaves}
	switch {
	case isDesign(c.ID) && len(c.Leaves) > 1:
		return review(d, couchmend.ReasonDesignDoc, "design documents are code: they are reported, never merged")
	case isDesign(c.ID):
		return d
	case len(c.Leaves) == 0:
		return annihilated(d, rules, tree, c)
	}
	if came := late(tree, c); len(came) > 0 {
		return follow(d, came)
	}
	if len(c.Leaves) == 1 {
		return lone(d, rules, tree, c)
	}
	open := uncontained(tree, c.Leaves)
	if len(open) == 1 {
		return bury(d, rules, c)
	}
	return mend(ctx, d, rules, tree, c, open)
}

// mend decides on leaves of which the winner does not contain all: open are the
// winner and those that it lacks.
func mend(ctx context.Context, d couchmend.Decision, rules Rules, tree *revtree.Tree, c couchmend.Conflict, open []couchmend.Revision) couchmend.Decision {
	if c.RevsLimit < revtree.MinRevsLimit {
		return review(d, couchmend.ReasonRevsLimit, fmt.Sprintf("_revs_limit is %d: under %d a merge could not say in its path what it contains", c.RevsLimit, revtree.MinRevsLimit))
	}
	if holds := tree.OpenHolds(revs(open), revs(c.Dead)); len(holds) > 0 {
		return review(d, couchmend.ReasonHeld, "an undo restored "+couchmend.ListRevs(holds)+": a person decides what becomes of it")
	}
	fold := tree.Fold(revs(open))
	rule, refusal := oneRule(rules, c.ID, open)
	two := collided(rules, tree, fold, c.ID, open)
	switch {
	case refusal != nil && refusal.Reason == couchmend.ReasonRulesDiffer && two != nil: // two things: no wonder
		return two.decide(d, rules, refusal.Evidence...)
	case refusal != nil:
		return review(d, refusal.Reason, refusal.Evidence...)
	}
	d.Rule = rule.Name
	if decided, ok := deleted(d, rule, tree, c); ok {
		return decided
	}
	if two != nil && !two.merges(rule) {
		return two.decide(d, rules)
	}
	if violations := leafViolations(rule, c.ID, open); len(violations) > 0 {
		return invalid(d, violations)
	}
	merged, refusal := merge.Merge(ctx, rule, c.ID, fold, bodies(c))
	switch {
	case refusal != nil:
		return review(d, refusal.Reason, refusal.Evidence...)
	case merged.Deleted:
		return deletedBy(d, rule, c)
	}
	if rule.Merged != nil {
		if violations := rule.Merged(c.ID, merged.Body); len(violations) > 0 {
			d.Draft = json.RawMessage(merged.Body)
			return invalid(d, violations)
		}
	}
	if other := rules(c.ID, merged.Body); other != rule {
		return review(d, couchmend.ReasonRulesDiffer, fmt.Sprintf("the leaves select rule %s, what they merge to selects %s", rule.Name, name(other)))
	}
	return asMerge(d, rule, merged, newRevision(tree, c, open, merged.Body, merged.Attachments), c)
}

// asMerge decides on a merge and the burials that follow it.
func asMerge(d couchmend.Decision, rule *merge.Rule, merged merge.Result, m couchmend.Revision, c couchmend.Conflict) couchmend.Decision {
	d.Outcome, d.Merge, d.Fields = couchmend.Merge, &m, merged.Fields
	if standsAlone(m, c.Leaves[0]) {
		d.Outcome = couchmend.Keep
	}
	d.Bury = burials(rule, c.Leaves[1:], m)
	return d
}

// bury decides where the winner contains every other leaf.
func bury(d couchmend.Decision, rules Rules, c couchmend.Conflict) couchmend.Decision {
	winner := c.Leaves[0]
	rule := rules(c.ID, jsondoc.Value(winner.Body))
	if rule != nil {
		d.Rule = rule.Name
	}
	d.Outcome, d.Bury = couchmend.Bury, burials(rule, c.Leaves[1:], winner)
	return d
}

// bodies are the revisions of c by their id.
func bodies(c couchmend.Conflict) map[couchmend.Rev]couchmend.Revision {
	known := make(map[couchmend.Rev]couchmend.Revision, len(c.Bases)+len(c.Leaves)+len(c.Dead))
	maps.Copy(known, c.Bases)
	for _, leaf := range slices.Concat(c.Dead, c.Leaves) {
		known[leaf.Rev] = leaf
	}
	return known
}

// grown returns the tree of c, and c with its leaves in CouchDB's order, each
// once. What is listed as a leaf and is not, because a newer one grew from it
// while they were read, is left out: its tombstone would look like a user's
// deletion.
func grown(c couchmend.Conflict) (couchmend.Conflict, *revtree.Tree) {
	tree := treeOf(c)
	prune := func(leaves []couchmend.Revision) []couchmend.Revision {
		leaves = slices.DeleteFunc(slices.Clone(leaves), func(l couchmend.Revision) bool { return tree.Outgrown(l.Rev) })
		revtree.WinnerFirst(leaves)
		return slices.CompactFunc(leaves, func(a, b couchmend.Revision) bool { return a.Rev == b.Rev })
	}
	c.Leaves, c.Dead = prune(c.Leaves), prune(c.Dead)
	return c, tree
}

// standsAlone reports whether a merge shows readers nothing but its winner.
func standsAlone(m, winner couchmend.Revision) bool {
	return jsondoc.Equal(jsondoc.Value(m.Body), jsondoc.Value(winner.Body)) && len(m.Attachments) == len(winner.Attachments) &&
		!slices.ContainsFunc(m.Attachments, func(a couchmend.Attachment) bool { return a.From != winner.Rev })
}

// oneRule returns the rule that all leaves select.
func oneRule(rules Rules, id string, leaves []couchmend.Revision) (*merge.Rule, *merge.Refusal) {
	first := rules(id, jsondoc.Value(leaves[0].Body))
	for _, leaf := range leaves[1:] {
		if other := rules(id, jsondoc.Value(leaf.Body)); other != first {
			return nil, &merge.Refusal{Reason: couchmend.ReasonRulesDiffer, Evidence: []string{
				fmt.Sprintf("%s selects rule %s, %s selects %s", leaves[0].Rev, name(first), leaf.Rev, name(other)),
			}}
		}
	}
	if first == nil {
		return nil, &merge.Refusal{Reason: couchmend.ReasonNoRule, Evidence: []string{"no rule of the policy selects this document"}}
	}
	return first, nil
}

func name(rule *merge.Rule) string {
	if rule == nil {
		return "none"
	}
	return rule.Name
}

// uncontained returns the winner and the leaves that it does not contain.
func uncontained(tree *revtree.Tree, leaves []couchmend.Revision) []couchmend.Revision {
	inWinner := tree.Contains(leaves[0].Rev)
	open := []couchmend.Revision{leaves[0]}
	for _, leaf := range leaves[1:] {
		if !inWinner.Has(revtree.MarkOf(leaf.Rev)) {
			open = append(open, leaf)
		}
	}
	return open
}

func treeOf(c couchmend.Conflict) *revtree.Tree {
	paths := make([]revtree.Path, 0, len(c.Leaves)+len(c.Dead))
	for _, leaf := range c.Leaves {
		paths = append(paths, leaf.Path)
	}
	for _, leaf := range c.Dead {
		paths = append(paths, leaf.Path)
	}
	return revtree.New(paths...)
}

func review(d couchmend.Decision, reason couchmend.Reason, evidence ...string) couchmend.Decision {
	d.Outcome, d.Reason, d.Evidence = couchmend.Review, reason, evidence
	return d
}

func isDesign(id string) bool { return strings.HasPrefix(id, "_design/") }

func revs(revisions []couchmend.Revision) []couchmend.Rev {
	out := make([]couchmend.Rev, len(revisions))
	for i, r := range revisions {
		out[i] = r.Rev
	}
	return out
}
