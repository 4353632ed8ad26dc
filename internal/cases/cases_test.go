package cases_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

const reports = `
databases: [{match: medic, policy: medic}, {match: other, policy: other}]
policies:
  medic:
    rules:
      - name: reports
        when: {type: report}
        fields: {read: union, visits: sum, log: append}
        attachments: keep_both
      - name: tasks
        when: {type: task}
        deletes: delete_wins
  other: {otherwise: merge}
`

func parsedPolicy(t testing.TB, text string) *policy.File {
	t.Helper()
	f, err := policy.Parse("p.yaml", []byte(text), t.TempDir(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// only runs the only case of a text.
func only(t *testing.T, text string) cases.Result {
	t.Helper()
	all, err := cases.Parse("c.yaml", []byte("policy: medic\ncases:\n- name: x\n  "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")), parsedPolicy(t, reports))
	if err != nil {
		t.Fatal(err)
	}
	return all[0].Run(context.Background())
}

func TestACaseFailsWhereThePolicyDoesOtherwise(t *testing.T) {
	const conflict = `
base: {type: report, visits: 1, read: []}
leaves: [{type: report, visits: 2, read: [a]}, {type: report, visits: 3, read: [b]}]
`
	for _, c := range []struct{ about, text, want string }{
		{"nothing is wrong", conflict + `merge: {type: report, visits: 4, read: [a, b]}`, ""},
		{"another order of members", conflict + `merge: {visits: 4, type: report, read: [a, b]}`, ""},
		{"another order, and it counts", conflict + "merge: {visits: 4, type: report, read: [a, b]}\nexact: true", "another order"},
		{"another value", conflict + `merge: {type: report, visits: 5, read: [a, b]}`, "visits\n        want  5\n        got   4\n              sum: from the winner, leaf 2"},
		{"a float for an integer", conflict + `merge: {type: report, visits: 4.0, read: [a, b]}`, "want  4.0"},
		{"a text for a number", conflict + `merge: {type: report, visits: "4", read: [a, b]}`, `want  "4"`},
		{"a member more", conflict + `merge: {type: report, visits: 4, read: [a, b], c: null}`, "c\n        want  null\n        got   (absent)"},
		{"a member less", conflict + `merge: {type: report, read: [a, b]}`, "want  (absent)\n        got   4"},
		{"an element of an array", conflict + `merge: {type: report, visits: 4, read: [a, c]}`, "read.1\n        want  \"c\"\n        got   \"b\"\n              union"},
		{"a review that does not come", conflict + `review: overlap`, "want review (overlap), got merge"},
		{"another outcome", conflict + `outcome: delete`, "want delete, got merge"},
		{"another rule", conflict + "merge: {type: report, visits: 4, read: [a, b]}\nrule: tasks", "want the rule tasks, got medic/reports"},
		{"the rule", conflict + "merge: {type: report, visits: 4, read: [a, b]}\nrule: reports", ""},
		{"another origin", conflict + "merge: {type: report, visits: 4, read: [a, b]}\nfields: {visits: max}", `want visits by "max", got "sum"`},
		{"no origin", conflict + "merge: {type: report, visits: 4, read: [a, b]}\nfields: {type: union}", "does not differ"},
		{"an attachment that is not there", conflict + "merge: {type: report, visits: 4, read: [a, b]}\nattachments: [a.png]", `has no attachment "a.png"`},
		{"a merge that does not come", `
leaves: [{type: report, visits: 2}, {type: report, visits: 3}]
merge: {type: report, visits: 3}`, "want merge, got review (no_base)\n        visits:"},
		{"another reason", `
leaves: [{type: report, visits: 2}, {type: report, visits: 3}]
review: overlap`, "want review (overlap), got review (no_base)"},
		{"other words", `
leaves: [{type: report, visits: 2}, {type: report, visits: 3}]
review: {reason: no_base, says: [visits, the winner, colour]}`, `does not say "colour"`},
		{"an attachment that nobody expects", `
base: {type: report}
leaves: [{type: report, a: 1}, {type: report, _attachments: {a.png: {text: x}}}]
merge: {type: report, a: 1}`, `an attachment "a.png" that the case does not expect`},
		{"another content", `
base: {type: report}
leaves: [{type: report, a: 1}, {type: report, _attachments: {a.png: {text: x}}}]
merge: {type: report, a: 1, _attachments: {a.png: {text: y}}}`, `"a.png" is not the expected one, but that of leaf 2`},
		{"the winner's body, whatever it is called", `
base: {type: report}
leaves: [{type: report, a: 1}, {type: report, a: 1}]
merge: {type: report, a: 1}`, ""},
		{"an outcome that depends on the winner", `
base: {type: report, log: []}
leaves: [{type: report, log: [a]}, {type: report, log: [b]}]
any_winner: true
merge: {type: report, log: [a, b]}`, "where leaf 2 wins"},
	} {
		r := only(t, c.text)
		switch report := r.String(); {
		case r.Passed() != (c.want == ""):
			t.Errorf("%s: passed %v\n%s", c.about, r.Passed(), report)
		case !r.Passed() && !strings.Contains(report, c.want):
			t.Errorf("%s: want %q in\n%s", c.about, c.want, report)
		}
	}
}

func TestOutcomesWithoutAMergeCanBeExpected(t *testing.T) {
	for _, text := range []string{
		"base: {type: report}\nleaves: [{type: report, a: 1}, {_deleted: true}]\noutcome: nothing",
		"base: {type: task}\nleaves: [{type: task, a: 1}, {_deleted: true}]\noutcome: delete",
		"base: {type: task}\nleaves: [{_deleted: true}, {type: task, a: 1}]\noutcome: delete",
		"base: {type: report}\nleaves: [{type: report, a: 1}, {type: report, a: 1}]\noutcome: keep",
		"roots: apart\nleaves: [{type: report, a: 1}, {type: report, a: 2}]\nreview: two_roots",
		"id: _design/x\nleaves: [{a: 1}, {a: 2}]\nreview: design_document",
		"revs_limit: 20\nleaves: [{type: report, a: 1}, {type: report, a: 2}]\nreview: revs_limit",
		"db: other\nbase: {a: 1}\nleaves: [{a: 1, b: 1}, {a: 1, c: 1}]\nmerge: {a: 1, b: 1, c: 1}",
		"leaves: [{_deleted: true}]\noutcome: nothing",
	} {
		if r := only(t, text); !r.Passed() {
			t.Errorf("%s\n%s", text, r)
		}
	}
}

// asks is a resolver that answers with words.
type asks struct{}

func (asks) Resolve(context.Context, *couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
	return nil, fmt.Errorf("ask the clinic: %w", couchmend.ErrReview)
}

func TestSchemasAndResolversAreAskedAsInALiveConflict(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/s.json", []byte(`{"properties": {"n": {"type": "integer"}}, "required": ["name"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := policy.Parse("p.yaml", []byte(`
databases: [db]
policies:
  default:
    rules:
      - {name: asked, when: {type: asked}, resolver: {go: asks}}
      - {name: checked, schema: s.json}
`), dir, policy.Options{Resolvers: map[string]couchmend.Resolver{"asks": asks{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	run := func(expectation string) cases.Result {
		all, err := cases.Parse("c.yaml", []byte("cases:\n- name: x\n  base: {name: a, n: 1}\n  leaves: [{name: a, n: x}, {n: 1}]\n  review: "+expectation+
			"\n- name: y\n  base: {type: asked}\n  leaves: [{type: asked, a: 1}, {type: asked, b: 1}]\n  review: {reason: resolver, says: ask the clinic}"), f)
		if err != nil {
			t.Fatal(err)
		}
		if r := all[1].Run(context.Background()); !r.Passed() {
			t.Error(r)
		}
		return all[0].Run(context.Background())
	}
	if r := run(`{reason: schema, violations: [/n, ""]}`); !r.Passed() {
		t.Error(r)
	}
	if r := run(`{reason: schema, violations: [/n]}`); r.Passed() || !strings.Contains(r.String(), `want violations at ["/n"], got them at ["" "/n"]`) {
		t.Error(r)
	}
}

func TestABaseThatNoDecisionAsksForIsNotLookedAt(t *testing.T) {
	r := only(t, `
bases:
  - {_rev: 1-a, type: report, state: x}
leaves:
  - {_rev: 3-w, _revisions: {start: 3, ids: [w, b, a]}, type: report, state: y}
  - {_rev: 3-l, _revisions: {start: 3, ids: [l, b, a]}, type: report, state: x}
review: no_base`)
	if !r.Passed() {
		t.Errorf("an older ancestor stood in for the exact base:\n%s", r)
	}
}

func TestMistakesInCasesAreToldWithTheirPlaces(t *testing.T) {
	f := parsedPolicy(t, reports)
	for text, want := range map[string]string{
		"":                       "", // no cases
		"[]":                     "1:1: the file of cases is a list: want a mapping",
		"policy: medic":          "1:1: cases is missing",
		"cases: 7":               `1:8: cases is "7": want a list`,
		"cases: [":               "1:8: not YAML",
		"cases:\n- name: x\n\tb": "not YAML",
		"cases: [a]":             `1:9: case 1 is "a": want a mapping`,
		"cases:\n- leaves: [{}]\n  outcome: nothing\n  policy: medic":          "2:3: the case has no name",
		"cases:\n- name: x\n  leaves: [{}]\n  outcome: nothing":                "2:3: the case names no policy: add policy, one of medic, other",
		"cases:\n- name: x\n  db: nowhere\n  leaves: [{}]\n  outcome: nothing": `3:7: the policy file names no database "nowhere"`,
		item("leaves: [{}]"): "3:3: the case expects nothing",
		item("leaves: [{}]\n  outcome: nothing\n  review: overlap"):                             "6:11: the case expects two things",
		item("leaves: []\n  outcome: nothing"):                                                  "3:3: the case has no leaves",
		item("revisions: []\n  outcome: nothing"):                                               "4:14: the case has no leaves",
		item("leaves: [{_deleted: true}]\n  any_winner: true\n  outcome: nothing"):              "5:15: any_winner goes with a leaf that is alive",
		item("outcome: nothing"):                                                                "3:3: the case has no leaves",
		item("leaves: [{}]\n  outcome: nothing\n- name: x"):                                     `two cases are called "x": line 3 has the other`,
		item("leaves: [{a: 1, a: 2}]\n  outcome: nothing"):                                      `key "a" stands twice in leaf 1`,
		item("leaves:\n    - |\n      {\"a\": 1,\n       \"b\" 2}\n  outcome: nothing"):         "7:12: leaf 1 is no JSON",
		item("leaves:\n    - |\n      {\"a\": 1, \"a\": 2}\n  outcome: nothing"):                "6:16: leaf 1 is no JSON: duplicate object member",
		item("leaves: [{n: 0x10}]\n  outcome: nothing"):                                         "0x10 in leaf 1 is no number of JSON's",
		item("leaves: [{_rev: x}]\n  outcome: nothing"):                                         "_rev of leaf 1:",
		item("leaves: [{_conflicts: []}]\n  outcome: nothing"):                                  "_conflicts of leaf 1: take it out",
		item("leaves: [{_deleted: 1}]\n  outcome: nothing"):                                     "_deleted of leaf 1: want true or false",
		item("leaves: [{_rev: 2-a}]\n  outcome: nothing"):                                       "leaf 1 has a _rev and no _revisions",
		item("leaves: [{_rev: 2-a, _revisions: {start: 2, ids: [b]}}]\n  outcome: nothing"):     "_revisions of leaf 1 begin with 2-b",
		item("leaves: [{_revisions: {start: 1, ids: [b, a]}}]\n  outcome: nothing"):             "_revisions of leaf 1: want",
		item("leaves: [{_attachments: {a: {}}}]\n  outcome: nothing"):                           `_attachments of leaf 1: "a": want text, data, or length and digest`,
		item("leaves: [{_attachments: {a: {data: '*'}}}]\n  outcome: nothing"):                  `"a": data: illegal base64`,
		item("base: {_rev: 1-a}\n  leaves: [{_rev: 2-a}, {_rev: 2-b}]\n  outcome: nothing"):     "2-a is listed first, but CouchDB's winner is 2-b",
		item("base: {_rev: 1-a}\n  leaves: [{_rev: 2-a}, {_rev: 2-a}]\n  outcome: nothing"):     "the revision 2-a stands there twice",
		item("bases: [{}, {}]\n  leaves: [{}]\n  outcome: nothing"):                             "base 1 has no _rev: where there are several",
		item("id: x\n  leaves: [{_id: y}]\n  outcome: nothing"):                                 `its _id is "y", and the case is about "x"`,
		item("leaves: [{}]\n  roots: two\n  outcome: nothing"):                                  `roots is "two": want one`,
		item("leaves: [{}]\n  any_winner: 1\n  outcome: nothing"):                               `any_winner of case 1 is "1": want true or false`,
		item("base: {_rev: 1-a}\n  leaves: [{_rev: 2-a}]\n  any_winner: true\n  outcome: keep"): "any_winner goes with leaves that have no _rev",
		item("leaves: [{}]\n  review: write_refused"):                                           `no decision has the reason "write_refused"`,
		item("leaves: [{}]\n  review: {says: x}"):                                               "review has no reason",
		item("leaves: [{}]\n  outcome: merge"):                                                  "merge and review have keys of their own",
		item("leaves: [{}]\n  merge: {_deleted: true}"):                                         "merge has _rev or _deleted",
		item("leaves: [{}]\n  merge: {_attachments: {a: {text: x}}}\n  attachments: [a]"):       "want one of them",
		item("revisions: []\n  leaves: [{}]\n  outcome: nothing"):                               "revisions are a whole tree",
		item("revisions: [{rev: 1-a}]\n  outcome: nothing"):                                     "1-a is a leaf and has no doc",
		item("revisions: [{rev: 2-a, parent: 1-a, doc: {}}]\n  outcome: nothing"):               "the parent 1-a is none of the revisions above",
		item("revisions: [{rev: 1-a}, {rev: 3-b, parent: 1-a, doc: {}}]\n  outcome: nothing"):   "3-b is of generation 2",
		item("revisions: [{rev: 1-a, contains: 1-b, doc: {}}]\n  outcome: nothing"):             "a first revision contains nothing",
		item("revisions: [{doc: {}}]\n  outcome: nothing"):                                      "a revision has no rev",
		item("leaves: [<<: 1]\n  outcome: nothing"):                                             "<< in leaf 1 is",
	} {
		all, err := cases.Parse("c.yaml", []byte(text), f)
		var problems policy.Problems
		switch {
		case want == "" && (err != nil || len(all) > 0):
			t.Errorf("%q: %v %v", text, all, err)
		case want == "":
		case couchmend.KindOf(err) != couchmend.KindUsage || !errors.As(err, &problems):
			t.Errorf("%q: not told: %v", text, err)
		case !slices.ContainsFunc(problems, func(p policy.Problem) bool { return strings.Contains(p.Error(), want) }):
			t.Errorf("%q\n got %v\nwant %s", text, err, want)
		}
	}
}

// item is a file with one case.
func item(text string) string { return "policy: medic\ncases:\n- name: x\n  " + text }

func TestTheCasesOfAPolicyAreThoseThatBearItsName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "a.cases.yaml", "a.more.cases.yaml", "ab.cases.yaml", "cases.yaml", "a.mycases.yaml", "a.cases.yaml.bak"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := cases.Files(filepath.Join(dir, "a.yaml"))
	want := []string{filepath.Join(dir, "a.cases.yaml"), filepath.Join(dir, "a.more.cases.yaml")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAReportFitsIntoEightyColumnsAndShowsWhereLongValuesDiffer(t *testing.T) {
	long := strings.Repeat("word ", 60)
	r := only(t, `
base: {type: report, text: x}
leaves: [{type: report, text: "`+long+`here `+long+`"}, {type: report, text: x, more: 1}]
merge: {type: report, text: "`+long+`there `+long+`", more: 1}`)
	report := r.String()
	for line := range strings.Lines(report) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(report, "here word") || !strings.Contains(report, "there word") {
		t.Errorf("it cannot be seen where they differ:\n%s", report)
	}
}

func TestAResultIsJSONWithTheExactValues(t *testing.T) {
	r := only(t, `
base: {type: report, n: 1}
leaves: [{type: report, n: 12345678901234567890}, {type: report, n: 1}]
merge: {type: report, n: 1.0}`)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"passed":false`, `{"path":"n","want":1.0,"got":12345678901234567890,"why":"changed on one side: from the winner"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
}
