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
		return d
	}
	decided, ok := deleted(d, rule, tree, c)
	if ok {
		decided.Rule = rule.Name
	}
	return decided
}

// deleted decides a conflict in which a user's deletion counts; ok is false
// where none does.
func deleted(d couchmend.Decision, rule *merge.Rule, tree *revtree.Tree, c couchmend.Conflict) (couchmend.Decision, bool) {
	if rule.Deletes == merge.EditWins {
		return d, false
	}
	for _, tombstone := range c.Dead {
		if !byUser(tombstone, tree) {
			continue
		}
		words := fmt.Sprintf("%s was deleted (%s) beside %s", tombstone.Path[1], tombstone.Rev, couchmend.ListRevs(revs(c.Leaves)))
		if rule.Deletes == merge.DeletesReview {
			return review(d, couchmend.ReasonDeleted, words), true
		}
		switch doubt, counts := wins(tombstone, tree, c); {
		case doubt != "":
			return review(d, couchmend.ReasonDeleted, words+", "+doubt), true
		case counts:
			d.Outcome, d.Evidence = couchmend.Delete, []string{words}
			for _, leaf := range c.Leaves {
				d.Bury = append(d.Bury, burials(rule, []couchmend.Revision{leaf}, leaf)...)
			}
			return d, true
		}
	}
	return d, false
}

// wins reports whether a deletion by a user stands over all live leaves, or
// what makes that doubtful.
func wins(tombstone couchmend.Revision, tree *revtree.Tree, c couchmend.Conflict) (doubt string, counts bool) {
	parent := tombstone.Path[1]
	strange := func(leaf couchmend.Revision) bool { return !slices.Contains(leaf.Path, parent) }
	if slices.ContainsFunc(c.Leaves, strange) || slices.ContainsFunc(c.Dead, strange) {
		return "and not every leaf grew from what was deleted", false
	}
	if slices.ContainsFunc(c.Leaves, func(l couchmend.Revision) bool { return recreatedSince(l.Path, parent) }) {
		return "", false
	}
	for _, leaf := range c.Leaves {
		if tree.RealGeneration(leaf.Rev) > tree.RealGeneration(tombstone.Rev) {
			return "which may have been created anew after another deletion", false
		}
	}
	return "", true
}

// recreatedSince reports whether a path shows a deletion and re-creation above
// an ancestor.
func recreatedSince(path revtree.Path, ancestor couchmend.Rev) bool {
	return revtree.Recreated(path[:slices.Index(path, ancestor)+1])
}

// isBurial reports whether a tombstone buries what a leaf bears a mark of. The
// mark tells it from a user's deletion: a bare tombstone has the same id
// whoever wrote it.
func isBurial(tombstone couchmend.Revision, tree *revtree.Tree) bool {
	return len(tombstone.Path) > 1 && tree.Bears(revtree.MarkOf(tombstone.Path[1]))
}

// isSplit reports whether a tombstone buries a leaf that was given an id of its
// own.
func isSplit(tombstone couchmend.Revision) bool {
	_, ok := revtree.SplitFrom(tombstone.Path)
	return ok
}

// released reports whether a person has decided with a tombstone in view.
func released(tombstone couchmend.Revision, tree *revtree.Tree) bool {
	return tree.Bears(revtree.ReleaseMark(tombstone.Rev))
}

// byUser reports whether a tombstone is a user's deletion that nobody has
// decided on yet. One that an undo has taken back is none: a leaf holds what it
// had deleted.
func byUser(tombstone couchmend.Revision, tree *revtree.Tree) bool {
	return len(tombstone.Path) > 1 && !isSplit(tombstone) && !isBurial(tombstone, tree) && !released(tombstone, tree) &&
		!tree.Bears(revtree.HoldMark(tombstone.Path[1]))
}

// annihilated decides on a document without a live leaf. One whose tombstones
// are all deletions by users is just deleted. Where one is a burial, another
// tool may have picked the leaf that was being merged and deleted the merge:
// every leaf is dead, and nobody wanted that (I2). A rule under which
// deletions win has no such doubt, nor has a document that was split: what lived
// last has an id of its own.
func annihilated(d couchmend.Decision, rules Rules, tree *revtree.Tree, c couchmend.Conflict) couchmend.Decision {
	if slices.ContainsFunc(c.Dead, isSplit) {
		return d
	}
	for _, tombstone := range c.Dead {
		if !isBurial(tombstone, tree) || released(tombstone, tree) {
			continue
		}
		if rule := rules(c.ID, jsondoc.Value(tombstone.Body)); rule != nil && rule.Deletes == merge.DeleteWins {
			return d
		}
		return review(d, couchmend.ReasonAnnihilated, fmt.Sprintf("no live revision is left, and %s was buried only because a merge contained it", tombstone.Path[1]))
	}
	return d
}
