package collision

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"pgregory.net/rapid"
)

func repoint(old, new string, kind Kind, steps ...any) Repoint {
	return Repoint{Reference: Reference{DB: "db", Doc: "d", ID: old, Kind: kind, Place: place(steps...)}, To: "x", Old: old, New: new}
}

func TestOnlyTheReferencesChange(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		changes          []Repoint
	}{
		{"a value", `{ "a" : "A" , "b":1.0}`, `{ "a" : "B" , "b":1.0}`, []Repoint{repoint("A", "B", Value, "a")}},
		{"within arrays", `{"a":["A",["x",{"_id":"A"}]]}`, `{"a":["A",["x",{"_id":"B"}]]}`, []Repoint{repoint("A", "B", Value, "a", 1, 1, "_id")}},
		{"a name", `{"visits":{"A":{"A":"A"},"C":12345678901234567891}}`, `{"visits":{"B":{"A":"A"},"C":12345678901234567891}}`, []Repoint{repoint("A", "B", Key, "visits", "A")}},
		{"a name and what is below it", `{"A":{"by":"A"}}`, `{"B":{"by":"C"}}`, []Repoint{repoint("A", "C", Value, "A", "by"), repoint("A", "B", Key, "A")}},
		{"to different versions", `{"a":"A","b":"A"}`, `{"a":"B","b":"C"}`, []Repoint{repoint("A", "B", Value, "a"), repoint("A", "C", Value, "b")}},
		{"one that is spelled with escapes", `{"a":"\u0041","\u0062":"\u0041"}`, `{"a":"B","\u0062":"B"}`, []Repoint{repoint("A", "B", Value, "a"), repoint("A", "B", Value, "b")}},
		{"a number as a name", `{"a":{"1":"A"},"b":["x","A"]}`, `{"a":{"1":"B"},"b":["x","A"]}`, []Repoint{repoint("A", "B", Value, "a", "1")}},
		{"part of a string", `{"a":"read:A"}`, `{"a":"read:B"}`, []Repoint{repoint("read:A", "read:B", Value, "a")}},
		{"one that is left, one that stays, one in question", `{"a":"A","b":"A","c":"A"}`, `{"a":"A","b":"A","c":"A"}`,
			[]Repoint{repoint("A", "", Value, "a"), repoint("A", "A", Value, "b"), repoint("A", "", Value, "gone")}},
		{"an id that needs escapes", `{"a":"A"}`, `{"a":"B\"\\"}`, []Repoint{repoint("A", `B"\`, Value, "a")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Apply([]byte(c.body), c.changes)
			if err != nil || string(got) != c.want {
				t.Errorf("got  %s %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestADocumentThatHasMovedOnIsNotChanged(t *testing.T) {
	good := repoint("A", "B", Value, "ok")
	for _, c := range []struct {
		name, body string
		change     Repoint
	}{
		{"the member is gone", `{"ok":"A"}`, repoint("A", "B", Value, "a")},
		{"another id stands there", `{"ok":"A","a":"C"}`, repoint("A", "B", Value, "a")},
		{"it is an object now", `{"ok":"A","a":{"_id":"A"}}`, repoint("A", "B", Value, "a")},
		{"it is a string now", `{"ok":"A","a":"A"}`, repoint("A", "B", Value, "a", "_id")},
		{"the array is shorter", `{"ok":"A","a":[]}`, repoint("A", "B", Value, "a", 0)},
		{"the array is an object", `{"ok":"A","a":{"0":"A"}}`, repoint("A", "B", Value, "a", 0)},
		{"the name is taken", `{"ok":"A","a":{"B":1,"A":2}}`, repoint("A", "B", Key, "a", "A")},
		{"the name is taken further on", `{"ok":"A","a":{"A":2,"B":1}}`, repoint("A", "B", Key, "a", "A")},
		{"two answers", `{"ok":"A"}`, repoint("A", "C", Value, "ok")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Apply([]byte(c.body), []Repoint{good, c.change}); couchmend.KindOf(err) != couchmend.KindConflict {
				t.Errorf("%s %v", got, err)
			}
		})
	}
}

// anyValue is any JSON, with ids in it and numbers that no float holds.
func anyValue(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 7).Draw(t, "kind")
		if depth == 0 {
			kind %= 4
		}
		var parts []string
		switch kind {
		case 0, 1:
			return rapid.SampledFrom([]string{`"A"`, `"\u0041"`, `"A1"`, `""`}).Draw(t, "string")
		case 2, 3:
			return rapid.SampledFrom([]string{`1.0`, `12345678901234567891`, `null`, `true`, `-0.0`}).Draw(t, "scalar")
		case 4, 5:
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				parts = append(parts, anyValue(depth-1).Draw(t, "element"))
			}
			return "[ " + strings.Join(parts, " ,") + "]"
		default:
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"A", "b", "c.d", "0"}), rapid.ID).Draw(t, "names") {
				parts = append(parts, fmt.Sprintf("%q : %s", name, anyValue(depth-1).Draw(t, "member")))
			}
			return "{" + strings.Join(parts, ", ") + " }"
		}
	})
}

// references finds A in a body as the search for references does.
func references(t testing.TB, body string) []Reference {
	s, err := newSearch([]string{"A"})
	if err != nil {
		t.Fatal(err)
	}
	w := walk{search: s}
	if err := w.body([]byte(body), Reference{DB: "db", Doc: "d"}); err != nil {
		t.Fatal(err)
	}
	return w.found
}

func TestEveryReferenceThatIsFoundCanBeChangedAndBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body := `{"x":` + anyValue(3).Draw(rt, "body") + `}`
		var there, back []Repoint
		for _, ref := range references(t, body) {
			if rapid.Bool().Draw(rt, "this one") {
				there = append(there, Repoint{Reference: ref, To: "x", Old: "A", New: "NEW"})
			}
		}
		changed, err := Apply([]byte(body), there)
		if err != nil {
			rt.Fatal(err)
		}
		if left := len(references(t, string(changed))); left != len(references(t, body))-len(there) {
			rt.Fatalf("%s\n%s", body, changed)
		}
		for _, r := range there {
			p := append(Place{}, r.Place...)
			for i, s := range p { // members that were renamed on the way
				for _, o := range there {
					if o.Kind == Key && len(o.Place) == i+1 && s == o.Place[i] && samePlace(o.Place, r.Place[:i+1]) {
						p[i].Name = "NEW"
					}
				}
			}
			r.Place, r.Old, r.New = p, "NEW", "A"
			back = append(back, r)
		}
		again, err := Apply(changed, back)
		if err != nil {
			rt.Fatal(err)
		}
		want := body
		if len(there) > 0 { // a changed string is spelled without escapes
			want, again = strings.ReplaceAll(body, `\u0041`, "A"), bytes.ReplaceAll(again, []byte(`\u0041`), []byte("A"))
		}
		if string(again) != want {
			rt.Fatalf("%s\n%s\n%s", body, changed, again)
		}
	})
}

func samePlace(a, b Place) bool {
	return fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b) && len(a) == len(b)
}

func FuzzApply(f *testing.F) {
	f.Add(`{"a":{"b":["A"]}}`, "a", 0)
	f.Add(`{"a":["A","A"]}`, "a", 1)
	f.Fuzz(func(t *testing.T, body, name string, index int) {
		if _, err := jsondoc.Parse([]byte(body)); err != nil || index < 0 {
			return
		}
		changes := []Repoint{repoint("A", "B", Value, name), repoint("A", "B", Value, name, index), repoint("A", "B", Key, name)}
		for i := range changes {
			got, err := Apply([]byte(body), changes[i:i+1])
			if err != nil {
				continue
			}
			if _, err := jsondoc.Parse(got); err != nil {
				t.Fatalf("%q became %q: %v", body, got, err)
			}
		}
	})
}
