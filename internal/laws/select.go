package laws

import (
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// selected makes a document one that the rule's `when` selects, as far as the
// selector's operators tell how.
func (m *maker) selected(rnd *rand.Rand, id string, doc jsondoc.Value, source string) (string, jsondoc.Value, string) {
	f := filler{rnd: rnd, id: id, doc: doc}
	f.satisfy(jsondoc.MustParse(m.rule.When.String()), nil)
	return f.id, f.doc, source
}

// filler puts into a document what a selector asks for.
type filler struct {
	rnd *rand.Rand
	id  string
	doc jsondoc.Value
}

func (f *filler) satisfy(selector jsondoc.Value, path merge.Path) {
	for _, m := range selector.Members() {
		switch {
		case m.Name == "$and" || m.Name == "$all" && len(path) == 0:
			for _, s := range m.Value.Elements() {
				f.satisfy(s, path)
			}
		case m.Name == "$or":
			if options := m.Value.Elements(); len(options) > 0 {
				f.satisfy(options[f.rnd.IntN(len(options))], path)
			}
		case strings.HasPrefix(m.Name, "$"):
			if v := f.operand(m.Name, m.Value, f.doc.At(path...)); v != nil && len(path) > 0 {
				f.put(path, v)
			} else if m.Name == "$exists" && m.Value.Kind() == 'f' {
				f.doc = set(f.doc, path, nil)
			}
		default:
			at := append(append(merge.Path{}, path...), merge.ParsePath(m.Name)...)
			if m.Value.Kind() == '{' && len(m.Value.Members()) > 0 {
				f.satisfy(m.Value, at)
			} else {
				f.put(at, m.Value)
			}
		}
	}
}

func (f *filler) put(path merge.Path, v jsondoc.Value) {
	if len(path) == 1 && path[0] == "_id" {
		f.id = v.Text()
		return
	}
	f.doc = set(f.doc, path, v)
}

// operand is a value that satisfies one operator; nil where none is known, or
// the one that is there will do.
func (f *filler) operand(op string, want, have jsondoc.Value) jsondoc.Value {
	switch op {
	case "$eq":
		return want
	case "$in":
		if options := want.Elements(); len(options) > 0 {
			return options[f.rnd.IntN(len(options))]
		}
	case "$all":
		return want
	case "$gt", "$gte":
		return beyond(want, 1)
	case "$lt", "$lte":
		return beyond(want, -1)
	case "$beginsWith":
		return jsondoc.String(want.Text() + "1")
	case "$exists":
		if want.Kind() == 't' && have == nil {
			return jsondoc.Value(`"x"`)
		}
	case "$type":
		return map[string]jsondoc.Value{
			"null": jsondoc.Value("null"), "boolean": jsondoc.Value("true"), "number": jsondoc.Value("1"),
			"string": jsondoc.Value(`"x"`), "array": jsondoc.Value("[]"), "object": jsondoc.Value(`{"x":1}`),
		}[want.Text()]
	case "$elemMatch", "$allMatch":
		inner := filler{rnd: f.rnd, doc: jsondoc.Value("{}")}
		inner.satisfy(want, nil)
		return jsondoc.Array([]jsondoc.Value{inner.doc})
	}
	return nil
}

func beyond(v jsondoc.Value, by int64) jsondoc.Value {
	if n, ok := jsondoc.Number(v); ok {
		return jsondoc.FromNumber(new(big.Rat).Add(n, big.NewRat(by, 1)), jsondoc.IsFloat(v))
	}
	if v.Kind() == '"' && by > 0 {
		return jsondoc.String(v.Text() + "~")
	}
	if v.Kind() == '"' {
		return jsondoc.Value(`""`)
	}
	return nil
}
