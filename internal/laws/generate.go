package laws

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/schema"
)

// maker makes questions for one rule, out of documents that are like those it
// will meet: sampled ones, else such as its schema and its own patterns speak of.
type maker struct {
	trial  *trial
	rule   *policy.Rule
	schema *schema.Schema // nil: none
	names  []string       // of fields that the resolver's source speaks of
	models []model
	missed int    // documents that the rule did not select
	choked int    // questions that the resolver failed on
	words  string // how, the last time
}

// model is a document that others are made from.
type model struct {
	id     string
	doc    jsondoc.Value
	source string
}

// attempts bounds how often a document that the rule does not take is made anew.
const attempts = 30

// question makes question number n of a seed; false where the rule takes none.
func (m *maker) question(ctx context.Context, seed uint64, n int) (Question, bool) {
	rnd := rand.New(rand.NewPCG(seed, uint64(n)))
	for range attempts {
		id, full, source := m.document(rnd)
		base := m.thinned(rnd, full)
		if !m.trial.takes(id, base) {
			m.missed++
			continue
		}
		e := &editor{rnd: rnd, rule: m.trial.rule, full: full}
		q := Question{ID: id, Base: base, Source: fmt.Sprintf("%s, seed %d, number %d", source, seed, n)}
		leaves := 3
		if rnd.IntN(8) == 0 {
			leaves = 2 + rnd.IntN(3)
		}
		for i := range leaves {
			q.Leaves = append(q.Leaves, m.edited(e, id, base, i))
		}
		if rnd.IntN(4) == 0 {
			q.Base = nil
		}
		if reason, words := m.chokes(ctx, q); reason != "" {
			m.choked, m.words = m.choked+1, words
			continue
		}
		if len(m.models) < maxModels && custom(&m.rule.Rule) { // such documents it can work with
			m.models = append(m.models, model{id, full, source})
		}
		return q, true
	}
	return Question{}, false
}

// chokes reports whether a resolver raises an error about a question: most often
// a field that is not there, or of another type than the author had in mind.
func (m *maker) chokes(ctx context.Context, q Question) (couchmend.Reason, string) {
	if !custom(&m.rule.Rule) {
		return "", ""
	}
	s := plant(q, upward(len(q.Leaves))).site(m.trial.rules, q.ID, indices(q)...)
	if d := decide.Decide(ctx, m.trial.rules, s.conflict()); d.Reason == couchmend.ReasonResolverError {
		return d.Reason, d.Evidence[0]
	}
	return "", ""
}

// custom reports whether somebody's program has a say in a rule.
func custom(rule *merge.Rule) bool {
	return rule.Resolver != nil || slices.ContainsFunc(rule.Fields, func(f merge.Field) bool { return f.Strategy.Kind == merge.Custom })
}

// edited is a leaf that the rule takes; the base as it is where there is none.
func (m *maker) edited(e *editor, id string, base jsondoc.Value, actor int) jsondoc.Value {
	for range attempts {
		if leaf := e.leaf(base, actor); m.trial.takes(id, leaf) {
			return leaf
		}
	}
	return base
}

// document is a full document, and where it comes from.
func (m *maker) document(rnd *rand.Rand) (id string, doc jsondoc.Value, source string) {
	if len(m.models) > 0 && rnd.IntN(4) > 0 {
		like := m.models[rnd.IntN(len(m.models))]
		return like.id, like.doc, like.source
	}
	id, doc, source = "doc", jsondoc.Value("{}"), "made from the rule"
	if m.schema != nil {
		doc, source = m.bySchema(rnd, nil, 0), "made from the schema"
	}
	for _, f := range m.trial.rule.Fields {
		doc = m.byPattern(rnd, doc, f)
	}
	for _, name := range m.names {
		if doc.Get(name) == nil {
			doc = set(doc, merge.Path{name}, anything(rnd))
		}
	}
	if len(doc.Members()) == 0 || m.schema == nil && rnd.IntN(2) == 0 {
		doc = set(doc, merge.Path{"remark"}, jsondoc.Value(`"none"`))
	}
	doc = m.withClock(doc)
	return m.selected(rnd, id, doc, source)
}

// withClock gives a document the rule's clock.
func (m *maker) withClock(doc jsondoc.Value) jsondoc.Value {
	clock := m.trial.rule.Clock
	switch clock.Kind {
	case merge.NoClock:
		return doc
	case merge.Vector:
		return set(doc, clock.Path, jsondoc.Value(`{"server":3}`))
	case merge.Timestamp:
		if doc.At(clock.Path...).Kind() != '0' {
			return set(doc, clock.Path, jsondoc.String(instant))
		}
	}
	return set(doc, clock.Path, jsondoc.Value("7"))
}

const instant = "2026-03-01T08:00:00Z"

// thinned leaves out some of a document's members: what is selected by, what
// clocks say and what a schema asks for, the rule's taking it decides.
func (m *maker) thinned(rnd *rand.Rand, full jsondoc.Value) jsondoc.Value {
	doc := full
	for _, member := range full.Members() {
		if rnd.IntN(6) > 0 || slices.Equal(m.trial.rule.Clock.Path, merge.Path{member.Name}) {
			continue
		}
		if without := set(doc, merge.Path{member.Name}, nil); m.trial.takes("doc", without) {
			doc = without
		}
	}
	return doc
}

// byPattern adds what a pattern and its strategy speak of.
func (m *maker) byPattern(rnd *rand.Rand, doc jsondoc.Value, f merge.Field) jsondoc.Value {
	if below := m.keyedAbove(f.Pattern); below >= 0 {
		return doc // the array's own pattern makes its elements
	}
	for _, path := range concrete(f.Pattern) {
		if doc.At(path...) != nil || strings.HasPrefix(path[0], "_") {
			continue
		}
		doc = set(doc, path, m.forStrategy(rnd, path, f))
		if len(f.Strategy.Beside) > 0 && doc.At(f.Strategy.Beside...) == nil {
			doc = set(doc, f.Strategy.Beside, jsondoc.Value("1"))
		}
	}
	if soft := m.trial.rule.SoftDelete; soft != nil && doc.At(soft.Field...) == nil && rnd.IntN(2) == 0 {
		doc = set(doc, soft.Field, jsondoc.Value("false"))
	}
	return doc
}

// keyedAbove returns how long the pattern is of an array by key above another
// pattern; -1: there is none.
func (m *maker) keyedAbove(p merge.Path) int {
	for _, f := range m.trial.rule.Fields {
		n := len(f.Pattern)
		if f.Strategy.Kind == merge.ByKey && n < len(p) && slices.Equal(f.Pattern, p[:n]) {
			return n
		}
	}
	return -1
}

// concrete names a pattern's wildcards.
func concrete(p merge.Path) []merge.Path {
	paths := []merge.Path{{}}
	for _, name := range p {
		var names [][]string
		switch name {
		case "*":
			names = [][]string{{"one"}, {"two"}}
		case "**":
			names = [][]string{{"colour"}, {"size"}, {"place", "village"}}
		default:
			names = [][]string{{name}}
		}
		var longer []merge.Path
		for _, path := range paths {
			for _, n := range names {
				longer = append(longer, slices.Concat(path, n))
			}
		}
		paths = longer
	}
	return paths
}

// forStrategy is a value that a strategy is meant for.
func (m *maker) forStrategy(rnd *rand.Rand, path merge.Path, f merge.Field) jsondoc.Value {
	pick := func(texts ...string) jsondoc.Value { return jsondoc.Value(texts[rnd.IntN(len(texts))]) }
	switch f.Strategy.Kind {
	case merge.Union:
		return pick(`["ada"]`, `["ada","bo"]`, `[1,2]`, `[]`)
	case merge.Append:
		return pick(`["began"]`, `[]`, `[{"at":1,"what":"began"}]`)
	case merge.Max, merge.Min:
		return pick(`5`, `"2026-03-01"`, `2.5`)
	case merge.Sum:
		return pick(`3`, `10`, `0`, `2.5`)
	case merge.Text:
		return pick(`"one\ntwo\nthree\nfour\n"`, `"one\n"`, `""`)
	case merge.ByKey:
		return jsondoc.Array([]jsondoc.Value{m.element(rnd, f, `"a"`), m.element(rnd, f, `"b"`)})
	}
	return anything(rnd)
}

// element is an element of an array by key, with the members that patterns below
// it speak of.
func (m *maker) element(rnd *rand.Rand, array merge.Field, key string) jsondoc.Value {
	e := jsondoc.Object([]jsondoc.Member{{Name: array.Strategy.Key, Value: jsondoc.Value(key)}})
	n := len(array.Pattern)
	for _, f := range m.trial.rule.Fields {
		if len(f.Pattern) < n+2 || !slices.Equal(f.Pattern[:n], array.Pattern) || f.Pattern[n] != "*" {
			continue
		}
		for _, path := range concrete(f.Pattern[n+1:]) {
			e = set(e, path, m.forStrategy(rnd, path, f))
		}
	}
	if len(e.Members()) == 1 {
		e = set(e, merge.Path{"v"}, jsondoc.Value("1"))
	}
	return e
}

func anything(rnd *rand.Rand) jsondoc.Value {
	texts := []string{`"ada"`, `4`, `["ada"]`, `{"x":1,"y":2}`, `true`, `"2026-03-01"`, `4`, `"ada"`}
	return jsondoc.Value(texts[rnd.IntN(len(texts))])
}

// schemaDepth bounds how far a schema's objects are followed: they may hold
// themselves.
const schemaDepth = 5

// bySchema is a value such as the rule's schema allows at a place.
func (m *maker) bySchema(rnd *rand.Rand, at []string, depth int) jsondoc.Value {
	if values := m.schema.ValuesAt(at...); len(values) > 0 {
		return values[rnd.IntN(len(values))]
	}
	types := m.schema.TypesAt(at...)
	if len(types) > 1 {
		types = slices.DeleteFunc(types, func(t string) bool { return t == "null" })
	}
	kind := "object"
	if len(types) > 0 {
		kind = types[rnd.IntN(len(types))]
	} else if depth > 0 && len(m.schema.Properties(at...)) == 0 {
		return anything(rnd)
	}
	switch kind {
	case "integer", "number":
		return jsondoc.Value(fmt.Sprint(1 + rnd.IntN(9)))
	case "boolean":
		return jsondoc.Value("true")
	case "null":
		return jsondoc.Value("null")
	case "array":
		if depth >= schemaDepth {
			return jsondoc.Value("[]")
		}
		return jsondoc.Array([]jsondoc.Value{m.bySchema(rnd, append(slices.Clone(at), "*"), depth+1)})
	case "object":
		doc := jsondoc.Value("{}")
		if depth >= schemaDepth {
			return doc
		}
		for _, name := range m.schema.Properties(at...) {
			if depth > 0 || !strings.HasPrefix(name, "_") {
				doc = set(doc, merge.Path{name}, m.bySchema(rnd, append(slices.Clone(at), name), depth+1))
			}
		}
		return doc
	}
	return jsondoc.String([]string{"ada", "2026-03-01", instant, "one\ntwo\nthree\n"}[rnd.IntN(4)])
}
