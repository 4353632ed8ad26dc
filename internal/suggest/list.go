package suggest

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// list is what is known of arrays at a place.
type list struct {
	values  int // arrays seen
	empty   int // of these, without an element
	scalars int // of strings and numbers alone
	objects int // of objects alone
	unique  int // in which no element stands twice

	changes int // arrays that changed since the base
	grew    int // of these, where every element of the base is still there
	prefix  int // of these, where the base is the beginning
	shared  int // contests in which both sides added one and the same element

	looks int // pairs of arrays whose elements were looked at by key
	keys  map[string]keyCount
}

// keyCount is what is known of a member as the key of elements.
type keyCount struct {
	fits int // pairs (with their base) in which it tells all elements apart
	kept int // elements of bases that both sides still have under it
	of   int // elements of bases
}

// maxListed bounds the elements of an array that are looked at, maxKeys the
// members that are tried as keys of one.
const (
	maxListed = 2000
	maxKeys   = 3
)

func (l *list) value(v jsondoc.Value) {
	elements := v.Elements()
	l.values++
	if len(elements) == 0 {
		l.empty++
		return
	}
	if len(elements) > maxListed {
		return // of no known shape
	}
	if all(elements, func(e jsondoc.Value) bool { return kindOf(e) == text || kindOf(e) == number }) {
		l.scalars++
	}
	if all(elements, func(e jsondoc.Value) bool { return kindOf(e) == object }) {
		l.objects++
	}
	if counts := counted(elements); len(counts) == len(elements) {
		l.unique++
	}
}

func all(elements []jsondoc.Value, is func(jsondoc.Value) bool) bool {
	return !slices.ContainsFunc(elements, func(e jsondoc.Value) bool { return !is(e) })
}

// counted counts elements by their canonical form.
func counted(elements []jsondoc.Value) map[string]int {
	counts := make(map[string]int, len(elements))
	for _, e := range elements {
		counts[string(jsondoc.Canonical(e))]++
	}
	return counts
}

// change takes in what one side made of an array; an absent base is empty.
func (l *list) change(base, v jsondoc.Value) {
	if base != nil && kindOf(base) != array {
		return
	}
	l.changes++
	was, is := base.Elements(), v.Elements()
	if len(was) > maxListed || len(is) > maxListed || len(was) > len(is) {
		return
	}
	left := counted(is)
	for _, e := range was {
		c := string(jsondoc.Canonical(e))
		if left[c]--; left[c] < 0 {
			return
		}
	}
	l.grew++
	if slices.EqualFunc(was, is[:len(was)], func(x, y jsondoc.Value) bool { return jsondoc.Equal(x, y) }) {
		l.prefix++
	}
}

// contest looks for an element that both sides added.
func (l *list) contest(base, a, b jsondoc.Value) {
	if kindOf(a) != array || kindOf(b) != array || max(len(a.Elements()), len(b.Elements())) > maxListed {
		return
	}
	was, mine := counted(base.Elements()), counted(a.Elements())
	for e, n := range counted(b.Elements()) {
		if n > was[e] && mine[e] > was[e] {
			l.shared++
			return
		}
	}
}

func (l *list) add(o list) {
	l.values += o.values
	l.empty += o.empty
	l.scalars += o.scalars
	l.objects += o.objects
	l.unique += o.unique
	l.changes += o.changes
	l.grew += o.grew
	l.prefix += o.prefix
	l.shared += o.shared
	l.looks += o.looks
	for name, n := range o.keys {
		l.key(name, n)
	}
}

// maxKeyNames bounds the members that are remembered as keys at one place.
const maxKeyNames = 16

func (l *list) key(name string, n keyCount) {
	if l.keys == nil {
		l.keys = map[string]keyCount{}
	}
	was, known := l.keys[name]
	if known || len(l.keys) < maxKeyNames {
		l.keys[name] = keyCount{was.fits + n.fits, was.kept + n.kept, was.of + n.of}
	}
}

// bestKey is the member that tells elements apart in nearly all arrays, and
// under which elements are found again; "" where there is none.
func (l *list) bestKey() string {
	best := ""
	for name, n := range l.keys {
		if nearly(n.fits, l.looks) && n.kept*10 >= n.of*8 && (best == "" || compareKeys(name, best) < 0) {
			best = name
		}
	}
	return best
}

// compareKeys orders members by how likely they are keys: those that are called
// so, those that end so, others by name.
func compareKeys(a, b string) int {
	rank := func(name string) int {
		if i := slices.Index(keyNames, name); i >= 0 {
			return i
		}
		if anyWord(name, "id", "uuid", "guid", "key", "code", "number") {
			return len(keyNames)
		}
		return len(keyNames) + 1
	}
	return cmp.Or(rank(a)-rank(b), strings.Compare(a, b))
}

// keyed finds the members by which the elements of two arrays and their base
// can be told apart, the likeliest first.
func keyed(base, a, b jsondoc.Value) []string {
	first := a.Elements()
	if len(first) == 0 {
		first = b.Elements()
	}
	if len(first) == 0 || max(len(a.Elements()), len(b.Elements()), len(base.Elements())) > maxListed {
		return nil
	}
	var names []string
	for _, m := range first[0].Members() {
		if mayBeKey(m.Value) && tellsApart(m.Name, base) && tellsApart(m.Name, a) && tellsApart(m.Name, b) {
			names = append(names, m.Name)
		}
	}
	slices.SortFunc(names, compareKeys)
	return names[:min(len(names), maxKeys)]
}

// mayBeKey reports whether a value may be an element's key: a moment is none,
// since it changes with the element.
func mayBeKey(v jsondoc.Value) bool {
	switch kindOf(v) {
	case text:
		return len(v) > len(`""`) && layoutOf(v) == ""
	case number:
		return !jsondoc.IsFloat(v) && layoutOf(v) == ""
	}
	return false
}

func tellsApart(name string, v jsondoc.Value) bool {
	known := map[string]bool{}
	for _, e := range v.Elements() {
		k := e.Get(name)
		if !mayBeKey(k) || known[string(jsondoc.Canonical(k))] {
			return false
		}
		known[string(jsondoc.Canonical(k))] = true
	}
	return true
}

// byKey are elements under the value of a member.
func byKey(name string, v jsondoc.Value) map[string]jsondoc.Value {
	elements := map[string]jsondoc.Value{}
	for _, e := range v.Elements() {
		elements[string(jsondoc.Canonical(e.Get(name)))] = e
	}
	return elements
}

// vector is what is known of objects of counters, such as a vector clock.
type vector struct {
	sides   int // sides on which all of its members are counters
	rose    int // of these, where one rose since the base and none fell
	edits   int // of these, where they rose by as much as there were edits
	pairs   int // pairs of leaves
	ahead   int // of these, where one has all that the other has
	against int // of these, where the other has changes that the one lacks
}

func (v *vector) add(o vector) {
	v.sides += o.sides
	v.rose += o.rose
	v.edits += o.edits
	v.pairs += o.pairs
	v.ahead += o.ahead
	v.against += o.against
}

// maxActors bounds the members of what is taken for a vector clock.
const maxActors = 500

// counters are an object's members where all of them are integers from 0; nil
// where not.
func counters(v jsondoc.Value) map[string]jsondoc.Value {
	members := v.Members()
	if len(members) == 0 || len(members) > maxActors {
		return nil
	}
	all := make(map[string]jsondoc.Value, len(members))
	for _, m := range members {
		if kindOf(m.Value) != number || jsondoc.IsFloat(m.Value) || m.Value[0] == '-' {
			return nil
		}
		all[m.Name] = m.Value
	}
	return all
}

// risen is by how much counters rose since a base, all together.
func risen(was, is map[string]jsondoc.Value) *big.Rat {
	total := new(big.Rat)
	for name, v := range is {
		n, _ := jsondoc.Number(v)
		if before, ok := jsondoc.Number(was[name]); ok {
			n = new(big.Rat).Sub(n, before)
		}
		total.Add(total, n)
	}
	return total
}

// ahead reports whether counters a have all that b has, and more of one.
func ahead(a, b map[string]jsondoc.Value) bool {
	more := false
	for name, y := range b {
		x, ok := a[name]
		switch {
		case !ok:
			return false
		case !bytes.Equal(x, y):
			if compareOrdered(x, y) < 0 {
				return false
			}
			more = true
		}
	}
	return more || len(a) > len(b)
}
