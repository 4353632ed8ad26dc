package cases_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

const page = "../../docs/policy-tests.md"

// yamlBlock is a block of YAML in Markdown: the policy, or items of cases.
var yamlBlock = regexp.MustCompile("(?ms)^```yaml( policy)?\n(.*?)^```$")

func TestEveryExampleOfTheReferencePasses(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if fences := strings.Count(string(text), "```yaml"); len(blocks) != fences || fences < 8 {
		t.Fatalf("%d of %d examples were found", len(blocks), fences)
	}
	var f *policy.File
	for _, b := range blocks {
		if len(b[1]) > 0 {
			if f, err = policy.Parse(page, b[2], ".", policy.Options{}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		all, err := cases.Parse(page, []byte(cases.Head+string(b[2])), f)
		if err != nil {
			t.Errorf("%s\n%v", b[2], err)
		}
		for i := range all {
			if r := all[i].Run(context.Background()); !r.Passed() {
				t.Error("\n" + r.String())
			}
		}
	}
}

func TestTheReferenceNamesEveryKeyOfACase(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"nonsense: 1", "cases: [{nonsense: 1}]", "cases: [{review: {nonsense: 1}}]", "cases: [{revisions: [{nonsense: 1}]}]"} {
		_, err = cases.Parse("c.yaml", []byte(wrong), &policy.File{})
		if err == nil {
			t.Fatalf("%s is taken", wrong)
		}
		_, keys, ok := strings.Cut(err.Error(), "its keys are ")
		if !ok {
			t.Fatalf("no keys in: %v", err)
		}
		keys, _, _ = strings.Cut(keys, "\n")
		for key := range strings.SplitSeq(keys, ", ") {
			if !strings.Contains(string(text), "`"+key+"`") && !strings.Contains(string(text), key+", ") {
				t.Errorf("%s does not name the key %s", page, key)
			}
		}
	}
}
