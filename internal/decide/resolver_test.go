package decide

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

type resolverFunc func(base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error)

func (f resolverFunc) Resolve(_ context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return f(base, revisions)
}

const parted = `
1-a {"n":1}
├─ 2-w {"n":2}
└─ 2-l {"n":3}`

func TestAResolversDocumentIsWrittenAsAnyMerge(t *testing.T) {
	d := drawnScenario(t, parted[1:])
	d.rule.Resolver = resolverFunc(func(*couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
		return json.RawMessage(`{"n":9}`), nil
	})
	decision := Decide(context.Background(), d.rules, d.conflict)
	if outcomeOf(decision) != `merge {"n":9}` || len(decision.Bury) != 1 {
		t.Fatalf("%+v", decision)
	}
	if again := Decide(context.Background(), d.rules, written(d.conflict, decision)); again.Outcome != couchmend.Nothing {
		t.Errorf("then %+v", again)
	}
}

func TestAResolverThatFailsSendsTheDocumentToReview(t *testing.T) {
	d := drawnScenario(t, parted[1:])
	d.rule.Resolver = resolverFunc(func(*couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
		return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverMemory, Err: errors.New("512 MiB")}
	})
	if got := Decide(context.Background(), d.rules, d.conflict); got.Reason != couchmend.ReasonResolverMemory || len(got.Bury) > 0 || got.Merge != nil {
		t.Errorf("%+v", got)
	}
}

// A base that a resolver failed to make is no missing base: the merge would be
// another one where it does not fail (I4).
func TestAResolverThatFailsOnTheBaseIsNotTakenForAMissingBase(t *testing.T) {
	d := drawnScenario(t, `
1-a {"n":1}
├─ 2-b {"n":2}
│  └─ 4-w (2-c) {"n":5}
└─ 2-c {"n":3}
   └─ 4-l (2-b) {"n":6}`[1:])
	asked := 0
	d.rule.Resolver = resolverFunc(func(base *couchmend.Revision, _ []couchmend.Revision) (json.RawMessage, error) {
		if asked++; asked == 1 {
			return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverTimeout, Err: errors.New("slow")}
		}
		return json.RawMessage(`{"n":9}`), nil
	})
	if got := Decide(context.Background(), d.rules, d.conflict); got.Reason != couchmend.ReasonResolverTimeout {
		t.Errorf("%+v", got)
	}
	if got := Decide(context.Background(), d.rules, d.conflict); got.Outcome != couchmend.Merge || asked != 4 {
		t.Errorf("asked %d times: %+v", asked, got)
	}
}

func TestAResolverMayDeleteADocumentForGood(t *testing.T) {
	d := drawnScenario(t, parted[1:])
	d.rule.ResolverName = "gone.star"
	d.rule.Tombstone.Keep = []merge.Path{{"n"}}
	d.rule.Resolver = resolverFunc(func(*couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
		return json.RawMessage(`{"_deleted":true}`), nil
	})
	decision := Decide(context.Background(), d.rules, d.conflict)
	if decision.Outcome != couchmend.Delete || len(decision.Bury) != 2 || string(decision.Bury[1].Body) != `{"n":3}` || decision.Rule == "" {
		t.Fatalf("%+v", decision)
	}
	if again := Decide(context.Background(), d.rules, written(d.conflict, decision)); again.Outcome != couchmend.Nothing {
		t.Errorf("then %+v", again)
	}
}

// below is a schema that allows n to be under a limit.
func below(limit string) merge.Check {
	return func(_ string, body jsondoc.Value) []couchmend.Violation {
		if n := string(body.Get("n")); n >= limit {
			return []couchmend.Violation{{Pointer: "/n", Message: n + " is not below " + limit}}
		}
		return nil
	}
}

func TestABodyThatItsSchemaRefusesGoesToReviewWithEveryViolation(t *testing.T) {
	d := drawnScenario(t, "rule n=sum\n"+parted[1:])
	d.rule.Leaves = below("2")
	got := Decide(context.Background(), d.rules, d.conflict)
	if got.Reason != couchmend.ReasonSchema || len(got.Violations) != 2 || got.Violations[1].Leaf != d.conflict.Leaves[1].Rev || got.Draft != nil ||
		!strings.Contains(got.Evidence[0], "/n in "+d.conflict.Leaves[0].Rev.String()+": 2 is not below 2") {
		t.Errorf("leaves: %+v", got)
	}
	d.rule.Leaves, d.rule.Merged = nil, below("4")
	got = Decide(context.Background(), d.rules, d.conflict)
	if got.Reason != couchmend.ReasonSchema || len(got.Violations) != 1 || string(got.Draft) != `{"n":4}` || got.Merge != nil || got.Evidence[0] != "/n in the merge: 4 is not below 4" {
		t.Errorf("merge: %+v", got)
	}
	d.rule.Merged = below("5")
	if got = Decide(context.Background(), d.rules, d.conflict); outcomeOf(got) != `merge {"n":4}` {
		t.Errorf("%+v", got)
	}
}
