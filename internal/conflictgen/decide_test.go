package conflictgen_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// generatedRules is the policy of the generated documents.
func generatedRules(t testing.TB) decide.Rules {
	t.Helper()
	file, err := policy.Parse("generated.yaml", []byte(conflictgen.PolicyYAML()), t.TempDir(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := file.For("any")
	return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
}

func TestEveryDecisionIsTheOracles(t *testing.T) {
	rules := generatedRules(t)
	wrong := map[string]int{}
	smallest := map[string]conflictgen.Case{}
	reports := map[string]string{}
	for seed := range uint64(5) {
		for c := range conflictgen.New(seed, conflictgen.Options{Docs: 1000}).Docs() {
			conflict := c.Conflict("db")
			decision := decide.Decide(context.Background(), rules, conflict)
			why := misjudged(c, conflict, decision)
			if why == "" {
				continue
			}
			wrong[c.Scenario]++
			if old, ok := smallest[c.Scenario]; !ok || size(c) < size(old) {
				smallest[c.Scenario] = c
				reports[c.Scenario] = describe(c, fmt.Sprintf("seed %d, %s: %s %v", seed, c.ID, why, decision.Evidence))
			}
		}
	}
	for _, scenario := range conflictgen.Scenarios() {
		if wrong[scenario] > 0 {
			t.Errorf("%s: %d decisions are not the oracle's, such as\n%s", scenario, wrong[scenario], reports[scenario])
		}
	}
}

func size(c conflictgen.Case) int {
	n := 0
	for _, step := range c.Steps {
		for _, r := range step {
			n += len(r.Body)
		}
	}
	return n
}

func describe(c conflictgen.Case, report string) string {
	var b strings.Builder
	fmt.Fprintln(&b, report)
	for i, step := range c.Steps {
		for _, r := range step {
			fmt.Fprintf(&b, "  step %d %v deleted=%v\n    %s\n", i, r.Path, r.Deleted, r.Body)
		}
	}
	fmt.Fprintf(&b, "  want %s %s\n    %s\n", c.Want.Outcome, c.Want.Reason, c.Want.Body)
	return b.String()
}

// misjudged says in what a decision is not the expected one.
func misjudged(c conflictgen.Case, conflict couchmend.Conflict, d couchmend.Decision) string {
	want := c.Want
	switch {
	case d.Outcome != want.Outcome:
		return fmt.Sprintf("want %s %s, got %s %s", want.Outcome, want.Reason, d.Outcome, d.Reason)
	case d.Reason != want.Reason:
		return fmt.Sprintf("want review for %s, got %s", want.Reason, d.Reason)
	case d.Merge == nil:
		return ""
	}
	if diff := conflictgen.Difference(want.Body, jsondoc.Value(d.Merge.Body)); diff != "" {
		return diff
	}
	return otherFiles(want.Attachments, d.Merge.Attachments, conflict)
}

func otherFiles(want map[string][]byte, got []couchmend.Attachment, conflict couchmend.Conflict) string {
	if len(got) != len(want) {
		return fmt.Sprintf("want %d attachments, got %d", len(want), len(got))
	}
	for _, a := range got {
		content := a.Data
		if content == nil { // a stub: the bytes of the leaf that it is from
			leaf := slices.IndexFunc(conflict.Leaves, func(r couchmend.Revision) bool { return r.Rev == a.From })
			if leaf < 0 {
				return fmt.Sprintf("attachment %q is from no leaf", a.Name)
			}
			for _, theirs := range conflict.Leaves[leaf].Attachments {
				if theirs.Name == a.Name {
					content = theirs.Data
				}
			}
		}
		if data, ok := want[a.Name]; !ok || !bytes.Equal(data, content) {
			return fmt.Sprintf("attachment %q is not the expected one", a.Name)
		}
	}
	return ""
}
