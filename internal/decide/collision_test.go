package decide

import (
	"context"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

const (
	amina = `{"type":"person","name":"Amina","born":"1990-01-01","reported_date":1700000000000}`
	beni  = `{"type":"person","name":"Beni","born":"1985-05-05","reported_date":1710000000000}`
	visit = `{"type":"data_record","form":"P","fields":{},"reported_date":1700000000000}`
)

func TestWhatTwoRootsAreIsJudgedByWhatTheyHaveInCommon(t *testing.T) {
	born := &merge.Rule{Name: "born", Identity: []merge.Path{{"name"}, {"born"}}}
	plain := &merge.Rule{Name: "plain"}
	for _, c := range []struct {
		name   string
		rule   *merge.Rule
		bodies []string
		want   Verdict
		says   string
	}{
		{"types differ", plain, []string{amina, visit}, Collision, `their types differ: 1-a is "person", 1-b is "data_record"`},
		{"nothing in common", plain, []string{`{"a":1,"b":2}`, `{"c":1,"d":2}`}, Unclear, "1-a and 1-b share 0 of 4 fields"},
		{"values differ, long after", plain, []string{amina, beni}, Collision, "115 days lie between their creations"},
		{"retried at once", plain, []string{amina, strings.Replace(amina, "1700000000000", "1700000000999", 1)}, CreatedTwice, "they were created within 999ms"},
		{"identity is equal", born, []string{amina, strings.Replace(amina, `"type":"person"`, `"type":"person","phone":"1"`, 1)}, CreatedTwice, "are equal: name, born"},
		{"identity differs, and all else is alike", born, []string{amina, strings.Replace(amina, "Amina", "Anisa", 1)}, Collision, "differ: name, born"},
		{"identity is missing", born, []string{amina, `{"type":"person","name":"Amina"}`}, Unclear, "1-b has no born"},
		{"identity of three", born, []string{amina, beni, amina}, Unclear, "they are 2 things in 3 versions"},
		{"numbers beyond a float's", &merge.Rule{Identity: []merge.Path{{"n"}}}, []string{`{"n":12345678901234567891}`, `{"n":12345678901234567892}`}, Collision, "differ: n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sides []Side
			for i, body := range c.bodies {
				sides = append(sides, Side{Rev: couchmend.Rev{Gen: 1, Hash: string(rune('a' + i))}, Rule: c.rule, Body: jsondoc.MustParse(body)})
			}
			j := Judge(sides)
			if j.Verdict != c.want || !strings.Contains(strings.Join(j.Evidence(), "\n"), c.says) {
				t.Errorf("%s: %q", j.Verdict, j.Evidence())
			}
		})
	}
}

func TestSplitActsOnlyWhereEveryRuleSaysSoAndNothingIsInDoubt(t *testing.T) {
	split := func(name string, identity ...merge.Path) *merge.Rule {
		return &merge.Rule{Name: name, Collision: merge.CollisionSplit, Identity: identity}
	}
	two := "1-a {\"type\":\"a\",\"who\":1}\n1-b {\"type\":\"b\",\"who\":1}"
	alike := "1-a {\"type\":\"a\",\"x\":1,\"who\":1}\n1-b {\"type\":\"a\",\"who\":1}"
	for _, c := range []struct {
		name, tree, want string
		rules            Rules
	}{
		{"both rules say split", two, "split", byType(split("a"), split("b"))},
		{"one rule says review", two, "review two_roots", byType(split("a"), &merge.Rule{Name: "b"})},
		{"one has no rule", two, "review two_roots", byType(split("a"))},
		{"identity is equal", alike, "review two_roots", byType(split("a", merge.Path{"who"}))},
		{"identity differs", strings.Replace(alike, "1}", "2}", 1), "split", byType(split("a", merge.Path{"who"}))},
		{"merge, and identity differs", strings.Replace(alike, "1}", "2}", 1), "review two_roots",
			byType(&merge.Rule{Name: "a", Collision: merge.CollisionMerge, Identity: []merge.Path{{"who"}}})},
		{"they are one body", strings.Replace(alike, `"x":1,`, "", 1), `keep {"type":"a","who":1}`, byType(split("a"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := outcomeOf(Decide(context.Background(), c.rules, drawnScenario(t, c.tree).conflict)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAStemmedHistoryBesideTwoRootsIsNotSplit(t *testing.T) {
	rule := &merge.Rule{Name: "x", Collision: merge.CollisionSplit}
	c := drawnScenario(t, "1-a {\"x\":1}\n1-b {\"x\":2}").conflict
	c.Leaves = append(c.Leaves, couchmend.Revision{Rev: couchmend.MustRev("1-0"), Path: []couchmend.Rev{couchmend.MustRev("1-0")}, Body: []byte(`{}`)})
	rules := func(string, jsondoc.Value) *merge.Rule { return rule }
	if d := Decide(context.Background(), rules, c); d.Outcome != couchmend.Split {
		t.Fatalf("three roots: %+v", d)
	}
	c.Leaves[2].Rev = couchmend.MustRev("7-c")
	c.Leaves[2].Path = []couchmend.Rev{couchmend.MustRev("7-c"), couchmend.MustRev("6-c")}
	d := Decide(context.Background(), rules, c)
	if d.Outcome != couchmend.Review || !strings.Contains(strings.Join(d.Evidence, "\n"), "cut its history off") {
		t.Errorf("%+v", d)
	}
}

func TestATombstoneOfASplitIsNobodysDeletion(t *testing.T) {
	leaf := drawnScenario(t, `1-b {"type":"b","n":1}`).conflict.Leaves[0]
	rule := &merge.Rule{Name: "a", Deletes: merge.DeletesReview, Tombstone: merge.Tombstone{Keep: []merge.Path{{"type"}}}}
	grave := SplitBurial(rule, leaf, "new", 1000)
	if from, ok := revtree.SplitFrom(grave.Path); !ok || from != leaf.Rev || !grave.Deleted || string(grave.Body) != `{"type":"b","split_to":"new"}` {
		t.Fatalf("%+v", grave)
	}
	rules := func(string, jsondoc.Value) *merge.Rule { return rule }
	kept := drawnScenario(t, `1-a {"type":"a"}`).conflict
	kept.Dead = []couchmend.Revision{grave}
	if d := Decide(context.Background(), rules, kept); d.Outcome != couchmend.Nothing {
		t.Errorf("beside the version that kept the id: %+v", d)
	}
	// A merge of the version's own leaves was moved away: its loser's burial is
	// no annihilation.
	merged := drawnScenario(t, "1-b {}\n├─ 2-w {\"x\":1}\n│  └─ 4-m (2-l) {\"x\":1,\"y\":1}\n└─ 2-l {\"y\":1}").conflict
	var m, l couchmend.Revision
	for _, leaf := range merged.Leaves {
		if leaf.Rev == couchmend.MustRev("4-m") {
			m = leaf
		} else {
			l = leaf
		}
	}
	dead := couchmend.Conflict{ID: "doc", RevsLimit: 1000, Dead: burials(nil, []couchmend.Revision{l, m}, m)}
	if d := Decide(context.Background(), rules, dead); d.Reason != couchmend.ReasonAnnihilated {
		t.Fatalf("without a split: %+v", d)
	}
	dead.Dead[1] = SplitBurial(rule, m, "new", 1000)
	if d := Decide(context.Background(), rules, dead); d.Outcome != couchmend.Nothing {
		t.Errorf("after a split: %+v", d)
	}
}

func TestWhatIsWrittenOntoADocumentThatWasSplitFollowsItsVersion(t *testing.T) {
	rules := func(string, jsondoc.Value) *merge.Rule {
		return &merge.Rule{Name: "x", Collision: merge.CollisionMerge}
	}
	c := drawnScenario(t, "1-a {\"x\":1}\n1-b {\"x\":2}").conflict
	var graves []couchmend.Revision
	for _, leaf := range c.Leaves {
		graves = append(graves, SplitBurial(nil, leaf, "new", 1000))
	}
	late := Child(c.Leaves[0], []byte(`{"x":3}`), 1000)
	d := Decide(context.Background(), rules, couchmend.Conflict{ID: "doc", RevsLimit: 1000, Leaves: []couchmend.Revision{late}, Dead: graves})
	if d.Outcome != couchmend.Split || d.Reason != couchmend.ReasonLate {
		t.Errorf("alone: %+v", d)
	}
	kept := couchmend.Conflict{ID: "doc", RevsLimit: 1000, Leaves: []couchmend.Revision{c.Leaves[1], late}, Dead: graves[:1]}
	if d := Decide(context.Background(), rules, kept); d.Outcome != couchmend.Split || d.Reason != couchmend.ReasonLate {
		t.Errorf("beside what kept the id: %+v", d)
	}
	third := drawnScenario(t, `1-c {"x":4}`).conflict.Leaves
	if d := Decide(context.Background(), rules, couchmend.Conflict{ID: "doc", RevsLimit: 1000, Leaves: third, Dead: graves}); d.Outcome != couchmend.Nothing {
		t.Errorf("another thing under the old id: %+v", d)
	}
	born := couchmend.Conflict{ID: "new", RevsLimit: 1000, Leaves: []couchmend.Revision{late}, Dead: graves[:1]}
	if d := Decide(context.Background(), rules, born); d.Outcome != couchmend.Nothing {
		t.Errorf("what a rollback deleted: %+v", d)
	}
}

func TestASplitThatWasTakenBackIsNotMadeAgainWithoutAPersonsWord(t *testing.T) {
	one := &merge.Rule{Name: "x", Collision: merge.CollisionSplit}
	rules := func(string, jsondoc.Value) *merge.Rule { return one }
	c := drawnScenario(t, "1-a {\"x\":1}\n1-b {\"x\":2}").conflict
	if d := Decide(context.Background(), rules, c); d.Outcome != couchmend.Split {
		t.Fatalf("%+v", d)
	}
	for i, leaf := range c.Leaves {
		c.Leaves[i] = Again(leaf, SplitBurial(nil, leaf, "new", 1000), 1000)
	}
	d := Decide(context.Background(), rules, c)
	if d.Outcome != couchmend.Review || !strings.Contains(strings.Join(d.Evidence, "\n"), "taken back") {
		t.Errorf("%+v", d)
	}
}
