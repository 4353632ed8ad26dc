package decide

import (
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// leafViolations checks leaves against the rule's schema for them.
func leafViolations(rule *merge.Rule, id string, leaves []couchmend.Revision) []couchmend.Violation {
	if rule.Leaves == nil {
		return nil
	}
	var all []couchmend.Violation
	for _, leaf := range leaves {
		for _, v := range rule.Leaves(id, jsondoc.Value(leaf.Body)) {
			v.Leaf = leaf.Rev
			all = append(all, v)
		}
	}
	return all
}

// maxViolations is how many violations a decision's evidence has in words; its
// Violations are all of them.
const maxViolations = 20

// invalid puts bodies that do not satisfy their schema before a person.
func invalid(d couchmend.Decision, violations []couchmend.Violation) couchmend.Decision {
	var evidence []string
	for _, v := range violations[:min(len(violations), maxViolations)] {
		whose := "the merge"
		if v.Leaf != (couchmend.Rev{}) {
			whose = v.Leaf.String()
		}
		where := v.Pointer
		if where == "" {
			where = "the document"
		}
		evidence = append(evidence, fmt.Sprintf("%s in %s: %s", where, whose, v.Message))
	}
	if more := len(violations) - maxViolations; more > 0 {
		evidence = append(evidence, fmt.Sprintf("and %d more", more))
	}
	d.Violations = violations
	return review(d, couchmend.ReasonSchema, evidence...)
}

// deletedBy decides on a document that a rule's resolver deletes: a policy's
// word, as delete_wins is (I2).
func deletedBy(d couchmend.Decision, rule *merge.Rule, c couchmend.Conflict) couchmend.Decision {
	chosen := deleteAll(rule, c, rule.ResolverName)
	chosen.Rule, chosen.Deep = d.Rule, d.Deep
	return chosen
}
