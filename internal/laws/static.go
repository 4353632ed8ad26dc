package laws

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/schema"
)

// Warnings are a policy file's own, as findings: what is never reached is a
// mistake.
func Warnings(f *policy.File) []Finding {
	found := []Finding{}
	for _, w := range f.Warnings {
		severity := SeverityWarning
		if strings.Contains(w.Text, "is never reached") {
			severity = SeverityError
		}
		found = append(found, Finding{Severity: severity, Text: fmt.Sprintf("%s:%d:%d: %s", w.File, w.Line, w.Column, w.Text)})
	}
	return found
}

// Static says what can be said of a policy's rules without merging anything:
// rules that are never reached, clocks that are wall clocks, strategies that do
// not fit the schema's types, fields that nothing covers.
func Static(s Subject) []Finding {
	var found []Finding
	for i := range s.Policy.Rules {
		rule := &s.Policy.Rules[i]
		inspect := inspector{subject: s, rule: rule}
		inspect.reach(i)
		inspect.clocks()
		inspect.types()
		inspect.covered()
		found = append(found, inspect.found...)
	}
	return found
}

// inspector collects what is to be said of one rule.
type inspector struct {
	subject Subject
	rule    *policy.Rule
	found   []Finding
}

func (in *inspector) say(severity Severity, format string, args ...any) {
	in.found = append(in.found, Finding{Severity: severity, Rule: in.rule.Name, Text: fmt.Sprintf(format, args...)})
}

// reachTries is how many documents are made for a rule to see whether one
// reaches it.
const reachTries = 60

// reach looks for a document that the rule selects and none above it takes.
func (in *inspector) reach(place int) {
	m := &maker{trial: &trial{rule: &in.rule.Rule}, rule: in.rule, schema: in.rule.LeafSchema}
	rnd := rand.New(rand.NewPCG(1, 1))
	takers := map[string]int{}
	for range reachTries {
		id, doc, _ := m.document(rnd)
		in.reached(id, doc, takers)
	}
	for _, q := range slices.Concat(in.subject.Samples, in.subject.Cases) {
		for _, leaf := range q.Leaves {
			in.reached(q.ID, leaf, takers)
		}
	}
	if len(takers) == 0 || takers[in.rule.Name] > 0 {
		return
	}
	var names []string
	total := 0
	for _, above := range in.subject.Policy.Rules[:place] {
		if n := takers[above.Name]; n > 0 {
			names = append(names, above.Name)
			total += n
		}
	}
	in.say(SeverityError, "is not reached by any of %d documents that its when selects: %s above take%s them. Put the narrower rule first", total, list(names, ""), plural(names))
}

// reached counts which rule takes a document that this one's when selects.
func (in *inspector) reached(id string, doc jsondoc.Value, takers map[string]int) {
	if !in.rule.When.Match(doc, id) {
		return
	}
	if taker := in.subject.Policy.Select(doc, id); taker != nil {
		takers[taker.Name]++
	}
}

// clocks warns of wall clocks: the rule's own, and times that stand beside
// values.
func (in *inspector) clocks() {
	const wall = "a device whose clock is wrong wins, or loses, every time. Where the documents have a counter, take that"
	if in.rule.Clock.Kind == merge.Timestamp {
		in.say(SeverityWarning, "the document's clock %s is a wall clock: %s", in.rule.Clock.Path, wall)
	}
	said := map[string]bool{}
	for _, f := range in.rule.Fields {
		beside := f.Strategy.Beside
		if f.Strategy.Kind != merge.Latest || len(beside) == 0 || said[beside.String()] {
			continue
		}
		said[beside.String()] = true
		if in.holdsTimes(beside) {
			in.say(SeverityWarning, "%s goes by %s, which holds times: a wall clock. %s", f.Pattern, beside, strings.ToUpper(wall[:1])+wall[1:])
		}
		if n, of := in.ticksAlone(f); n > 0 {
			in.say(SeverityWarning, "%s goes by %s, which counts up in %d of %d given edits that leave the value as it was: a merge bears the latest reading, also where that was counted up for something else, so that the latest edit of the value may lose. Give it a clock that speaks for it alone", f.Pattern, beside, n, of)
		}
		if sharedClock(&in.rule.Rule, beside) {
			in.say(SeverityWarning, "%s is the clock of several fields: an edit of one dates the others, so that the latest edit of a field may lose. Give each field a clock of its own", beside)
		}
	}
}

// ticksAlone counts the edits, of all that are known with their base and that
// leave a value as it was, that count its clock up all the same.
func (in *inspector) ticksAlone(f merge.Field) (n, of int) {
	if sharedClock(&in.rule.Rule, f.Strategy.Beside) {
		return 0, 0
	}
	for _, q := range slices.Concat(in.subject.Samples, in.subject.Cases) {
		for _, leaf := range q.Leaves {
			same := jsondoc.Equal(leaf.At(f.Pattern...), q.Base.At(f.Pattern...))
			if q.Base == nil || !same || in.subject.Policy.Select(leaf, q.ID) != &in.rule.Rule {
				continue
			}
			of++
			if !jsondoc.Equal(leaf.At(f.Strategy.Beside...), q.Base.At(f.Strategy.Beside...)) {
				n++
			}
		}
	}
	return n, of
}

// holdsTimes reports whether sampled documents have a time at path.
func (in *inspector) holdsTimes(path merge.Path) bool {
	for _, q := range slices.Concat(in.subject.Samples, in.subject.Cases) {
		for _, leaf := range q.Leaves {
			if in.subject.Policy.Select(leaf, q.ID) != &in.rule.Rule {
				continue
			}
			if _, err := time.Parse(time.RFC3339, leaf.At(path...).Text()); err == nil {
				return true
			}
		}
	}
	return false
}

// fitting are the JSON types that a strategy or a clock can work with; nil: any.
func fitting(kind merge.StrategyKind) []string {
	switch kind {
	case merge.Union, merge.Append, merge.ByKey:
		return []string{"array"}
	case merge.Sum:
		return []string{"integer", "number"}
	case merge.Max, merge.Min:
		return []string{"integer", "number", "string"}
	case merge.Text:
		return []string{"string"}
	}
	return nil
}

// types holds strategies and clocks against the types of the rule's schema.
func (in *inspector) types() {
	s := in.rule.LeafSchema
	if s == nil || in.rule.Resolver != nil {
		return
	}
	clock := map[merge.ClockKind][]string{
		merge.Vector: {"object"}, merge.Lamport: {"integer", "number"}, merge.Sequence: {"integer", "number"}, merge.Timestamp: {"integer", "number", "string"},
	}
	if want := clock[in.rule.Clock.Kind]; want != nil {
		in.fits("the clock "+string(in.rule.Clock.Kind), s, in.rule.Clock.Path, want)
	}
	for _, f := range in.rule.Fields {
		if len(f.Strategy.Beside) > 0 {
			in.fits("the clock of "+f.Pattern.String(), s, f.Strategy.Beside, []string{"integer", "number", "string"})
		}
	}
	for _, path := range schemaPaths(s, &in.rule.Rule, nil, 0) {
		if strategy, opens := in.rule.StrategyAt(path); !opens || !slices.Equal(s.TypesAt(path...), []string{"object"}) {
			in.fits(string(strategy.Kind), s, path, fitting(strategy.Kind))
		}
	}
}

// fits reports a place whose types, null apart, are none of those wanted.
func (in *inspector) fits(what string, s *schema.Schema, path merge.Path, want []string) {
	types := slices.DeleteFunc(s.TypesAt(path...), func(t string) bool { return t == "null" })
	fine := func(t string) bool { return slices.Contains(want, t) }
	if len(types) > 0 && want != nil && !slices.ContainsFunc(types, fine) {
		in.say(SeverityError, "%s at %s never fits: the schema says that it is %s, and it wants %s", what, path, strings.Join(types, " or "), strings.Join(want, " or "))
	}
}

// schemaPaths are the places of which a schema speaks and the rule merges as one
// value.
func schemaPaths(s *schema.Schema, rule *merge.Rule, at merge.Path, depth int) []merge.Path {
	var all []merge.Path
	for _, name := range s.Properties(at...) {
		if depth == 0 && strings.HasPrefix(name, "_") || depth >= schemaDepth {
			continue
		}
		path := append(slices.Clone(at), name)
		strategy, opens := rule.StrategyAt(path)
		switch {
		case opens && len(s.Properties(path...)) > 0:
			all = append(all, schemaPaths(s, rule, path, depth+1)...)
		case strategy.Kind == merge.ByKey:
			all = append(all, path)
			for _, below := range schemaPaths(s, rule, append(path, "*"), depth+1) {
				if len(below) != len(path)+2 || below[len(below)-1] != strategy.Key { // elements that differ there are two
					all = append(all, below)
				}
			}
		default:
			all = append(all, path)
		}
	}
	return all
}

// covered warns of places that no strategy covers: such as the schema names, and
// such as differ in sampled conflicts.
func (in *inspector) covered() {
	if in.rule.Resolver != nil {
		return
	}
	if s := in.rule.LeafSchema; s != nil {
		var bare []string
		for _, path := range schemaPaths(s, &in.rule.Rule, nil, 0) {
			softly := in.rule.SoftDelete != nil && slices.Equal(in.rule.SoftDelete.Field, path)
			if in.bare(path) && !softly && !in.selectedBy(path) {
				bare = append(bare, path.String())
			}
		}
		if len(bare) > 0 {
			in.say(SeverityWarning, "%s: in the schema, and no strategy covers %s: edits that overlap there go to review", listAll(bare), them(bare))
		}
	}
	counts, order, asked := map[string]int{}, []string{}, 0
	for _, q := range in.subject.Samples {
		if in.subject.Policy.Select(q.Leaves[0], q.ID) != &in.rule.Rule {
			continue
		}
		asked++
		for _, path := range in.disputed(nil, q.Base != nil, q.Base, q.Leaves) {
			if counts[path]++; counts[path] == 1 {
				order = append(order, path)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return counts[b] - counts[a] })
	for _, path := range order {
		in.say(SeverityWarning, "%s differs in %d of %d sampled conflicts and no strategy covers it: they go to review", path, counts[path], asked)
	}
}

// bare reports whether no pattern speaks of a place: what differs there is
// reviewed because nothing was said, not because somebody said so.
func (in *inspector) bare(path merge.Path) bool {
	strategy, opens := in.rule.StrategyAt(path)
	said := func(f merge.Field) bool { return slices.Equal(f.Pattern, merge.Path{"**"}) }
	return strategy.Kind == merge.ReviewIt && opens && !slices.ContainsFunc(in.rule.Fields, said)
}

// selectedBy reports whether the rule's own `when` speaks of a place: documents
// that differ there are not merged at all.
func (in *inspector) selectedBy(path merge.Path) bool {
	return strings.Contains(in.rule.When.String(), string(jsondoc.String(path.String())))
}

// disputed lists the places that two leaves changed differently, or that differ
// where the base is not known, and that no strategy covers.
func (in *inspector) disputed(path merge.Path, known bool, base jsondoc.Value, leaves []jsondoc.Value) []string {
	objects := !slices.ContainsFunc(leaves, func(v jsondoc.Value) bool { return v.Kind() != '{' })
	if _, opens := in.rule.StrategyAt(path); objects && opens {
		var all []string
		for _, name := range memberNames(leaves...) {
			below := make([]jsondoc.Value, len(leaves))
			for i, leaf := range leaves {
				below[i] = leaf.Get(name)
			}
			all = append(all, in.disputed(append(slices.Clone(path), name), known, base.Get(name), below)...)
		}
		return all
	}
	var different []jsondoc.Value
	for _, v := range leaves {
		same := func(other jsondoc.Value) bool { return jsondoc.Equal(other, v) }
		if !slices.ContainsFunc(different, same) && !(known && same(base)) {
			different = append(different, v)
		}
	}
	if len(different) > 1 && in.bare(path) {
		return []string{path.String()}
	}
	return nil
}

// listed is how many names a sentence has room for.
const listed = 12

func listAll(names []string) string {
	if len(names) <= listed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
}

func them(names []string) string {
	if len(names) == 1 {
		return "it"
	}
	return "them"
}
