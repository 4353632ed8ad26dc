package merge

import (
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

func TestTextsMergeLineByLine(t *testing.T) {
	for _, c := range []struct{ name, base, a, b, want string }{
		{"changes far apart", "1 2 3 4 5", "one 2 3 4 5", "1 2 3 4 five", "one 2 3 4 five"},
		{"neighbouring lines are one place", "1 2 3", "one 2 3", "1 two 3", "!"},
		{"the same change", "1 2 3", "1 x 3", "1 x 3", "1 x 3"},
		{"a line removed, another added", "1 2 3 4", "1 3 4", "1 2 3 4 5", "1 3 4 5"},
		{"removed and changed", "1 2 3", "1 3", "1 x 3", "!"},
		{"added in one place by both", "1 2", "1 a 2", "1 b 2", "!"},
		{"from nothing", "", "1 2", "", "1 2"},
		{"repeated lines", "x x y x", "x x y x z", "w x x y x", "w x x y x z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := func(s string) jsondoc.Value { return jsondoc.String(strings.ReplaceAll(s, " ", "\n")) }
			for range 2 {
				got, clean, ok := mergeText(lines(c.base+" ."), lines(c.a+" ."), lines(c.b+" ."))
				if !ok || clean != (c.want != "!") || clean && string(got) != string(lines(c.want+" .")) {
					t.Errorf("%s (clean %v), want %s", got, clean, c.want)
				}
				c.a, c.b = c.b, c.a
			}
		})
	}
}

func TestTextsThatDifferTooMuchAreLeftToAPerson(t *testing.T) {
	text := func(word string) jsondoc.Value { return jsondoc.String(strings.Repeat(word+"\n", 3000)) }
	if _, clean, ok := mergeText(text("o"), text("a"), text("b")); clean || !ok {
		t.Error("9,000,000 comparisons were made")
	}
}

// FuzzMergeText holds the merge against what diff3 promises: either side alone
// is taken whole, order does not matter, and no line is invented.
func FuzzMergeText(f *testing.F) {
	f.Add("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree")
	f.Add("", "a", "b\n")
	f.Add("a\na\nb\n", "a\nb\n", "a\na\nb\nb\n")
	f.Fuzz(func(t *testing.T, base, a, b string) {
		if len(base)+len(a)+len(b) > 4000 {
			return
		}
		o, x, y := jsondoc.String(base), jsondoc.String(a), jsondoc.String(b)
		if got, clean, ok := mergeText(o, x, o); !clean || !ok || got.Text() != x.Text() {
			t.Fatalf("%q changed to %q on one side: %q", base, a, got.Text())
		}
		ab, cleanAB, _ := mergeText(o, x, y)
		ba, cleanBA, _ := mergeText(o, y, x)
		if cleanAB != cleanBA || string(ab) != string(ba) {
			t.Fatalf("%q with %q and %q: %q one way, %q the other", base, a, b, ab, ba)
		}
		if !cleanAB {
			return
		}
		known := map[string]bool{}
		for _, v := range []jsondoc.Value{o, x, y} {
			for _, line := range lines(v) {
				known[line] = true
			}
		}
		for _, line := range lines(ab) {
			if !known[line] {
				t.Fatalf("%q with %q and %q: where is %q from?", base, a, b, line)
			}
		}
	})
}

// FuzzParsePath: a path reads back as it was written.
func FuzzParsePath(f *testing.F) {
	for _, text := range []string{"a", "a.b", `a\.b.c`, `\\`, "", ".", `a\`, "*.**"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := ParsePath(text)
		again := ParsePath(path.String())
		if !equalPath(path, again) {
			t.Fatalf("%q: %q, then %q", text, path, again)
		}
	})
}
