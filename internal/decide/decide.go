// Package decide turns a conflict into a decision: a pure function of the
// rules, the revision tree and the bodies of the leaves and their exact bases
// (I4). It reads no clock, draws nothing at random and does no I/O; it carries
// the exact revisions to write.
package decide

import (
	"fmt"
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

// Bases returns the ancestors whose bodies a decision on c needs: to be read,
// where they can be had, into c.Bases.
func Bases(c couchmend.Conflict) []couchmend.Rev {
	if len(c.Leaves) < 2 || isDesign(c.ID) {
		return nil
	}
	tree := treeOf(c)
	return tree.Fold(revs(uncontained(tree, c.Leaves))).Bases()
}

// Contents returns the leaves whose attachments' bytes a decision on c needs:
// to compare them, to carry them over, and for the journal. None, where all
// leaves show the same attachments.
func Contents(c couchmend.Conflict) []couchmend.Rev {
	var need []couchmend.Rev
	for _, leaf := range c.Leaves {
		if !sameAttachments(leaf, c.Leaves[0]) {
			need = append(need, leaf.Rev)
		}
	}
	if need != nil && len(c.Leaves[0].Attachments) > 0 {
		need = append(need, c.Leaves[0].Rev)
	}
	return slices.DeleteFunc(need, func(r couchmend.Rev) bool {
		return slices.ContainsFunc(c.Leaves, func(l couchmend.Revision) bool { return l.Rev == r && len(l.Attachments) == 0 })
	})
}

func sameAttachments(a, b couchmend.Revision) bool {
	return slices.EqualFunc(a.Attachments, b.Attachments, func(x, y couchmend.Attachment) bool {
		return x.Name == y.Name && x.Digest == y.Digest && x.Length == y.Length && x.ContentType == y.ContentType
	})
}

// Decide says what becomes of a conflict.
func Decide(rules Rules, c couchmend.Conflict) couchmend.Decision {
	d := couchmend.Decision{Deep: len(c.Leaves) > DeepLeaves}
	tree := treeOf(c)
	switch {
	case isDesign(c.ID):
		if len(c.Leaves) < 2 {
			return nothing(d)
		}
		return review(d, couchmend.ReasonDesignDoc, "design documents are code: they are reported, never merged")
	case len(c.Leaves) == 0:
		return annihilated(d, rules, tree, c)
	case len(c.Leaves) == 1:
		return lone(d, rules, tree, c)
	}
	winner := c.Leaves[0]
	open := uncontained(tree, c.Leaves)
	if len(open) == 1 {
		d.Outcome = couchmend.Bury
		rule := rules(c.ID, jsondoc.Value(winner.Body))
		if rule != nil {
			d.Rule = rule.Name
		}
		d.Bury = burials(rule, c.Leaves[1:], winner)
		return d
	}
	if c.RevsLimit < revtree.MinRevsLimit {
		return review(d, couchmend.ReasonRevsLimit, fmt.Sprintf("_revs_limit is %d: under %d a merge could not say in its path what it contains", c.RevsLimit, revtree.MinRevsLimit))
	}
	if holds := tree.OpenHolds(revs(open), revs(c.Dead)); len(holds) > 0 {
		return review(d, couchmend.ReasonHeld, "an undo restored "+list(holds)+": a person decides what becomes of it")
	}
	rule, refusal := oneRule(rules, c.ID, open)
	if refusal != nil {
		return review(d, refusal.Reason, refusal.Evidence...)
	}
	d.Rule = rule.Name
	if decided, ok := deleted(d, rule, tree, c); ok {
		return decided
	}
	return mergeLeaves(d, rules, rule, tree, c, open)
}

// mergeLeaves merges the winner and all leaves that it does not contain.
func mergeLeaves(d couchmend.Decision, rules Rules, rule *merge.Rule, tree *revtree.Tree, c couchmend.Conflict, open []couchmend.Revision) couchmend.Decision {
	fold := tree.Fold(revs(open))
	if fold.Uses(revtree.TwoRoots) > 0 && rule.Collision != merge.CollisionMerge && !alike(open) {
		if rule.Collision == merge.CollisionSplit {
			d.Outcome = couchmend.Split
		}
		return collision(d, tree, open)
	}
	bodies := map[couchmend.Rev]couchmend.Revision{}
	for r, base := range c.Bases {
		bodies[r] = base
	}
	for _, leaf := range open {
		bodies[leaf.Rev] = leaf
	}
	merged, refusal := merge.Merge(rule, fold, bodies)
	if refusal != nil {
		return review(d, refusal.Reason, refusal.Evidence...)
	}
	if other := rules(c.ID, merged.Body); other != rule {
		return review(d, couchmend.ReasonRulesDiffer, fmt.Sprintf("the leaves select rule %s, what they merge to selects %s", rule.Name, name(other)))
	}
	d.Fields = merged.Fields
	m := newRevision(tree, c, open, merged.Body, merged.Attachments)
	d.Merge = &m
	d.Outcome = couchmend.Merge
	if standsAlone(m, c.Leaves[0]) {
		d.Outcome = couchmend.Keep
	}
	d.Bury = burials(rule, c.Leaves[1:], m)
	return d
}

// standsAlone reports whether a merge shows readers nothing but its winner.
func standsAlone(m, winner couchmend.Revision) bool {
	return jsondoc.Equal(jsondoc.Value(m.Body), jsondoc.Value(winner.Body)) && len(m.Attachments) == len(winner.Attachments) &&
		!slices.ContainsFunc(m.Attachments, func(a couchmend.Attachment) bool { return a.From != winner.Rev })
}

// alike reports whether leaves are one and the same document: then two roots
// are one thing created twice, whatever the rule says.
func alike(leaves []couchmend.Revision) bool {
	for _, leaf := range leaves[1:] {
		if !jsondoc.Equal(jsondoc.Value(leaf.Body), jsondoc.Value(leaves[0].Body)) || !sameAttachments(leaf, leaves[0]) {
			return false
		}
	}
	return true
}

func collision(d couchmend.Decision, tree *revtree.Tree, open []couchmend.Revision) couchmend.Decision {
	outcome := d.Outcome
	var evidence []string
	for _, leaf := range open {
		path := tree.Path(leaf.Rev)
		evidence = append(evidence, fmt.Sprintf("%s goes back to the first revision %s", leaf.Rev, path[len(path)-1]))
	}
	d = review(d, couchmend.ReasonTwoRoots, evidence...)
	if outcome == couchmend.Split {
		d.Outcome = couchmend.Split
	}
	return d
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

func nothing(d couchmend.Decision) couchmend.Decision {
	d.Outcome = couchmend.Nothing
	return d
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

func list(revs []couchmend.Rev) string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}
