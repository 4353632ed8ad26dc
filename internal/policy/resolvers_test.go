package policy_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/laws"
	"github.com/couchmend/couchmend/internal/policy"
)

// block is a block of code in Markdown: its language, and what stands behind it.
type block struct{ language, info, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w+) ([^\n]+)\n(.*?)^```$")

func blocksOf(t *testing.T, name string) []block {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, block{m[1], m[2], m[3]})
	}
	if fences := strings.Count(string(text), "\n```"); fences != 2*len(blocks) {
		t.Fatalf("%s has %d fences, and %d blocks that say what they are", name, fences, len(blocks))
	}
	return blocks
}

// page is what a page of examples has said so far.
type page struct {
	dir    string
	rule   string
	untold map[string]bool // files that no case has run yet
}

// TestEveryExampleOfResolversIsRun runs docs/resolvers.md: files, the rule that
// names them, and cases of it.
func TestEveryExampleOfResolversIsRun(t *testing.T) {
	p := page{dir: t.TempDir(), untold: map[string]bool{}}
	for _, b := range blocksOf(t, "../../docs/resolvers.md") {
		law, fails := strings.CutPrefix(b.info, "fails ")
		switch {
		case b.language == "yaml" && b.info == "rule":
			p.rule = b.text
		case b.language == "yaml" && b.info == "case":
			p.run(t, b.text)
		case b.language == "go":
			p.quoted(t, b)
		case fails:
			p.refused(t, laws.Law(law), b.text)
		default:
			p.write(t, b.info, b.text)
			p.untold[b.info] = true
		}
	}
	if len(p.untold) > 0 {
		t.Errorf("no case runs %v", slices.Sorted(maps.Keys(p.untold)))
	}
}

func (p *page) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// policy is one whose only rule is for every document.
func (p *page) policy(t *testing.T, rule string) *policy.File {
	t.Helper()
	text := "databases: [db]\npolicies:\n  default:\n    rules:\n      - name: example\n" + indented(rule, 8)
	p.write(t, "couchmend.yaml", text)
	f, err := policy.Load(filepath.Join(p.dir, "couchmend.yaml"), policy.Options{})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func indented(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", by) + line)
	}
	return b.String()
}

func (p *page) run(t *testing.T, text string) {
	t.Helper()
	maps.DeleteFunc(p.untold, func(name string, _ bool) bool { return strings.Contains(p.rule, name) })
	if _, err := exec.LookPath("python3"); err != nil && strings.Contains(p.rule, "python:") {
		t.Log("left out, for there is no python3: ", p.rule)
		return
	}
	all, err := cases.Parse("resolvers.md", []byte("cases:\n"+indented(text, 2)), p.policy(t, p.rule))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	for i := range all {
		if r := all[i].Run(context.Background()); !r.Passed() {
			t.Error("\n" + r.String())
		}
	}
}

// breaks are questions that a mistake's law does not survive: a base, and three
// leaves of it.
var breaks = map[laws.Law][]string{
	laws.Commutative: {`{"status":"open"}`, `{"status":"held"}`, `{"status":"closed"}`, `{"status":"lost"}`},
	laws.Associative: {`{"level":5}`, `{"level":10}`, `{"level":20}`, `{"level":30}`},
	laws.Idempotent:  {`{"visits":3}`, `{"visits":4}`, `{"visits":5}`, `{"visits":6}`},
	laws.NothingLost: {`{"new":1}`, `{"new":1,"tags":["a"]}`, `{"new":1,"tags":["b"]}`, `{"new":1,"tags":["c"]}`},
}

// refused holds a resolver that breaks a law against policy check.
func (p *page) refused(t *testing.T, law laws.Law, text string) {
	t.Helper()
	q := laws.Question{ID: "doc", Source: "docs/resolvers.md"}
	for i, doc := range breaks[law] {
		if i == 0 {
			q.Base = jsondoc.MustParse(doc)
			continue
		}
		q.Leaves = append(q.Leaves, jsondoc.MustParse(doc))
	}
	p.write(t, "resolvers/wrong.star", text)
	f := p.policy(t, "resolver: { starlark: resolvers/wrong.star }\n")
	reports := laws.Check(context.Background(), laws.Subject{Policy: f.Policies["default"], Cases: []laws.Question{q}}, laws.Options{Runs: 1})
	i := slices.IndexFunc(reports[0].Laws, func(v laws.Verdict) bool { return v.Law == law })
	if i < 0 || reports[0].Laws[i].Status != laws.Failed {
		t.Errorf("policy check does not find what is wrong with\n%s\n%+v", text, reports[0].Laws)
	}
}

// quoted looks for Go code in the file that it is said to be from.
func (p *page) quoted(t *testing.T, b block) {
	t.Helper()
	source, err := os.ReadFile("../../" + b.info)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), b.text) {
		t.Errorf("%s has not the code that docs/resolvers.md shows of it:\n%s", b.info, b.text)
	}
}

// TestThePageOfResolversNamesEveryReason holds the table against the reasons
// that the contract has.
func TestThePageOfResolversNamesEveryReason(t *testing.T) {
	text, err := os.ReadFile("../../docs/resolvers.md")
	if err != nil {
		t.Fatal(err)
	}
	contract, err := os.ReadFile("../../couchmend.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`"(resolver(?:_\w+)?)"`).FindAllStringSubmatch(string(contract), -1)
	if len(reasons) < 9 {
		t.Fatalf("the contract has only %d reasons", len(reasons))
	}
	for _, m := range reasons {
		if m[1] != "resolver_" && !strings.Contains(string(text), "| `"+m[1]+"` |") {
			t.Errorf("docs/resolvers.md does not name %s", m[1])
		}
	}
}
