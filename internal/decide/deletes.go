package decide

import (
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// lone decides on a document with one live leaf. CouchDB sees no conflict in
// it, but a user may have deleted what another one edited.
func lone(d couchmend.Decision, rules Rules, tree *revtree.Tree, c couchmend.Conflict) couchmend.Decision {
	rule := rules(c.ID, jsondoc.Value(c.Leaves[0].Body))
	if rule == nil {
		return nothing(d)
	}
	decided, ok := deleted(d, rule, tree, c)
	if !ok {
		return nothing(d)
	}
	decided.Rule = rule.Name
	return decided
}

// deleted decides a conflict in which a user's deletion counts; ok is false
// where none does.
func deleted(d couchmend.Decision, rule *merge.Rule, tree *revtree.Tree, c couchmend.Conflict) (couchmend.Decision, bool) {
	if rule.Deletes == merge.EditWins {
		return d, false
	}
	for i, tombstone := range c.Dead {
		if len(tombstone.Path) < 2 || isBurial(tombstone, c) {
			continue
		}
		parent := tombstone.Path[1]
		words := fmt.Sprintf("%s was deleted (%s) beside %s", parent, tombstone.Rev, list(revs(c.Leaves)))
		if rule.Deletes == merge.DeletesReview {
			return review(d, couchmend.ReasonDeleted, words), true
		}
		others := slices.Concat(c.Leaves, c.Dead[:i], c.Dead[i+1:])
		if slices.ContainsFunc(others, func(l couchmend.Revision) bool { return !slices.Contains(l.Path, parent) }) {
			return review(d, couchmend.ReasonDeleted, words+", and not every leaf grew from what was deleted"), true
		}
		if slices.ContainsFunc(c.Leaves, func(l couchmend.Revision) bool { return recreatedSince(l.Path, parent) }) {
			continue
		}
		for _, leaf := range c.Leaves {
			if tree.RealGeneration(leaf.Rev) > tree.RealGeneration(tombstone.Rev) {
				return review(d, couchmend.ReasonDeleted, words+", which may have been created anew after another deletion"), true
			}
		}
		d.Outcome, d.Evidence = couchmend.Delete, []string{words}
		for _, leaf := range c.Leaves {
			d.Bury = append(d.Bury, burials(rule, []couchmend.Revision{leaf}, leaf)...)
		}
		return d, true
	}
	return d, false
}

// recreatedSince reports whether a path shows a deletion and re-creation above
// an ancestor.
func recreatedSince(path revtree.Path, ancestor couchmend.Rev) bool {
	return revtree.Recreated(path[:slices.Index(path, ancestor)+1])
}

// isBurial reports whether a tombstone buries what another leaf bears a mark
// of. The mark tells it from a user's deletion: a bare tombstone has the same
// id whoever wrote it.
func isBurial(tombstone couchmend.Revision, c couchmend.Conflict) bool {
	if len(tombstone.Path) < 2 {
		return false
	}
	buried := revtree.MarkOf(tombstone.Path[1])
	bears := func(leaf couchmend.Revision) bool {
		return leaf.Rev != tombstone.Rev && slices.ContainsFunc(leaf.Path, func(r couchmend.Rev) bool {
			m, ok := revtree.AsMark(r)
			return ok && m == buried
		})
	}
	return slices.ContainsFunc(c.Leaves, bears) || slices.ContainsFunc(c.Dead, bears)
}

// annihilated decides on a document without a live leaf. One whose tombstones
// are all deletions by users is just deleted. Where one is a burial, another
// tool may have picked the leaf that was being merged and deleted the merge:
// every leaf is dead, and nobody wanted that (I2). A rule under which
// deletions win has no such doubt.
func annihilated(d couchmend.Decision, rules Rules, tree *revtree.Tree, c couchmend.Conflict) couchmend.Decision {
	for _, tombstone := range c.Dead {
		if !isBurial(tombstone, c) {
			continue
		}
		if rule := rules(c.ID, jsondoc.Value(tombstone.Body)); rule != nil && rule.Deletes == merge.DeleteWins {
			return nothing(d)
		}
		return review(d, couchmend.ReasonAnnihilated, fmt.Sprintf("no live revision is left, and %s was buried only because a merge contained it", tombstone.Path[1]))
	}
	return nothing(d)
}
