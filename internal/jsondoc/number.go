package jsondoc

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Canonical returns v in the form of RFC 8785 (members sorted, one spelling
// for each string and number), with one difference: an integer keeps all its
// digits, so that 12345678901234567891 and …892 differ.
func Canonical(v Value) Value {
	if v == nil {
		return nil
	}
	c := jsontext.Value(bytes.Clone(v))
	if err := c.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return v // a number beyond float64: CouchDB stores none
	}
	return Value(c)
}

// Equal reports whether a and b are the same value: the same bytes, or the
// same canonical form. Absent values equal each other alone.
func Equal(a, b Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return bytes.Equal(a, b) || bytes.Equal(Canonical(a), Canonical(b))
}

// Unchanged reports whether v is what base was, or what is left of it after a
// round trip through a JavaScript client, whose numbers are all float64:
// 12345678901234567891 becomes 12345678901234567000, 1.0 becomes 1 (I8).
func Unchanged(base, v Value) bool {
	if base == nil || v == nil {
		return base == nil && v == nil
	}
	if bytes.Equal(base, v) || bytes.Equal(Canonical(base), Canonical(v)) {
		return true
	}
	return hasNumber(base) && bytes.Equal(javaScript(base), Canonical(v))
}

// Exact returns the one of two equal values that no JavaScript client has
// rounded; false where they are not equal in that sense. Which one it is does
// not depend on their order.
func Exact(a, b Value) (Value, bool) {
	switch {
	case a == nil || b == nil:
		return a, a == nil && b == nil
	case bytes.Equal(a, b):
		return a, true
	case bytes.Equal(Canonical(a), Canonical(b)):
		if len(a) > len(b) || len(a) == len(b) && bytes.Compare(a, b) > 0 { // 1.0 beside 1
			return a, true
		}
		return b, true
	case hasNumber(a) && bytes.Equal(javaScript(a), Canonical(b)):
		return a, true
	case hasNumber(b) && bytes.Equal(javaScript(b), Canonical(a)):
		return b, true
	}
	return nil, false
}

// javaScript is the canonical form of what a JavaScript client makes of v.
func javaScript(v Value) Value {
	c := jsontext.Value(bytes.Clone(v))
	if err := c.Canonicalize(); err != nil {
		return v
	}
	return Value(c)
}

func hasNumber(v Value) bool { return bytes.ContainsAny(v, "0123456789") }

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
