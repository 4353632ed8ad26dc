package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

func TestTheExampleHasNoMistakeAndNoWarning(t *testing.T) {
	f, err := Load("../../examples/medic.yaml", Options{})
	if err != nil || len(f.Warnings) > 0 {
		t.Fatal(err, f)
	}
}

func TestTheExampleGivesEachDocumentItsRule(t *testing.T) {
	f, err := Load("../../examples/medic.yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ db, id, doc, want string }{
		{"medic", "1B7922A6", `{"type":"data_record","form":"P","read":["admin"]}`, "medic/reports"},
		{"medic", "7FADDF76", `{"type":"person"}`, "medic/contacts"},
		{"medic", "x", `{"type":"task","state":"Ready"}`, "medic/tasks"},
		{"medic", "settings", `{"settings":{}}`, ""},
		{"medic-user-amani-meta", "read:report:1B7922A6", `{}`, "user/read marks"},
		{"medic-user-amani-meta", "feedback-1", `{"type":"feedback"}`, "user/otherwise"},
		{"medic-sentinel", "1B7922A6-info", `{"type":"info"}`, "sentinel/infos"},
		{"medic-telemetry", "pump-7", `{"type":"reading","seq":12}`, "telemetry/readings"},
	} {
		got := ""
		if rule := f.For(c.db).Select(jsondoc.MustParse(c.doc), c.id); rule != nil {
			got = rule.Name
		}
		if got != c.want {
			t.Errorf("%s/%s falls to %q, want %q", c.db, c.id, got, c.want)
		}
	}
	if f.For("medic-audit") != nil || f.For("_users") != nil {
		t.Error("a database that the example does not name has a policy")
	}
}

// unasked is a resolver in Go that the reference names.
type unasked struct{ couchmend.Resolver }

// yamlBlock is a block of YAML in Markdown; "yaml rule" holds keys of a rule.
var yamlBlock = regexp.MustCompile("(?ms)^```yaml( rule)?\n(.*?)^```$")

func TestEveryExampleInTheReferenceIsAPolicy(t *testing.T) {
	text, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if fences := strings.Count(string(text), "```yaml"); len(blocks) != fences || fences < 10 {
		t.Fatalf("%d of %d examples were found", len(blocks), fences)
	}
	for _, b := range blocks {
		keys := string(b[2])
		if len(b[1]) > 0 {
			keys = inRule(strings.TrimSuffix(keys, "\n"))
		}
		f, err := Parse("policies.md", []byte(keys), "testdata/reference", Options{Resolvers: map[string]couchmend.Resolver{"dose": unasked{}}})
		if err != nil {
			t.Errorf("%s\n%v", b[2], err)
		} else if len(f.Warnings) > 0 && !strings.Contains(keys, "collision: split") {
			t.Errorf("%s\n%v", b[2], f.Warnings)
		}
	}
}

func TestTheReferenceNamesEveryKeyOfARule(t *testing.T) {
	text, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("p.yaml", []byte(inRule("nonsense_key: 1")), ".", Options{})
	if err == nil {
		t.Fatal("a nonsense key is taken")
	}
	_, keys, ok := strings.Cut(err.Error(), "its keys are ")
	if !ok {
		t.Fatalf("no keys in: %v", err)
	}
	for key := range strings.SplitSeq(keys, ", ") {
		if !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("docs/policies.md does not name the key %s", key)
		}
	}
	for op := range operators() {
		if !strings.Contains(string(text), "`"+op+"`") {
			t.Errorf("docs/policies.md does not name the operator %s", op)
		}
	}
}
