package merge

import (
	"bytes"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// clockJoin is the strategy of clock fields: the maximum, pointwise for
// vectors. No policy names it.
const clockJoin StrategyKind = "clock"

// compareClocks orders two clock readings: numbers by value, RFC 3339 texts by
// instant, other texts by their bytes. An absent reading is the earliest. ok is
// false where the two can't be ordered, as vectors never can (their dominance
// is not an order).
func compareClocks(a, b jsondoc.Value) (order int, ok bool) {
	switch {
	case a == nil && b == nil:
		return 0, true
	case a == nil:
		return -1, b.Kind() == '0' || b.Kind() == '"'
	case b == nil:
		return 1, a.Kind() == '0' || a.Kind() == '"'
	case a.Kind() == '0' && b.Kind() == '0':
		x, okX := jsondoc.Number(a)
		y, okY := jsondoc.Number(b)
		if !okX || !okY {
			return 0, false
		}
		return x.Cmp(y), true
	case a.Kind() == '"' && b.Kind() == '"':
		x, errX := time.Parse(time.RFC3339Nano, a.Text())
		y, errY := time.Parse(time.RFC3339Nano, b.Text())
		if errX == nil && errY == nil {
			return x.Compare(y), true
		}
		return bytes.Compare([]byte(a.Text()), []byte(b.Text())), true
	}
	return 0, false
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
	case order == 0: // one instant in two spellings: the same one on every site
		return greater(a, b)
	case order > 0:
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

// greater is the one of two values with the greater canonical form; of two
// spellings of one value, the longer, then the greater one.
func greater(a, b jsondoc.Value) jsondoc.Value {
	if exact, same := jsondoc.Exact(a, b); same {
		return exact
	}
	if bytes.Compare(jsondoc.Canonical(a), jsondoc.Canonical(b)) >= 0 {
		return a
	}
	return b
}
