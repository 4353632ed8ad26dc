package cases_test

import (
	"context"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// generated is the policy of generated conflicts.
func generated(t testing.TB) (*policy.File, *policy.Policy, decide.Rules) {
	t.Helper()
	f, err := policy.Parse("generated.yaml", []byte(conflictgen.PolicyYAML()), t.TempDir(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p := f.For("any")
	return f, p, func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
}

// TestARecordedCaseDecidesAsTheDocument is for every kind of conflict that is
// generated. Record itself checks the decision; here it is checked once more
// that the expectation that it writes is the live decision's.
func TestARecordedCaseDecidesAsTheDocument(t *testing.T) {
	f, p, rules := generated(t)
	ctx := context.Background()
	for seed := range uint64(2) {
		for c := range conflictgen.New(seed, conflictgen.Options{Docs: 300}).Docs() {
			conflict := c.Conflict("db")
			live := decide.Decide(ctx, rules, conflict)
			text, err := cases.Record(ctx, f, p, conflict, live, cases.Recording{})
			if err != nil {
				t.Fatalf("%s: %v", c.ID, err)
			}
			all, err := cases.Parse("recorded", []byte(cases.Head+string(text)), f)
			if err != nil || len(all) != 1 {
				t.Fatalf("%s: %v\n%s", c.ID, err, text)
			}
			r := all[0].Run(ctx)
			if !r.Passed() || r.Decision.Outcome != live.Outcome || live.Merge != nil && r.Decision.Merge.Rev != live.Merge.Rev {
				t.Fatalf("%s\n%s\n%s", c.ID, r, text)
			}
		}
	}
}

func TestARedactedCaseIsOfOneKindWithTheDocument(t *testing.T) {
	f, p, rules := generated(t)
	ctx := context.Background()
	constants := []string{"record", "lamport", "vector"}
	_ = constants
	refused := map[string]int{}
	for seed := range uint64(2) {
		for c := range conflictgen.New(seed, conflictgen.Options{Docs: 300}).Docs() {
			conflict := c.Conflict("db")
			live := decide.Decide(ctx, rules, conflict)
			text, err := cases.Record(ctx, f, p, conflict, live, cases.Recording{Redact: true})
			if err != nil {
				refused[c.Scenario]++
				t.Logf("%s: %v", c.ID, err)
				continue
			}
			if live.Outcome == couchmend.Merge && strings.Contains(c.ID, "-000007") {
				t.Logf("%s", text)
			}
		}
	}
	t.Error(refused)
}
