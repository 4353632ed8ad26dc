package laws

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Promise is what a strategy lets one expect: stated before anything is tried.
type Promise struct {
	Pattern  string `json:"pattern"`
	Strategy string `json:"strategy"`
	Expected string `json:"expected"`
}

// holding is how far the laws hold for values under one strategy.
type holding int

const (
	always    holding = iota // with a base or without
	givenBase                // exactly, if the base is known; never merged without one
	unordered                // as givenBase; the same entries, in an order that depends on who won
	byTiming                 // what is merged first decides: not a join
)

// holdingOf says what can be expected of values under a strategy.
func holdingOf(rule *merge.Rule, s merge.Strategy) holding {
	switch s.Kind {
	case merge.Sum, merge.Text, merge.ByKey:
		return givenBase
	case merge.Append:
		return unordered
	case merge.Winner:
		return byTiming
	case merge.Latest:
		if len(s.Beside) == 0 || sharedClock(rule, s.Beside) {
			return byTiming
		}
	}
	return always
}

// sharedClock reports whether one clock stands beside several values: then it
// orders edits of one by edits of another, as a document's clock does.
func sharedClock(rule *merge.Rule, beside merge.Path) bool {
	users := 0
	for _, f := range rule.Fields {
		if f.Strategy.Kind != merge.Latest || !slices.Equal(f.Strategy.Beside, beside) {
			continue
		}
		if users++; users > 1 || slices.Contains(f.Pattern, "*") || slices.Contains(f.Pattern, "**") {
			return true
		}
	}
	return false
}

// expected is a strategy's promise in words.
func expected(rule *merge.Rule, s merge.Strategy) string {
	switch {
	case s.Kind == merge.Custom:
		return "must satisfy every law: its author says so"
	case s.Kind == merge.Latest && len(s.Beside) == 0:
		return "not associative: a merge bears its document's latest clock, also for fields whose edit was older; a warning"
	case s.Kind == merge.Latest && sharedClock(rule, s.Beside):
		return "not associative: one clock stands beside several fields, and an edit of one dates the others; a warning"
	case s.Kind == merge.Winner:
		return "not associative: which revision wins depends on what was merged first; a warning"
	}
	switch holdingOf(rule, s) {
	case givenBase:
		words := "exact given the base; not merged without it"
		if s.Kind == merge.Text {
			words = "exact given the base, lines that overlap go to review, which may depend on what was merged first; not merged without a base"
		}
		if s.Kind == merge.ByKey {
			words = "exact given the base, elements by their own strategies; their order is the winner's"
		}
		return words
	case unordered:
		return "no entry lost or doubled, given the base; their order depends on what was merged first; not merged without a base"
	}
	switch s.Kind {
	case merge.ReviewIt:
		return "always: what overlaps goes to review"
	case merge.Union:
		return "always: a join, with a base or without, while the set only grows; an element taken out may come back"
	}
	if s.Kind == merge.Latest {
		return "always: a join of value and clock, with a base or without, while each edit of the value, and no other, counts the clock up, and none writes what another one wrote"
	}
	return "always: a join, with a base or without"
}

// promises lists what a rule's strategies let one expect.
func promises(rule *merge.Rule) []Promise {
	if rule.Resolver != nil {
		return []Promise{{Pattern: "(document)", Strategy: rule.ResolverName, Expected: expected(rule, merge.Strategy{Kind: merge.Custom})}}
	}
	list := []Promise{}
	for _, f := range rule.Fields {
		name := string(cmp.Or(f.Strategy.Kind, merge.ReviewIt))
		switch {
		case f.Strategy.Kind == merge.Custom:
			name = f.Strategy.ResolverName
		case f.Strategy.Kind == merge.ByKey:
			name += " " + f.Strategy.Key
		case len(f.Strategy.Beside) > 0:
			name += " " + f.Strategy.Beside.String()
		case f.Strategy.Kind == merge.Latest:
			name += " " + rule.Clock.Path.String()
		}
		list = append(list, Promise{Pattern: f.Pattern.String(), Strategy: name, Expected: expected(rule, f.Strategy)})
	}
	return list
}

// difference is a place at which two answers differ.
type difference struct {
	path     merge.Path
	strategy merge.Strategy
}

// differences lists where two bodies differ, each with the strategy that speaks
// of the place. The order of members does not count; nor that of elements under
// by_key, append and union, which is the winner's, or the writer's.
func differences(rule *merge.Rule, path merge.Path, a, b jsondoc.Value) []difference {
	if jsondoc.Equal(a, b) {
		return nil
	}
	strategy, opens := rule.StrategyAt(path)
	if rule.Resolver != nil {
		strategy, opens = merge.Strategy{Kind: merge.Custom, ResolverName: rule.ResolverName}, true
	}
	switch {
	case opens && a.Kind() == '{' && b.Kind() == '{':
		return memberDifferences(rule, path, a, b)
	case strategy.Kind == merge.ByKey && a.Kind() == '[' && b.Kind() == '[':
		if x, y := byKey(a, strategy.Key), byKey(b, strategy.Key); x != nil && y != nil {
			return memberDifferences(rule, path, x, y)
		}
	case strategy.Kind == merge.Append && a.Kind() == '[' && b.Kind() == '[':
		if sameEntries(a, b) {
			return nil
		}
		strategy.Kind = merge.Sum // entries lost or doubled: no matter of order
	case strategy.Kind == merge.Union && sameSet(a, b):
		return nil
	}
	return []difference{{path, strategy}}
}

func memberDifferences(rule *merge.Rule, path merge.Path, a, b jsondoc.Value) []difference {
	var all []difference
	for _, name := range memberNames(a, b) {
		all = append(all, differences(rule, append(slices.Clone(path), name), a.Get(name), b.Get(name))...)
	}
	return all
}

// memberNames are the names that any of some objects has, sorted.
func memberNames(objects ...jsondoc.Value) []string {
	var names []string
	for _, o := range objects {
		for _, m := range o.Members() {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// byKey is an array of objects as an object, its members named by their keys as
// merge names them; nil where it is none.
func byKey(array jsondoc.Value, key string) jsondoc.Value {
	members := []jsondoc.Member{}
	for _, e := range array.Elements() {
		k := e.Get(key)
		name := k.Text()
		switch {
		case k.Kind() != '"' && k.Kind() != '0':
			return nil
		case name == "":
			name = string(jsondoc.Canonical(k))
		}
		members = append(members, jsondoc.Member{Name: name, Value: e})
	}
	return jsondoc.Object(members)
}

// sameSet reports whether two arrays hold the same elements, however often.
func sameSet(a, b jsondoc.Value) bool {
	within := func(some, all jsondoc.Value) bool {
		elements := all.Elements()
		return !slices.ContainsFunc(some.Elements(), func(e jsondoc.Value) bool {
			return !slices.ContainsFunc(elements, func(other jsondoc.Value) bool { return jsondoc.Equal(e, other) })
		})
	}
	return a.Kind() == '[' && b.Kind() == '[' && within(a, b) && within(b, a)
}

func sameEntries(a, b jsondoc.Value) bool {
	sorted := func(v jsondoc.Value) []jsondoc.Value {
		elements := v.Elements()
		slices.SortFunc(elements, jsondoc.Compare)
		return elements
	}
	return slices.EqualFunc(sorted(a), sorted(b), jsondoc.Equal)
}

// excuse says why values at a difference may depend on what was merged first;
// "" where they must not.
func excuse(rule *merge.Rule, q Question, d difference) string {
	switch {
	case rule.Resolver != nil && !softDeleted(rule, q):
		return ""
	case softDeleted(rule, q):
		return softDeleteWords
	case d.strategy.Kind == merge.Union && removed(rule, q, d.path):
		return "union: an element was taken out. That stands only where nobody else changes the set before all have heard of it: who met whom first decides whether it comes back. " +
			"Sets that only grow have no such doubt"
	case d.strategy.Kind == merge.Latest && holdingOf(rule, d.strategy) == always && unclocked(q, d):
		return fmt.Sprintf("latest by %s: the value was edited and its clock was not counted up: how late the edit is, nobody can tell. Let each edit of the value count its clock up", d.strategy.Beside)
	case d.strategy.Kind == merge.Latest && holdingOf(rule, d.strategy) == always && rewritten(q, d):
		return fmt.Sprintf("latest by %s: an edit counted the clock up and wrote the value that was there already. It may have been about something else, so it takes no other edit of the value back; "+
			"yet the merge of the two bears its clock. Give the value a clock that speaks for it alone", d.strategy.Beside)
	case holdingOf(rule, d.strategy) != byTiming:
		return ""
	case d.strategy.Kind == merge.Winner:
		return "winner: which revision wins depends on what was merged first. Every site ends with one value; which of them it is, timing decides"
	case len(d.strategy.Beside) > 0:
		return fmt.Sprintf("latest by %s, a clock that stands beside several fields: an edit of one dates the others. Give each a clock of its own", d.strategy.Beside)
	}
	return fmt.Sprintf("latest by the document's clock %s: a merge bears the latest clock of its leaves, also for fields whose edit was older. "+
		"Every site ends with one value; which of them it is, timing decides. A clock beside the value, {latest: FIELD}, leaves no such doubt", rule.Clock.Path)
}

// unclocked reports whether some leaf has another value than the base and the
// same reading of its clock.
func unclocked(q Question, d difference) bool {
	return q.Base != nil && slices.ContainsFunc(q.Leaves, func(leaf jsondoc.Value) bool {
		return !jsondoc.Equal(leaf.At(d.path...), q.Base.At(d.path...)) && jsondoc.Equal(leaf.At(d.strategy.Beside...), q.Base.At(d.strategy.Beside...))
	})
}

// rewritten reports whether one value stands beside two readings of its clock,
// in two of the leaves or in one and the base.
func rewritten(q Question, d difference) bool {
	states := slices.Clone(q.Leaves)
	if q.Base != nil {
		states = append(states, q.Base)
	}
	for i, one := range states {
		for _, other := range states[:i] {
			if jsondoc.Equal(one.At(d.path...), other.At(d.path...)) && !jsondoc.Equal(one.At(d.strategy.Beside...), other.At(d.strategy.Beside...)) {
				return true
			}
		}
	}
	return false
}

// removed reports whether a leaf lacks an element that the base has, in the set
// at path.
func removed(rule *merge.Rule, q Question, path merge.Path) bool {
	base := valueAt(rule, q.Base, path).Elements()
	for _, leaf := range q.Leaves {
		set := valueAt(rule, leaf, path).Elements()
		for _, e := range base {
			if !slices.ContainsFunc(set, func(other jsondoc.Value) bool { return jsondoc.Equal(e, other) }) {
				return true
			}
		}
	}
	return false
}

// valueAt follows a path as merge does: elements of an array by key are named by
// their keys.
func valueAt(rule *merge.Rule, v jsondoc.Value, path merge.Path) jsondoc.Value {
	for i, name := range path {
		if s, _ := rule.StrategyAt(path[:i]); v.Kind() == '[' && s.Kind == merge.ByKey {
			v = byKey(v, s.Key)
		}
		v = v.Get(name)
	}
	return v
}

// softDeleted reports whether a document of a question is deleted by a field:
// then one side stands whole, and the laws of fields do not speak of it.
func softDeleted(rule *merge.Rule, q Question) bool {
	if rule.SoftDelete == nil {
		return false
	}
	return slices.ContainsFunc(valuesOf(q, rule.SoftDelete.Field), func(v jsondoc.Value) bool {
		return v != nil && !slices.Contains([]string{"false", "null", "0", `""`}, string(v))
	})
}

const softDeleteWords = "soft_delete: one side stands whole, and the other's edits go with it. Where two sites merged such an edit with different deletions, " +
	"a field that adds up takes it back twice: a document that is restored may show a wrong number"
