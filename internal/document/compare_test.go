package document

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"pgregory.net/rapid"
)

func TestFieldsThatDifferComeFirstAndExactly(t *testing.T) {
	fields := Compare([]Side{
		sideOf(Winner, "2-b", `{"same":1,"n":12345678901234567890,"o":{"x":1,"y":{}},"f":1.0}`),
		sideOf(Leaf, "2-a", `{"f":1,"same":1,"n":12345678901234567891,"o":{"y":{},"x":2}}`),
	})
	var got []string
	for _, f := range fields {
		got = append(got, fmt.Sprintf("%s %v %s", f.Path(), f.Differs, f.Values))
	}
	want := "n true [12345678901234567890 12345678901234567891]; o.x true [1 2]; f true [1.0 1]; same false [1 1]; o.y false [{} {}]"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("%s, want\n%s", text, want)
	}
}

func TestAnAbsentFieldIsNotNull(t *testing.T) {
	fields := Compare([]Side{sideOf(Winner, "2-b", `{"a":null}`), sideOf(Leaf, "2-a", `{}`)})
	text, err := json.Marshal(fields)
	if want := `[{"path":"a","differs":true,"values":[null,null],"absent":[1]}]`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

func TestAnAttachmentIsOneFieldWhateverItsName(t *testing.T) {
	a, b := sideOf(Winner, "2-b", `{}`), sideOf(Leaf, "2-a", `{}`)
	a.Revision.Attachments = []couchmend.Attachment{{Name: "a.b/c", ContentType: "image/png", Length: 1, Digest: "md5-x"}}
	fields := Compare([]Side{a, b})
	if len(fields) != 1 || fields[0].Path() != "_attachments/a.b/c" || !fields[0].Differs {
		t.Fatalf("%+v", fields)
	}
	if got := fields[0].Values[0].Text(); got != "image/png, 1 byte, md5-x" {
		t.Error(got)
	}
}

func TestSidesAreGroupedByTheirValue(t *testing.T) {
	f := Field{Values: []jsondoc.Value{jsondoc.Value(`{"a":1,"b":2}`), nil, jsondoc.Value(`{"b":2,"a":1}`), jsondoc.Value("null"), nil, jsondoc.Value("1"), jsondoc.Value("1.0")}}
	if got, want := fmt.Sprint(f.Distinct()), "[[0 2] [1 4] [3] [5] [6]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestOfTheOnlyChangeSinceTheBaseIsProposed(t *testing.T) {
	sides := []Side{sideOf(Base, "1-a", `{"mine":1,"theirs":1,"both":1,"alike":1}`), sideOf(Winner, "2-c", `{"mine":2,"theirs":1,"both":2,"alike":2}`), sideOf(Leaf, "2-b", `{"mine":1,"theirs":2,"both":3,"alike":2}`)}
	check := func(sides []Side, want map[string]string) {
		t.Helper()
		c := Comparison{Sides: sides, Fields: Compare(sides)}
		for _, f := range c.Fields {
			side, disputed := c.Proposed(f)
			if got := fmt.Sprintf("%s %v", sides[side].Name, disputed); got != want[f.Path()] {
				t.Errorf("%s: %s, want %s", f.Path(), got, want[f.Path()])
			}
		}
	}
	check(sides, map[string]string{"mine": "winner false", "theirs": "leaf false", "both": "winner true", "alike": "winner false"})
	check(sides[1:], map[string]string{"mine": "winner true", "theirs": "winner true", "both": "winner true", "alike": "winner false"})
	check(append(sides, sideOf(Merged, "", `{"mine":2,"theirs":2,"both":9,"alike":2}`)),
		map[string]string{"mine": "merge false", "theirs": "merge false", "both": "merge false", "alike": "merge false"})
}

func TestADraftHasThePickedSidesValues(t *testing.T) {
	sides := []Side{
		sideOf(Winner, "2-b", `{"n":12345678901234567890,"o":{"x":1},"w":1,"same":1.10}`),
		sideOf(Leaf, "2-a", `{"n":12345678901234567891,"p":{"q":{"r":1}},"same":1.10}`),
	}
	sides[1].Revision.Attachments = []couchmend.Attachment{{Name: "a.jpg", ContentType: "image/jpeg", Length: 3}}
	c := Comparison{ID: "d", Sides: sides, Fields: Compare(sides)}
	for side, want := range []string{
		`{"_id":"d","n":12345678901234567890,"o":{"x":1},"w":1,"same":1.10,"_attachments":{}}`,
		`{"_id":"d","n":12345678901234567891,"same":1.10,"p":{"q":{"r":1}},"_attachments":{"a.jpg":{"from":"2-a","content_type":"image/jpeg","length":3}}}`,
	} {
		got := c.Assemble(func(Field) int { return side })
		if compact(t, got) != want {
			t.Errorf("side %d: %s, want\n%s", side, compact(t, got), want)
		}
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	v, err := jsondoc.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("\n", "", " ", "").Replace(string(v))
}

// objects are bodies that share names, so that fields meet.
func objects(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var members []jsondoc.Member
		for _, name := range []string{"a", "b", "c"} {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 1:
				members = append(members, jsondoc.Member{Name: name, Value: jsondoc.Value(rapid.SampledFrom([]string{"1", "1.0", "null", "[]", `"x"`}).Draw(t, "value"))})
			case 2, 3:
				if depth > 0 {
					members = append(members, jsondoc.Member{Name: name, Value: jsondoc.Value(objects(depth-1).Draw(t, "object"))})
				}
			}
		}
		return string(jsondoc.Object(members))
	})
}

func TestPickingOneSideEverywhereYieldsThatSide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sides []Side
		for i := range rapid.IntRange(1, 4).Draw(t, "sides") {
			name := Leaf
			if i == 0 {
				name = Winner
			}
			sides = append(sides, sideOf(name, fmt.Sprintf("2-%c", 'z'-i), objects(2).Draw(t, "body")))
		}
		c := Comparison{ID: "d", Sides: sides, Fields: Compare(sides)}
		picked := rapid.IntRange(0, len(sides)-1).Draw(t, "picked")
		s := &Sight{Conflict: couchmend.Conflict{ID: "d", Leaves: []couchmend.Revision{sides[0].Revision}}}
		choice, err := s.Choice(c.Assemble(func(Field) int { return picked }))
		if err != nil {
			t.Fatal(err)
		}
		if want := sides[picked].Revision.Body; !jsondoc.Equal(jsondoc.Value(choice.Body), jsondoc.Value(want)) {
			t.Fatalf("%s, want %s", choice.Body, want)
		}
	})
}
