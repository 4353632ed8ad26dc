package conflictgen

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Difference says where got is another JSON value than want, as one line for
// people, and is empty where they are equal. Numbers are equal when they have
// the same exact value and are both integers or both not (1 is not 1.0, which
// CouchDB keeps apart); strings by their text; objects by names, values and
// the order of the names.
func Difference(want, got jsondoc.Value) string { return difference("", want, got) }

func difference(place string, want, got jsondoc.Value) string {
	if string(want) == string(got) {
		return ""
	}
	if want.Kind() == got.Kind() {
		switch want.Kind() {
		case '{':
			return objectDifference(place, want.Members(), got.Members())
		case '[':
			return arrayDifference(place, want.Elements(), got.Elements())
		case '"':
			if want.Text() == got.Text() {
				return ""
			}
		case '0':
			if sameNumber(string(want), string(got)) {
				return ""
			}
		}
	}
	return fmt.Sprintf("%s: want %s, got %s", strings.TrimPrefix(place, "."), orAbsent(want), orAbsent(got))
}

func orAbsent(v jsondoc.Value) string {
	if v == nil {
		return "nothing"
	}
	return string(v)
}

func objectDifference(place string, want, got []jsondoc.Member) string {
	theirs := map[string]jsondoc.Value{}
	for _, m := range got {
		theirs[m.Name] = m.Value
	}
	for _, m := range want {
		if d := difference(place+"."+m.Name, m.Value, theirs[m.Name]); d != "" {
			return d
		}
		delete(theirs, m.Name)
	}
	for _, m := range got {
		if _, left := theirs[m.Name]; left {
			return difference(place+"."+m.Name, nil, m.Value)
		}
	}
	for i := range want {
		if want[i].Name != got[i].Name {
			return fmt.Sprintf("%s: order of keys: want %s, got %s", strings.TrimPrefix(place, "."), names(want), names(got))
		}
	}
	return ""
}

func names(members []jsondoc.Member) string {
	var all []string
	for _, m := range members {
		all = append(all, m.Name)
	}
	return strings.Join(all, ",")
}

func arrayDifference(place string, want, got []jsondoc.Value) string {
	for i := range max(len(want), len(got)) {
		var w, g jsondoc.Value
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if d := difference(fmt.Sprintf("%s[%d]", place, i), w, g); d != "" {
			return d
		}
	}
	return ""
}

func sameNumber(a, b string) bool {
	if strings.ContainsAny(a, ".eE") != strings.ContainsAny(b, ".eE") {
		return false
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}
