package cases

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Difference is one place at which the merge is not what was expected. A nil
// value is absent.
type Difference struct {
	Path string // as rules name fields; an array's element is its index
	Want jsondoc.Value
	Got  jsondoc.Value
	Why  string // the origin of what the merge has there, or of what is around it

	field merge.Path // the field that origins speak of: the path as far as no array is opened
}

// differences compares two values as a person would list what differs: objects
// by name, arrays of one length by place, numbers by their digits (I8), strings
// by what they say. The order of an object's members does not count.
func differences(path merge.Path, want, got jsondoc.Value) []Difference {
	return differencesAt(path, path, want, got)
}

func differencesAt(path, field merge.Path, want, got jsondoc.Value) []Difference {
	if same(want, got) {
		return nil
	}
	var all []Difference
	switch {
	case want.Kind() == '{' && got.Kind() == '{':
		for _, name := range names(want, got) {
			at, below := append(slices.Clip(path), name), field
			if len(path) == len(field) {
				below = at
			}
			all = append(all, differencesAt(at, below, want.Get(name), got.Get(name))...)
		}
		return all
	case want.Kind() == '[' && got.Kind() == '[':
		wants, gots := want.Elements(), got.Elements()
		if len(wants) != len(gots) {
			break
		}
		for i := range wants {
			all = append(all, differencesAt(append(slices.Clip(path), strconv.Itoa(i)), field, wants[i], gots[i])...)
		}
		return all
	}
	return []Difference{{Path: path.String(), Want: want, Got: got, field: field}}
}

// same compares scalars; objects and arrays only where they are written alike.
func same(a, b jsondoc.Value) bool {
	if bytes.Equal(a, b) {
		return true
	}
	return a.Kind() == '"' && b.Kind() == '"' && a.Text() == b.Text()
}

// names are the members of two objects, in the first one's order.
func names(a, b jsondoc.Value) []string {
	var all []string
	for _, m := range append(a.Members(), b.Members()...) {
		if !slices.Contains(all, m.Name) {
			all = append(all, m.Name)
		}
	}
	return all
}

// sameOrder compares the order of members of what is otherwise the same.
func sameOrder(a, b jsondoc.Value) bool {
	switch a.Kind() {
	case '{':
		return slices.EqualFunc(a.Members(), b.Members(), func(x, y jsondoc.Member) bool {
			return x.Name == y.Name && sameOrder(x.Value, y.Value)
		})
	case '[':
		return slices.EqualFunc(a.Elements(), b.Elements(), sameOrder)
	}
	return true
}
