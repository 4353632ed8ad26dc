package cases_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

// load is the one place at which these tests read a policy file.
func load(t *testing.T, name string) *policy.File {
	t.Helper()
	f, err := policy.Load(name, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestEveryCaseOfTheExamplesPasses runs the cases beside each policy under
// examples, whichever there are.
func TestEveryCaseOfTheExamplesPasses(t *testing.T) {
	var files []string
	for _, glob := range []string{"../../examples/*.cases.yaml", "../../examples/*/*.cases.yaml"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatal("no example has cases")
	}
	for _, name := range files {
		policyFile := policyOf(t, name)
		t.Run(strings.TrimPrefix(name, "../../examples/"), func(t *testing.T) {
			if _, err := exec.LookPath("node"); err != nil && strings.HasSuffix(name, ".node.cases.yaml") {
				t.Skip("there is no node on PATH, and these cases' resolvers are in JavaScript")
			}
			all, err := cases.Load(policyFile, load(t, policyFile))
			if err != nil {
				t.Fatal(err)
			}
			for i := range all {
				if all[i].File != name {
					continue
				}
				if r := all[i].Run(context.Background()); !r.Passed() {
					t.Error("\n" + r.String())
				}
			}
		})
	}
}

// policyOf is the policy beside which a file of cases stands.
func policyOf(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(name), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, candidate := range found {
		if files, err := cases.Files(candidate); err == nil {
			for _, f := range files {
				if f == name {
					return candidate
				}
			}
		}
	}
	t.Fatalf("%s stands beside no policy", name)
	return ""
}
