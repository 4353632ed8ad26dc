package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

func TestPathsReadAndWriteWhatIsDeepInside(t *testing.T) {
	doc := `{"a":{"b":{"c":1},"n":null},"x.y":{"z":2},"l":[{"a":1}],"":{"":3}}`
	for _, c := range []struct{ line, want string }{
		{`get(doc, "a.b.c")`, `1`},
		{`get(doc, "a.b")`, `{"c":1}`},
		{`[get(doc, "a.x.c")]`, `[null]`},
		{`get(doc, "a.x.c", 5)`, `5`},
		{`[get(doc, "a.n", 5)]`, `[null]`},
		{`get(doc, "a.b.c.d", default=[])`, `[]`},
		{`get(doc, "x\\.y.z")`, `2`},
		{`get(doc, ".")`, `3`},
		{`get(doc, "l.a", "lists have no names")`, `"lists have no names"`},
		{`get(None, "a", 0)`, `0`},
		{`[has(doc, "a.n"), has(doc, "a.b.c"), has(doc, "a.x"), has(doc, "l.0"), has(None, "a")]`, `[true,true,false,false,false]`},
		{`[set(doc, "a.b.c", 2), set(doc, "p.q.r", [1]), doc]`, `[null,null,{"a":{"b":{"c":2},"n":null},"x.y":{"z":2},"l":[{"a":1}],"":{"":3},"p":{"q":{"r":[1]}}}]`},
		{`[set(doc, "x\\.y.z", 1), doc["x.y"]]`, `[null,{"z":1}]`},
		{`[delete(doc, "a.b.c"), delete(doc, "a.b.c"), delete(doc, "l.a"), delete(doc, "q.r"), delete(doc, "x\\.y"), doc]`, `[true,false,false,false,true,{"a":{"b":{},"n":null},"l":[{"a":1}],"":{"":3}}]`},
		{`sorted(set([2, 1, 2])) + list(set())`, `[1,2]`},
	} {
		if got, err := ask(t, scriptOf(t, "doc = copy(revisions[0])", "return "+c.line), doc, `{}`); got != c.want || err != nil {
			t.Errorf("%s\ngot  %s %v\nwant %s", c.line, got, err, c.want)
		}
	}
}

func TestWhatIsNoObjectStandsInTheWayOfAPath(t *testing.T) {
	_, err := ask(t, scriptOf(t, `set(copy(revisions[0]), "a.b.c", 1)`), `{"a":{"b":[]}}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverError, "set a.b.c: a.b is a list, not an object")
}

func TestAShallowCopySaysThatWhatItHoldsIsFrozen(t *testing.T) {
	_, err := ask(t, scriptOf(t, `doc = dict(revisions[0])`, `doc["x"] = 1`, `set(doc, "a.b", 1)`), `{"a":{}}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverError, "set a.b: ", "frozen", "copy(revisions[0])", "r.star:4:8")
}

func TestUnionIsTheStrategyUnion(t *testing.T) {
	s := scriptOf(t, `return union(*revisions)`)
	lists := rapid.SliceOfN(rapid.SampledFrom([]string{"1", "1.0", "2", "10", `"b"`, `"a"`, `"1"`, "null", "[2]", `{"a":1}`}), 0, 5)
	rapid.Check(t, func(r *rapid.T) {
		a, b := "["+strings.Join(lists.Draw(r, "a"), ",")+"]", "["+strings.Join(lists.Draw(r, "b"), ",")+"]"
		want, _ := merge.UnionOf(jsondoc.Value(a), jsondoc.Value(b))
		if got, err := ask(t, s, a, b); got != string(want) || err != nil {
			r.Fatalf("%s ∪ %s is %s %v, want %s", a, b, got, err, want)
		}
	})
}

func TestUnionTakesListsAndNothing(t *testing.T) {
	for line, want := range map[string]string{
		`union()`:                        `[]`,
		`union(None, None)`:              `[]`,
		`union(["b", "b"])`:              `["b"]`,
		`union([2], (1, 2), None, [10])`: `[1,2,10]`,
		`union(revisions[0], [3])`:       `[1.10,3,{"x":2.50}]`,
	} {
		if got, err := ask(t, scriptOf(t, "return "+line), `[{"x":2.50},1.10]`, `1`); got != want || err != nil {
			t.Errorf("%s: %s, %v", line, got, err)
		}
	}
	_, err := ask(t, scriptOf(t, `return union([1], "ab")`), `1`, `2`)
	wantFailure(t, err, couchmend.ReasonResolverError, "union: argument 2 is a string, want a list")
}

func TestLatestIsTheOneWithTheGreatestClock(t *testing.T) {
	for _, c := range []struct {
		name, by string
		docs     []string
		want     string
	}{
		{"a number", "n", []string{`{"n":9}`, `{"n":10.0}`, `{"n":-1}`}, `{"n":10.0}`},
		{"a time", "t.at", []string{`{"t":{"at":"2026-01-01T10:00:00+02:00"}}`, `{"t":{"at":"2026-01-01T09:00:00Z"}}`}, `{"t":{"at":"2026-01-01T09:00:00Z"}}`},
		{"one without", "n", []string{`{"x":9}`, `{"n":0}`, `{}`}, `{"n":0}`},
		{"none with one, all alike", "n", []string{`{"x":2}`, `{"x":2}`}, `{"x":2}`},
		{"equal ones", "n", []string{`{"_rev":"9-z","n":1,"x":1}`, `{"_rev":"1-a","n":1,"x":2}`}, `{"_rev":"1-a","n":1,"x":2}`},
		{"absent fields", "n", []string{``, `{"n":1}`, ``}, `{"n":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scriptOf(t, fmt.Sprintf("return latest(revisions, by=%q)", c.by))
			for i := range c.docs { // whatever their order
				docs := append(c.docs[i:len(c.docs):len(c.docs)], c.docs[:i]...)
				if got, err := ask(t, s, docs...); got != c.want || err != nil {
					t.Errorf("of %s: %s, %v", docs, got, err)
				}
			}
		})
	}
}

func TestLatestLeavesClocksThatCantBeOrderedToAPerson(t *testing.T) {
	for _, docs := range [][]string{{`{"n":1}`, `{"n":"x"}`}, {`{"n":{"a":1}}`, `{"n":{"b":1}}`}, {`{"x":1}`, `{"x":2}`}} {
		if _, err := ask(t, scriptOf(t, `return latest(revisions, "n")`), docs...); !errors.Is(err, couchmend.ErrReview) {
			t.Errorf("%s: %v", docs, err)
		}
	}
	_, err := ask(t, scriptOf(t, `return latest([], by="n")`), `1`, `2`)
	wantFailure(t, err, couchmend.ReasonResolverError, "latest: there are no revisions")
}

func TestCanonicalIsOneTextForOneValue(t *testing.T) {
	s := scriptOf(t, `return [canonical(r) for r in revisions] + [canonical({"b": (1, 2.50), "a": None})]`)
	want := `["{\"a\":1.5,\"b\":12345678901234567890}","{\"a\":1.5,\"b\":12345678901234567890}","{\"a\":null,\"b\":[1,2.5]}"]`
	if got, err := ask(t, s, `{"b":12345678901234567890,"a":1.50}`, `{ "a":1.5, "b":12345678901234567890 }`); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestHelpersNameThemselvesInTheirErrors(t *testing.T) {
	for line, want := range map[string]string{
		`get({})`:                  "get: missing argument for path",
		`get({}, 1)`:               "get: for parameter path: got int, want string",
		`set([], "a", 1)`:          "set: for parameter doc: got list, want dict",
		`set({}, "a")`:             "set: missing argument for value",
		`has({}, "a", "b")`:        "has: got 3 arguments, want at most 2",
		`delete({})`:               "delete: missing argument for path",
		`copy()`:                   "copy: missing argument for x",
		`canonical({"a": [len]})`:  "canonical: a[0] is a builtin_function_or_method, which is no JSON value",
		`latest(revisions)`:        "latest: missing argument for by",
		`latest(1, by="x")`:        "latest: for parameter revisions: got int, want iterable",
		`review(words="x")`:        "review: takes no named arguments",
		`merge3(base, revisions)`:  "merge3 is not available here",
		`union([1], unique=True)`:  "union: takes no named arguments",
		`merge3(base, [1], by="")`: "merge3: unexpected keyword argument",
	} {
		_, err := ask(t, scriptOf(t, "return "+line), `1`, `2`)
		wantFailure(t, err, couchmend.ReasonResolverError, want, "(r.star:2:")
	}
}

func TestHelpersCanBeHiddenByNamesOfTheScriptsOwn(t *testing.T) {
	s := script(t, "def get(x): return x + 1\ndef resolve(base, revisions):\n    copy = get(1)\n    return copy\n", StarlarkOptions{})
	if got, err := ask(t, s, `1`, `2`); got != `2` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// merger is a Merge3 that tells what it was asked.
type merger struct {
	base      *couchmend.Revision
	revisions []couchmend.Revision
	answer    string
	err       error
}

func (m *merger) merge(_ context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	m.base, m.revisions = base, revisions
	return json.RawMessage(m.answer), m.err
}

func TestMerge3IsTheRulesOwnMerge(t *testing.T) {
	m := &merger{answer: `{"_id":"d","n":1.10,"l":[1]}`}
	s := script(t, `
def resolve(base, revisions):
    mine = copy(revisions[1])
    mine["n"] = 7
    doc = merge3(base, [revisions[0], mine])
    doc["l"].append(2)
    return doc
`, StarlarkOptions{Merge3: m.merge})
	base := couchmend.Revision{Rev: couchmend.MustRev("1-a"), Body: json.RawMessage(`{"_id":"d","_rev":"1-a","n":1.0}`)}
	asked := []couchmend.Revision{
		{Rev: couchmend.MustRev("2-b"), Body: json.RawMessage(`{"_id":"d","_rev":"2-b","n":2}`), Attachments: []couchmend.Attachment{{Name: "f"}}},
		{Rev: couchmend.MustRev("2-c"), Body: json.RawMessage(`{"_id":"d","_rev":"2-c","n":3}`), Path: []couchmend.Rev{couchmend.MustRev("2-c")}},
	}
	got, err := s.Resolve(t.Context(), &base, asked)
	if string(got) != `{"_id":"d","n":1.10,"l":[1,2]}` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if m.base.Rev != base.Rev || string(m.base.Body) != string(base.Body) {
		t.Errorf("base %+v", m.base)
	}
	if len(m.revisions) != 2 || len(m.revisions[0].Attachments) != 1 || string(m.revisions[0].Body) != string(asked[0].Body) ||
		m.revisions[1].Rev != asked[1].Rev || len(m.revisions[1].Path) != 1 || string(m.revisions[1].Body) != `{"_id":"d","_rev":"2-c","n":7}` {
		t.Errorf("revisions %+v", m.revisions)
	}
}

func TestMerge3PassesOnWhyItCantMerge(t *testing.T) {
	dispute := fmt.Errorf("notes: changed differently: %w", couchmend.ErrReview)
	m := &merger{err: dispute}
	s := script(t, "def resolve(base, revisions):\n    return merge3(base, revisions)\n", StarlarkOptions{Merge3: m.merge})
	doc := `{"_id":"d","_rev":"2-c"}`
	if _, err := ask(t, s, doc, doc); !errors.Is(err, couchmend.ErrReview) || err.Error() != dispute.Error() {
		t.Errorf("%v", err)
	}
	if m.base != nil {
		t.Errorf("base %+v", m.base)
	}
	m.err = &couchmend.ResolverError{Reason: couchmend.ReasonResolverCrashed, Err: errors.New("python ended")}
	_, err := ask(t, s, doc, doc)
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "python ended (r.star:2:18 in resolve)")
	m.err = errors.New("no such thing")
	_, err = ask(t, s, doc, doc)
	wantFailure(t, err, couchmend.ReasonResolverError, "no such thing (r.star:2:18 in resolve)")
}

func TestMerge3WantsDocumentsWithTheirRevisions(t *testing.T) {
	m := &merger{answer: "{}"}
	for line, want := range map[string]string{
		`merge3(None, [1])`:                             "merge3: revision 0: got int, want a document",
		`merge3(None, [{"a": 1}])`:                      "merge3: revision 0: _rev: ",
		`merge3({}, [])`:                                "merge3: base: _rev: ",
		`merge3(None, [{"_rev": "1-a", "s": set([])}])`: "merge3: revision 0: s is a set",
	} {
		s := script(t, "def resolve(base, revisions):\n    return "+line+"\n", StarlarkOptions{Merge3: m.merge})
		_, err := ask(t, s, `{}`, `{}`)
		wantFailure(t, err, couchmend.ReasonResolverError, want)
	}
}
