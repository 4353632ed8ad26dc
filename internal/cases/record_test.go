package cases_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

// generated is the policy of generated conflicts.
func generated(t testing.TB) (*policy.File, *policy.Policy) {
	t.Helper()
	f := parsedPolicy(t, conflictgen.PolicyYAML())
	return f, f.For("any")
}

func decided(p *policy.Policy, c couchmend.Conflict) couchmend.Decision {
	return decide.Decide(context.Background(), func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, c)
}

// again reads a recorded case and runs it.
func again(t testing.TB, f *policy.File, text []byte) cases.Result {
	t.Helper()
	all, err := cases.Parse("recorded", []byte(cases.Head+string(text)), f)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v\n%s", err, text)
	}
	r := all[0].Run(context.Background())
	if !r.Passed() {
		t.Fatalf("%s\n%s", r, text)
	}
	return r
}

// TestARecordedCaseDecidesAsTheLiveDocument is for every kind of conflict that
// is generated, each read from a server as couchmend reads it.
func TestARecordedCaseDecidesAsTheLiveDocument(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/p.yaml", []byte(conflictgen.PolicyYAML()), 0o600); err != nil {
		t.Fatal(err)
	}
	server := couchtest.NewServer(t, couchtest.NewNode())
	generator := conflictgen.New(7, conflictgen.Options{Docs: 2 * len(conflictgen.Scenarios())})
	if err := conflictgen.Load(ctx, server.URL, "db", generator.Docs()); err != nil {
		t.Fatal(err)
	}
	c, err := mend.Open(ctx, mend.Options{URL: server.URL, PolicyFile: dir + "/p.yaml", StateDir: dir + "/state"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for doc := range generator.Docs() {
		conflict, live, err := c.Mender.Look(ctx, "db", doc.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := cases.Record(ctx, c.Policy, c.Policy.For("db"), conflict, live, cases.Recording{})
		if err != nil {
			t.Fatal(err)
		}
		r := again(t, c.Policy, text)
		if r.Decision.Outcome != live.Outcome || r.Decision.Reason != live.Reason || live.Merge != nil && r.Decision.Merge.Rev != live.Merge.Rev {
			t.Errorf("%s: %s (%s), live %s (%s)", doc.ID, r.Decision.Outcome, r.Decision.Reason, live.Outcome, live.Reason)
		}
	}
}

// TestARedactedCaseKeepsWhatWasDecidedAndNothingThatWasSaid is for every kind of
// conflict that is generated.
func TestARedactedCaseKeepsWhatWasDecidedAndNothingThatWasSaid(t *testing.T) {
	f, p := generated(t)
	ctx := context.Background()
	types := constants(p)
	for doc := range conflictgen.New(3, conflictgen.Options{Docs: 3 * len(conflictgen.Scenarios())}).Docs() {
		conflict := doc.Conflict("db")
		live := decided(p, conflict)
		text, err := cases.Record(ctx, f, p, conflict, live, cases.Recording{Redact: true})
		if err != nil {
			t.Fatal(err)
		}
		r := again(t, f, text)
		if r.Decision.Outcome != live.Outcome || r.Decision.Reason != live.Reason || r.Decision.Rule != live.Rule || len(r.Decision.Fields) != len(live.Fields) {
			t.Errorf("%s: %s (%s), live %s (%s)", doc.ID, r.Decision.Outcome, r.Decision.Reason, live.Outcome, live.Reason)
		}
		said := wordsOf(conflict)
		for word := range wordsOf(r.Conflict) {
			if said[word] && len(word) >= 4 && !types[word] {
				t.Errorf("%s: %q is said still\n%s", doc.ID, word, text)
			}
		}
		for _, revision := range slices.Concat(conflict.Leaves, conflict.Dead) {
			if strings.Contains(string(text), revision.Rev.Hash) {
				t.Errorf("%s: %s is there still, a hash of what it says", doc.ID, revision.Rev)
			}
		}
	}
}

// constants are the texts that a policy's selectors compare with.
func constants(p *policy.Policy) map[string]bool {
	words := map[string]bool{}
	for _, rule := range p.Rules {
		gather(words, jsondoc.MustParse(rule.When.String()))
	}
	return words
}

// wordsOf are the texts in a conflict's documents, line by line, and its id.
func wordsOf(c couchmend.Conflict) map[string]bool {
	words := map[string]bool{c.ID: true}
	for _, r := range slices.Concat(c.Leaves, c.Dead) {
		gather(words, jsondoc.Value(r.Body))
		for _, a := range r.Attachments {
			words[a.Name] = true
		}
	}
	for _, r := range c.Bases {
		gather(words, jsondoc.Value(r.Body))
	}
	return words
}

func gather(words map[string]bool, v jsondoc.Value) {
	for _, m := range v.Members() {
		gather(words, m.Value)
	}
	for _, e := range v.Elements() {
		gather(words, e)
	}
	for line := range strings.SplitSeq(v.Text(), "\n") {
		words[line] = true
	}
}

// TestARedactedCaseThatWouldBeDecidedOtherwiseIsRefused has a selector that
// tells by an expression what nobody can see from outside.
func TestARedactedCaseThatWouldBeDecidedOtherwiseIsRefused(t *testing.T) {
	f := parsedPolicy(t, `
databases: [db]
policies:
  default:
    rules:
      - {name: even, when: {code: {$regex: "^[a-z]+[02468]$"}}, fields: {read: union}}
`)
	p := f.For("db")
	conflict := again(t, f, []byte(`
- name: x
  base: {code: ward2, name: Ann, read: []}
  leaves: [{code: ward2, name: Ann, read: [bob]}, {code: ward2, name: Ann, read: [cyd]}]
  merge: {code: ward2, name: Ann, read: [bob, cyd]}
`)).Conflict
	live := decided(p, conflict)
	_, err := cases.Record(context.Background(), f, p, conflict, live, cases.Recording{Redact: true})
	if err == nil || !strings.Contains(err.Error(), "review (no_rule) instead of merge") || !strings.Contains(err.Error(), "--keep") {
		t.Errorf("it is not refused, or not told why: %v", err)
	}
	text, err := cases.Record(context.Background(), f, p, conflict, live, cases.Recording{Redact: true, Keep: []merge.Path{{"code"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.Contains(got, "ward2") || strings.Contains(got, "Ann") || strings.Contains(got, "bob") {
		t.Errorf("with the field kept:\n%s", got)
	}
}

func TestWhatASelectorLooksForAtABeginningStays(t *testing.T) {
	f := parsedPolicy(t, `
databases: [db]
policies:
  default:
    rules:
      - {name: marks, when: {_id: {$beginsWith: "read:"}, state: {$gte: 2}, form: {$in: [G, P]}}, fields: {at: max}}
`)
	p := f.For("db")
	conflict := again(t, f, []byte(`
- name: x
  id: read:report-17
  base: {state: 3, form: P, at: "2026-01-01T10:00:00.000Z", of: read:report-17}
  leaves:
    - {state: 3, form: P, at: "2026-01-03T10:00:00.000Z", of: read:report-17}
    - {state: 3, form: P, at: "2026-01-02T10:00:00.000Z", of: read:report-17, day: 2026-01-02}
  merge: {state: 3, form: P, at: "2026-01-03T10:00:00.000Z", of: read:report-17, day: 2026-01-02}
`)).Conflict
	text, err := cases.Record(context.Background(), f, p, conflict, decided(p, conflict), cases.Recording{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	r := again(t, f, text)
	body := jsondoc.Value(r.Decision.Merge.Body)
	for path, want := range map[string]string{"state": "3", "form": `"P"`, "of": string(jsondoc.String(r.Conflict.ID)), "at": `"2001-01-03T10:00:00.000Z"`, "day": `"2001-01-02"`} {
		if got := string(body.Get(path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if !strings.HasPrefix(r.Conflict.ID, "read:") || strings.Contains(string(text), "report-17") {
		t.Errorf("the id is %s", r.Conflict.ID)
	}
}

func TestWhatASchemaListsStays(t *testing.T) {
	dir := t.TempDir()
	schema := `{"properties": {"sex": {"enum": ["male", "female"]}, "version": {"const": 12}}}`
	if err := os.WriteFile(dir+"/person.json", []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := policy.Parse("p.yaml", []byte("databases: [db]\npolicies: {default: {rules: [{name: all, schema: person.json}]}}\n"), dir, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	conflict := again(t, f, []byte(`
- name: x
  base: {sex: female, version: 12, age: 30, name: Ann}
  leaves: [{sex: male, version: 12, age: 30, name: Ann}, {sex: female, version: 12, age: 31, name: Ann}]
  merge: {sex: male, version: 12, age: 31, name: Ann}
`)).Conflict
	text, err := cases.Record(context.Background(), f, f.For("db"), conflict, decided(f.For("db"), conflict), cases.Recording{Redact: true})
	if err != nil {
		t.Fatal(err)
	}
	body := jsondoc.Value(again(t, f, text).Decision.Merge.Body)
	if string(body.Get("sex")) != `"male"` || string(body.Get("version")) != "12" || string(body.Get("age")) == "31" || body.Get("name").Text() == "Ann" {
		t.Errorf("%s", body)
	}
}

// TestALongSharedHistoryIsNotRecorded: each path of a document that was edited
// a thousand times has a thousand ids.
func TestALongSharedHistoryIsNotRecorded(t *testing.T) {
	f, p := generated(t)
	var trunk []couchmend.Rev
	for gen := 900; gen > 0; gen-- {
		trunk = append(trunk, couchmend.Rev{Gen: gen, Hash: "0123456789abcdef0123456789abcdef"})
	}
	leaf := func(hash, body string) couchmend.Revision {
		rev := couchmend.Rev{Gen: 901, Hash: strings.Repeat(hash, 32)}
		return couchmend.Revision{Rev: rev, Path: slices.Concat([]couchmend.Rev{rev}, trunk), Body: []byte(body)}
	}
	conflict := couchmend.Conflict{DB: "db", ID: "d", RevsLimit: 1000, Leaves: []couchmend.Revision{
		leaf("b", `{"type":"record","tags":["a"]}`), leaf("a", `{"type":"record","tags":["b"]}`),
	}}
	live := decided(p, conflict)
	text, err := cases.Record(context.Background(), f, p, conflict, live, cases.Recording{})
	if err != nil {
		t.Fatal(err)
	}
	if r := again(t, f, text); r.Decision.Merge == nil || r.Decision.Merge.Rev != live.Merge.Rev {
		t.Errorf("it is decided otherwise:\n%s", text)
	}
	if len(text) > 2000 {
		t.Errorf("the case has %d bytes", len(text))
	}
}

// TestAnyTextSurvivesRecording: ids, names and values may hold anything.
func TestAnyTextSurvivesRecording(t *testing.T) {
	f, p := generated(t)
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x7f\u0085\u2028\ufeff", "no", "- a: |", "#", "a\n\n b\n", "\U000e0001", `\u00e9"`, "'", ": "}))
		value := jsondoc.Object([]jsondoc.Member{
			{Name: "type", Value: jsondoc.String("record")},
			{Name: "x" + word.Draw(rt, "name"), Value: jsondoc.String(word.Draw(rt, "value"))},
		})
		rev := couchmend.MustRev("1-a")
		id := "i" + word.Draw(rt, "id")
		conflict := couchmend.Conflict{DB: "db", ID: id, RevsLimit: 1000, Leaves: []couchmend.Revision{
			{Rev: couchmend.MustRev("2-w"), Path: []couchmend.Rev{couchmend.MustRev("2-w"), rev}, Body: []byte(value)},
			{Rev: couchmend.MustRev("2-l"), Path: []couchmend.Rev{couchmend.MustRev("2-l"), rev}, Body: []byte(`{"type":"record"}`)},
		}, Bases: map[couchmend.Rev]couchmend.Revision{rev: {Rev: rev, Path: []couchmend.Rev{rev}, Body: []byte(`{"type":"record"}`)}}}
		live := decided(p, conflict)
		for _, redact := range []bool{false, true} {
			if _, err := cases.Record(context.Background(), f, p, conflict, live, cases.Recording{Redact: redact}); err != nil {
				rt.Fatal(err)
			}
		}
	})
}
