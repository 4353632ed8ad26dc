package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// overlap applies a strategy to values that two sides changed differently, or
// that differ where there is no base. Strategies that count changes are
// addUp's.
func (s *step) overlap(path Path, strategy Strategy, base, a, b jsondoc.Value) jsondoc.Value {
	if (strategy.Kind == ByKey || strategy.Kind == Text) && s.exact && (a == nil || b == nil) {
		return s.disputed(path, a, b, removedAndChanged)
	}
	var v jsondoc.Value
	var ok bool
	switch strategy.Kind {
	case Union:
		v, ok = union(a, b)
	case Max, Min:
		v, ok = extreme(strategy.Kind, a, b)
	case clockJoin:
		v = joinClocks(a, b)
		ok = v != nil
	case Latest:
		return s.latest(path, strategy, a, b)
	case Custom:
		return s.custom(path, strategy, base, a, b)
	case Winner:
		return s.take(path, a, s.a, "the winner's")
	case ByKey:
		v, ok = s.byKey(path, strategy.Key, base, a, b)
	case Text:
		var clean bool
		if v, clean, ok = mergeText(base, a, b); ok && !clean {
			return s.disputed(path, a, b, "the same lines were changed differently")
		}
	default:
		return s.disputed(path, a, b, "changed differently, and no strategy covers it")
	}
	if !ok {
		return s.misfit(path, strategy, a, b)
	}
	if strategy.Kind != ByKey {
		s.note(path, string(strategy.Kind), false, s.a, s.b)
	}
	return v
}

const removedAndChanged = "removed on one side, changed on the other"

func (s *step) disputed(path Path, a, b jsondoc.Value, why string) jsondoc.Value {
	s.problem(couchmend.ReasonOverlap, fmt.Sprintf("%s: %s in %s, %s in %s: %s", path, shown(a), couchmend.ListRevs(s.a.heads), shown(b), couchmend.ListRevs(s.b.heads), why))
	return a
}

func (s *step) misfit(path Path, strategy Strategy, a, b jsondoc.Value) jsondoc.Value {
	s.problem(couchmend.ReasonStrategy, fmt.Sprintf("%s: %s does not fit %s in %s and %s in %s", path, strategy.Kind, shown(a), couchmend.ListRevs(s.a.heads), shown(b), couchmend.ListRevs(s.b.heads)))
	return a
}

// union returns two arrays as one sorted set; an absent one is empty. Of an
// element in several spellings, such as 1 and 1.0, the last in the order of
// jsondoc.Compare stays.
func union(a, b jsondoc.Value) (jsondoc.Value, bool) {
	if a != nil && a.Kind() != '[' || b != nil && b.Kind() != '[' {
		return nil, false
	}
	var elements []element
	for _, v := range slices.Concat(a.Elements(), b.Elements()) {
		elements = append(elements, elementOf(v))
	}
	slices.SortFunc(elements, element.compare)
	var kept []jsondoc.Value
	for i, e := range elements {
		if last := i == len(elements)-1; last || !bytes.Equal(e.canonical, elements[i+1].canonical) {
			kept = append(kept, e.value)
		}
	}
	return jsondoc.Array(kept), true
}

// element is an element of a set with what it is sorted by.
type element struct {
	value, canonical jsondoc.Value
	number           *big.Rat // nil: it is none
}

func elementOf(v jsondoc.Value) element {
	number, _ := jsondoc.Number(v)
	return element{value: v, canonical: jsondoc.Canonical(v), number: number}
}

// compare puts numbers first, by value, and all else by canonical form.
func (e element) compare(other element) int {
	order := 0
	switch {
	case e.number != nil && other.number != nil:
		order = e.number.Cmp(other.number)
	case e.number != nil:
		return -1
	case other.number != nil:
		return 1
	}
	return cmp.Or(order, bytes.Compare(e.canonical, other.canonical), cmp.Compare(len(e.value), len(other.value)), bytes.Compare(e.value, other.value))
}

// extreme returns the greater or smaller of two numbers or of two strings. An
// absent one is beyond the other end.
func extreme(kind StrategyKind, a, b jsondoc.Value) (jsondoc.Value, bool) {
	if a == nil || b == nil {
		present := a
		if a == nil {
			present = b
		}
		return present, present.Kind() == '0' || present.Kind() == '"'
	}
	var order int
	switch {
	case a.Kind() == '0' && b.Kind() == '0':
		x, okX := jsondoc.Number(a)
		y, okY := jsondoc.Number(b)
		if !okX || !okY {
			return nil, false
		}
		order = x.Cmp(y)
	case a.Kind() == '"' && b.Kind() == '"':
		order = strings.Compare(a.Text(), b.Text())
	default:
		return nil, false
	}
	switch {
	case order == 0 && jsondoc.Compare(a, b) < 0: // two spellings, such as 1 and 1.0
		return b, true
	case order == 0, (order > 0) == (kind == Max):
		return a, true
	}
	return b, true
}

// latest takes the side whose clock is later.
func (s *step) latest(path Path, strategy Strategy, a, b jsondoc.Value) jsondoc.Value {
	why := "latest by " + strategy.Beside.String()
	x, y := s.a.body.At(strategy.Beside...), s.b.body.At(strategy.Beside...)
	if len(strategy.Beside) == 0 {
		why = "latest by " + s.rule.Clock.Path.String()
		x, y = s.clockAt(s.a, path), s.clockAt(s.b, path)
	}
	order, ok := compareClocks(x, y)
	if !ok || x == nil && y == nil {
		s.problem(couchmend.ReasonStrategy, fmt.Sprintf("%s: %s: clocks %s in %s and %s in %s can't be ordered", path, why, shown(x), couchmend.ListRevs(s.a.heads), shown(y), couchmend.ListRevs(s.b.heads)))
		return a
	}
	fromA := order > 0
	if order == 0 {
		fromA = true // a document clock's tie: the winner's side
		if len(strategy.Beside) > 0 {
			fromA = jsondoc.Compare(a, b) >= 0
			why += ", equal: the greater value"
		}
	}
	if fromA {
		return s.take(path, a, s.a, why)
	}
	return s.take(path, b, s.b, why)
}

// clockAt is the document clock that speaks for a side's value at path: the
// latest among the leaves that it came from.
func (s *step) clockAt(d side, path Path) jsondoc.Value {
	var latest jsondoc.Value
	for _, head := range d.sources(path.String()) {
		clock := jsondoc.Value(s.revisions[head].Body).At(s.rule.Clock.Path...)
		if latest == nil {
			latest = clock
		} else if order, ok := compareClocks(clock, latest); ok && order > 0 {
			latest = clock
		}
	}
	return latest
}

// addUp makes both sides' changes, also where they look alike.
func (s *step) addUp(path Path, strategy Strategy, base, a, b jsondoc.Value) jsondoc.Value {
	switch {
	case a == nil && b == nil:
		s.note(path, "removed on both sides", true, s.a, s.b)
		return nil
	case a == nil || b == nil:
		return s.disputed(path, a, b, removedAndChanged)
	}
	var v jsondoc.Value
	ok := false
	if strategy.Kind == Sum {
		v, ok = sum(base, a, b)
	} else if a.Kind() == '[' && b.Kind() == '[' && (base == nil || base.Kind() == '[') {
		if v, ok = appended(base, a, b); !ok {
			return s.disputed(path, a, b, "an entry was removed from the log")
		}
	}
	if !ok {
		return s.misfit(path, strategy, a, b)
	}
	s.note(path, string(strategy.Kind), false, s.a, s.b)
	return v
}

// sum is a + b - base, exactly. It is a float if any of the three is one, or
// was one before a JavaScript client's round trip.
func sum(base, a, b jsondoc.Value) (jsondoc.Value, bool) {
	x, okX := jsondoc.Number(a)
	y, okY := jsondoc.Number(b)
	z, okZ := new(big.Rat), base == nil
	if base != nil {
		z, okZ = jsondoc.Number(base)
	}
	if !okX || !okY || !okZ {
		return nil, false
	}
	total := new(big.Rat).Sub(new(big.Rat).Add(x, y), z)
	return jsondoc.FromNumber(total, jsondoc.IsFloat(a) || jsondoc.IsFloat(b) || jsondoc.IsFloat(base)), true
}

// appended is a, then what b added to the base; false where either side
// removed an entry of the base.
func appended(base, a, b jsondoc.Value) (jsondoc.Value, bool) {
	count := map[string]int{}
	for _, e := range base.Elements() {
		count[string(jsondoc.Canonical(e))]++
	}
	left := func(v jsondoc.Value) (added []jsondoc.Value, whole bool) {
		missing := map[string]int{}
		for e, n := range count {
			missing[e] = n
		}
		for _, e := range v.Elements() {
			c := string(jsondoc.Canonical(e))
			if missing[c] > 0 {
				if missing[c]--; missing[c] == 0 {
					delete(missing, c)
				}
				continue
			}
			added = append(added, e)
		}
		return added, len(missing) == 0
	}
	_, wholeA := left(a)
	added, wholeB := left(b)
	if !wholeA || !wholeB {
		return nil, false
	}
	return jsondoc.Array(append(a.Elements(), added...)), true
}
