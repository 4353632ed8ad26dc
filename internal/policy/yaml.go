package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of what a file may unfold to. Aliases can name aliases, so that a
// short text stands for more nodes than memory holds ("billion laughs").
const (
	maxNodes = 100_000
	maxDepth = 64
)

// document returns the top node of the file's only YAML document; nil, with
// problems noted, where there is none that can be read.
func (r *reader) document(text []byte) *yaml.Node {
	top := &yaml.Node{Line: 1, Column: 1}
	if len(text) > MaxText {
		r.problem(top, "the file is larger than %d bytes: not a policy", MaxText)
		return nil
	}
	docs, err := parseYAML(text)
	switch {
	case err != nil:
		r.syntaxProblem(text, err)
		return nil
	case len(docs) == 0 || isNull(docs[0]):
		r.problem(top, "the file is empty: want at least databases, such as databases: [medic]")
		return nil
	case len(docs) > 1:
		r.problem(docs[1], "a second YAML document begins here: a policy file holds one")
		return nil
	}
	if !r.bounded(docs[0]) {
		return nil
	}
	return docs[0]
}

// parseYAML returns the top nodes of the first two documents in text.
func parseYAML(text []byte) (docs []*yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil { // the YAML package panics on states that it thinks impossible
			err = fmt.Errorf("not YAML: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for len(docs) < 2 {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		docs = append(docs, doc.Content...)
	}
	return docs, nil
}

// syntaxProblem notes where text stops being YAML. The YAML package names the
// line where the enclosing block began, or none. What a person must look at is
// the end of the shortest beginning of the text that fails in the same way.
func (r *reader) syntaxProblem(text []byte, err error) {
	end := sort.Search(len(text), func(n int) bool {
		_, e := parseYAML(text[:n])
		return e != nil && e.Error() == err.Error()
	})
	last := max(end-1, 0)
	before := text[:last]
	start := bytes.LastIndexByte(before, '\n') + 1
	at := &yaml.Node{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:])}
	r.problem(at, "not YAML: %s", plainWords(libraryPrefix.ReplaceAllString(err.Error(), ""), text[last:]))
}

var libraryPrefix = regexp.MustCompile(`^(yaml: )?(line \d+: )?(not YAML: )?`)

// plainWords says what the mistakes that are made most look like to their
// authors; other messages of the YAML package stand as they are.
func plainWords(message string, rest []byte) string {
	switch {
	case strings.Contains(message, "cannot start any token") && bytes.HasPrefix(rest, []byte("\t")):
		return "a tab indents this line: use spaces"
	case strings.Contains(message, "cannot start any token"):
		return "no text can begin with this character: put it into quotes"
	case strings.Contains(message, "expected alphabetic or numeric character"):
		return `an alias (*name) without a name: text that begins with * must stand in quotes, such as "**"`
	case strings.Contains(message, "mapping values are not allowed"):
		return `no key can stand here: put text that has ": " in it into quotes, and indent a key as its neighbors are`
	case strings.Contains(message, "expected key"), strings.Contains(message, "'-' indicator"):
		return "this line is not indented as its neighbors are"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote that opens here is never closed"
	case strings.Contains(message, "',' or"):
		return "a bracket that opens before this is never closed: want " + message[strings.Index(message, "','"):]
	}
	return message
}

// extent is how many nodes a node unfolds to and how deep.
type extent struct{ nodes, depth int }

// bounded reports whether what top unfolds to stays within maxNodes and
// maxDepth, and notes a problem where it does not.
func (r *reader) bounded(top *yaml.Node) bool {
	known := map[*yaml.Node]extent{}
	var measure func(n *yaml.Node) extent
	measure = func(n *yaml.Node) extent {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if e, ok := known[n]; ok {
			return e
		}
		known[n] = extent{maxNodes, maxDepth} // what an alias inside its own anchor gets
		all := extent{1, 1}
		for _, child := range n.Content {
			e := measure(child)
			all = extent{min(all.nodes+e.nodes, maxNodes+1), max(all.depth, min(e.depth+1, maxDepth+1))}
		}
		known[n] = all
		return all
	}
	all := measure(top)
	if all.nodes > maxNodes || all.depth > maxDepth {
		r.problem(top, "the file unfolds to more than %d values or %d levels: look for aliases (*name) that repeat each other", maxNodes, maxDepth)
		return false
	}
	return true
}

// resolved follows aliases to what they stand for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kindOf names a node's kind for people.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	default:
		return "a single value"
	}
}

// entry is one key and value of a mapping, aliases followed.
type entry struct{ key, value *yaml.Node }

// entries returns a mapping's entries in order, those of `<<: *anchor` after
// its own, which win. It notes keys that stand twice or are no text.
func (r *reader) entries(n *yaml.Node, place string) []entry {
	var own, merged []entry
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolved(n.Content[i]), resolved(n.Content[i+1])
		line, twice := lines[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.problem(key, "a key in %s is %s: want text", place, kindOf(key))
		case key.Tag == "!!merge":
			merged = append(merged, r.mergedEntries(value, place)...)
		case twice:
			r.problem(key, "key %q stands twice in %s: line %d has it already", key.Value, place, line)
		default:
			lines[key.Value] = key.Line
			own = append(own, entry{key, value})
		}
	}
	for _, e := range merged {
		if _, ok := lines[e.key.Value]; !ok {
			lines[e.key.Value] = e.key.Line
			own = append(own, e)
		}
	}
	return own
}

// mergedEntries returns what `<<:` brings in: the entries of one mapping or of
// a list of them.
func (r *reader) mergedEntries(n *yaml.Node, place string) []entry {
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	var all []entry
	for _, source := range sources {
		source = resolved(source)
		if source.Kind != yaml.MappingNode {
			r.problem(source, "<< in %s is %s: want an alias of a mapping, such as <<: *common", place, kindOf(source))
			continue
		}
		all = append(all, r.entries(source, place)...)
	}
	return all
}
