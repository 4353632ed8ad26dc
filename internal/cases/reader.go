package cases

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/policy"
)

// reader turns YAML nodes into cases. It goes on after a mistake, so that all
// of them are told at once.
type reader struct {
	file     string
	lines    []string // the file's
	policies *policy.File
	problems policy.Problems
}

func (r *reader) problem(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, policy.Problem{File: r.file, Line: at.Line, Column: at.Column, Text: fmt.Sprintf(format, args...)})
}

// sorted returns the problems by position, each once: an anchor's content is
// read wherever an alias names it.
func (r *reader) sorted() policy.Problems {
	slices.SortFunc(r.problems, func(a, b policy.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(r.problems)
}

// resolved follows aliases to what they stand for.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	}
	return strconv.Quote(n.Value)
}

// entry is one key and value of a mapping, aliases followed.
type entry struct{ key, value *yaml.Node }

// entries returns a mapping's entries in order, those of `<<: *anchor` after
// its own, which win. It notes keys that stand twice or are no text.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	var own, merged []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolved(n.Content[i]), resolved(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
			r.problem(key, "a key in %s is %s: want text", what, kindOf(key))
		case key.Tag == "!!merge" && value.Kind != yaml.MappingNode:
			r.problem(value, "<< in %s is %s: want an alias of a mapping, such as <<: *base", what, kindOf(value))
		case key.Tag == "!!merge":
			merged = append(merged, r.entries(value, what)...)
		case seen[key.Value]:
			r.problem(key, "key %q stands twice in %s", key.Value, what)
		default:
			seen[key.Value] = true
			own = append(own, entry{key, value})
		}
	}
	for _, e := range merged {
		if !seen[e.key.Value] {
			seen[e.key.Value] = true
			own = append(own, e)
		}
	}
	return own
}

// setting is one key of a mapping, and what reads its value.
type setting struct {
	key  string
	read func(value *yaml.Node)
}

// section reads a mapping whose keys are known; what names it in messages.
func (r *reader) section(n *yaml.Node, what string, settings ...setting) {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a mapping with the keys %s", what, kindOf(n), strings.Join(keys, ", "))
		return
	}
	for _, e := range r.entries(n, what) {
		if i := slices.Index(keys, e.key.Value); i >= 0 {
			settings[i].read(e.value)
			continue
		}
		r.problem(e.key, "unknown key %q in %s: its keys are %s", e.key.Value, what, strings.Join(keys, ", "))
	}
}

// list returns the items of a list.
func (r *reader) list(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, "%s is %s: want a list", what, kindOf(n))
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolved(item)
	}
	return items
}

// text reads a single value as the text that stands there.
func (r *reader) text(n *yaml.Node, what, want string) string {
	if n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "" {
		r.problem(n, "%s is %s: want %s", what, kindOf(n), want)
		return ""
	}
	return n.Value
}

// texts reads one text or a list of them.
func (r *reader) texts(n *yaml.Node, what, want string) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{r.text(n, what, want)}
	}
	var all []string
	for _, item := range r.list(n, what) {
		all = append(all, r.text(item, what, want))
	}
	return all
}

func (r *reader) yes(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		r.problem(n, "%s is %s: want true or false", what, kindOf(n))
	}
	return n.Value == "true"
}

func (r *reader) number(n *yaml.Node, what string) int {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || i < 1 {
		r.problem(n, "%s is %s: want a number from 1", what, kindOf(n))
	}
	return i
}

// object reads a JSON object: written as a YAML mapping, or as JSON's own text.
// It is nil, with a problem noted, where there is none.
func (r *reader) object(n *yaml.Node, what string) jsondoc.Value {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return r.jsonText(n, what)
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a document, as a mapping or as JSON below a |", what, kindOf(n))
		return nil
	}
	before := len(r.problems)
	v := r.json(n, what)
	if len(r.problems) > before {
		return nil
	}
	v, err := jsondoc.Parse(v)
	if err != nil { // no text of a YAML file can be wrong in it
		r.problem(n, "%s: %v", what, err)
	}
	return v
}

func (r *reader) jsonText(n *yaml.Node, what string) jsondoc.Value {
	v, err := jsondoc.Parse([]byte(n.Value))
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		r.problem(r.placeIn(n, int(syntax.ByteOffset)), "%s is no JSON: %v", what, plainJSON(syntax))
		return nil
	case err != nil:
		r.problem(n, "%s is no JSON: %v", what, err)
		return nil
	case v.Kind() != '{':
		r.problem(n, "%s is %s: want a JSON object", what, v)
		return nil
	}
	return asSent(v)
}

// asSent writes a value as CouchDB sends it, without white space and with
// escapes only where JSON needs them: a decision's evidence quotes values.
// Numbers keep their digits.
func asSent(v jsondoc.Value) jsondoc.Value {
	switch v.Kind() {
	case '{':
		members := v.Members()
		for i := range members {
			members[i].Value = asSent(members[i].Value)
		}
		return jsondoc.Object(members)
	case '[':
		elements := v.Elements()
		for i := range elements {
			elements[i] = asSent(elements[i])
		}
		return jsondoc.Array(elements)
	case '"':
		return jsondoc.String(v.Text())
	}
	return v
}

// plainJSON is what is wrong with a JSON text, without the place: the text
// stands somewhere in a file.
func plainJSON(err *jsontext.SyntacticError) error {
	if err.Err != nil {
		return err.Err
	}
	return err
}

// placeIn is the place of a byte of a block scalar's text, in the file. The text
// that the byte counts in was trimmed of leading space by nobody: it begins in
// the line below the |.
func (r *reader) placeIn(n *yaml.Node, offset int) *yaml.Node {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return n
	}
	trimmed := len(n.Value) - len(strings.TrimLeft(n.Value, " \t\r\n"))
	before := n.Value[:min(trimmed+max(offset, 0), len(n.Value))]
	line := n.Line + 1 + strings.Count(before, "\n")
	indent := 0
	if first := n.Line; first < len(r.lines) {
		indent = len(r.lines[first]) - len(strings.TrimLeft(r.lines[first], " "))
	}
	return &yaml.Node{Line: line, Column: 1 + indent + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))}
}

// json returns what a node says as JSON. Text in quotes is a string. Of the
// rest true, false, null and JSON's numbers are what they look like, digit by
// digit (I8); all else is a string.
func (r *reader) json(n *yaml.Node, what string) jsondoc.Value {
	switch n.Kind {
	case yaml.MappingNode:
		var members []jsondoc.Member
		for _, e := range r.entries(n, what) {
			members = append(members, jsondoc.Member{Name: e.key.Value, Value: r.json(e.value, what)})
		}
		return jsondoc.Object(members)
	case yaml.SequenceNode:
		elements := make([]jsondoc.Value, len(n.Content))
		for i, item := range n.Content {
			elements[i] = r.json(resolved(item), what)
		}
		return jsondoc.Array(elements)
	}
	return r.scalar(n, what)
}

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle

func (r *reader) scalar(n *yaml.Node, what string) jsondoc.Value {
	switch {
	case n.Style&quoted != 0:
		return jsondoc.String(n.Value)
	case n.Tag == "!!null":
		return jsondoc.Value("null")
	case n.Tag == "!!bool":
		return jsondoc.Value(strings.ToLower(n.Value))
	}
	if v, err := jsondoc.Parse([]byte(n.Value)); err == nil && v.Kind() == '0' {
		return v
	}
	if n.Tag == "!!int" || n.Tag == "!!float" {
		r.problem(n, "%s in %s is no number of JSON's: put it into quotes, or write it as JSON does", n.Value, what)
	}
	return jsondoc.String(n.Value)
}
