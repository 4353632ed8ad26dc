package merge

import (
	"slices"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// byKey merges arrays of objects element by element, matched by the value of
// one member. The order is the winner's side's, then new elements sorted by
// their key. An element that one side removed and the other left alone is
// gone; one that the other changed is an overlap; without a base it is kept. ok
// is false where an element is no object, has no such member, or shares its
// key with another.
func (s *step) byKey(path Path, key string, base, a, b jsondoc.Value) (jsondoc.Value, bool) {
	if a.Kind() != '[' || b.Kind() != '[' {
		return nil, false
	}
	bases, _, okBase := keyed(base, key)
	mine, order, okA := keyed(a, key)
	theirs, theirOrder, okB := keyed(b, key)
	if !okBase || !okA || !okB {
		return nil, false
	}
	var added []string
	for _, k := range theirOrder {
		if _, ok := mine[k]; !ok {
			added = append(added, k)
		}
	}
	slices.Sort(added)
	var merged []jsondoc.Value
	for _, k := range append(order, added...) {
		if v := s.element(path, k, bases[k], mine[k], theirs[k]); v != nil {
			merged = append(merged, v)
		}
	}
	return jsondoc.Array(merged), true
}

// element merges the elements that share a key.
func (s *step) element(path Path, key string, base, a, b jsondoc.Value) jsondoc.Value {
	name := jsondoc.Value(key).Text()
	if name == "" {
		name = key
	}
	at := append(slices.Clone(path), name)
	switch {
	case s.exact || a != nil && b != nil:
		return s.value(at, base, a, b)
	case a != nil:
		return s.take(at, a, s.a, "on one side only")
	}
	return s.take(at, b, s.b, "on one side only")
}

// keyed returns an array's elements by the canonical form of their key, and
// the keys in order. An absent array is empty.
func keyed(v jsondoc.Value, key string) (map[string]jsondoc.Value, []string, bool) {
	if v != nil && v.Kind() != '[' {
		return nil, nil, false
	}
	elements := map[string]jsondoc.Value{}
	var order []string
	for _, e := range v.Elements() {
		k := e.Get(key)
		if kind := k.Kind(); kind != '"' && kind != '0' {
			return nil, nil, false
		}
		id := string(jsondoc.Canonical(k))
		if _, twice := elements[id]; twice {
			return nil, nil, false
		}
		elements[id] = e
		order = append(order, id)
	}
	return elements, order, true
}
