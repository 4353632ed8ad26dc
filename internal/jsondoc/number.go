package jsondoc

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Canonical returns v in the form of RFC 8785 (members sorted, one spelling
// for each string and number), with one difference: an integer keeps all its
// digits, so that 12345678901234567891 and …892 differ.
func Canonical(v Value) Value {
	if isCanonical(v) {
		return v
	}
	c := jsontext.Value(bytes.Clone(v))
	if err := c.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return v // a number beyond float64: CouchDB stores none
	}
	return Value(c)
}

// isCanonical spares the work for most scalars.
func isCanonical(v Value) bool {
	switch v.Kind() {
	case '{', '[':
		return false
	case '"':
		return bytes.IndexByte(v, '\\') < 0
	case '0':
		return !IsFloat(v) && string(v) != "-0"
	}
	return true
}

// Equal reports whether a and b are the same value, however they are written.
// CouchDB tells 1 from 1.0, and so does Equal; 1.10 and 1.1 are one, and so are
// objects whose members stand in another order. Absent values equal each other
// alone.
func Equal(a, b Value) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case a.Kind() != b.Kind():
		return false
	}
	switch a.Kind() {
	case '[':
		return slices.EqualFunc(a.Elements(), b.Elements(), Equal)
	case '{':
		return equalMembers(a.Members(), b.Members())
	case '0':
		return IsFloat(a) == IsFloat(b) && bytes.Equal(Canonical(a), Canonical(b))
	}
	return bytes.Equal(Canonical(a), Canonical(b))
}

func equalMembers(a, b []Member) bool {
	if len(a) != len(b) {
		return false
	}
	inB := make(map[string]Value, len(b))
	for _, m := range b {
		inB[m.Name] = m.Value
	}
	return !slices.ContainsFunc(a, func(m Member) bool { return !Equal(m.Value, inB[m.Name]) })
}

// Unchanged reports whether v is what base was, or what is left of it after a
// round trip through a JavaScript client, whose numbers are all float64:
// 12345678901234567891 becomes 12345678901234567000, 1.0 becomes 1 (I8). No
// such client makes 1.0 of 1: that is a change.
func Unchanged(base, v Value) bool {
	return Equal(base, v) || v != nil && mayRound(base) && Equal(javaScript(base), v)
}

// Restored returns v with each number that is just base's after a round trip
// through a JavaScript client as base wrote it; base itself where nothing else
// differs. Members are compared by name, array elements by value and else by
// place.
func Restored(base, v Value) Value {
	switch {
	case Unchanged(base, v):
		return base
	case !mayRound(base) || base.Kind() != v.Kind():
		return v
	case v.Kind() == '{':
		return restoredObject(base, v)
	case v.Kind() == '[':
		return restoredArray(base.Elements(), v)
	}
	return v
}

func restoredObject(base, v Value) Value {
	members, changed := v.Members(), false
	for i, m := range members {
		if exact := Restored(base.Get(m.Name), m.Value); !bytes.Equal(exact, m.Value) {
			members[i].Value, changed = exact, true
		}
	}
	if !changed {
		return v
	}
	return Object(members)
}

func restoredArray(base []Value, v Value) Value {
	exact := make(map[string]Value, len(base)) // by what JavaScript makes of it; nil: of several
	for _, b := range base {
		rounded := string(javaScript(b))
		if other, twice := exact[rounded]; twice && !bytes.Equal(other, b) {
			b = nil
		}
		exact[rounded] = b
	}
	elements, changed := v.Elements(), false
	for i, e := range elements {
		was := exact[string(Canonical(e))]
		if i < len(base) && (was == nil && len(base) == len(elements) || Unchanged(base[i], e)) {
			was = base[i]
		}
		if restored := Restored(was, e); was != nil && !bytes.Equal(restored, e) {
			elements[i], changed = restored, true
		}
	}
	if !changed {
		return v
	}
	return Array(elements)
}

// Exact returns the one of two values that no JavaScript client has rounded,
// where the other is just that after a round trip, and of two spellings the
// greater in the sense of Compare; false where they are different values.
// Which one it is does not depend on their order.
func Exact(a, b Value) (Value, bool) {
	switch {
	case Equal(a, b):
		if Compare(a, b) < 0 {
			return b, true
		}
		return a, true
	case Unchanged(a, b):
		return a, true
	case Unchanged(b, a):
		return b, true
	}
	return nil, false
}

// Compare is a total order of values, absent ones first: by canonical form,
// then by length (1.0 after 1), then by bytes. It returns 0 only for the same
// bytes.
func Compare(a, b Value) int {
	if bytes.Equal(a, b) || a == nil || b == nil {
		return bytes.Compare(a, b)
	}
	return cmp.Or(bytes.Compare(Canonical(a), Canonical(b)), cmp.Compare(len(a), len(b)), bytes.Compare(a, b))
}

// javaScript is the canonical form of what a JavaScript client makes of v.
func javaScript(v Value) Value {
	if isCanonical(v) && !mayRound(v) {
		return v
	}
	c := jsontext.Value(bytes.Clone(v))
	if err := c.Canonicalize(); err != nil {
		return v
	}
	return Value(c)
}

// mayRound reports whether v may hold a number that a JavaScript client writes
// otherwise: a float, or more digits than a float64 is sure to keep.
func mayRound(v Value) bool {
	digits := 0
	for _, c := range v {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case digits > 0 && (c == '.' || c == 'e' || c == 'E'):
			return true
		default:
			digits = 0
		}
		if digits > 15 {
			return true
		}
	}
	return false
}

// maxExponent bounds the work on numbers such as 1e999999999. CouchDB's
// floats end at 1e308.
const maxExponent = 400

// Number returns the exact value of a number; false for any other kind, and
// for exponents beyond ±400.
func Number(v Value) (*big.Rat, bool) {
	if v.Kind() != '0' {
		return nil, false
	}
	text := string(v)
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(strings.TrimPrefix(text[i+1:], "+")); err != nil || exp > maxExponent || exp < -maxExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// IsFloat reports whether a number's literal has a fraction or an exponent.
func IsFloat(v Value) bool { return v.Kind() == '0' && bytes.ContainsAny(v, ".eE") }

// FromNumber writes a number exactly, in decimal; as a float ("3.0") where
// asked. The value must be a finite decimal, as sums and differences of JSON
// numbers are.
func FromNumber(n *big.Rat, float bool) Value {
	digits, power := 0, big.NewInt(1)
	for ; digits <= 2*maxExponent && new(big.Int).Rem(power, n.Denom()).Sign() != 0; digits++ {
		power.Mul(power, big.NewInt(10))
	}
	text := n.FloatString(digits)
	if float && !strings.Contains(text, ".") {
		text += ".0"
	}
	return Value(text)
}
