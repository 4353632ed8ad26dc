package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/couchmend/couchmend"
)

// inTurn answers with one after the other.
type inTurn struct {
	answers []any // text, nil, or an error; a panic where there are no more
	asked   int
}

func (r *inTurn) Resolve(context.Context, *couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
	r.asked++
	switch answer := r.answers[r.asked-1].(type) {
	case error:
		return nil, answer
	case string:
		return json.RawMessage(answer), nil
	}
	return nil, nil
}

func TestAResolverIsAskedTwiceAndMustAgreeWithItself(t *testing.T) {
	review := func(words string) error { return fmt.Errorf("%s: %w", words, couchmend.ErrReview) }
	broken := errors.New("no such clinic")
	for _, c := range []struct {
		first, second any
		want          any // text, nil, or an error
	}{
		{`{"a":1,"b":2}`, `{"b":2, "a":1}`, `{"a":1,"b":2}`},
		{`1`, `1.0`, couchmend.ReasonResolverUnstable},
		{`1.10`, `1.1`, `1.10`},
		{`12345678901234567891`, `12345678901234567892`, couchmend.ReasonResolverUnstable},
		{nil, nil, nil},
		{nil, `null`, couchmend.ReasonResolverUnstable},
		{review("a"), review("b"), couchmend.ErrReview},
		{review("a"), `1`, couchmend.ReasonResolverUnstable},
		{`1`, review("a"), couchmend.ReasonResolverUnstable},
		{`1`, broken, broken},
		{broken, `1`, broken},
		{review("a"), broken, broken},
		{`1`, `{"a":`, couchmend.ReasonResolverOutput},
		{`"\ud800"`, `1`, couchmend.ReasonResolverOutput},
	} {
		r := &inTurn{answers: []any{c.first, c.second}}
		got, err := Twice(r).Resolve(t.Context(), nil, nil)
		ok := false
		switch want := c.want.(type) {
		case string:
			ok = err == nil && string(got) == want
		case nil:
			ok = err == nil && got == nil
		case error:
			ok = errors.Is(err, want)
		case couchmend.Reason:
			ok = reasonOf(err) == want
		}
		if !ok || r.asked != 2 {
			t.Errorf("%v, then %v: got %s %v after %d askings, want %v", c.first, c.second, got, err, r.asked, c.want)
		}
	}
}

func TestAPanicOfAResolverIsAFailure(t *testing.T) {
	_, err := Twice(&inTurn{}).Resolve(t.Context(), nil, nil)
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "panic: ", "index out of range", "twice_test.go")
}

func TestUnstableAnswersAreQuotedShortened(t *testing.T) {
	long := fmt.Sprintf(`"%0300d"`, 1)
	_, err := Twice(&inTurn{answers: []any{long, `{"a":7}`}}).Resolve(t.Context(), nil, nil)
	wantFailure(t, err, couchmend.ReasonResolverUnstable, `{"a":7}`, `"000`, "…")
	if len(err.Error()) > 2*quoted+200 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}
