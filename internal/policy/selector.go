package policy

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Selector is a Mango selector: a condition on a document, as CouchDB's _find
// takes it. The zero Selector matches every document.
//
// It decides as CouchDB does, with three differences, each of them so that all
// sites decide alike whatever server software they run (I4): strings compare
// by their bytes and not by the server's ICU collation, $regex is RE2 and not
// PCRE, and 5.0 is as good an integer as 5 for $mod and $all.
type Selector struct {
	match  condition // nil: every document
	text   string    // JSON
	usesID bool
}

// Match reports whether the selector matches a document. Doc is its body,
// without _id; the selector finds id there.
func (s Selector) Match(doc jsondoc.Value, id string) bool {
	if s.match == nil {
		return true
	}
	if s.usesID {
		doc = withID(doc, id)
	}
	return s.match(doc)
}

// MatchesAll reports whether the selector matches every document, because it
// says nothing.
func (s Selector) MatchesAll() bool { return s.match == nil }

// String returns the selector as JSON, "{}" for the zero Selector.
func (s Selector) String() string {
	if s.match == nil {
		return "{}"
	}
	return s.text
}

// withID puts _id before a body's members.
func withID(body jsondoc.Value, id string) jsondoc.Value {
	if body.Kind() != '{' {
		return body
	}
	rest := bytes.TrimLeft(body[1:], " \t\r\n")
	doc := append([]byte(`{"_id":`), jsondoc.String(id)...)
	if !bytes.HasPrefix(rest, []byte("}")) {
		doc = append(doc, ',')
	}
	return append(doc, rest...)
}

// condition tells whether a value, which is there, satisfies a part of a
// selector.
type condition func(v jsondoc.Value) bool

func all(conditions []condition) condition {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return func(v jsondoc.Value) bool {
		return !slices.ContainsFunc(conditions, func(c condition) bool { return !c(v) })
	}
}

func either(conditions []condition) condition {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return func(v jsondoc.Value) bool {
		return slices.ContainsFunc(conditions, func(c condition) bool { return c(v) })
	}
}

func not(c condition) condition {
	return func(v jsondoc.Value) bool { return !c(v) }
}

// at applies c to the value at path. Where there is none, no condition holds,
// not even a negated one: CouchDB negates the comparison, not the finding.
func at(path merge.Path, c condition) condition {
	return func(doc jsondoc.Value) bool {
		v, found := lookup(doc, path)
		return found == present && c(v)
	}
}

// exists tells whether there is a value at path. As in CouchDB it is false
// either way where the path leads through something that has no members.
func exists(path merge.Path, want bool) condition {
	return func(doc jsondoc.Value) bool {
		_, found := lookup(doc, path)
		return found == present && want || found == missing && !want
	}
}

// finding is what came of following a path.
type finding int

const (
	present finding = iota
	missing         // an object on the way has no such member
	astray          // something on the way is no object
)

// lookup follows a path through objects by name and through arrays by index,
// counted from 0.
func lookup(v jsondoc.Value, path merge.Path) (jsondoc.Value, finding) {
	for _, name := range path {
		switch v.Kind() {
		case '{':
			if v = v.Get(name); v == nil {
				return nil, missing
			}
		case '[':
			elements := v.Elements()
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(elements) {
				return nil, astray
			}
			v = elements[i]
		default:
			return nil, astray
		}
	}
	return v, present
}
