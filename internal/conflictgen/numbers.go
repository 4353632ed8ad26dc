package conflictgen

import (
	"slices"
	"strconv"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// roundTrip is a number, or an array with numbers in it, after a client in
// JavaScript has read and written it: 12345678901234567891 becomes
// 12345678901234567000, and 1.0 becomes 1.
func roundTrip(v jsondoc.Value) jsondoc.Value {
	switch v.Kind() {
	case '0':
		f, _ := strconv.ParseFloat(string(v), 64) // the generator writes none beyond a double
		return jsondoc.Value(strconv.FormatFloat(f, 'f', -1, 64))
	case '[':
		elements := v.Elements()
		for i, e := range elements {
			elements[i] = roundTrip(e)
		}
		return jsondoc.Array(elements)
	default:
		return v
	}
}

// exact is a register among whose writers are clients in JavaScript. That
// their writing rounds the number is no edit.
type exact struct {
	register
	rounded []*node // on branches that do not write the field
}

func (e *exact) at(n *node) jsondoc.Value {
	v := e.register.at(n)
	if slices.ContainsFunc(e.rounded, n.follows) {
		return roundTrip(v)
	}
	return v
}
