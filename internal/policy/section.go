package policy

import (
	"cmp"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/merge"
)

// setting is one key of a section and what reads its value.
type setting struct {
	key  string
	read func(value *yaml.Node)
	// refused says why a key that people may well try is not taken.
	refused string
}

// section reads a mapping whose keys are known; place names it in messages,
// such as `rule "reports"`.
func (r *reader) section(n *yaml.Node, place string, settings ...setting) {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a mapping with the keys %s", place, kindOf(n), keysOf(settings))
		return
	}
	for _, e := range r.entries(n, place) {
		s := find(settings, e.key.Value)
		switch {
		case s == nil:
			r.problem(e.key, "unknown key %q in %s: %s", e.key.Value, place, r.instead(e.key.Value, settings))
		case s.refused != "":
			r.problem(e.key, "%q in %s: %s", e.key.Value, place, s.refused)
		default:
			s.read(e.value)
		}
	}
}

func find(settings []setting, key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

func (r *reader) instead(key string, settings []setting) string {
	if near := nearest(key, names(settings)); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "its keys are " + keysOf(settings)
}

func keysOf(settings []setting) string { return strings.Join(names(settings), ", ") }

// names are the keys that may be used.
func names(settings []setting) []string {
	var keys []string
	for _, s := range settings {
		if s.refused == "" {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// value returns what a mapping has under key, its own or through `<<`; nil
// where it has nothing or is no mapping.
func value(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := resolved(n.Content[i]), resolved(n.Content[i+1])
		switch {
		case k.Tag == "!!merge" && v.Kind == yaml.SequenceNode:
			for _, source := range v.Content {
				merged = cmp.Or(merged, value(resolved(source), key))
			}
		case k.Tag == "!!merge":
			merged = cmp.Or(merged, value(v, key))
		case k.Value == key:
			return v
		}
	}
	return merged
}

// list returns the items of a list; what names it in messages.
func (r *reader) list(n *yaml.Node, what, want string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, "%s is %s: want a list, such as %s", what, kindOf(n), want)
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolved(item)
	}
	return items
}

// text reads a single value as the text that stands there: `no` and `on` are
// words like any other. It is "" where there is none.
func (r *reader) text(n *yaml.Node, what, want string) string {
	if n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "" {
		kind := kindOf(n)
		if n.Kind == yaml.ScalarNode {
			kind = "empty"
		}
		r.problem(n, "%s is %s: want %s", what, kind, want)
		return ""
	}
	return n.Value
}

// word is one of the words that a setting may have, with its meaning.
type word[T any] struct {
	text  string
	means T
}

// oneOf reads one of a few words; the zero T where it is none of them.
func oneOf[T any](r *reader, n *yaml.Node, what string, words ...word[T]) T {
	var none T
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	want := orList(texts)
	text := r.text(n, what, want)
	if text == "" {
		return none
	}
	for _, w := range words {
		if w.text == text {
			return w.means
		}
	}
	if near := nearest(text, texts); near != "" {
		r.problem(n, "%s is %q: did you mean %q?", what, text, near)
	} else {
		r.problem(n, "%s is %q: want %s", what, text, want)
	}
	return none
}

// path reads the place of one field, from the top of a document.
func (r *reader) path(n *yaml.Node, what string) merge.Path {
	text := r.text(n, what, "a field's path, such as fields.lmp")
	if text == "" {
		return nil
	}
	path := merge.ParsePath(text)
	if fault := pathFault(path); fault != "" {
		r.problem(n, "%s is %q: %s", what, text, fault)
		return nil
	}
	for _, name := range path {
		if name == "*" || name == "**" {
			r.problem(n, "%s is %q: want the path of one field; * stands only in the patterns of fields", what, text)
			return nil
		}
	}
	return path
}

// pathFault says what is wrong with a path or a pattern; "" when nothing is.
func pathFault(path merge.Path) string {
	for _, name := range path {
		if name == "" {
			return `a name in it is empty; a dot that belongs to a name is written "\."`
		}
	}
	switch {
	case path[0] == "_attachments":
		return "attachments have a key of their own, attachments"
	case strings.HasPrefix(path[0], "_"):
		return `members whose names begin with "_" are CouchDB's own: no rule can merge them`
	}
	return ""
}

// orList joins words as people do: "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
