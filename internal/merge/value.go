package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// value merges what stands at one path: changed on one side, that side;
// changed alike, that; changed differently, the strategy of the most specific
// pattern. Objects are opened, unless a pattern names them as one value. An
// absent value is nil, which is not null.
func (s *step) value(path Path, base, a, b jsondoc.Value) jsondoc.Value {
	if s.settled(base, a, b) {
		return a
	}
	strategy, opens := s.rule.StrategyAt(path)
	switch {
	case opens && a.Kind() == '{' && b.Kind() == '{':
		return s.object(path, base, a, b)
	case s.exact:
		return s.since(path, strategy, base, a, b)
	default:
		return s.withoutBase(path, strategy, a, b)
	}
}

// settled spares opening what is plainly the same everywhere.
func (s *step) settled(base, a, b jsondoc.Value) bool {
	if !bytes.Equal(a, b) {
		return false
	}
	if s.exact {
		return bytes.Equal(base, a)
	}
	return !s.rule.addsUp() && !s.rule.clockWithoutBase()
}

// since merges two values against what both grew from.
func (s *step) since(path Path, strategy Strategy, base, a, b jsondoc.Value) jsondoc.Value {
	if strategy.Kind != Sum { // where each unit counts, a literal is what it says
		base = exactly(base, a, b)
	}
	a, b = jsondoc.Restored(base, a), jsondoc.Restored(base, b)
	unchangedA, unchangedB := bytes.Equal(base, a), bytes.Equal(base, b)
	switch {
	case unchangedA && unchangedB:
		return base
	case unchangedB:
		if _, known := s.a.origins[path.String()]; known { // by an earlier step, in better words
			return a
		}
		return s.take(path, a, s.a, "changed on one side")
	case unchangedA:
		return s.take(path, b, s.b, "changed on one side")
	case strategy.addsUp():
		return s.addUp(path, strategy, base, a, b)
	}
	if same, ok := jsondoc.Exact(a, b); ok && !s.mayHide(strategy) {
		s.note(path, "changed alike", same == nil, s.a, s.b)
		return same
	}
	return s.overlap(path, strategy, base, a, b)
}

// exactly returns a base with its numbers as a side has them, where the base is
// just that side's after a round trip through a JavaScript client: a merge has
// put an older ancestor's literal back, and that is no edit. Where the two sides
// say different things of one number, the base stays as it is.
func exactly(base, a, b jsondoc.Value) jsondoc.Value {
	fromA, fromB := jsondoc.Restored(a, base), jsondoc.Restored(b, base)
	if both := jsondoc.Restored(b, fromA); bytes.Equal(both, jsondoc.Restored(a, fromB)) {
		return both
	}
	return base
}

// withoutBase merges two values of which nobody knows what they grew from.
func (s *step) withoutBase(path Path, strategy Strategy, a, b jsondoc.Value) jsondoc.Value {
	same, alike := jsondoc.Exact(a, b)
	switch {
	case strategy.addsUp() && (a != nil || b != nil):
		s.problem(couchmend.ReasonNoBase, fmt.Sprintf("%s: %s needs to know what %s in %s and %s in %s grew from",
			path, strategy.Kind, shown(a), couchmend.ListRevs(s.a.heads), shown(b), couchmend.ListRevs(s.b.heads)))
		return a
	case bytes.Equal(a, b) && !s.mayHide(strategy):
		if s.rule.clockWithoutBase() && a != nil { // the later of the two speaks for it
			s.note(path, "alike", false, s.a, s.b)
		}
		return a
	case alike && !s.mayHide(strategy) && !strategy.isJoin(): // a join has its own way with two spellings
		return same
	case !strategy.usableWithoutBase(s.rule.NoBase):
		s.problem(couchmend.ReasonNoBase, fmt.Sprintf("%s differs (%s in %s, %s in %s) and what they grew from is not known",
			path, shown(a), couchmend.ListRevs(s.a.heads), shown(b), couchmend.ListRevs(s.b.heads)))
		return a
	}
	return s.overlap(path, strategy, nil, a, b)
}

// mayHide reports whether two values that look alike may still hold two
// changes, in elements that count changes.
func (s *step) mayHide(strategy Strategy) bool { return strategy.Kind == ByKey && s.rule.addsUp() }

// object merges two objects member by member: the winner's order, names new to
// it after, sorted.
func (s *step) object(path Path, base, a, b jsondoc.Value) jsondoc.Value {
	aMembers, bMembers, baseMembers := a.Members(), b.Members(), base.Members()
	mine, theirs, bases := index(aMembers), index(bMembers), index(baseMembers)
	names := make([]string, 0, len(aMembers)+len(bMembers))
	for _, m := range aMembers {
		names = append(names, m.Name)
	}
	var added []string
	for _, m := range slices.Concat(bMembers, baseMembers) {
		if _, ok := mine[m.Name]; !ok {
			added = append(added, m.Name)
		}
	}
	slices.Sort(added)
	added = slices.Compact(added)
	var merged []jsondoc.Member
	for _, name := range append(names, added...) {
		at := append(slices.Clone(path), name)
		if v := s.value(at, bases[name], mine[name], theirs[name]); v != nil {
			merged = append(merged, jsondoc.Member{Name: name, Value: v})
		}
	}
	return jsondoc.Object(merged)
}

func index(members []jsondoc.Member) map[string]jsondoc.Value {
	values := make(map[string]jsondoc.Value, len(members))
	for _, m := range members {
		values[m.Name] = m.Value
	}
	return values
}

// take lets one side's value stand.
func (s *step) take(path Path, v jsondoc.Value, from side, why string) jsondoc.Value {
	s.note(path, why, v == nil, from)
	return v
}

// note remembers where the value at path came from. What was noted of places
// below it no longer holds.
func (s *step) note(path Path, why string, removed bool, from ...side) {
	s.noteAt(path.String(), why, removed, from...)
}

func (s *step) noteAt(at, why string, removed bool, from ...side) {
	heads := slices.Clone(from[0].sources(at))
	for _, f := range from[1:] {
		heads = append(heads, f.sources(at)...) // no leaf is on two sides
	}
	for noted := range s.origins {
		if below(noted, at) {
			delete(s.origins, noted)
		}
	}
	s.origins[at] = couchmend.Origin{Path: at, From: heads, Why: why, Removed: removed}
}

// sources returns the leaves that a side's value at a place came from: those
// noted for it or for the nearest place above it, else all of the side's.
func (d side) sources(at string) []couchmend.Rev {
	for {
		if origin, ok := d.origins[at]; ok && len(origin.From) > 0 {
			return origin.From
		}
		if at == "" {
			return d.heads
		}
		at = at[:max(0, strings.LastIndexByte(at, '.'))]
	}
}

// below reports whether a dotted path is under another; all are under "".
func below(path, top string) bool {
	return path != top && (top == "" || strings.HasPrefix(path, top+"."))
}

// inOrderOf returns v with the members of its objects in the order of those of
// model, names that model lacks after them, sorted: the canonical order of a
// merge's keys, since a revision's id depends on it.
func inOrderOf(model, v jsondoc.Value) jsondoc.Value {
	if model.Kind() != '{' || v.Kind() != '{' || bytes.Equal(model, v) {
		return v
	}
	place := map[string]int{}
	models := model.Members()
	for i, m := range models {
		place[m.Name] = i
	}
	members := v.Members()
	slices.SortStableFunc(members, func(x, y jsondoc.Member) int {
		i, inX := place[x.Name]
		j, inY := place[y.Name]
		switch {
		case inX && inY:
			return cmp.Compare(i, j)
		case inX:
			return -1
		case inY:
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	for i, m := range members {
		if at, ok := place[m.Name]; ok {
			members[i].Value = inOrderOf(models[at].Value, m.Value)
		}
	}
	return jsondoc.Object(members)
}

// shownBytes is as much of a value as a sentence for people quotes.
const shownBytes = 60

func shown(v jsondoc.Value) string {
	switch {
	case v == nil:
		return "absent"
	case len(v) > shownBytes:
		return strings.ToValidUTF8(string(v[:shownBytes]), "") + "…"
	}
	return string(v)
}
