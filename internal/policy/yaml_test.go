package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/merge"
)

func TestRulesShareSettingsThroughAnchors(t *testing.T) {
	p := mustParse(t, `
databases: [db]
policies:
  default:
    rules:
      - &reports
        name: reports
        when: { type: report }
        clock: { lamport: n }
        fields: &common { read: union, "**": latest }
        deletes: review
      - <<: *reports
        name: forms
        when: { type: form }
        fields: { <<: [*common], read: winner }
`).For("db")
	forms := p.Rules[1]
	if forms.Name != "default/forms" || forms.Deletes != merge.DeletesReview || forms.Clock.Kind != merge.Lamport {
		t.Errorf("the second rule did not take over the first one's keys: %+v", forms)
	}
	if len(forms.Fields) != 2 || forms.Fields[0].Strategy.Kind != merge.Winner || forms.Fields[1].Strategy.Kind != merge.Latest {
		t.Errorf("its own keys do not come before shared ones: %+v", forms.Fields)
	}
}

func TestAliasesThatUnfoldWithoutBoundAreRefusedAtOnce(t *testing.T) {
	var b strings.Builder
	b.WriteString("databases: [db]\na0: &a0 [lol]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	for _, text := range []string{
		b.String(),
		"databases: [db]\nx: " + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"databases: &a {x: {<<: *a}}",
		"databases: [db]\nx: [" + strings.Repeat("a,", maxNodes) + "]",
	} {
		start := time.Now()
		_, err := Parse("p.yaml", []byte(text), ".", Options{})
		if err == nil || !strings.Contains(err.Error(), "unfolds to more than") {
			t.Errorf("%.60s is accepted: %v", text, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.60s took %s", text, took)
		}
	}
}

func TestWordsThatOlderYAMLTakesForBooleansAreText(t *testing.T) {
	f := mustParse(t, "databases: [{match: on, policy: no}]\npolicies: {no: {rules: [{name: off, fields: {yes: union}}]}}\n")
	rule := f.For("on").Rules[0]
	if rule.Name != "no/off" || rule.Fields[0].Pattern.String() != "yes" {
		t.Errorf("rule is %+v", rule)
	}
}

func TestMalformedFilesAreRefusedInNoTime(t *testing.T) {
	for name, unit := range map[string]string{
		"brackets": "[", "braces": "{a: ", "keys": "? ", "dashes": "- ", "lines": "a\n", "comments": "#\n", "items": "x*,",
	} {
		start := time.Now()
		_, err := Parse("p.yaml", []byte("databases: ["+strings.Repeat(unit, 64<<10/len(unit))), ".", Options{})
		if err == nil {
			t.Errorf("%s are a policy", name)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}
