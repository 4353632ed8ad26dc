package merge

import (
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// clockJoin is the strategy of clock fields: the maximum, pointwise for
// vectors. No policy names it.
const clockJoin StrategyKind = "clock"

// compareClocks orders two clock readings: numbers by value; texts that are no
// RFC 3339 time by their bytes, before all that are, which go by instant. An
// absent reading is the earliest. ok is false where the two can't be ordered,
// as vectors never can (their dominance is not an order).
func compareClocks(a, b jsondoc.Value) (order int, ok bool) {
	kind := a.Kind()
	if a == nil {
		kind = b.Kind()
	}
	switch {
	case a == nil && b == nil:
		return 0, true
	case kind != '0' && kind != '"', a != nil && b != nil && b.Kind() != kind:
		return 0, false
	case a == nil:
		return -1, true
	case b == nil:
		return 1, true
	case kind == '"':
		return compareTimes(a.Text(), b.Text()), true
	}
	x, okX := jsondoc.Number(a)
	y, okY := jsondoc.Number(b)
	if !okX || !okY {
		return 0, false
	}
	return x.Cmp(y), true
}

func compareTimes(a, b string) int {
	x, errX := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	switch {
	case errX == nil && errY == nil:
		return x.Compare(y)
	case errX == nil:
		return 1
	case errY == nil:
		return -1
	}
	return strings.Compare(a, b)
}

// joinClocks merges two readings of one clock; nil where they are of no kind
// that can be joined.
func joinClocks(a, b jsondoc.Value) jsondoc.Value {
	if a.Kind() == '{' && b.Kind() == '{' {
		return joinVectors(a, b)
	}
	order, ok := compareClocks(a, b)
	switch {
	case !ok:
		return nil
	case order > 0, order == 0 && jsondoc.Compare(a, b) > 0: // one instant in two spellings
		return a
	}
	return b
}

func joinVectors(a, b jsondoc.Value) jsondoc.Value {
	members := a.Members()
	at := map[string]int{}
	for i, m := range members {
		at[m.Name] = i
	}
	for _, m := range b.Members() {
		i, ok := at[m.Name]
		if !ok {
			members = append(members, m)
			continue
		}
		joined := joinClocks(members[i].Value, m.Value)
		if joined == nil {
			return nil
		}
		members[i].Value = joined
	}
	return jsondoc.Object(members)
}

// dominates reports whether vector a has seen all that b has, and more.
func dominates(a, b jsondoc.Value) bool {
	if a.Kind() != '{' || b.Kind() != '{' {
		return false
	}
	mine := map[string]jsondoc.Value{}
	for _, m := range a.Members() {
		mine[m.Name] = m.Value
	}
	more := false
	for _, m := range b.Members() {
		x, okX := jsondoc.Number(mine[m.Name])
		y, okY := jsondoc.Number(m.Value)
		if !okY || !okX && y.Sign() != 0 {
			return false
		}
		if okX {
			if x.Cmp(y) < 0 {
				return false
			}
			more = more || x.Cmp(y) > 0
		}
		delete(mine, m.Name)
	}
	for _, v := range mine {
		x, ok := jsondoc.Number(v)
		if !ok {
			return false
		}
		more = more || x.Sign() > 0
	}
	return more
}
