package resolver

import (
	"fmt"
	"math"
	"strings"

	"go.starlark.net/starlark"
)

// gulp is how many bytes a single operation may make.
type gulp int64

const (
	slot    = 16            // bytes of an element of a list
	maxBits = 4 * maxDigits // of a product; about four to a digit
)

// tooMuch is the error of an operation that would make more than a gulp.
type tooMuch string

func (e tooMuch) Error() string { return string(e) }

func (g gulp) allows(what string, bytes float64) error {
	switch {
	case bytes <= float64(g):
		return nil
	case math.IsInf(bytes, 0):
		return tooMuch(fmt.Sprintf("%s of values more than %d deep in each other", what, maxPrinted))
	}
	return tooMuch(fmt.Sprintf("%s of %.0f bytes: one operation may make at most %d", what, bytes, int64(g)))
}

// bytesOf is what a string's text or a list's elements take, in bytes.
func bytesOf(v starlark.Value) float64 {
	switch v := v.(type) {
	case starlark.String:
		return float64(len(v))
	case starlark.Bytes:
		return float64(len(v))
	case starlark.Sequence, starlark.Indexable:
		return slot * float64(starlark.Len(v))
	}
	return 0
}

// added passes y of x + y: what grows by small pieces is seen while it grows.
func (g gulp) added(y starlark.Value) (starlark.Value, error) {
	return y, g.allows("a sum", 2*bytesOf(y))
}

// product allows x * y.
func (g gulp) product(x, y starlark.Value) error {
	n, xIsInt := x.(starlark.Int)
	m, yIsInt := y.(starlark.Int)
	switch {
	case xIsInt && yIsInt:
		if b := bitLen(n) + bitLen(m); b > maxBits {
			return tooMuch(fmt.Sprintf("an integer of %d bits: at most %d", b, maxBits))
		}
	case xIsInt:
		return g.allows("a repetition", float64(n.Float())*bytesOf(y))
	case yIsInt:
		return g.allows("a repetition", float64(m.Float())*bytesOf(x))
	}
	return nil
}

func bitLen(n starlark.Int) int {
	if _, small := n.Int64(); small {
		return 64
	}
	return n.BigInt().BitLen()
}

// filling passes y of x %= y, where x may be a string.
func (g gulp) filling(y starlark.Value) (starlark.Value, error) {
	if _, ok := y.(starlark.Mapping); ok { // a value of it may be used any number of times
		return nil, tooMuch("%= with a dict is not available: write x = x % y")
	}
	return y, g.printable(starlark.Tuple{y}, nil)
}

// filled allows a format that uses what it is given as often as times.
func (g gulp) filled(format string, times int, values ...starlark.Value) error {
	total := float64(len(format))
	for _, v := range values {
		total += float64(times) * g.printed(v, 0)
	}
	return g.allows("a text", total)
}

// printable allows str, repr, print and fail.
func (g gulp) printable(args starlark.Tuple, kwargs []starlark.Tuple) error {
	for _, pair := range kwargs { // what stands between two arguments
		if err := g.filled("", len(args), pair[1]); err != nil {
			return err
		}
	}
	return g.filled("", 1, args...)
}

// maxPrinted is how deep a value that is printed may be. One that holds itself
// is deeper.
const maxPrinted = 1000

// printed is about how long a value's text is, each element counted as a slot at
// least, and no further than a gulp: a value can hold others a million times
// over.
func (g gulp) printed(v starlark.Value, depth int) float64 {
	if depth > maxPrinted {
		return math.Inf(1)
	}
	total := 0.0
	switch v := v.(type) {
	case starlark.Int:
		return float64(bitLen(v)) / 3
	case starlark.String, starlark.Bytes:
		return bytesOf(v) + 2
	case *starlark.Dict:
		for key, value := range v.Entries() {
			if total += slot + g.printed(key, depth+1) + g.printed(value, depth+1); total > float64(g) {
				break
			}
		}
		return total
	case starlark.Indexable: // a list, a tuple
		for i := 0; i < v.Len() && total <= float64(g); i++ {
			total += slot + g.printed(v.Index(i), depth+1)
		}
		return total
	case *starlark.Set: // of what can be a key
		for e := range v.Elements() {
			total += slot + g.printed(e, depth+1)
		}
		return total
	}
	return 32 // a float, a bool, the name of a function
}

// parsable allows int.
func (g gulp) parsable(args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) > 0 && bytesOf(args[0]) > maxDigits {
		return tooMuch(fmt.Sprintf("an integer of %.0f digits: at most %d", bytesOf(args[0]), maxDigits))
	}
	return nil
}

// zipped allows zip.
func (g gulp) zipped(args starlark.Tuple, _ []starlark.Tuple) error {
	shortest := math.Inf(1)
	for _, list := range args {
		shortest = min(shortest, bytesOf(list))
	}
	return g.allows("a list", shortest*float64(len(args)))
}

// ranged is Starlark's own range. It makes its numbers one at a time, but list,
// sorted and others would take them all at once.
func (g gulp) ranged(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe["range"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return v, g.allows("a range", bytesOf(v))
}

// textMethods are the methods of strings that make much out of little, and when
// they may.
var textMethods = map[string]func(g gulp, s string, args starlark.Tuple, kwargs []starlark.Tuple) error{
	"join":           gulp.joined,
	"format":         gulp.formatted,
	"replace":        gulp.replaced,
	"split":          gulp.cut,
	"rsplit":         gulp.cut,
	"splitlines":     gulp.cut,
	"elems":          gulp.cut,
	"elem_ords":      gulp.cut,
	"codepoints":     gulp.cut,
	"codepoint_ords": gulp.cut,
}

func (g gulp) joined(s string, args starlark.Tuple, _ []starlark.Tuple) error {
	total := 0.0
	for _, list := range args {
		iterable, ok := list.(starlark.Iterable)
		if !ok {
			continue
		}
		for e := range starlark.Elements(iterable) {
			total += float64(len(s)) + bytesOf(e)
		}
	}
	return g.allows("a text", total)
}

func (g gulp) formatted(s string, args starlark.Tuple, kwargs []starlark.Tuple) error {
	for _, pair := range kwargs {
		args = append(args, pair[1])
	}
	return g.filled(s, strings.Count(s, "{"), args...)
}

func (g gulp) replaced(s string, args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) < 2 {
		return nil
	}
	before, _ := starlark.AsString(args[0])
	return g.allows("a text", float64(len(s))+float64(strings.Count(s, before))*bytesOf(args[1]))
}

// cut allows to take a string apart: at what it is told, or at every byte.
func (g gulp) cut(s string, args starlark.Tuple, _ []starlark.Tuple) error {
	pieces := len(s)
	if len(args) > 0 {
		if at, ok := starlark.AsString(args[0]); ok && at != "" {
			pieces = strings.Count(s, at) + 1
		}
	}
	return g.allows("a list", slot*float64(pieces))
}
