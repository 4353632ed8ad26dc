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
	if bytes.Equal(a, b) && (!s.exact || bytes.Equal(base, a)) && (s.exact || !s.rule.addsUp()) {
		return a
	}
	strategy, opens := s.rule.strategyAt(path)
	if opens && a.Kind() == '{' && b.Kind() == '{' {
		return s.object(path, base, a, b)
	}
	if strategy.addsUp() {
		return s.addUp(path, strategy, base, a, b)
	}
	if s.exact {
		unchangedA, unchangedB := jsondoc.Unchanged(base, a), jsondoc.Unchanged(base, b)
		switch {
		case unchangedA && unchangedB:
			return base
		case unchangedB:
			return s.take(path, a, s.a, "changed on one side")
		case unchangedA:
			return s.take(path, b, s.b, "changed on one side")
		}
	}
	nested := strategy.Kind == ByKey && s.rule.addsUp() // elements alike may still be two changes
	if same, ok := jsondoc.Exact(a, b); ok && !nested {
		if s.exact {
			s.note(path, "changed alike", same == nil, s.a, s.b)
		}
		return same
	}
	if !s.exact && !strategy.usableWithoutBase(s.rule.NoBase) {
		s.problem(couchmend.ReasonNoBase, fmt.Sprintf("%s differs (%s in %s, %s in %s) and what they grew from is not known",
			path, shown(a), list(s.a.heads), shown(b), list(s.b.heads)))
		return a
	}
	return s.overlap(path, strategy, base, a, b)
}

// object merges two objects member by member: the winner's order, names new to
// it after, sorted.
func (s *step) object(path Path, base, a, b jsondoc.Value) jsondoc.Value {
	baseMembers, aMembers, bMembers := base.Members(), a.Members(), b.Members()
	bases, theirs := index(baseMembers), index(bMembers)
	mine := index(aMembers)
	names := make([]string, 0, len(aMembers)+len(bMembers))
	for _, m := range aMembers {
		names = append(names, m.Name)
	}
	var added []string
	for _, m := range append(bMembers, baseMembers...) {
		if _, ok := mine[m.Name]; !ok && !slices.Contains(added, m.Name) {
			added = append(added, m.Name)
		}
	}
	slices.Sort(added)
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
	at := path.String()
	var heads []couchmend.Rev
	for _, f := range from {
		known := f.heads
		if origin, ok := f.origins[at]; ok && len(origin.From) > 0 {
			known = origin.From
		}
		for _, r := range known {
			if !slices.Contains(heads, r) {
				heads = append(heads, r)
			}
		}
	}
	for noted := range s.origins {
		if strings.HasPrefix(noted, at+".") {
			delete(s.origins, noted)
		}
	}
	s.origins[at] = couchmend.Origin{Path: at, From: heads, Why: why, Removed: removed}
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
		return compareText(x.Name, y.Name)
	})
	for i, m := range members {
		if at, ok := place[m.Name]; ok {
			members[i].Value = inOrderOf(models[at].Value, m.Value)
		}
	}
	return jsondoc.Object(members)
}

func compareText(a, b string) int { return strings.Compare(a, b) }

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

func list(revs []couchmend.Rev) string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}
