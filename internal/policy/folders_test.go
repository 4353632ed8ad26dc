package policy_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

// folders are the ready-made policies, each with all that belongs to it.
func folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../../examples/*/couchmend.yaml")
	if err != nil || len(found) < 4 {
		t.Fatalf("the ready-made policies are %v, %v", found, err)
	}
	return found
}

func loadFolder(t *testing.T, name string) *policy.File {
	t.Helper()
	f, err := policy.Load(name, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEveryReadyMadePolicyLoadsWithoutAWarning(t *testing.T) {
	for _, name := range folders(t) {
		if f := loadFolder(t, name); len(f.Warnings) > 0 {
			t.Error(name, f.Warnings)
		}
	}
}

func TestEveryRuleOfAReadyMadePolicyIsExplainedAndHasACase(t *testing.T) {
	for _, name := range folders(t) {
		f := loadFolder(t, name)
		all, err := cases.Load(name, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) < 12 {
			t.Errorf("%s has %d cases", name, len(all))
		}
		readme, err := os.ReadFile(filepath.Join(filepath.Dir(name), "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Policies {
			tried := map[string]bool{}
			for i := range all {
				if all[i].Policy == p {
					tried[all[i].Run(t.Context()).Decision.Rule] = true
				}
			}
			for _, rule := range p.Rules {
				_, short, _ := strings.Cut(rule.Name, "/")
				switch {
				case short == "otherwise", rule.Name == "builtin":
				case !strings.Contains(string(readme), "`"+short+"`"):
					t.Errorf("the README beside %s does not say what becomes of %s", name, short)
				case !tried[rule.Name]:
					t.Errorf("no case beside %s is about the rule %s", name, short)
				}
			}
		}
	}
}

var quotedFile = regexp.MustCompile(`(resolvers|schemas)/[\w./-]+|[\w-]+\.json`)

func TestNoFileOfAReadyMadePolicyIsForgotten(t *testing.T) {
	for _, name := range folders(t) {
		dir := os.DirFS(filepath.Dir(name))
		named := map[string]bool{}
		var files []string
		err := fs.WalkDir(dir, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(file) == ".md" || strings.HasSuffix(file, "cases.yaml") {
				return err
			}
			text, err := fs.ReadFile(dir, file)
			for _, other := range quotedFile.FindAllString(string(text), -1) {
				named[path.Base(other)] = true
			}
			files = append(files, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file != "couchmend.yaml" && !named[path.Base(file)] {
				t.Errorf("nothing beside %s names %s", name, file)
			}
		}
	}
}
