package policy

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// ranks is CouchDB's order of kinds: null, false, true, numbers, strings,
// arrays, objects.
const ranks = `nft0"[{`

// collate orders two values as CouchDB's views do, except that strings are
// compared by their bytes. Numbers are compared exactly, arrays element by
// element, objects member by member in their own order; what ends first is
// less.
func collate(a, b jsondoc.Value) int {
	if a.Kind() != b.Kind() {
		return cmp.Compare(strings.IndexByte(ranks, a.Kind()), strings.IndexByte(ranks, b.Kind()))
	}
	switch a.Kind() {
	case '0':
		return collateNumbers(a, b)
	case '"':
		return strings.Compare(a.Text(), b.Text())
	case '[':
		return collateArrays(a.Elements(), b.Elements())
	case '{':
		return collateObjects(a.Members(), b.Members())
	}
	return 0
}

func collateNumbers(a, b jsondoc.Value) int {
	x, okX := jsondoc.Number(a)
	y, okY := jsondoc.Number(b)
	if !okX || !okY { // beyond 1e400: no CouchDB stores it
		return bytes.Compare(a, b)
	}
	return x.Cmp(y)
}

func collateArrays(a, b []jsondoc.Value) int {
	for i := range min(len(a), len(b)) {
		if c := collate(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func collateObjects(a, b []jsondoc.Member) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Or(strings.Compare(a[i].Name, b[i].Name), collate(a[i].Value, b[i].Value)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
