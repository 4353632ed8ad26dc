package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Twice asks r each question twice, one after the other, and answers where both
// answers are the same value (I4). Where they differ it fails with
// ReasonResolverUnstable, quoting both; where one of them is a failure, with
// that. A panic of r's is a failure too (ReasonResolverCrashed).
//
// It is for resolvers in Go. Those that run in processes compare two processes'
// answers themselves.
func Twice(r couchmend.Resolver) couchmend.Resolver { return twice{r} }

type twice struct{ resolver couchmend.Resolver }

func (t twice) Resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return agreed(t.ask(ctx, base, revisions), t.ask(ctx, base, revisions))
}

func (t twice) ask(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (o outcome) {
	defer func() {
		if r := recover(); r != nil {
			o = outcome{err: failure(couchmend.ReasonResolverCrashed, "panic: %v\n%s", r, shortened(string(debug.Stack())))}
		}
	}()
	result, err := t.resolver.Resolve(ctx, base, revisions)
	if err != nil || result == nil {
		return outcome{err: err}
	}
	value, err := jsondoc.Parse(result)
	if err != nil {
		err = failure(couchmend.ReasonResolverOutput, "the result is not JSON: %w", err)
	}
	return outcome{value, err}
}

// outcome is what one asking came to.
type outcome struct {
	value jsondoc.Value // valid JSON; nil: absent
	err   error
}

// agreed is what two askings of one question come to.
func agreed(first, second outcome) (json.RawMessage, error) {
	for _, o := range []outcome{first, second} {
		if o.err != nil && !errors.Is(o.err, couchmend.ErrReview) {
			return nil, o.err
		}
	}
	// Words are for people: two that differ are the same decision.
	if first.err != nil && second.err != nil || first.err == nil && second.err == nil && jsondoc.Equal(first.value, second.value) {
		return json.RawMessage(first.value), first.err
	}
	return nil, failure(couchmend.ReasonResolverUnstable, "two answers to one question: %s, and %s", first, second)
}

// String quotes the outcome, shortened.
func (o outcome) String() string {
	switch {
	case o.err != nil:
		return fmt.Sprintf("a request for review (%s)", cut(o.err.Error(), quoted))
	case o.value == nil:
		return "nothing"
	}
	return cut(string(o.value), quoted)
}
