package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// compileSelector reads a selector from YAML, of which JSON is a part.
func compileSelector(text string) (Selector, error) {
	docs, err := parseYAML([]byte(text))
	if err != nil {
		return Selector{}, err
	}
	r := &reader{file: "s"}
	if len(docs) != 1 || docs[0].Kind != yaml.MappingNode || !r.bounded(docs[0]) {
		return Selector{}, fmt.Errorf("no selector: %s", text)
	}
	s := r.selector(docs[0], "when")
	if len(r.problems) > 0 {
		return Selector{}, r.problems
	}
	return s, nil
}

func mustSelect(t testing.TB, text string) Selector {
	t.Helper()
	s, err := compileSelector(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// selections are what CouchDB's _find decides, but for the rows marked ours.
var selections = []struct {
	selector, doc string
	want          bool
	ours          bool // a difference that Selector states
}{
	// Fields.
	{selector: `{}`, doc: `{}`, want: true},
	{selector: `{"a":1}`, doc: `{"a":1}`, want: true},
	{selector: `{"a":1}`, doc: `{"a":"1"}`},
	{selector: `{"a":1}`, doc: `{}`},
	{selector: `{"a":1,"b":2}`, doc: `{"a":1,"b":2}`, want: true},
	{selector: `{"a":1,"b":2}`, doc: `{"a":1,"b":3}`},
	{selector: `{"a":{"b":1}}`, doc: `{"a":{"b":1,"c":2}}`, want: true},
	{selector: `{"a.b":1}`, doc: `{"a":{"b":1}}`, want: true},
	{selector: `{"a\\.b":1}`, doc: `{"a.b":1}`, want: true},
	{selector: `{"a\\.b":1}`, doc: `{"a":{"b":1}}`},
	{selector: `{"a.1":"y"}`, doc: `{"a":["x","y"]}`, want: true},
	{selector: `{"a.2":"y"}`, doc: `{"a":["x","y"]}`},
	{selector: `{"a":{}}`, doc: `{"a":{}}`, want: true},
	{selector: `{"a":{}}`, doc: `{"a":{"b":1}}`},
	{selector: `{"a":[1,2]}`, doc: `{"a":[1,2]}`, want: true},
	{selector: `{"a":[1,2]}`, doc: `{"a":[2,1]}`},
	{selector: `{"a":null}`, doc: `{"a":null}`, want: true},
	{selector: `{"a":null}`, doc: `{}`},
	{selector: `{"_id":"doc"}`, doc: `{}`, want: true},
	{selector: `{"_id":{"$gt":"dob"}}`, doc: `{}`, want: true},
	{selector: `{"_id":"other"}`, doc: `{}`},
	{selector: `{"a":{"_id":"x"}}`, doc: `{"a":{"_id":"x"}}`, want: true},

	// Comparison.
	{selector: `{"a":{"$eq":1}}`, doc: `{"a":1.0}`, want: true},
	{selector: `{"a":{"$eq":12345678901234567891}}`, doc: `{"a":12345678901234567892}`},
	{selector: `{"a":{"$gt":12345678901234567891}}`, doc: `{"a":12345678901234567892}`, want: true},
	{selector: `{"a":{"$eq":{"b":1,"c":2}}}`, doc: `{"a":{"b":1,"c":2}}`, want: true},
	{selector: `{"a":{"$eq":{"b":1,"c":2}}}`, doc: `{"a":{"c":2,"b":1}}`},
	{selector: `{"a":{"$ne":1}}`, doc: `{"a":2}`, want: true},
	{selector: `{"a":{"$ne":1}}`, doc: `{}`},
	{selector: `{"a":{"$gt":null}}`, doc: `{"a":false}`, want: true},
	{selector: `{"a":{"$gt":false}}`, doc: `{"a":true}`, want: true},
	{selector: `{"a":{"$gt":true}}`, doc: `{"a":-1}`, want: true},
	{selector: `{"a":{"$gt":99}}`, doc: `{"a":""}`, want: true},
	{selector: `{"a":{"$gt":"z"}}`, doc: `{"a":[]}`, want: true},
	{selector: `{"a":{"$gt":["z"]}}`, doc: `{"a":{}}`, want: true},
	{selector: `{"a":{"$gte":[1,2]}}`, doc: `{"a":[1]}`},
	{selector: `{"a":{"$lt":{"b":2}}}`, doc: `{"a":{"b":1,"c":1}}`, want: true},
	{selector: `{"a":{"$gte":1,"$lte":3}}`, doc: `{"a":3}`, want: true},
	{selector: `{"a":{"$gt":1,"$lt":3}}`, doc: `{"a":3}`},
	{selector: `{"a":{"$gt":1,"b":3}}`, doc: `{"a":{"b":3}}`, want: true},
	{selector: `{"a":{"$gt":"a"}}`, doc: `{"a":"B"}`, ours: true},

	// Presence and type.
	{selector: `{"a":{"$exists":true}}`, doc: `{"a":null}`, want: true},
	{selector: `{"a":{"$exists":false}}`, doc: `{}`, want: true},
	{selector: `{"a":{"$exists":false}}`, doc: `{"a":1}`},
	{selector: `{"a.b":{"$exists":false}}`, doc: `{"a":{}}`, want: true},
	{selector: `{"a.b":{"$exists":false}}`, doc: `{"a":1}`},
	{selector: `{"a":{"$type":"boolean"}}`, doc: `{"a":false}`, want: true},
	{selector: `{"a":{"$type":"null"}}`, doc: `{"a":null}`, want: true},
	{selector: `{"a":{"$type":"number"}}`, doc: `{"a":-1.5}`, want: true},
	{selector: `{"a":{"$type":"string"}}`, doc: `{"a":1}`},
	{selector: `{"a":{"$type":"array"}}`, doc: `{"a":[]}`, want: true},
	{selector: `{"a":{"$type":"object"}}`, doc: `{"a":{}}`, want: true},

	// Lists.
	{selector: `{"a":{"$in":[1,"x"]}}`, doc: `{"a":"x"}`, want: true},
	{selector: `{"a":{"$in":[1,"x"]}}`, doc: `{"a":["y","x"]}`, want: true},
	{selector: `{"a":{"$in":[["x"]]}}`, doc: `{"a":["x"]}`},
	{selector: `{"a":{"$in":[]}}`, doc: `{"a":1}`},
	{selector: `{"a":{"$nin":[1,"x"]}}`, doc: `{"a":"y"}`, want: true},
	{selector: `{"a":{"$nin":[1,"x"]}}`, doc: `{"a":["y","x"]}`},
	{selector: `{"a":{"$nin":[1]}}`, doc: `{}`},
	{selector: `{"a":{"$all":["x","y"]}}`, doc: `{"a":["y","z","x"]}`, want: true},
	{selector: `{"a":{"$all":["x","y"]}}`, doc: `{"a":["x"]}`},
	{selector: `{"a":{"$all":[["x","y"]]}}`, doc: `{"a":["x","y"]}`, want: true},
	{selector: `{"a":{"$all":[]}}`, doc: `{"a":["x"]}`},
	{selector: `{"a":{"$all":["x"]}}`, doc: `{"a":"x"}`},
	{selector: `{"a":{"$all":[5]}}`, doc: `{"a":[5.0]}`, want: true, ours: true},
	{selector: `{"a":{"$size":2}}`, doc: `{"a":[1,2]}`, want: true},
	{selector: `{"a":{"$size":2}}`, doc: `{"a":"ab"}`},
	{selector: `{"a":{"$elemMatch":{"$gte":80,"$lt":85}}}`, doc: `{"a":[79,82,90]}`, want: true},
	{selector: `{"a":{"$elemMatch":{"$gte":80,"$lt":85}}}`, doc: `{"a":[79,90]}`},
	{selector: `{"a":{"$elemMatch":{"b":1,"c.d":2}}}`, doc: `{"a":[{"b":1},{"b":1,"c":{"d":2}}]}`, want: true},
	{selector: `{"a":{"$elemMatch":{"$not":{"b":1}}}}`, doc: `{"a":[{"c":1}]}`, want: true},
	{selector: `{"a":{"$elemMatch":{"b":{"$not":{"$eq":1}}}}}`, doc: `{"a":[{"b":1}]}`},
	{selector: `{"a":{"$allMatch":{"$type":"number"}}}`, doc: `{"a":[1,2]}`, want: true},
	{selector: `{"a":{"$allMatch":{"$type":"number"}}}`, doc: `{"a":[1,"2"]}`},
	{selector: `{"a":{"$allMatch":{"$type":"number"}}}`, doc: `{"a":[]}`},
	{selector: `{"a":{"$keyMapMatch":{"$eq":"x"}}}`, doc: `{"a":{"x":1}}`, want: true},
	{selector: `{"a":{"$keyMapMatch":{"$eq":"y"}}}`, doc: `{"a":{"x":1}}`},

	// Numbers and text.
	{selector: `{"a":{"$mod":[4,0]}}`, doc: `{"a":8}`, want: true},
	{selector: `{"a":{"$mod":[4,-1]}}`, doc: `{"a":-5}`, want: true},
	{selector: `{"a":{"$mod":[4,0]}}`, doc: `{"a":"8"}`},
	{selector: `{"a":{"$mod":[4,0]}}`, doc: `{"a":8.5}`},
	{selector: `{"a":{"$mod":[4,0]}}`, doc: `{"a":8.0}`, want: true, ours: true},
	{selector: `{"a":{"$mod":[10,1]}}`, doc: `{"a":12345678901234567891}`, want: true},
	{selector: `{"a":{"$regex":"^ab+$"}}`, doc: `{"a":"abb"}`, want: true},
	{selector: `{"a":{"$regex":"^ab+$"}}`, doc: `{"a":"xabb"}`},
	{selector: `{"a":{"$regex":"1"}}`, doc: `{"a":1}`},
	{selector: `{"a":{"$beginsWith":"re:"}}`, doc: `{"a":"re:1"}`, want: true},
	{selector: `{"a":{"$beginsWith":"re:"}}`, doc: `{"a":"x"}`},
	{selector: `{"a":"é"}`, doc: `{"a":"\u00e9"}`, want: true},

	// Combinations. A negation does not find what is not there.
	{selector: `{"$or":[{"a":1},{"b":2}]}`, doc: `{"b":2}`, want: true},
	{selector: `{"$or":[{"a":1},{"b":2}],"c":3}`, doc: `{"b":2}`},
	{selector: `{"$and":[{"a":1},{"b":2}]}`, doc: `{"a":1,"b":2}`, want: true},
	{selector: `{"$nor":[{"a":1},{"b":2}]}`, doc: `{"a":2,"b":1}`, want: true},
	{selector: `{"$nor":[{"a":1},{"b":2}]}`, doc: `{"a":2}`},
	{selector: `{"$not":{"a":1}}`, doc: `{"a":2}`, want: true},
	{selector: `{"$not":{"a":1}}`, doc: `{}`},
	{selector: `{"$not":{"a":1,"b":2}}`, doc: `{"a":1,"b":3}`, want: true},
	{selector: `{"$not":{"a":{"$exists":true}}}`, doc: `{}`, want: true},
	{selector: `{"$not":{"$not":{"a":1}}}`, doc: `{"a":1}`, want: true},
	{selector: `{"a":{"$not":{"$gt":5}}}`, doc: `{"a":5}`, want: true},
	{selector: `{"a":{"$or":[{"$lt":1},{"$gt":5}]}}`, doc: `{"a":6}`, want: true},
	{selector: `{"a":{"$not":{"$regex":"x"}}}`, doc: `{"a":"y"}`, want: true},
	{selector: `{"a":{"$not":{"$elemMatch":{"$eq":1}}}}`, doc: `{"a":[2]}`, want: true},
}

func TestSelectorsDecideAsCouchDBDoes(t *testing.T) {
	for _, c := range selections {
		if got := mustSelect(t, c.selector).Match(jsondoc.MustParse(c.doc), "doc"); got != c.want {
			t.Errorf("%s of %s is %v", c.selector, c.doc, got)
		}
	}
}

// A database of a real CouchDB in which one document after the other stands
// alone.
type mango struct {
	t  testing.TB
	db string
}

// newMango makes a database on the server that COUCHMEND_TEST_COUCHDB names.
func newMango(t *testing.T) mango {
	server := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if server == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no server")
	}
	m := mango{t, fmt.Sprintf("%s/couchmend-selectors-%d-%d", server, os.Getpid(), time.Now().UnixNano())}
	m.send("PUT", "", "")
	t.Cleanup(func() { m.send("DELETE", "", "") })
	return m
}

// match asks whether _find finds a document with this body.
func (m mango) match(selector, doc string) bool {
	var put struct{ Rev string }
	if err := json.Unmarshal(m.send("PUT", "/doc", doc), &put); err != nil || put.Rev == "" {
		m.t.Fatalf("%s is refused: %v", doc, err)
	}
	defer m.send("DELETE", "/doc?rev="+put.Rev, "")
	var found struct{ Docs []json.RawMessage }
	answer := m.send("POST", "/_find", `{"selector":`+selector+`}`)
	if err := json.Unmarshal(answer, &found); err != nil || found.Docs == nil {
		m.t.Fatalf("%s is refused: %s", selector, answer)
	}
	return len(found.Docs) == 1
}

func (m mango) send(method, path, body string) []byte {
	req, err := http.NewRequest(method, m.db+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return answer
}

func TestARealCouchDBDecidesAsSelectorsDo(t *testing.T) {
	m := newMango(t)
	for _, c := range selections {
		if got := m.match(c.selector, c.doc); got != (c.want != c.ours) {
			t.Errorf("%s of %s is %v", c.selector, c.doc, got)
		}
	}
}

func TestARealCouchDBDecidesAsSelectorsDoWhateverIsAsked(t *testing.T) {
	m := newMango(t)
	rapid.Check(t, func(t *rapid.T) {
		doc := "{" + join(members(t, values())) + "}"
		selector := conditions(true).Draw(t, "selector")
		s, err := compileSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.Match(jsondoc.MustParse(doc), "doc"), m.match(selector, doc); got != want {
			t.Fatalf("%s of %s is %v, and CouchDB says %v", selector, doc, got, want)
		}
	})
}

func TestLiteralsInASelectorStayWhatTheyAre(t *testing.T) {
	got := mustSelect(t, `{i: 12345678901234567891, f: 1.50, e: 1E2, t: true, n: ~, no: no, d: 2020-01-01, x: 0x1F, q: "5", s: !!str 5, m: -0, a: [1, {b: c}]}`)
	const want = `{"i":12345678901234567891,"f":1.50,"e":1E2,"t":true,"n":null,"no":"no","d":"2020-01-01","x":"0x1F","q":"5","s":"5","m":-0,"a":[1,{"b":"c"}]}`
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// values draws JSON values in which equal ones meet often.
func values() *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{`null`, `false`, `true`, `0`, `1`, `1.0`, `-2.5`, `1e2`, `12345678901234567891`, `""`, `"a"`, `"b"`, `"é"`})
	return rapid.Deferred(func() *rapid.Generator[string] {
		return rapid.OneOf(leaf, leaf,
			rapid.Map(rapid.SliceOfN(values(), 0, 2), func(vs []string) string { return "[" + join(vs) + "]" }),
			rapid.Custom(func(t *rapid.T) string { return "{" + join(members(t, values())) + "}" }))
	})
}

func members(t *rapid.T, value *rapid.Generator[string]) []string {
	var ms []string
	for _, name := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, "has "+name) {
			ms = append(ms, fmt.Sprintf("%q:%s", name, value.Draw(t, name)))
		}
	}
	return ms
}

func join(parts []string) string { return strings.Join(parts, ",") }

func TestCollationIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) jsondoc.Value { return jsondoc.MustParse(values().Draw(t, name)) }
		a, b, c := draw("a"), draw("b"), draw("c")
		if collate(a, a) != 0 || collate(a, b) != -collate(b, a) {
			t.Fatalf("%s and %s: %d and %d", a, b, collate(a, b), collate(b, a))
		}
		if collate(a, b) <= 0 && collate(b, c) <= 0 && collate(a, c) > 0 {
			t.Fatalf("%s ≤ %s ≤ %s, and yet not %s ≤ %s", a, b, c, a, c)
		}
	})
}

// comparisons draws an operator and its argument; the laws of logic hold for
// all but those that only `rich` ones have.
func comparisons(rich bool) *rapid.Generator[string] {
	simple := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"}).Draw(t, "op")
		return fmt.Sprintf(`{%q:%s}`, op, values().Draw(t, "arg"))
	})
	if !rich {
		return rapid.OneOf(simple, rapid.Just(`{"$exists":true}`))
	}
	list := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"$in", "$nin"}).Draw(t, "op")
		return fmt.Sprintf(`{%q:[%s]}`, op, join(rapid.SliceOfN(values(), 0, 2).Draw(t, "args")))
	})
	nested := rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"$elemMatch", "$allMatch", "$keyMapMatch", "$not"}).Draw(t, "op")
		return fmt.Sprintf(`{%q:%s}`, op, comparisons(op != "$keyMapMatch").Draw(t, "inner"))
	})
	fixed := rapid.SampledFrom([]string{
		`{"$exists":true}`, `{"$exists":false}`, `{"$type":"array"}`, `{"$type":"number"}`, `{"$size":1}`,
		`{"$mod":[3,1]}`, `{"$regex":"^a"}`, `{"$beginsWith":"a"}`, `{"$all":["a"]}`, `{"$elemMatch":{"a":1}}`,
		`{"$elemMatch":{"$not":{"a":1}}}`, `{"$allMatch":{"$or":[{"a":1},{"b":1}]}}`, `{"$gt":null,"b":1}`,
	})
	return rapid.OneOf(simple, list, nested, fixed)
}

// conditions draws selectors made of comparisons of the fields a, b and a.b.
func conditions(rich bool) *rapid.Generator[string] {
	field := rapid.Custom(func(t *rapid.T) string {
		name := rapid.SampledFrom([]string{"a", "b", "a.b"}).Draw(t, "field")
		return fmt.Sprintf(`{%q:%s}`, name, comparisons(rich).Draw(t, "comparison"))
	})
	return rapid.Deferred(func() *rapid.Generator[string] {
		return rapid.OneOf(field, field, rapid.Custom(func(t *rapid.T) string {
			op := rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "combination")
			return fmt.Sprintf(`{%q:[%s]}`, op, join(rapid.SliceOfN(conditions(rich), 1, 3).Draw(t, "parts")))
		}))
	})
}

func TestNegationsFollowTheLawsOfLogicWhereFieldsExist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := jsondoc.MustParse(fmt.Sprintf(`{"a":{"b":%s},"b":%s}`, values().Draw(t, "a.b"), values().Draw(t, "b")))
		s, other := conditions(false).Draw(t, "selector"), conditions(false).Draw(t, "other")
		match := func(format string) bool {
			selector, err := compileSelector(fmt.Sprintf(format, s, other))
			if err != nil {
				t.Fatal(err)
			}
			return selector.Match(doc, "doc")
		}
		holds, otherHolds := match(`%[1]s`), match(`%[2]s`)
		for format, want := range map[string]bool{
			`{"$not":%[1]s}`:                  !holds,
			`{"$not":{"$not":%[1]s}}`:         holds,
			`{"$and":[%[1]s,%[2]s]}`:          holds && otherHolds,
			`{"$or":[%[1]s,%[2]s]}`:           holds || otherHolds,
			`{"$nor":[%[1]s,%[2]s]}`:          !holds && !otherHolds,
			`{"$not":{"$and":[%[1]s,%[2]s]}}`: !holds || !otherHolds,
			`{"$not":{"$nor":[%[1]s,%[2]s]}}`: holds || otherHolds,
			`{"$nor":[%[1]s,{"$not":%[1]s}]}`: false,
		} {
			if got := match(format); got != want {
				t.Fatalf("%s is %v of %s; with %s and %s", format, got, doc, s, other)
			}
		}
	})
}
