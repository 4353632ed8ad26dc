package decide

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

func (d drawing) rules(string, jsondoc.Value) *merge.Rule { return d.rule }

// written is c after a decision on it was carried out.
func written(c couchmend.Conflict, d couchmend.Decision) couchmend.Conflict {
	next := couchmend.Conflict{ID: c.ID, RevsLimit: c.RevsLimit, Bases: c.Bases}
	all := slices.Concat(c.Leaves, c.Dead)
	if d.Merge != nil {
		all = append(all, *d.Merge)
	}
	for _, r := range append(all, d.Bury...) {
		if r.Deleted {
			next.Dead = append(next.Dead, r)
		} else {
			next.Leaves = append(next.Leaves, r)
		}
	}
	next, _ = grown(next)
	return next
}

func choose(t *testing.T, d drawing, body string) couchmend.Decision {
	t.Helper()
	choice, err := Choose(d.rules, d.conflict, Choice{Body: json.RawMessage(body), By: "Eve"})
	if err != nil {
		t.Fatal(err)
	}
	return choice
}

func TestAPersonsChoiceContainsEveryLeafAndSettlesIt(t *testing.T) {
	d := drawnScenario(t, `
1-a {"name":"Ann"}
├─ 2-w {"name":"Anna"}
└─ 2-l {"name":"Anne"}
   └─ 3-k {"name":"Annie"}`[1:])
	choice := choose(t, d, `{"name":"Anne-Marie"}`)
	after := written(d.conflict, choice)
	if len(after.Leaves) != 1 || string(after.Leaves[0].Body) != `{"name":"Anne-Marie"}` || len(after.Dead) != 1 {
		t.Fatalf("%+v", after)
	}
	if again := Decide(context.Background(), d.rules, after); again.Outcome != couchmend.Nothing {
		t.Errorf("then %+v", again)
	}
}

func TestAnEditThatAPersonKeptIsNotAskedAboutAgain(t *testing.T) {
	for _, deletes := range []string{"review", "delete_wins"} {
		d := drawnScenario(t, `
rule deletes=`[1:]+deletes+`
1-a {"name":"Ann"}
├─ 2-w gone
│  └─ 3-x {"name":"Anna"}
└─ 2-†`)
		if first := Decide(context.Background(), d.rules, d.conflict); first.Reason != couchmend.ReasonDeleted {
			t.Fatalf("%+v", first)
		}
		after := written(d.conflict, choose(t, d, `{"name":"Anna"}`))
		if again := Decide(context.Background(), d.rules, after); again.Outcome != couchmend.Nothing {
			t.Errorf("%s: asked again: %+v", deletes, again)
		}
	}
}

func TestWhereNothingIsToBeDoneAChoiceWritesNothing(t *testing.T) {
	d := drawnScenario(t, `1-a {"name":"Ann"}`)
	if choice := choose(t, d, `{"name":"Ann"}`); choice.Outcome != couchmend.Nothing || choice.Merge != nil || choice.Bury != nil {
		t.Errorf("%+v", choice)
	}
	if choice := choose(t, d, `{"name":"Anna"}`); choice.Outcome != couchmend.Merge {
		t.Errorf("%+v", choice)
	}
}

func TestADocumentThatAPersonDeletesStaysDeleted(t *testing.T) {
	d := drawnScenario(t, `
1-a {"name":"Ann"}
├─ 2-w {"name":"Anna"}
│  └─ 4-m (2-l) {"name":"Anna","note":"x"}
└─ 2-l {"name":"Ann","note":"x"}
   └─ 3-†`[1:])
	choice := ChooseDelete(d.conflict, "Eve")
	after := written(d.conflict, choice)
	if len(after.Leaves) != 0 {
		t.Fatalf("still alive: %+v", after.Leaves)
	}
	if again := Decide(context.Background(), d.rules, after); again.Outcome != couchmend.Nothing {
		t.Errorf("asked about it: %+v", again)
	}
	if choice.Merge == nil || choice.Bury[0].Path[1] != choice.Merge.Rev || !revtree.IsMark(choice.Merge.Path[1]) {
		t.Errorf("the release is not in the path: %+v", choice)
	}
}

func TestADocumentThatWasNeverMergedIsDeletedWithTombstonesAlone(t *testing.T) {
	d := drawnScenario(t, "1-a {\"x\":1}\n├─ 2-w {\"x\":2}\n└─ 2-l {\"x\":3}")
	choice := ChooseDelete(d.conflict, "Eve")
	if choice.Merge != nil || len(choice.Bury) != 2 {
		t.Fatalf("%+v", choice)
	}
	if again := Decide(context.Background(), d.rules, written(d.conflict, choice)); again.Outcome != couchmend.Nothing {
		t.Errorf("then %+v", again)
	}
}

func TestAnAnnihilatedDocumentCanBeRestored(t *testing.T) {
	d := drawnScenario(t, `
1-a gone
├─ 2-w gone
│  └─ 4-m (2-l) gone
│     └─ 5-†
└─ 2-l gone
   └─ 3-†`[1:])
	after := written(d.conflict, choose(t, d, `{"name":"Ann"}`))
	if len(after.Leaves) != 1 || after.Leaves[0].Deleted {
		t.Fatalf("%+v", after)
	}
	if again := Decide(context.Background(), d.rules, after); again.Outcome != couchmend.Nothing {
		t.Errorf("then %+v", again)
	}
}

func TestAChoiceMustBeAnObjectForADocument(t *testing.T) {
	d := drawnScenario(t, `1-a {"name":"Ann"}`)
	for _, body := range []string{`[]`, `{`, ``, `null`} {
		if _, err := Choose(d.rules, d.conflict, Choice{Body: json.RawMessage(body)}); couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := Choose(d.rules, couchmend.Conflict{ID: "x"}, Choice{Body: json.RawMessage(`{}`)}); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Errorf("no leaves: %v", err)
	}
}

func TestUndoOfABurialLeavesTheWinnerAlone(t *testing.T) {
	d := drawnScenario(t, `
1-a {"x":1}
├─ 2-w {"x":1}
│  └─ 4-m (2-l) {"x":2}
└─ 2-l {"x":2}`[1:])
	taken := Decide(context.Background(), d.rules, d.conflict)
	restored := Undo(taken, d.conflict.Leaves, 1000)
	if taken.Outcome != couchmend.Bury || len(restored) != 1 || restored[0].Path[2] != couchmend.MustRev("2-l") {
		t.Fatalf("%+v", restored)
	}
	next := written(d.conflict, taken)
	next.Leaves = append(next.Leaves, restored...)
	if again := Decide(context.Background(), d.rules, next); again.Reason != couchmend.ReasonHeld {
		t.Errorf("then %+v", again)
	}
}

func TestAnUndoneDeletionIsNotRepeated(t *testing.T) {
	d := drawnScenario(t, `
rule deletes=delete_wins
1-a {"name":"Ann"}
├─ 2-w {"name":"Anna"}
└─ 2-†`[1:])
	taken := Decide(context.Background(), d.rules, d.conflict)
	if taken.Outcome != couchmend.Delete {
		t.Fatalf("%+v", taken)
	}
	next := written(d.conflict, taken)
	next.Leaves = Undo(taken, d.conflict.Leaves, 1000)
	next, _ = grown(next)
	if again := Decide(context.Background(), d.rules, next); again.Reason != couchmend.ReasonDeleted {
		t.Fatalf("undone, then %+v", again)
	}
	after := written(next, choose(t, drawing{rule: d.rule, conflict: next}, `{"name":"Anna"}`))
	if again := Decide(context.Background(), d.rules, after); again.Outcome != couchmend.Nothing || len(after.Leaves) != 1 {
		t.Errorf("kept by a person, then %+v", again)
	}
}
