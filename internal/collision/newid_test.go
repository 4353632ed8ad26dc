package collision

import (
	"regexp"
	"testing"

	"github.com/couchmend/couchmend"
	"pgregory.net/rapid"
)

func TestANewIDLooksLikeTheOldOne(t *testing.T) {
	root := couchmend.MustRev("1-e4da228c29dc4ebc8b156967bbf48bd1")
	for _, c := range []struct{ name, old, like string }{
		{"upper case", "7FADDF76-55E4-4E50-9444-5E468E61EA83", `^[0-9A-F]{8}-[0-9A-F]{4}-5[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`},
		{"lower case", "7faddf76-55e4-4e50-9444-5e468e61ea83", `^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"CouchDB's own", "7faddf7655e44e5094445e468e61ea83", `^[0-9a-f]{12}5[0-9a-f]{3}[89ab][0-9a-f]{15}$`},
		{"CouchDB's own in upper case", "7FADDF7655E44E5094445E468E61EA83", `^[0-9A-F]{32}$`},
		{"no UUID", "amina", `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`},
		{"a partition", "clinic:amina", `^clinic:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`},
		{"a partition that is a UUID", "7FADDF76-55E4-4E50-9444-5E468E61EA83:amina", `^7FADDF76-55E4-4E50-9444-5E468E61EA83:[0-9a-f-]{36}$`},
		{"words around it", "contact-7FADDF76-55E4-4E50-9444-5E468E61EA83-info", `^contact-[0-9A-F-]{36}-info$`},
		{"two of them", "read:7FADDF76-55E4-4E50-9444-5E468E61EA83/7faddf7655e44e5094445e468e61ea83", `^read:7FADDF76-55E4-4E50-9444-5E468E61EA83/[0-9a-f]{32}$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NewID(c.old, root); !regexp.MustCompile(c.like).MatchString(got) || got == c.old {
				t.Errorf("%s becomes %s", c.old, got)
			}
		})
	}
	// It is fixed for ever: two sites, of two releases, must make one document.
	if got, want := NewID("7FADDF76-55E4-4E50-9444-5E468E61EA83", root), "81DBD0C2-3311-5571-80AA-72F07780E0C8"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNewIDsAreDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "a:b", "7FADDF76-55E4-4E50-9444-5E468E61EA83", "7faddf76-55e4-4e50-9444-5e468e61ea83"})
		root := rapid.Custom(func(t *rapid.T) couchmend.Rev {
			return couchmend.Rev{Gen: rapid.IntRange(1, 3).Draw(t, "gen"), Hash: rapid.StringMatching(`[0-9a-f]{1,3}`).Draw(t, "hash")}
		})
		a, b := id.Draw(t, "a"), id.Draw(t, "b")
		x, y := root.Draw(t, "x"), root.Draw(t, "y")
		if same := a == b && x == y; same != (NewID(a, x) == NewID(b, y)) {
			t.Fatalf("%s of %s and %s of %s: %s and %s", x, a, y, b, NewID(a, x), NewID(b, y))
		}
	})
}
