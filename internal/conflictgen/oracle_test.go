package conflictgen

import (
	"math/big"
	"slices"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// star returns the base of a case whose leaves all branch off one revision
// that was written; false for any other tree.
func star(c Case) (base couchmend.Revision, leaves []couchmend.Revision, ok bool) {
	conflict := c.Conflict("db")
	leaves = conflict.Leaves
	if len(leaves) < 2 || len(conflict.Dead) > 0 {
		return base, nil, false
	}
	var fork couchmend.Rev
	for i, a := range leaves {
		for _, b := range leaves[:i] { // every pair must part at the same revision
			at := slices.IndexFunc(a.Path, func(r couchmend.Rev) bool { return slices.Contains(b.Path, r) })
			if at < 0 || fork != (couchmend.Rev{}) && fork != a.Path[at] {
				return base, nil, false
			}
			fork = a.Path[at]
		}
	}
	base, ok = conflict.Bases[fork]
	return base, leaves, ok
}

func value(t *testing.T, v jsondoc.Value) *big.Rat {
	t.Helper()
	if v == nil {
		return new(big.Rat)
	}
	n, ok := new(big.Rat).SetString(string(v))
	if !ok {
		t.Fatalf("%s is no number", v)
	}
	return n
}

func TestCountersAreTheBaseAndEveryLeafsShare(t *testing.T) {
	tried := 0
	for _, c := range collect(5, Options{Docs: 200, Shares: map[string]int{"sum": 1}}) {
		base, leaves, ok := star(c)
		if !ok {
			continue
		}
		tried++
		for _, path := range [][]string{{"visits"}, {"totals", "paid"}} {
			start := value(t, jsondoc.Value(base.Body).At(path...))
			want := new(big.Rat).Set(start)
			for _, leaf := range leaves {
				want.Add(want, new(big.Rat).Sub(value(t, jsondoc.Value(leaf.Body).At(path...)), start))
			}
			if got := value(t, c.Want.Body.At(path...)); got.Cmp(want) != 0 {
				t.Errorf("%s: %v is %s, want %s", c.ID, path, got, want)
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d of 200 documents were looked at", tried)
	}
}

func TestSetsHoldWhateverAnEditorLeftInThem(t *testing.T) {
	tried := 0
	for _, c := range collect(6, Options{Docs: 200, Shares: map[string]int{"union": 1}}) {
		base, leaves, ok := star(c)
		if !ok {
			continue
		}
		tried++
		want := map[string]bool{}
		for _, leaf := range leaves {
			if tags := jsondoc.Value(leaf.Body).Get("tags"); string(tags) != string(jsondoc.Value(base.Body).Get("tags")) {
				for _, e := range tags.Elements() {
					want[string(e)] = true
				}
			}
		}
		got := c.Want.Body.Get("tags").Elements()
		for _, e := range got {
			if !want[string(e)] {
				t.Errorf("%s: %s is in the set, and in no edited leaf's", c.ID, e)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d elements, want %d", c.ID, len(got), len(want))
		}
	}
	if tried < 50 {
		t.Errorf("only %d of 200 documents were looked at", tried)
	}
}

func TestPlainFieldsAreOfTheLeafThatChangedThem(t *testing.T) {
	tried := 0
	for _, c := range collect(7, Options{Docs: 300, Shares: map[string]int{"one-sided": 1, "alike": 1, "removed": 1, "reverted": 1, "key-order": 1}}) {
		base, leaves, ok := star(c)
		if !ok {
			continue
		}
		for _, path := range [][]string{{"status"}, {"owner"}, {"stage"}, {"gone"}, {"vitals", "weight"}, {"room", "key"}} {
			was := jsondoc.Value(base.Body).At(path...)
			want := was
			for _, leaf := range leaves {
				if is := jsondoc.Value(leaf.Body).At(path...); string(is) != string(was) {
					want = is
					tried++
				}
			}
			if got := c.Want.Body.At(path...); string(got) != string(want) {
				t.Errorf("%s: %v is %s, want %s", c.ID, path, got, want)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d edits were looked at", tried)
	}
}
