package laws

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// tries is how many conflicts are made up for a rule: COUCHMEND_LAWS_RUNS, or few
// enough for every test run.
func tries(few int) int {
	if n, err := strconv.Atoi(os.Getenv("COUCHMEND_LAWS_RUNS")); err == nil {
		return n
	}
	return few
}

// ruled is a subject with one rule, written as in a policy file.
func ruled(t *testing.T, rule string) Subject {
	t.Helper()
	return ruledWhen(t, "{ type: visit }", rule)
}

func ruledWhen(t *testing.T, when, rule string) Subject {
	t.Helper()
	text := "databases: [db]\npolicies:\n  default:\n    rules:\n      - { name: it, when: " + when + ", " + rule + " }\n"
	f, err := policy.Parse("policy.yaml", []byte(text), t.TempDir(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Subject{Policy: f.Policies["default"]}
}

func TestStrategiesKeepWhatIsPromisedOfThem(t *testing.T) {
	for rule, shaken := range map[string][]Law{ // laws that may end in a warning
		`fields: { a: union, b: union }`:                                                   nil,
		`fields: { a: max, b: min }`:                                                       nil,
		`fields: { a: { latest: a_at } }, collision: merge`:                                {Associative, Agreement},              // one value may be written twice
		`fields: { a: sum, b: sum }`:                                                       {Commutative, Associative, Agreement}, // a removal may be reviewed, or not
		`fields: { a: append }`:                                                            {Commutative, Associative, Agreement},
		`fields: { a: text }`:                                                              {Commutative, Associative, Agreement},
		`fields: { a: { by_key: id }, "a.*.n": sum, "a.*.m": max }`:                        {Commutative, Associative, Agreement},
		`fields: { "**": winner }, no_base: strategies`:                                    {Commutative, Idempotent, Associative, Agreement},
		`clock: { lamport: n }, fields: { "**": latest }`:                                  {Commutative, Idempotent, Associative, Agreement},
		`clock: { vector: v }, fields: { a: union }`:                                       {Commutative, Associative, Agreement},
		`soft_delete: { field: gone, wins: delete }, fields: { a: union, b: sum }`:         {Commutative, Idempotent, Associative, Agreement},
		`fields: { "a.*": { latest: at } }`:                                                {Commutative, Idempotent, Associative, Agreement},
		`fields: { read: union, "sub.**": max, "tasks": { by_key: id } }, deletes: review`: {Commutative, Associative, Agreement},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			report := Check(t.Context(), ruled(t, rule), Options{Seed: 3, Runs: tries(40), Time: time.Minute})[0]
			if report.Merged == 0 {
				t.Errorf("nothing was merged: %+v", report)
			}
			for _, v := range report.Laws {
				if v.Status == OK || v.Status == Warning && slices.Contains(shaken, v.Law) {
					continue
				}
				text, _ := json.Marshal(v)
				t.Errorf("%s: %s: %s", v.Law, v.Status, text)
			}
		})
	}
}

func TestWhatIsNoJoinIsWarnedOfWithItsReason(t *testing.T) {
	for rule, says := range map[string]string{
		`fields: { "**": winner }`:                        "winner: which revision wins depends on what was merged first",
		`clock: { lamport: n }, fields: { "**": latest }`: "latest by the document's clock n",
		`fields: { "a.*": { latest: at } }`:               "a clock that stands beside several fields",
	} {
		report := Check(t.Context(), ruled(t, rule), Options{Runs: 60, Time: time.Minute})[0]
		v := verdictOn(report, Associative)
		if v.Status != Warning || !slices.ContainsFunc(v.Because, func(e Explanation) bool { return strings.Contains(e.Text, says) }) {
			t.Errorf("%s: %s %+v, want a warning that says %q", rule, v.Status, v.Because, says)
		}
		if !slices.ContainsFunc(report.Promises, func(p Promise) bool { return strings.HasPrefix(p.Expected, "not associative") }) {
			t.Errorf("%s: promises %+v", rule, report.Promises)
		}
	}
}

func TestTheSameSeedShowsTheSame(t *testing.T) {
	check := func(seed uint64) []byte {
		text, err := json.Marshal(Check(t.Context(), ruled(t, `fields: { "**": winner, n: sum }`), Options{Seed: seed, Runs: 8, Time: time.Minute}))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if !bytes.Equal(check(5), check(5)) {
		t.Error("two checks with one seed differ")
	}
	if bytes.Equal(check(5), check(6)) {
		t.Error("two seeds show the same: the seed is of no use")
	}
}

func TestPoliciesOfTheExamplesFailNoLaw(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		if strings.HasSuffix(file, ".cases.yaml") {
			continue
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			for _, s := range loaded(t, file) {
				report := Report{Findings: Static(s), Rules: Check(t.Context(), s, Options{Seed: 1, Runs: tries(6), Time: 20 * time.Second})}
				if report.Failed(false) {
					text, _ := json.MarshalIndent(report, "", " ")
					t.Errorf("%s", text)
				}
			}
		})
	}
}

func TestCounterexamplesAreSmall(t *testing.T) {
	s := loaded(t, "testdata/bad/adds-up.yaml")[0]
	full := Question{
		ID:   "doc",
		Base: jsondoc.MustParse(`{"type":"visit","count":712,"nurse":"ada","tags":["x","y"],"place":{"village":"here","hut":7},"note":"long text"}`),
		Leaves: []jsondoc.Value{
			jsondoc.MustParse(`{"type":"visit","count":713,"nurse":"ada","tags":["x","y","z"],"place":{"village":"here","hut":7},"note":"longer text"}`),
			jsondoc.MustParse(`{"type":"visit","count":717,"nurse":"bo","tags":["y"],"place":{"village":"there","hut":7},"note":"long text"}`),
			jsondoc.MustParse(`{"type":"visit","count":719,"nurse":"ada","tags":["x","y"],"place":{"village":"here","hut":8},"note":"other text"}`),
		},
	}
	s.Cases = []Question{full}
	v := verdictOn(Check(t.Context(), s, Options{Runs: 1, Time: time.Minute})[0], Associative)
	if v.Status != Failed || !v.Example.Shrunk {
		t.Fatalf("%+v", v)
	}
	for _, leaf := range v.Example.Leaves {
		if n := len(jsondoc.Value(leaf).Members()); n > 2 || len(leaf) > len(`{"type":"visit","count":0}`) {
			t.Errorf("%s is not small", leaf)
		}
	}
}

func TestFieldsThatDifferAndThatNothingCoversAreCounted(t *testing.T) {
	s := ruled(t, `fields: { read: union, secret: review }`)
	for _, lmp := range []string{"b", "c", "a"} {
		s.Samples = append(s.Samples, Question{
			ID:   "doc",
			Base: jsondoc.MustParse(`{"type":"visit","fields":{"lmp":"a"},"read":[],"secret":0}`),
			Leaves: []jsondoc.Value{
				jsondoc.MustParse(`{"type":"visit","fields":{"lmp":"x"},"read":[1],"secret":1}`),
				jsondoc.MustParse(`{"type":"visit","fields":{"lmp":"` + lmp + `"},"read":[2],"secret":2}`),
			},
		})
	}
	found := Static(s)
	want := "fields.lmp differs in 2 of 3 sampled conflicts and no strategy covers it: they go to review"
	if len(found) != 1 || found[0].Text != want {
		t.Errorf("got %+v, want %q", found, want)
	}
}

func TestAClockThatCountsOtherEditsTooIsFound(t *testing.T) {
	s := ruled(t, `fields: { lmp: { latest: updated_at } }`)
	s.Samples = []Question{{
		ID:   "doc",
		Base: jsondoc.MustParse(`{"type":"visit","lmp":"a","updated_at":1}`),
		Leaves: []jsondoc.Value{
			jsondoc.MustParse(`{"type":"visit","lmp":"b","updated_at":2}`),
			jsondoc.MustParse(`{"type":"visit","lmp":"a","updated_at":3,"note":"x"}`),
		},
	}}
	found := Static(s)
	if len(found) != 1 || !strings.Contains(found[0].Text, "updated_at, which counts up in 1 of 1 given edits that leave the value as it was") {
		t.Errorf("%+v", found)
	}
}

func TestQuestionsLeaveOutWhatCouchDBAdds(t *testing.T) {
	docs := []jsondoc.Value{
		jsondoc.MustParse(`null`),
		jsondoc.MustParse(`{"_id":"d","_rev":"2-a","n":1}`),
		jsondoc.MustParse(`{"_id":"d","_rev":"2-b","n":2,"_attachments":{}}`),
	}
	q, ok := OfDocuments(docs, "")
	if !ok || q.ID != "d" || q.Base != nil || string(q.Leaves[1]) != `{"n":2}` {
		t.Errorf("%v %+v", ok, q)
	}
	if _, ok := OfDocuments(docs[:2], ""); ok {
		t.Error("one leaf is no conflict")
	}
}

func TestMarksKeepWhatIsMergedApartFromCountingTwice(t *testing.T) {
	rule := &merge.Rule{Name: "r", Fields: []merge.Field{{Pattern: merge.Path{"n"}, Strategy: merge.Strategy{Kind: merge.Sum}}}}
	tr := &trial{rules: func(string, jsondoc.Value) *merge.Rule { return rule }, rule: rule}
	q := Question{ID: "doc", Base: jsondoc.MustParse(`{"n":10}`), Leaves: []jsondoc.Value{
		jsondoc.MustParse(`{"n":11}`), jsondoc.MustParse(`{"n":12}`), jsondoc.MustParse(`{"n":14}`),
	}}
	p := plant(q, upward(3))
	for _, a := range append(tr.chains(t.Context(), q, p), tr.crossings(t.Context(), q, p)...) {
		if string(a.Body) != `{"n":17}` {
			t.Errorf("%s: %s, want 17: each edit once", a.How, a.Body)
		}
	}
}

func TestFieldNamesAreReadFromResolvers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r.star"), []byte(`def resolve(b, rs): return rs[0]["visits"] + rs[1]['lmp'] # "_id"`), 0o644); err != nil {
		t.Fatal(err)
	}
	rule := &merge.Rule{Resolver: nil, ResolverName: "starlark r.star"}
	if names := FieldNames(dir, rule); names != nil {
		t.Errorf("a rule without a resolver: %v", names)
	}
	s := loaded(t, "testdata/bad/adds-up.yaml")[0]
	rule.Resolver = s.Policy.Rules[0].Resolver
	if names := FieldNames(dir, rule); !slices.Equal(names, []string{"visits", "lmp"}) {
		t.Errorf("got %v", names)
	}
	rule.ResolverName = "exec ../r.star"
	if names := FieldNames(filepath.Join(dir, "sub"), rule); names != nil {
		t.Errorf("read outside the policy's folder: %v", names)
	}
}
