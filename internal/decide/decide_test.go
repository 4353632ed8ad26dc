package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// byType gives each type of document a rule of its own.
func byType(rules ...*merge.Rule) Rules {
	return func(_ string, body jsondoc.Value) *merge.Rule {
		for _, rule := range rules {
			if rule.Name == body.Get("type").Text() {
				return rule
			}
		}
		return nil
	}
}

func TestAllLeavesAndTheMergeMustSelectOneRule(t *testing.T) {
	a, b := &merge.Rule{Name: "a"}, &merge.Rule{Name: "b"}
	for _, c := range []struct{ name, tree, want string }{
		{"one rule", "1-a {\"type\":\"a\"}\n├─ 2-w {\"type\":\"a\",\"x\":1}\n└─ 2-l {\"type\":\"a\",\"y\":1}", `merge {"type":"a","x":1,"y":1}`},
		{"leaves differ", "1-a {\"type\":\"a\"}\n├─ 2-w {\"type\":\"a\",\"x\":1}\n└─ 2-l {\"type\":\"b\"}", "review rules_differ"},
		{"no rule", "1-a {\"type\":\"c\"}\n├─ 2-w {\"type\":\"c\",\"x\":1}\n└─ 2-l {\"type\":\"c\"}", "review no_rule"},
		{"two things under one id", "1-a {\"type\":\"a\"}\n1-b {\"type\":\"b\"}", "review two_roots"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := outcomeOf(Decide(context.Background(), byType(a, b), drawnScenario(t, c.tree).conflict)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	// A rule may select by a field that the merge has and neither leaf had so.
	both := func(_ string, body jsondoc.Value) *merge.Rule {
		if body.Get("x") != nil && body.Get("y") != nil {
			return b
		}
		return a
	}
	d := drawnScenario(t, "1-a {}\n├─ 2-w {\"x\":1}\n└─ 2-l {\"y\":1}")
	if got := outcomeOf(Decide(context.Background(), both, d.conflict)); got != "review rules_differ" {
		t.Errorf("the merge selects another rule: %s", got)
	}
}

func TestTwoRootsOfOneDocumentAreOneDocument(t *testing.T) {
	d := Decide(context.Background(), drawing{rule: anyRule}.rules, drawnScenario(t, "1-a {\"x\":1,\"y\":2}\n1-b {\"y\":2,\"x\":1}").conflict)
	if d.Outcome != couchmend.Keep {
		t.Errorf("%+v", d)
	}
}

func TestDesignDocumentsAreReportedAndNeverMerged(t *testing.T) {
	c := drawnScenario(t, "1-a {}\n├─ 2-w {\"x\":1}\n└─ 2-l {\"x\":1}").conflict
	c.ID = "_design/app"
	if d := Decide(context.Background(), drawing{rule: anyRule}.rules, c); d.Reason != couchmend.ReasonDesignDoc || d.Merge != nil || Bases(c) != nil {
		t.Errorf("%+v", d)
	}
	c.Leaves = c.Leaves[:1]
	if d := Decide(context.Background(), drawing{rule: anyRule}.rules, c); d.Outcome != couchmend.Nothing {
		t.Errorf("alone: %+v", d)
	}
}

func TestMoreThanFourLeavesAreDeep(t *testing.T) {
	for n := 2; n < 8; n++ {
		c := manyLeaves(n)
		if d := Decide(context.Background(), drawing{rule: ruleOf("")}.rules, c); d.Deep != (n > 4) {
			t.Errorf("%d leaves: deep %v", n, d.Deep)
		}
	}
}

func TestTombstonesKeepWhatTheRuleSays(t *testing.T) {
	tree := drawnScenario(t, "1-a {}\n├─ 2-w {\"type\":\"t\",\"o\":{\"k\":1,\"l\":2}}\n└─ 2-l {\"type\":\"t\",\"secret\":1}")
	for _, c := range []struct {
		name string
		keep merge.Tombstone
		want string
	}{
		{"bare", merge.Tombstone{}, `{}`},
		{"fields of the merge", merge.Tombstone{Keep: []merge.Path{{"o", "k"}, {"type"}, {"missing"}}}, `{"type":"t","o":{"k":1}}`},
		{"the loser's body", merge.Tombstone{KeepAll: true}, `{"type":"t","secret":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(context.Background(), drawing{rule: &merge.Rule{Name: "x", Tombstone: c.keep}}.rules, tree.conflict)
			if len(d.Bury) != 1 || string(d.Bury[0].Body) != c.want || !d.Bury[0].Deleted {
				t.Errorf("%+v", d.Bury)
			}
		})
	}
}

func TestBasesAreAskedForOnlyWhereTheyAreNotAtHand(t *testing.T) {
	c := drawnScenario(t, `
1-a {"x":0}
├─ 2-w {"x":1}
│  └─ 4-m (2-l) {"x":2}
│     └─ 5-n {"x":3}
└─ 2-l {"x":2}
   ├─ 3-p {"x":4}
   └─ 3-o {"x":5}`[1:]).conflict
	if got := fmt.Sprint(Bases(c)); got != "[]" {
		t.Errorf("all are at hand: %s", got)
	}
	c.Bases = nil
	if got := fmt.Sprint(Bases(c)); got != "[2-l]" {
		t.Errorf("%s", got)
	}
}

func TestBytesOfAttachmentsAreNeededOnlyWhereLeavesDiffer(t *testing.T) {
	c := drawnScenario(t, "1-a {}\n├─ 2-w {}\n├─ 2-l {}\n└─ 2-k {}").conflict
	scan := []couchmend.Attachment{{Name: "scan", Digest: "md5-1", Length: 1}}
	if Contents(c) != nil {
		t.Error("there are none")
	}
	c.Leaves[0].Attachments, c.Leaves[1].Attachments, c.Leaves[2].Attachments = scan, scan, scan
	if Contents(c) != nil {
		t.Error("all are alike")
	}
	c.Leaves[1].Attachments = nil
	if got := Contents(c); !slices.Equal(got, []couchmend.Rev{c.Leaves[0].Rev, c.Leaves[2].Rev}) {
		t.Errorf("%v", got)
	}
}

func TestALeafThatIsListedTwiceOrOutgrownIsNoConflict(t *testing.T) {
	c := drawnScenario(t, "1-a {\"x\":1}\n└─ 2-w {\"x\":2}").conflict
	older := couchmend.Revision{Rev: couchmend.MustRev("1-a"), Path: []couchmend.Rev{couchmend.MustRev("1-a")}, Body: json.RawMessage(`{"x":1}`)}
	c.Leaves = append(c.Leaves, c.Leaves[0], older)
	if d := Decide(context.Background(), drawing{rule: anyRule}.rules, c); d.Outcome != couchmend.Nothing || len(d.Bury) != 0 {
		t.Errorf("%+v", d)
	}
}

func TestEvidenceNamesTheFieldAndTheLeaves(t *testing.T) {
	d := Decide(context.Background(), drawing{rule: anyRule}.rules, drawnScenario(t, "1-a {\"o\":{\"x\":1}}\n├─ 2-w {\"o\":{\"x\":2}}\n└─ 2-l {\"o\":{\"x\":3}}").conflict)
	if len(d.Evidence) != 1 || !strings.Contains(d.Evidence[0], "o.x: 2 in 2-w, 3 in 2-l") {
		t.Errorf("%q", d.Evidence)
	}
}
