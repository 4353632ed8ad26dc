package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend"
)

// script is a resolver made of a source text, in a folder of its own.
func script(t testing.TB, source string, o StarlarkOptions) *Starlark {
	t.Helper()
	o.Dir, o.File = folder(t, map[string]string{"r.star": source}), "r.star"
	s, err := NewStarlark(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// scriptOf is a resolver of whose function only the body is given.
func scriptOf(t testing.TB, lines ...string) *Starlark {
	t.Helper()
	return script(t, "def resolve(base, revisions):\n    "+strings.Join(lines, "\n    ")+"\n", StarlarkOptions{})
}

// askWith puts a question with a base.
func askWith(t testing.TB, r couchmend.Resolver, base string, bodies ...string) (string, error) {
	t.Helper()
	before := revisions(base)[0]
	before.Rev = couchmend.MustRev("1-a")
	v, err := r.Resolve(t.Context(), &before, revisions(bodies...))
	return string(v), err
}

func TestAFileOfAPolicyResolvesADocument(t *testing.T) {
	s, err := NewStarlark(StarlarkOptions{Dir: "testdata/starlark", File: "person.star"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := askWith(t, s, `{"_id":"p","_rev":"1-a","name":"Ann","visits":3,"edit_count":1}`,
		`{"_id":"p","_rev":"3-b","name":"Ann","visits":5,"edit_count":3,"tags":["b"]}`,
		`{"_id":"p","_rev":"2-c","name":"Anna","visits":4,"edit_count":4,"tags":["a","b"],"x":1.10}`)
	if want := `{"_id":"p","_rev":"2-c","name":"Anna","visits":6,"edit_count":4,"tags":["a","b"],"x":1.10}`; got != want || err != nil {
		t.Errorf("got %s %v\nwant %s", got, err, want)
	}
}

func TestAScriptCanLeaveTheDecisionToAPerson(t *testing.T) {
	s := scriptOf(t, `return review("visits:", 3, [1.5, "x"], None)`)
	_, err := ask(t, s, `{}`, `{}`)
	if !errors.Is(err, couchmend.ErrReview) || err.Error() != `visits: 3 [1.5, "x"] None` {
		t.Errorf("%v", err)
	}
}

func TestReviewEndsTheCallFromAnyDepth(t *testing.T) {
	s := script(t, `
def key(r):
    review("can't tell")

def resolve(base, revisions):
    sorted(revisions, key=key)
    return revisions[0]
`, StarlarkOptions{})
	if _, err := ask(t, s, `{}`, `{}`); !errors.Is(err, couchmend.ErrReview) || err.Error() != "can't tell" {
		t.Errorf("%v", err)
	}
}

func TestNoneRemovesTheField(t *testing.T) {
	answer, err := scriptOf(t, "return None").Resolve(context.Background(), nil, []couchmend.Revision{{}, {}})
	if answer != nil || err != nil {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestAMistakeIsReportedWithLineAndCallers(t *testing.T) {
	dir := folder(t, map[string]string{
		"lib/clock.star": "def later(a, b):\n    return a + b\n",
		"r.star":         "load(\"lib/clock.star\", \"later\")\n\ndef resolve(base, revisions):\n    return later(1, \"x\")\n",
	})
	s, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(t, s, `{}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverError)
	if want := "resolver_error: unknown binary op: int + string (lib/clock.star:2:14 in later, called from r.star:4:17 in resolve)"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMistakesGoToReviewInWords(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"fail", `fail("no such form:", revisions[0]["form"])`, `fail: no such form: anc (r.star:2:9 in resolve)`},
		{"a missing member", `return revisions[0]["frm"]`, `key "frm" not in dict (r.star:2:24 in resolve)`},
		{"a built-in function", `return abs("x")`, `abs: got string, want int or float (r.star:2:15 in resolve)`},
		{"a method", `return "x".index("y")`, `substring not found`},
		{"recursion", "f = [None]\n    def g(): return f[0]()\n    f[0] = g\n    return g()", "function g called recursively"},
		{"a division", `return 1 // 0`, `floored division by zero (r.star:2:14 in resolve)`},
		{"a set that can't be", `return set([[]])`, `unhashable`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ask(t, scriptOf(t, c.line), `{"form":"anc"}`, `{}`)
			wantFailure(t, err, couchmend.ReasonResolverError, c.want)
		})
	}
}

func TestWhatAScriptIsGivenIsFrozen(t *testing.T) {
	for _, line := range []string{
		`revisions[0]["a"] = 1`, `revisions[1]["l"].append(1)`, `base["o"].pop("x")`, `base["o"] |= {"y": 1}`, `revisions.pop()`,
		`set(base, "o.x", 1)`, `delete(base, "o.x")`, `dict(base)["o"].clear()`, `get(base, "l").extend([1])`, `revisions[0]["l"] += [1]`,
	} {
		document := `{"l":[1],"o":{"x":1}}`
		_, err := askWith(t, scriptOf(t, line), document, document, document)
		wantFailure(t, err, couchmend.ReasonResolverError, "frozen", "copy(revisions[0])", "r.star:2:")
	}
}

func TestAScriptsOwnWordsAreNotExplained(t *testing.T) {
	_, err := ask(t, scriptOf(t, `fail("the account is frozen")`), `1`, `2`)
	if want := "resolver_error: fail: the account is frozen (r.star:2:9 in resolve)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestACopyOfWhatAScriptIsGivenCanBeChanged(t *testing.T) {
	s := scriptOf(t, `doc = copy(revisions[0])`, `doc["l"].append(2)`, `doc["o"]["y"] = (1, [2])`, `set(doc, "o.z.w", 1.5)`, `return doc`)
	got, err := ask(t, s, `{"l":[1],"o":{"x":1.0}}`, `{}`)
	if want := `{"l":[1,2],"o":{"x":1.0,"y":[1,[2]],"z":{"w":1.5}}}`; got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestBaseIsNoneWhereNoneCouldBeHad(t *testing.T) {
	s := scriptOf(t, `return [base == None, len(revisions)]`)
	if got, err := ask(t, s, `{}`, `{}`, `{}`); got != `[true,3]` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAFieldThatIsAbsentIsNone(t *testing.T) {
	s := scriptOf(t, `return [base, revisions[0], revisions[1]]`)
	before := &couchmend.Revision{Rev: couchmend.MustRev("1-a")}
	got, err := s.Resolve(context.Background(), before, []couchmend.Revision{{}, {Body: json.RawMessage(`"x"`)}})
	if string(got) != `[null,null,"x"]` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAnotherFunctionCanBeTheResolver(t *testing.T) {
	dir := folder(t, map[string]string{"r.star": "def notes(base, revisions, *more, sep=', '): return sep.join(revisions)"})
	s, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star", Function: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, s, `"a"`, `"b"`); got != `"a, b"` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestPrintGoesWhereItIsAskedForOrNowhere(t *testing.T) {
	var lines []string
	s := script(t, "print('start')\ndef resolve(base, revisions):\n    print('a', 1, sep='-')\n    return 1\n",
		StarlarkOptions{Print: func(line string) { lines = append(lines, line) }})
	if got, err := ask(t, s, `1`, `2`); got != `1` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if got := strings.Join(lines, "|"); got != "start|a-1" {
		t.Errorf("printed %s", got)
	}
	if got, err := ask(t, scriptOf(t, "print('x')", "return 1"), `1`, `2`); got != `1` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestNothingOfTheWorldOutsideIsThere(t *testing.T) {
	for _, name := range []string{"open", "time", "random", "os", "json", "input", "eval", "exec", "globals", "id"} {
		dir := folder(t, map[string]string{"r.star": "def resolve(base, revisions): return " + name})
		if _, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star"}); err == nil || !strings.Contains(err.Error(), "undefined: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingLeaksFromOneQuestionToTheNext(t *testing.T) {
	s := script(t, "seen = []\ndef resolve(base, revisions, mine=[]):\n    mine.append(1)\n    return mine\n", StarlarkOptions{})
	_, err := ask(t, s, `1`, `2`)
	wantFailure(t, err, couchmend.ReasonResolverError, "frozen")
}

func TestManyQuestionsAreAnsweredAtOnce(t *testing.T) {
	s := scriptOf(t, `doc = copy(revisions[0])`, `doc["n"] += 1`, `return doc`)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := ask(t, s, `{"x":1.10,"n":12345678901234567890}`, `{}`); got != `{"x":1.10,"n":12345678901234567891}` || err != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	all.Wait()
}

func TestWordsOfAScriptAreKeptShort(t *testing.T) {
	_, err := ask(t, scriptOf(t, `review("é" * 100000)`), `1`, `2`)
	if n := len(err.Error()); n > maxWords+10 || !errors.Is(err, couchmend.ErrReview) {
		t.Errorf("%d bytes of words", n)
	}
	_, err = ask(t, scriptOf(t, `fail("é" * 100000)`), `1`, `2`)
	if n := len(err.Error()); n > 2*maxWords {
		t.Errorf("%d bytes of words", n)
	}
}
