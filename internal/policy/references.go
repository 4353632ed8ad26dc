package policy

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// typeMembers are where a word under references looks for a document's type.
var typeMembers = []string{"type", "contact_type"}

// references reads which documents are meant by the ids at some places.
func (r *reader) references(n *yaml.Node, what string) []merge.Target {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a mapping from places to types, such as {fields.patient_id: person}", what, kindOf(n))
		return nil
	}
	var targets []merge.Target
	for _, e := range r.entries(n, what) {
		place := fmt.Sprintf("the document meant by %q in %s", e.key.Value, what)
		target := r.target(e.value, place)
		if target.At = r.pattern(e.key, what); target.At != nil && target.Match != nil {
			targets = append(targets, target)
		}
	}
	return targets
}

// target reads a type, or a selector.
func (r *reader) target(n *yaml.Node, what string) merge.Target {
	if n.Kind == yaml.MappingNode {
		before := len(r.problems)
		s := r.selector(n, what)
		if s.MatchesAll() {
			if len(r.problems) == before {
				r.problem(n, "%s is every document: want a type such as person, or a selector such as {type: person}", what)
			}
			return merge.Target{}
		}
		return merge.Target{Means: s.String(), Match: func(id string, body jsondoc.Value) bool { return s.Match(body, id) }}
	}
	word := r.text(n, what, "a type such as person, or a selector such as {type: person}")
	if word == "" {
		return merge.Target{}
	}
	return merge.Target{Means: word, Match: func(_ string, body jsondoc.Value) bool {
		return slices.ContainsFunc(typeMembers, func(name string) bool { return body.Get(name).Text() == word })
	}}
}
