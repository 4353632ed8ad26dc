package decide

import (
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// twoRoots are leaves that differ and whose histories start at different first
// revisions.
type twoRoots struct {
	id        string
	roots     []revtree.Root
	leaves    []couchmend.Revision
	judgement Judgement
}

// collided returns what is known of leaves of which two have no common root;
// nil where none do, or where all are one and the same document.
func collided(rules Rules, tree *revtree.Tree, fold revtree.Fold, id string, leaves []couchmend.Revision) *twoRoots {
	apart := fold.Uses(revtree.TwoRoots) > 0
	if !apart && fold.Uses(revtree.NoBase) == 0 || alike(leaves) {
		return nil
	}
	roots := tree.Roots(revs(leaves))
	known := 0
	for _, root := range roots {
		if root.Doubt == "" {
			known++
		}
	}
	if len(roots) < 2 || !apart && known < 2 { // one, by a merge elsewhere; or nothing is known
		return nil
	}
	shown := map[couchmend.Rev]couchmend.Revision{}
	for _, leaf := range leaves {
		shown[leaf.Rev] = leaf
	}
	var sides []Side
	for _, root := range roots {
		body := jsondoc.Value(shown[root.Leaves[0]].Body)
		sides = append(sides, Side{Rev: root.Leaves[0], Rule: rules(id, body), Body: body})
	}
	return &twoRoots{id, roots, leaves, Judge(sides)}
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

// merges reports whether the leaves are merged: by the rule's word, unless its
// own identity fields deny that they are one thing.
func (t *twoRoots) merges(rule *merge.Rule) bool {
	said, ok := t.judgement.identified()
	return rule.Collision == merge.CollisionMerge && (!ok || said == CreatedTwice)
}

// splits reports whether each leaf's rule wants the leaves split, and no
// identity fields deny that they are several things. A history that may not be
// complete proves nothing; and what a person has joined again stays joined.
func (t *twoRoots) splits(rules Rules) bool {
	for _, root := range t.roots {
		if root.Doubt != "" {
			return false
		}
	}
	if t.unsplit() {
		return false
	}
	for _, leaf := range t.leaves {
		rule := rules(t.id, jsondoc.Value(leaf.Body))
		if rule == nil || rule.Collision != merge.CollisionSplit {
			return false
		}
	}
	said, ok := t.judgement.identified()
	return !ok || said == Collision
}

// unsplit reports whether a split of the leaves was taken back.
func (t *twoRoots) unsplit() bool {
	return slices.ContainsFunc(t.leaves, func(leaf couchmend.Revision) bool { return revtree.Unsplit(leaf.Path) })
}

// late returns the live leaves that grew from what a split gave an id of its
// own, as somebody wrote them who had not seen it: they are to follow. What
// stands alone under its id does not: a rollback deleted that.
func late(tree *revtree.Tree, c couchmend.Conflict) []couchmend.Rev {
	if !slices.ContainsFunc(c.Dead, isSplit) {
		return nil
	}
	roots := tree.Roots(slices.Concat(revs(c.Leaves), revs(c.Dead)))
	if len(roots) < 2 {
		return nil
	}
	var live []couchmend.Rev
	for _, root := range roots {
		moved := slices.ContainsFunc(c.Dead, func(grave couchmend.Revision) bool { return slices.Contains(root.Leaves, grave.Rev) && isSplit(grave) })
		for _, leaf := range c.Leaves {
			if moved && slices.Contains(root.Leaves, leaf.Rev) {
				live = append(live, leaf.Rev)
			}
		}
	}
	return live
}

// follow decides that late leaves are to follow what they grew from.
func follow(d couchmend.Decision, leaves []couchmend.Rev) couchmend.Decision {
	d.Outcome, d.Reason = couchmend.Split, couchmend.ReasonLate
	d.Evidence = []string{fmt.Sprintf("%s came late: what it grew from was given an id of its own", couchmend.ListRevs(leaves))}
	return d
}

// collisionEvidence is how many histories a collision's evidence tells of.
const collisionEvidence = 8

// decide has the leaves split where their rules say so, and puts them before a
// person where not; with what speaks for either.
func (t *twoRoots) decide(d couchmend.Decision, rules Rules, more ...string) couchmend.Decision {
	var evidence []string
	for _, root := range t.roots {
		for _, leaf := range root.Leaves {
			if len(evidence) < collisionEvidence {
				evidence = append(evidence, origin(leaf, root))
			}
		}
	}
	evidence = append(append(evidence, more...), t.judgement.Evidence()...)
	if t.unsplit() {
		evidence = append(evidence, "a split of it was taken back, so none is made without a person's word")
	}
	d = review(d, couchmend.ReasonTwoRoots, evidence...)
	if t.splits(rules) {
		d.Outcome = couchmend.Split
	}
	return d
}

// origin says in a sentence where a leaf's history begins.
func origin(leaf couchmend.Rev, root revtree.Root) string {
	switch root.Doubt {
	case revtree.Stemmed:
		return fmt.Sprintf("%s goes back to %s, where the database has cut its history off: nothing tells what it began with", leaf, root.First)
	case revtree.Incomplete:
		return fmt.Sprintf("%s goes back to the first revision %s, but a merge in its history could not name all that it contains", leaf, root.First)
	}
	return fmt.Sprintf("%s goes back to the first revision %s", leaf, root.First)
}
