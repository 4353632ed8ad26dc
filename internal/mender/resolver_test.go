package mender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

type resolverFunc func(ctx context.Context, id string) (json.RawMessage, error)

func (f resolverFunc) Resolve(ctx context.Context, _ *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return f(ctx, jsondoc.Value(revisions[0].Body).Get("_id").Text())
}

// resolvedBy makes a resolver every document's rule.
func (s *site) resolvedBy(f resolverFunc) {
	rule := &merge.Rule{Name: "custom", Resolver: f, ResolverName: "test.star"}
	s.Rules = func(string) (decide.Rules, string) {
		return func(string, jsondoc.Value) *merge.Rule { return rule }, "test"
	}
}

func TestAResolverThatFailsCostsItsDocumentAnAttemptAndNoOtherAnything(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ids := []string{"a", "broken", "b", "moody", "c", "asks"}
	for _, id := range ids {
		s.fork(id, `{"n":1}`, `{"n":2}`, `{"n":4}`)
	}
	var broken, moody atomic.Int64
	s.resolvedBy(func(_ context.Context, id string) (json.RawMessage, error) {
		timeout := &couchmend.ResolverError{Reason: couchmend.ReasonResolverTimeout, Err: errors.New("it ran past 5s")}
		switch id {
		case "broken":
			broken.Add(1)
			return nil, timeout
		case "moody":
			if moody.Add(1) < MaxAttempts {
				return nil, timeout
			}
		case "asks":
			return nil, fmt.Errorf("%w: which dose?", couchmend.ErrReview)
		}
		return json.RawMessage(`{"n":9}`), nil
	})
	s.offer(ids...)
	s.workUntil("the queue is empty", s.emptied)
	for _, id := range []string{"a", "b", "c", "moody"} {
		s.wantBody(id, `{"n":9}`)
		s.wantNoCase(id)
	}
	c := s.wantCase("broken", couchmend.ReasonResolverTimeout)
	if broken.Load() != MaxAttempts || len(c.Evidence) != 1 || !strings.Contains(c.Evidence[0], "ran past 5s") {
		t.Errorf("asked %d times: %+v", broken.Load(), c)
	}
	if c := s.wantCase("asks", couchmend.ReasonResolver); !strings.Contains(c.Evidence[0], "which dose?") {
		t.Errorf("%+v", c)
	}
}

// couchmend's own end is no failure of a resolver's.
func TestAResolverThatIsStoppedCostsNoAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("a", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	ctx, cancel := context.WithCancel(s.ctx)
	s.resolvedBy(func(ctx context.Context, _ string) (json.RawMessage, error) {
		cancel()
		<-ctx.Done()
		return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverTimeout, Err: ctx.Err()}
	})
	for range MaxAttempts + 1 {
		s.offer("a")
		tasks, err := s.ledger.Fetch(s.ctx, 1, fetchWait)
		if err != nil || len(tasks) != 1 {
			t.Fatal(tasks, err)
		}
		if tasks[0].Attempt != 0 {
			t.Fatalf("attempt %d", tasks[0].Attempt)
		}
		_ = s.Mend(ctx, tasks)
	}
	s.wantNoCase("a")
}

// A person who looks at a proposal sees why there is none, at once.
func TestAPreviewShowsAResolversFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("a", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.resolvedBy(func(context.Context, string) (json.RawMessage, error) { return json.RawMessage(`{"_id":"b"}`), nil })
	if _, d, err := s.Look(s.ctx, "clinic", "a"); err != nil || d.Reason != couchmend.ReasonResolverIdentity {
		t.Errorf("%+v %v", d, err)
	}
}

func TestTheJournalKeepsTheBodiesThatASchemaRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put("a", nil, `{"n":"one"}`)
	s.put("a", nil, `{"n":"two"}`)
	rule := *numbers
	rule.Leaves = func(string, jsondoc.Value) []couchmend.Violation {
		return []couchmend.Violation{{Pointer: "/n", Message: "got string, want number"}}
	}
	rule.Collision = merge.CollisionMerge
	s.Rules = func(string) (decide.Rules, string) {
		return func(string, jsondoc.Value) *merge.Rule { return &rule }, "test"
	}
	s.offer("a")
	s.workUntil("a is in review", s.reviewed("a"))
	c := s.wantCase("a", couchmend.ReasonSchema)
	if len(c.Decision.Violations) != 2 || c.FailureClass != "schema" {
		t.Errorf("%+v", c)
	}
	entries, err := s.ledger.History(s.ctx, "clinic", "a")
	if err != nil || len(entries) != 1 || len(entries[0].Leaves) != 2 {
		t.Errorf("%+v %v", entries, err)
	}
}
