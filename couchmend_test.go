package couchmend

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsARevisionID(t *testing.T) {
	hash := strings.Repeat("0123456789ABCDEF", 2)
	for text, want := range map[string]Rev{
		"1-a":                 {1, "a"},
		"12-" + hash:          {12, strings.ToLower(hash)}, // a number, whatever the case of its letters
		"3-Any text - at all": {3, "Any text - at all"},
	} {
		if got, err := ParseRev(text); err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "a", "1", "1-", "-a", "0-a", "-1-a", "+1-a", "1.5-a", "x-a", " 1-a", "99999999999999999999-a"} {
		if got, err := ParseRev(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// TestWinnersOrder holds Compare to CouchDB's order of leaves.
func TestWinnersOrder(t *testing.T) {
	ordered := []string{
		"1-z", "2-00000000000000000000000000000000", "2-" + strings.Repeat("3", 32),
		"2-4", // text, byte 0x34, after the 16 bytes 0x33…
		"2-ffffffffffffffffffffffffffffffff", "10-00000000000000000000000000000000",
	}
	for i := range ordered {
		for j := range ordered {
			got := MustRev(ordered[i]).Compare(MustRev(ordered[j]))
			if want := min(max(i-j, -1), 1); got != want {
				t.Errorf("%s against %s: %d, want %d", ordered[i], ordered[j], got, want)
			}
		}
	}
}

func TestARevisionIDIsItsTextInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := map[Rev]Rev{{Gen: rapid.IntRange(1, 1e6).Draw(t, "gen"), Hash: rapid.StringMatching(`[0-9a-f]{32}|[a-z-]{1,9}`).Draw(t, "hash")}: {}}
		for r := range in {
			in[r] = r
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out map[Rev]Rev
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
		for r := range in {
			if out[r] != r {
				t.Errorf("%s became %s", r, out[r])
			}
		}
	})
}

func TestAnErrorNamesThePlaceAndItsKindIsFound(t *testing.T) {
	cause := errors.New("no")
	err := fmt.Errorf("batch 3: %w", &Error{Op: "bulk_docs", DB: "medic", ID: "a\nb", Rev: MustRev("2-b"), Kind: KindForbidden, Err: cause})
	if got := err.Error(); got != `batch 3: bulk_docs medic/"a\nb"@2-b: no` {
		t.Error(got)
	}
	if KindOf(err) != KindForbidden || !errors.Is(err, cause) {
		t.Errorf("%s", KindOf(err))
	}
	if KindOf(nil) != "" || KindOf(cause) != KindOther {
		t.Errorf("%q %q", KindOf(nil), KindOf(cause))
	}
}

func TestALongListOfRevisionsIsCut(t *testing.T) {
	var revs []Rev
	for i := range 10 {
		revs = append(revs, Rev{Gen: i + 1, Hash: "a"})
	}
	if got := ListRevs(revs); got != "1-a, 2-a, 3-a, 4-a, 5-a, 6-a, 7-a, 8-a, 2 more" {
		t.Error(got)
	}
}

func FuzzParseRev(f *testing.F) {
	for _, text := range []string{"1-a", "2-", "x", "3-967a00dff5e02add41819138abb3284d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRev(text)
		if err != nil {
			return
		}
		if again, err := ParseRev(r.String()); err != nil || again != r {
			t.Errorf("%q is %v, which is written %q: %v", text, r, r, err)
		}
	})
}
