package cases_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

// FuzzCases: any text is cases that can be run, or a usage error with places in
// the file.
func FuzzCases(f *testing.F) {
	if text, err := os.ReadFile("../../examples/medic.cases.yaml"); err == nil {
		f.Add(text)
	}
	for _, text := range []string{
		"cases: [{name: a, leaves: [{a: 1}, {_deleted: true}], any_winner: true, outcome: keep}]",
		"cases: [{name: a, base: &a {x: 1e5}, leaves: [{<<: *a}, *a], roots: apart, merge: *a}]",
		"cases: [{name: a, revisions: [{rev: 1-a}, {rev: 3-b, parent: 1-a, contains: incomplete, doc: {}}], outcome: bury}]",
		"cases:\n- name: a\n  leaves:\n  - |\n    {\"_rev\":\"2-a\",\"_revisions\":{\"start\":2,\"ids\":[\"a\",\"b\"]},\"_attachments\":{\"a\":{\"data\":\"eA==\"}}}\n  review: {reason: schema, violations: ['']}\n",
		"cases: [{name: a, leaves: [], outcome: nothing}, {name: b, revisions: [], outcome: nothing}, {name: c, leaves: [{_deleted: true}], any_winner: true, outcome: nothing}]",
		"cases: [a\n", "? [a]\n: b\n", "\xff\xfe", "a: !!binary x\n", "--- a\n--- b\n",
	} {
		f.Add([]byte(text))
	}
	p, err := policy.Parse("p.yaml", []byte("databases: [db]\n"), ".", policy.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := cases.Parse("c.yaml", text, p)
		if err != nil {
			var problems policy.Problems
			if couchmend.KindOf(err) != couchmend.KindUsage || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not a usage error with its places: %v", err)
			}
			for _, p := range problems { // YAML has more line breaks than \n
				if p.Line < 1 || p.Column < 1 || p.Line > len(text)+1 || p.Column > len(text)+1 {
					t.Fatalf("no place in a text of %d bytes: %v", len(text), p)
				}
			}
			return
		}
		for i := range all[:min(len(all), 20)] {
			r := all[i].Run(context.Background())
			_ = r.String()
			if _, err := r.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
