package laws

import (
	"bytes"
	"context"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// trial asks one rule.
type trial struct {
	rules     decide.Rules
	fresh     decide.Rules // the same policy, read once more: other processes
	rule      *merge.Rule
	decisions int
}

// breach is a law that a question broke.
type breach struct {
	status  Status // Failed or Warning
	answers []Answer
	differs []string
	why     []Explanation // of a warning
	means   string
	asked   *Question // what was really asked, where fields were added to the question
}

// try puts a question to a law; nil: it holds.
func (t *trial) try(ctx context.Context, law Law, q Question) *breach {
	switch law {
	case Deterministic:
		return t.deterministic(ctx, q)
	case Commutative:
		return t.commutative(ctx, q)
	case Idempotent:
		return t.idempotent(ctx, q)
	case Associative:
		return t.associative(ctx, q)
	case Agreement:
		return t.agreement(ctx, q)
	case NothingLost:
		return t.nothingLost(ctx, q)
	case Exact:
		return t.exact(ctx, q)
	}
	return nil
}

// settle mends at a site until nothing is left to do, and tells what became of
// the document.
func (t *trial) settle(ctx context.Context, s *site, how string) Answer {
	var d couchmend.Decision
	for range 8 { // one is enough, but for what a merge meets
		t.decisions++
		d = s.mend(ctx, true)
		if d.Merge == nil && len(d.Bury) == 0 {
			break
		}
	}
	if d.Outcome == couchmend.Review {
		return Answer{How: how, Outcome: d.Outcome, Reason: d.Reason, Words: d.Evidence}
	}
	if live := s.live(); len(live) > 0 {
		return Answer{How: how, Outcome: couchmend.Merge, Body: live[0].Body}
	}
	return Answer{How: how, Outcome: couchmend.Delete}
}

// failed reports whether a resolver got no further for a reason that says nothing
// of its answer: another attempt may end otherwise.
func (a Answer) failed() bool {
	return a.Reason.IsResolvers() && a.Reason != couchmend.ReasonResolverUnstable
}

// answers reports whether an answer is one, and not a review.
func (a Answer) answers() bool { return a.Outcome != couchmend.Review }

// compare holds two answers to a question against each other. A review is never
// a wrong value: where only one way ends in review, that is a warning.
func (t *trial) compare(q Question, a, b Answer, means func(where []string) string) *breach {
	switch {
	case !a.answers() && !b.answers(), a.failed(), b.failed():
		return nil
	case !a.answers() || !b.answers():
		return &breach{status: Warning, answers: []Answer{a, b},
			why:   []Explanation{{Text: fmt.Sprintf("one way goes to review (%s), another does not: never a wrong value, but who meets whom first decides whether a person is asked", reviewOf(a, b))}},
			means: "Nothing is merged wrongly. Whether a person is asked depends on which edits meet first."}
	case a.Outcome != b.Outcome:
		return &breach{status: Failed, answers: []Answer{a, b}, means: means(nil)}
	}
	found := differences(t.rule, nil, jsondoc.Value(a.Body), jsondoc.Value(b.Body))
	if len(found) == 0 {
		return nil
	}
	broken := &breach{status: Warning, answers: []Answer{a, b}}
	for _, d := range found {
		at := d.path.String()
		broken.differs = append(broken.differs, at)
		words := excuse(t.rule, q, d)
		if words == "" {
			broken.status = Failed
		}
		broken.why = append(broken.why, Explanation{[]string{at}, words})
	}
	broken.means = means(broken.differs)
	return broken
}

// reviewOf is the reason of the one answer that is a review.
func reviewOf(a, b Answer) couchmend.Reason {
	if a.answers() {
		return b.Reason
	}
	return a.Reason
}

// worse returns the graver of two breaches.
func worse(a, b *breach) *breach {
	if a == nil || b != nil && b.status == Failed && a.status != Failed {
		return b
	}
	return a
}

// deterministic asks a question twice, and a policy that was read anew.
func (t *trial) deterministic(ctx context.Context, q Question) *breach {
	p := plant(q, upward(len(q.Leaves)))
	ask := func(rules decide.Rules, how string) Answer {
		t.decisions++
		return answerOf(decide.Decide(ctx, rules, p.site(rules, q.ID, indices(q)...).conflict()), how)
	}
	first := ask(t.rules, "asked once")
	if first.Reason == couchmend.ReasonResolverUnstable {
		return &breach{status: Failed, answers: []Answer{first}, means: unstable}
	}
	ways := []Answer{ask(t.rules, "asked again")}
	if t.fresh != nil {
		ways = append(ways, ask(t.fresh, "in a fresh process"))
	}
	for _, other := range ways {
		if first.failed() || other.failed() {
			continue
		}
		if other.Reason == couchmend.ReasonResolverUnstable || other.Outcome != first.Outcome || !bytes.Equal(other.Body, first.Body) {
			broken := &breach{status: Failed, answers: []Answer{first, other}, means: unstable}
			for _, d := range differences(t.rule, nil, jsondoc.Value(first.Body), jsondoc.Value(other.Body)) {
				broken.differs = append(broken.differs, d.path.String())
			}
			return broken
		}
	}
	return nil
}

const unstable = "Every couchmend that meets this conflict may write another merge, and each is a new conflict for the others: the sites need not ever agree."

func answerOf(d couchmend.Decision, how string) Answer {
	a := Answer{How: how, Outcome: d.Outcome}
	switch d.Outcome {
	case couchmend.Review:
		a.Reason, a.Words = d.Reason, d.Evidence
	case couchmend.Delete:
	default:
		a.Outcome = couchmend.Merge
		if d.Merge != nil {
			a.Body = d.Merge.Body
		}
	}
	return a
}

func indices(q Question) []int {
	all := make([]int, len(q.Leaves))
	for i := range all {
		all[i] = i
	}
	return all
}

// letters names leaves: A, B, C…
func letters(leaves ...int) string {
	var b []byte
	for i, leaf := range leaves {
		if i > 0 {
			b = append(b, "·"...)
		}
		b = append(b, byte('A'+leaf))
	}
	return string(b)
}
