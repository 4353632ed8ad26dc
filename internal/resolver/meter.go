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
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
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
	// Within counts the calls that took no longer than each of MeterBounds, and
	// longer than the one before.
	Within [len(MeterBounds)]int64 `json:"-"`
}

// MeterBounds are the bounds by which calls are counted. A call in Starlark takes
// a tenth of a millisecond, one in a process that runs away as long as it may.
var MeterBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	10 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
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
	if at, _ := slices.BinarySearch(MeterBounds[:], took); at < len(t.Within) {
		t.Within[at]++
	}
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
	took := time.Since(start)
	r.meter.add(r.rule, took, err)
	r.trace(ctx, start, took, err)
	return result, err
}

// traced is how long a call must have taken to be a span of its own, unless it
// failed: shorter ones, by the thousand, would crowd out all else.
const traced = time.Millisecond

// trace makes a span of a call that is over. Nothing of it is handed to the
// resolver, whose answer may depend on its arguments alone (I4).
func (r metered) trace(ctx context.Context, start time.Time, took time.Duration, err error) {
	above := trace.SpanFromContext(ctx)
	failed := err != nil && !errors.Is(err, couchmend.ErrReview)
	if !above.IsRecording() || took < traced && !failed {
		return
	}
	_, span := above.TracerProvider().Tracer("github.com/couchmend/couchmend/internal/resolver").
		Start(ctx, "resolve", trace.WithTimestamp(start), trace.WithAttributes(attribute.String("rule", r.rule)))
	if failed {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(start.Add(took)))
}
