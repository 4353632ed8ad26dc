package policy

import (
	"go.yaml.in/yaml/v3"
)

// ReadYAML returns the top node of another YAML file of the policy's folder,
// which is at most limit bytes and called name in messages. It is nil where the
// text is empty. What is wrong with the text, as YAML or because its aliases
// unfold without end, is a problem with its place.
func ReadYAML(name string, text []byte, limit int) (*yaml.Node, Problems) {
	r := &reader{file: name}
	top := &yaml.Node{Line: 1, Column: 1}
	if len(text) > limit {
		r.problem(top, "the file is larger than %d bytes", limit)
		return nil, r.problems
	}
	docs, err := parseYAML(text)
	switch {
	case err != nil:
		r.syntaxProblem(text, err)
	case len(docs) == 0:
	case len(docs) > 1:
		r.problem(docs[1], "a second YAML document begins here: the file holds one")
	case r.bounded(docs[0]):
		return docs[0], nil
	}
	return nil, r.problems
}
