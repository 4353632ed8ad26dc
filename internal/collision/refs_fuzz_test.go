package collision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// FuzzFind: what is found in a document, however its characters are escaped, is
// what a walk through its tree finds.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["A",{"A":"x:A"}]},"AB":"AB"}`), "A\nB", true, uint8(0))
	f.Add([]byte(`{"q":"a\"b","\u00e9/":["é/\\","\ud83d\ude00-1"]}`), "a\"b\né/\n😀", true, uint8(7))
	f.Add([]byte(`{"n":[1.50,null,true,[[]],{"":"person-12 person-1"}]}`), "person-1\nperson-12\n-", false, uint8(3))
	server, err := couch.Open(couch.Config{URL: "http://nowhere"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, list string, substrings bool, escapes uint8) {
		doc, err := jsondoc.Parse(body)
		ids := strings.Split(list, "\n")
		if err != nil || doc.Kind() != '{' || slices.ContainsFunc(doc.Members(), func(m jsondoc.Member) bool { return strings.HasPrefix(m.Name, "_") }) {
			return
		}
		if _, err := newSearch(ids); err != nil {
			return
		}
		n := naive{ids: ids, substrings: substrings}
		n.string(merge.Path{"_id"}, "A-doc", DocID)
		n.value(nil, doc)

		var got []string
		finder, err := newFinder(t.Context(), server.DB("d"), ids, Options{Substrings: substrings}, func(r Reference, err error) bool {
			if err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
			got = append(got, fmt.Sprintf("%s %s %q %v", r.Place, r.Kind, r.ID, r.Part))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		text := `{"id":"A-doc","key":"A-doc","value":{"rev":"1-a"},"doc":{"_id":"A-doc","_rev":"1-a"`
		if rest := string(respelled(doc, escapes))[1:]; rest != "}" {
			text += "," + rest + "}"
		} else {
			text += "}}"
		}
		if err := finder.row(couch.DocRow{ID: "A-doc", Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(n.found)
		if !slices.Equal(got, n.found) {
			t.Fatalf("of %q in %s\ngot  %q\nwant %q", ids, text, got, n.found)
		}
	})
}

// naive finds references without any haste.
type naive struct {
	ids        []string
	substrings bool
	found      []string
}

func (n *naive) value(path merge.Path, v jsondoc.Value) {
	switch v.Kind() {
	case '{':
		for _, m := range v.Members() {
			at := append(slices.Clone(path), m.Name)
			n.string(at, m.Name, Key)
			n.value(at, m.Value)
		}
	case '[':
		for i, e := range v.Elements() {
			n.value(append(slices.Clone(path), strconv.Itoa(i)), e)
		}
	case '"':
		n.string(path, v.Text(), Value)
	}
}

func (n *naive) string(path merge.Path, text string, kind Kind) {
	note := func(id string, part bool) {
		line := fmt.Sprintf("%s %s %q %v", path, kind, id, part)
		if !slices.Contains(n.found, line) {
			n.found = append(n.found, line)
		}
	}
	if slices.Contains(n.ids, text) {
		note(text, false)
		return
	}
	if !n.substrings {
		return
	}
	for _, id := range n.ids {
		for at := range len(text) {
			if n.word(text, at, id) && !slices.ContainsFunc(n.ids, func(longer string) bool { return n.covers(text, at, id, longer) }) {
				note(id, true)
			}
		}
	}
}

// word reports whether id stands at a place, as a word of its own.
func (n *naive) word(text string, at int, id string) bool {
	if !strings.HasPrefix(text[at:], id) {
		return false
	}
	before, after := []rune(text[:at]), []rune(text[at+len(id):])
	runes := []rune(id)
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) }
	glued := len(before) > 0 && inWord(before[len(before)-1]) && inWord(runes[0])
	return !glued && !(len(after) > 0 && inWord(after[0]) && inWord(runes[len(runes)-1]))
}

func (n *naive) covers(text string, at int, id, longer string) bool {
	for from := max(0, at+len(id)-len(longer)); len(longer) > len(id) && from <= at; from++ {
		if n.word(text, from, longer) {
			return true
		}
	}
	return false
}

// respelled writes a document's strings with other escapes, which ones is drawn
// from seed.
func respelled(v jsondoc.Value, seed uint8) jsondoc.Value {
	switch v.Kind() {
	case '{':
		var parts []string
		for _, m := range v.Members() {
			parts = append(parts, string(respelled(jsondoc.String(m.Name), seed))+":"+string(respelled(m.Value, seed+1)))
		}
		return jsondoc.Value("{" + strings.Join(parts, ",") + "}")
	case '[':
		elements := v.Elements()
		for i, e := range elements {
			elements[i] = respelled(e, seed+uint8(i))
		}
		return jsondoc.Array(elements)
	case '"':
		return spell(v, seed)
	}
	return v
}

func spell(v jsondoc.Value, seed uint8) jsondoc.Value {
	if seed%4 == 0 {
		return v
	}
	text := []byte{'"'}
	for i, r := range v.Text() {
		switch drawn := seed + uint8(i)*7; {
		case r == '/' && drawn%2 == 0:
			text = append(text, `\/`...)
		case r <= 0xFFFF && drawn%3 == 0:
			text = fmt.Appendf(text, `\u%04x`, r)
		default:
			quoted := jsondoc.String(string(r))
			text = append(text, quoted[1:len(quoted)-1]...)
		}
	}
	return append(text, '"')
}
