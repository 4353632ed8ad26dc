package resolver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
)

// Meter measures resolvers, rule by rule. The zero Meter is ready for use, by
// several goroutines at once.
type Meter struct {
	mu    sync.Mutex
	rules map[string]*RuleTime
}

// RuleTime is what the resolvers of one rule took.
type RuleTime struct {
	Rule     string        `json:"rule"` // "policy/rule"
	Calls    int64         `json:"calls"`
	Failures int64         `json:"failures"` // calls that ended in an error, those for review left out
	Reviews  int64         `json:"reviews"`  // calls that asked for review
	Total    time.Duration `json:"total"`    // of all calls, waiting for a free process included
	Max      time.Duration `json:"max"`      // of the longest call
}

// Wrap returns r with its calls measured under the name of a rule.
func (m *Meter) Wrap(rule string, r couchmend.Resolver) couchmend.Resolver {
	return metered{m, rule, r}
}

// Snapshot returns the figures so far, sorted by rule. A rule whose resolvers
// were never called is not among them.
func (m *Meter) Snapshot() []RuleTime {
	m.mu.Lock()
	defer m.mu.Unlock()
	times := make([]RuleTime, 0, len(m.rules))
	for _, t := range m.rules {
		times = append(times, *t)
	}
	slices.SortFunc(times, func(a, b RuleTime) int { return cmp.Compare(a.Rule, b.Rule) })
	return times
}

func (m *Meter) add(rule string, took time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rules == nil {
		m.rules = map[string]*RuleTime{}
	}
	t := m.rules[rule]
	if t == nil {
		t = &RuleTime{Rule: rule}
		m.rules[rule] = t
	}
	t.Calls++
	t.Total += took
	t.Max = max(t.Max, took)
	switch {
	case errors.Is(err, couchmend.ErrReview):
		t.Reviews++
	case err != nil:
		t.Failures++
	}
}

type metered struct {
	meter    *Meter
	rule     string
	resolver couchmend.Resolver
}

func (r metered) Resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	start := time.Now()
	result, err := r.resolver.Resolve(ctx, base, revisions)
	r.meter.add(r.rule, time.Since(start), err)
	return result, err
}
