package cases

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

func TestPseudonymsAreOthersAndSortAsTheTextsDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z]{1,4}|[0-9]{1,3}|20[0-9]{2}-0[1-9]-1[0-9](T1[0-9]:00:00(\.000)?(Z|\+02:00))?`))).Draw(t, "texts")
		constants := map[string]bool{"type": true}
		p := newPseudonyms(append(texts, "type"), constants)
		taken := map[string]string{}
		for _, a := range texts {
			if kindOfText(a) == blank || a == "type" {
				if p.of(a) != a {
					t.Fatalf("%q becomes %q", a, p.of(a))
				}
				continue
			}
			if slices.Contains(texts, p.of(a)) || constants[p.of(a)] {
				t.Fatalf("%q becomes %q, which is a text of its own", a, p.of(a))
			}
			if other, ok := taken[p.of(a)]; ok && other != a {
				t.Fatalf("%q and %q both become %q", a, other, p.of(a))
			}
			taken[p.of(a)] = a
			for _, b := range texts {
				if k := kindOfText(a); k == kindOfText(b) && k != moment && b != "type" && cmp.Compare(a, b) != cmp.Compare(p.of(a), p.of(b)) {
					t.Fatalf("%q and %q become %q and %q", a, b, p.of(a), p.of(b))
				}
			}
		}
	})
}

func TestMomentsAreMovedByTheSameDaysAndWrittenAsTheyWere(t *testing.T) {
	p := newPseudonyms([]string{"2026-03-01", "2026-02-27T23:30:00.120+02:00", "2026-02-28T01:00:00Z", "2026-13-01"}, nil)
	for was, is := range map[string]string{
		"2026-02-27T23:30:00.120+02:00": "2001-01-01T23:30:00.120+02:00",
		"2026-02-28T01:00:00Z":          "2001-01-02T01:00:00Z",
		"2026-03-01":                    "2001-01-03",
	} {
		if got := p.of(was); got != is {
			t.Errorf("%s becomes %s, want %s", was, got, is)
		}
	}
	if kindOfText(p.of("2026-13-01")) != word {
		t.Errorf("what is no date becomes %s", p.of("2026-13-01"))
	}
}

// numbers are such as a document may have.
var numbers = rapid.OneOf(
	rapid.Map(rapid.Int64(), func(n int64) jsondoc.Value { return jsondoc.Value(fmt.Sprint(n)) }),
	rapid.Map(rapid.IntRange(-20, 20), func(n int) jsondoc.Value { return jsondoc.Value(fmt.Sprint(n)) }),
	rapid.Map(rapid.IntRange(-9999, 9999), func(n int) jsondoc.Value { return jsondoc.Value(fmt.Sprintf("%.2f", float64(n)/100)) }),
	rapid.Map(rapid.StringMatching(`-?[1-9][0-9]{17,38}`), func(s string) jsondoc.Value { return jsondoc.Value(s) }),
)

func TestNumbersKeepTheirOrderAndWhatAJavaScriptClientMakesOfThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShift([]couchmend.Revision{{Body: json.RawMessage(rapid.StringMatching(`[a-z]{8}`).Draw(t, "body"))}})
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		x, y := s.of(a), s.of(b)
		if jsondoc.IsFloat(a) != jsondoc.IsFloat(x) {
			t.Fatalf("%s becomes %s", a, x)
		}
		before, _ := jsondoc.Number(a)
		after, ok := jsondoc.Number(x)
		if !ok || before.Sign() != after.Sign() {
			t.Fatalf("%s becomes %s", a, x)
		}
		if order := orderOf(a, b); order != orderOf(x, y) {
			t.Fatalf("%s and %s become %s and %s", a, b, x, y)
		}
		rounded := javaScript(a)
		if !jsondoc.Unchanged(x, s.of(rounded)) {
			t.Fatalf("%s and its rounding %s become %s and %s", a, rounded, x, s.of(rounded))
		}
	})
}

// javaScript is a number after a round trip through a client in JavaScript.
func javaScript(v jsondoc.Value) jsondoc.Value {
	c := jsontext.Value(slices.Clone(v))
	if err := c.Canonicalize(); err != nil {
		return v
	}
	return jsondoc.Value(c)
}

// orderOf compares numbers, where a float64 can tell them apart: what it
// cannot, a round trip makes one.
func orderOf(a, b jsondoc.Value) int {
	x, _ := strconv.ParseFloat(string(a), 64)
	y, _ := strconv.ParseFloat(string(b), 64)
	return cmp.Compare(x, y)
}

// TestRenamedRevisionsHaveTheSameTree: order, marks and tombstones speak of the
// same revisions as before.
func TestRenamedRevisionsHaveTheSameTree(t *testing.T) {
	base, w, l := couchmend.MustRev("1-a"), couchmend.MustRev("2-w"), couchmend.MustRev("2-l")
	path := slices.Concat([]couchmend.Rev{couchmend.MustRev("5-m")}, revtree.Placed(w, revtree.MarkOf(l), revtree.HoldMark(w)), []couchmend.Rev{w, base})
	grave := revtree.Tombstone(l)
	c := couchmend.Conflict{
		Leaves: []couchmend.Revision{{Rev: path[0], Path: path}},
		Dead:   []couchmend.Revision{{Rev: grave, Path: []couchmend.Rev{grave, l, base}, Deleted: true}},
	}
	n := newRenaming(c)
	got, dead := n.path(path), n.path(c.Dead[0].Path)
	tree := revtree.New(got, dead)
	switch {
	case slices.ContainsFunc(path, func(r couchmend.Rev) bool { return !revtree.IsMark(r) && slices.Contains(got, r) }):
		t.Errorf("ids stay: %v", got)
	case !tree.Bears(revtree.MarkOf(n.rev(l))) || !tree.Bears(revtree.HoldMark(n.rev(w))):
		t.Errorf("marks are lost: %v", got)
	case dead[0] != revtree.Tombstone(dead[1]) || dead[2] != got[4]:
		t.Errorf("the tombstone is none: %v", dead)
	case n.rev(w).Compare(n.rev(l)) != w.Compare(l):
		t.Error("another one wins")
	}
}
