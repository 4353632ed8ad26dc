package merge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// resolverFunc answers with a function, and remembers the questions.
type resolverFunc struct {
	answer func(base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error)
	asked  []string // "base | winner | other…"
}

func (f *resolverFunc) Resolve(_ context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	question := "none"
	if base != nil {
		question = string(base.Body)
	}
	for _, r := range revisions {
		question += " | " + string(r.Body)
	}
	f.asked = append(f.asked, question)
	return f.answer(base, revisions)
}

// answering makes a resolver that always says the same.
func answering(text string) *resolverFunc {
	return &resolverFunc{answer: func(*couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
		if text == "" {
			return nil, nil
		}
		return json.RawMessage(text), nil
	}}
}

func resolving(r couchmend.Resolver) *Rule {
	return &Rule{Name: "test", Resolver: r, ResolverName: "test.star"}
}

func TestAResolverIsAskedAboutAllLeavesOfOneBaseAtOnce(t *testing.T) {
	f := answering(`{"n":9}`)
	r, refusal := mergeOf(resolving(f), `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`)
	if told(r, refusal) != `{"n":9}` {
		t.Fatal(told(r, refusal))
	}
	doc := func(rev couchmend.Rev, n int) string { return fmt.Sprintf(`{"_id":"d","_rev":"%s","n":%d}`, rev, n) }
	want := strings.Join([]string{doc(baseRev, 1), doc(leafRev(0), 2), doc(leafRev(1), 3), doc(leafRev(2), 4)}, " | ")
	if len(f.asked) != 1 || f.asked[0] != want {
		t.Errorf("asked %q\nwant  %q", f.asked, want)
	}
	f.asked = nil
	if mergeOf(resolving(f), "", `{"n":2}`, `{"n":3}`, `{"n":4}`); len(f.asked) != 1 || !strings.HasPrefix(f.asked[0], "none | ") {
		t.Errorf("without a base: %q", f.asked)
	}
}

// What two leaves share and the third lacks must not count twice.
func TestLeavesOfSeveralBasesAreResolvedTwoAtATime(t *testing.T) {
	sum := &resolverFunc{answer: func(base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
		n := func(r couchmend.Revision) (n int) {
			_, _ = fmt.Sscan(string(jsondoc.Value(r.Body).Get("n")), &n)
			return n
		}
		total := n(*base)
		for _, r := range revisions {
			total += n(r) - n(*base)
		}
		return json.RawMessage(fmt.Sprintf(`{"n":%d}`, total)), nil
	}}
	rev := couchmend.MustRev
	tree := revtree.New(
		revtree.Path{rev("3-c"), rev("2-c"), rev("1-a")},
		revtree.Path{rev("3-b"), rev("2-c"), rev("1-a")},
		revtree.Path{rev("2-d"), rev("1-a")},
	)
	revisions := map[couchmend.Rev]couchmend.Revision{}
	for name, n := range map[string]int{"1-a": 0, "2-c": 10, "3-c": 11, "3-b": 12, "2-d": 100} {
		revisions[rev(name)] = couchmend.Revision{Rev: rev(name), Body: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
	}
	r, refusal := Merge(context.Background(), resolving(sum), "d", tree.Fold([]couchmend.Rev{rev("3-c"), rev("3-b"), rev("2-d")}), revisions)
	if told(r, refusal) != `{"n":113}` || len(sum.asked) != 2 {
		t.Errorf("%s after %q", told(r, refusal), sum.asked)
	}
}

func TestWhatAResolverReturnsIsChecked(t *testing.T) {
	const winner, loser = `{"b":1,"a":12345678901234567891,"o":{"y":1.0,"x":2}}`, `{"b":2,"a":12345678901234567891,"o":{"y":1.0,"x":3}}`
	for _, c := range []struct{ name, answer, want string }{
		{"the winner's order of keys, new ones sorted after", `{"z":1,"c":1,"o":{"x":2,"y":1.0},"a":1,"b":2}`, `{"b":2,"a":1,"o":{"y":1.0,"x":2},"c":1,"z":1}`},
		{"numbers that JavaScript rounded", `{"b":1,"a":12345678901234567000,"o":{"y":1,"x":3}}`, `{"b":1,"a":12345678901234567891,"o":{"y":1.0,"x":3}}`},
		{"CouchDB's members", `{"_id":"d","_rev":"9-x","_attachments":{},"_conflicts":[],"b":1}`, `{"b":1}`},
		{"another _id", `{"_id":"e","b":1}`, "review: resolver_identity"},
		{"an _id that is no text", `{"_id":5,"b":1}`, "review: resolver_identity"},
		{"a member of its own that begins with _", `{"_secret":1}`, "review: resolver_output"},
		{"no document", `[1]`, "review: resolver_output"},
		{"no JSON", `{"a":`, "review: resolver_output"},
		{"a name twice", `{"a":1,"a":2}`, "review: resolver_output"},
		{"nothing", "", "review: resolver_output"},
	} {
		if got := told(mergeOf(resolving(answering(c.answer)), `{}`, winner, loser)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAResolverMayDeleteTheDocument(t *testing.T) {
	if r, refusal := mergeOf(resolving(answering(`{"_deleted":true,"x":1}`)), `{}`, `{"x":1}`, `{"x":2}`); refusal != nil || !r.Deleted {
		t.Errorf("%+v %v", r, refusal)
	}
	if r, _ := mergeOf(resolving(answering(`{"_deleted":false,"x":1}`)), `{}`, `{"x":1}`, `{"x":2}`); r.Deleted || string(r.Body) != `{"x":1}` {
		t.Errorf("%+v", r)
	}
}

func TestAResolversFailureKeepsItsReason(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason couchmend.Reason
	}{
		{fmt.Errorf("%w: two doses on one day", couchmend.ErrReview), couchmend.ReasonResolver},
		{errors.New("broken"), couchmend.ReasonResolverError},
		{&couchmend.ResolverError{Reason: couchmend.ReasonResolverTimeout, Err: errors.New("5s")}, couchmend.ReasonResolverTimeout},
	} {
		failing := &resolverFunc{answer: func(*couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) { return nil, c.err }}
		_, refusal := mergeOf(resolving(failing), `{}`, `{"x":1}`, `{"x":2}`)
		if refusal == nil || refusal.Reason != c.reason || !strings.HasPrefix(refusal.Evidence[0], "test.star: ") {
			t.Errorf("%v: %+v", c.err, refusal)
		}
		field := &Rule{Fields: []Field{{Pattern: Path{"x"}, Strategy: Strategy{Kind: Custom, Resolver: failing, ResolverName: "x.star"}}}}
		_, refusal = mergeOf(field, `{}`, `{"x":1}`, `{"x":2}`)
		if refusal == nil || refusal.Reason != c.reason || !strings.HasPrefix(refusal.Evidence[0], "x: x.star: ") {
			t.Errorf("of a field, %v: %+v", c.err, refusal)
		}
	}
}

func TestAFieldsResolverIsAskedAboutItsValuesAlone(t *testing.T) {
	for _, c := range []struct{ name, answer, base, winner, loser, want, asked string }{
		{"overlap", `"both"`, `{"x":1,"y":1}`, `{"x":2,"y":1}`, `{"x":3,"y":2}`, `{"x":"both","y":2}`, "1 | 2 | 3"},
		{"one side", `"both"`, `{"x":1}`, `{"x":2}`, `{"x":1}`, `{"x":2}`, ""},
		{"alike", `"both"`, `{"x":1}`, `{"x":2}`, `{"x":2}`, `{"x":2}`, ""},
		{"removed", "", `{"x":1}`, `{"x":2}`, `{}`, `{}`, "1 | 2 | "},
		{"no base", `"both"`, "", `{"x":2}`, `{"x":3}`, `{"x":"both"}`, "none | 2 | 3"},
		{"exact", `[12345678901234567000,1]`, `{"x":[]}`, `{"x":[12345678901234567891]}`, `{"x":[12345678901234567891,1.0]}`, `{"x":[12345678901234567891,1.0]}`, "[] | [12345678901234567891] | [12345678901234567891,1.0]"},
	} {
		f := answering(c.answer)
		rule := &Rule{Fields: []Field{{Pattern: Path{"x"}, Strategy: Strategy{Kind: Custom, Resolver: f, ResolverName: "x.star"}}}}
		if got := told(mergeOf(rule, c.base, c.winner, c.loser)); got != c.want || strings.Join(f.asked, "; ") != c.asked {
			t.Errorf("%s: got %s, want %s; asked %q", c.name, got, c.want, f.asked)
		}
	}
}

// JavaScript makes one number of these two: the winner's must not be put in the
// other one's place.
func TestARoundedNumberThatMayBeEitherOfTwoIsNoAnswer(t *testing.T) {
	const a, b, rounded = `{"x":12345678901234567891,"o":{"p":1,"q":1.0}}`, `{"x":12345678901234567893,"o":{"q":1.00,"p":1}}`, `{"x":12345678901234567000,"o":{"p":1,"q":1}}`
	field := func(answer string) *Rule {
		return &Rule{Fields: []Field{{Pattern: Path{"x"}, Strategy: Strategy{Kind: Custom, Resolver: answering(answer), ResolverName: "x.js"}}}}
	}
	for _, c := range []struct {
		rule                *Rule
		base, winner, loser string
		want                string // the reason, or the merged x
	}{
		{resolving(answering(rounded)), `{"x":0}`, a, b, "resolver_output"},
		{resolving(answering(rounded)), "", b, a, "resolver_output"},
		{resolving(answering(rounded)), a, b, `{"x":1}`, "resolver_output"},
		{field(`12345678901234567000`), `{"x":0}`, a, b, "resolver_output"},
		{resolving(answering(a)), `{"x":0}`, b, a, "12345678901234567891"},
		{resolving(answering(rounded)), a, a, `{"x":1}`, "12345678901234567891"},
		{resolving(answering(rounded)), a, a, rounded, "12345678901234567891"},
		{resolving(answering(rounded)), a, rounded, a, "12345678901234567891"},
		{field(`12345678901234567893`), `{"x":0}`, a, b, "12345678901234567893"},
	} {
		r, refusal := mergeOf(c.rule, c.base, c.winner, c.loser)
		got := string(r.Body.Get("x"))
		if refusal != nil {
			got = string(refusal.Reason)
		}
		if got != c.want {
			t.Errorf("base %s, winner %s, other %s: got %s, want %s", c.base, c.winner, c.loser, got, c.want)
		}
	}
}

func TestEachFieldThatAResolverMadeSaysWhereItMayComeFrom(t *testing.T) {
	r, _ := mergeOf(resolving(answering(`{"same":1,"o":{"w":1,"l":2,"new":5}}`)), `{}`,
		`{"same":1,"o":{"w":1,"l":0,"gone":1}}`, `{"same":1,"o":{"w":0,"l":2,"gone":1}}`)
	var got []string
	for _, o := range r.Fields {
		got = append(got, fmt.Sprintf("%s %s %v %s", o.Path, couchmend.ListRevs(o.From), o.Removed, o.Why))
	}
	w, l := leafRev(0).String(), leafRev(1).String()
	want := []string{
		"o.gone " + w + ", " + l + " true by test.star", "o.l " + l + " false by test.star",
		"o.new " + w + ", " + l + " false by test.star", "o.w " + w + " false by test.star",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAttachmentsMergeByTheRuleWhateverAResolverReturns(t *testing.T) {
	file := func(name, data string) couchmend.Attachment {
		return couchmend.Attachment{Name: name, ContentType: "text/plain", Length: int64(len(data)), Digest: "md5-" + data, Data: []byte(data)}
	}
	f := answering(`{"x":3}`)
	rule := resolving(f)
	rule.Attachments = AttachmentsKeepBoth
	revisions := map[couchmend.Rev]couchmend.Revision{
		baseRev:    {Rev: baseRev, Body: json.RawMessage(`{}`)},
		leafRev(0): {Rev: leafRev(0), Body: json.RawMessage(`{"x":1}`), Attachments: []couchmend.Attachment{file("a.txt", "1")}},
		leafRev(1): {Rev: leafRev(1), Body: json.RawMessage(`{"x":2}`), Attachments: []couchmend.Attachment{file("a.txt", "2")}},
		leafRev(2): {Rev: leafRev(2), Body: json.RawMessage(`{"x":2}`), Attachments: []couchmend.Attachment{file("c.txt", "3")}},
	}
	base := revtree.Fold{Heads: []couchmend.Rev{baseRev}}
	fold := revtree.Fold{Heads: []couchmend.Rev{leafRev(0), leafRev(1), leafRev(2)}, Steps: []revtree.Step{
		{Head: leafRev(1), How: revtree.ThreeWay, Base: base}, {Head: leafRev(2), How: revtree.ThreeWay, Base: base},
	}}
	r, refusal := Merge(context.Background(), rule, "d", fold, revisions)
	if refusal != nil || len(r.Attachments) != 3 || len(f.asked) != 1 {
		t.Fatalf("%+v %+v", r, refusal)
	}
	if want := `"_attachments":{"a.txt":{"content_type":"text/plain","length":1,"stub":true}}`; !strings.Contains(f.asked[0], want) {
		t.Errorf("asked %s", f.asked[0])
	}
}

func TestThreeMergesByTheRulesFields(t *testing.T) {
	rule := ruleFrom("tags=union n=sum")
	rule.Resolver = answering("never asked")
	doc := func(rev, body string) couchmend.Revision {
		return couchmend.Revision{Rev: couchmend.MustRev(rev), Body: json.RawMessage(`{"_id":"d","_rev":"` + rev + `",` + body + `}`)}
	}
	base := doc("1-a", `"n":1,"tags":[]`)
	got, err := Three(context.Background(), rule, &base, []couchmend.Revision{doc("2-c", `"n":2,"tags":["x"]`), doc("2-c", `"n":3,"tags":["y"]`)})
	if want := `{"_id":"d","_rev":"2-c","n":4,"tags":["x","y"]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if _, err = Three(context.Background(), rule, nil, []couchmend.Revision{doc("2-c", `"n":2`), doc("2-b", `"n":3`)}); !errors.Is(err, couchmend.ErrReview) {
		t.Errorf("a sum without a base: %v", err)
	}
	if _, err = Three(context.Background(), rule, nil, []couchmend.Revision{{Body: json.RawMessage(`5`)}}); err == nil {
		t.Error("5 is a document")
	}
}
