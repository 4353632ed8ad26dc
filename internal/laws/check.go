package laws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// Options say how much is tried. The zero Options are 200 questions and 10
// seconds for each rule, made up from seed 0.
type Options struct {
	Seed uint64
	Runs int           // questions made up for each rule; 0 is 200, less is none
	Time time.Duration // for each rule, shrinking apart; 0 is 10 seconds
	// Progress, where it is set, hears how far a rule has come.
	Progress func(rule string, done, total int)
}

// Subject is one policy with all that is known of what it meets.
type Subject struct {
	Policy *policy.Policy
	// Fresh is the same policy, read once more: its resolvers have processes of
	// their own. Nil: nothing is asked in fresh processes.
	Fresh   *policy.Policy
	Samples []Question // from databases
	Cases   []Question // from files
	// Names are of fields that the resolvers speak of, by the rule's name.
	Names map[string][]string
}

// Check tries the laws on every rule of a policy, until ctx ends.
func Check(ctx context.Context, s Subject, o Options) []RuleReport {
	if o.Runs == 0 {
		o.Runs = 200
	}
	if o.Time == 0 {
		o.Time = 10 * time.Second
	}
	reports := []RuleReport{}
	for i := range s.Policy.Rules {
		if ctx.Err() != nil {
			break
		}
		reports = append(reports, s.rule(ctx, i, o))
	}
	return reports
}

func rulesOf(p *policy.Policy) decide.Rules {
	return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
}

// run is one rule under test.
type run struct {
	*trial
	report    RuleReport
	verdicts  map[Law]*Verdict
	deadline  time.Time
	shrinking time.Duration // for one counterexample
}

func (s Subject) rule(ctx context.Context, i int, o Options) RuleReport {
	rule := &s.Policy.Rules[i]
	r := &run{
		trial:    &trial{rules: rulesOf(s.Policy), rule: &rule.Rule},
		verdicts: map[Law]*Verdict{},
		deadline: time.Now().Add(o.Time), shrinking: o.Time / 3,
	}
	if s.Fresh != nil {
		r.fresh = rulesOf(s.Fresh)
	}
	r.report = RuleReport{Rule: rule.Name, Promises: promises(&rule.Rule), Reasons: map[couchmend.Reason]int{}}
	for _, law := range All() {
		r.verdicts[law] = &Verdict{Law: law, Status: Untested}
	}
	m := &maker{trial: r.trial, rule: rule, schema: rule.LeafSchema, names: s.Names[rule.Name]}
	r.given(ctx, m, s.Samples, &r.report.Sampled)
	r.given(ctx, m, s.Cases, &r.report.FromFiles)
	for n, vain := 0, 0; n < o.Runs && vain < maxVain && r.goesOn(ctx); n++ {
		if o.Progress != nil {
			o.Progress(rule.Name, n, o.Runs)
		}
		q, ok := m.question(ctx, o.Seed, n)
		if !ok {
			vain++
			continue
		}
		vain = 0
		r.report.Generated++
		r.ask(ctx, q)
	}
	return r.end(m)
}

// maxVain is after how many vain attempts in a row no more conflicts are made up.
const maxVain = 15

// goesOn reports whether there is time for another question.
func (r *run) goesOn(ctx context.Context) bool {
	r.report.OutOfTime = r.report.OutOfTime || time.Now().After(r.deadline)
	return !r.report.OutOfTime && ctx.Err() == nil
}

// given asks questions that were not made up, those that the rule is about, and
// keeps their documents as models for such that are.
func (r *run) given(ctx context.Context, m *maker, questions []Question, count *int) {
	for _, q := range questions {
		if !r.admits(q) {
			if slices.ContainsFunc(q.Leaves, func(leaf jsondoc.Value) bool { return r.rules(q.ID, leaf) == r.rule }) {
				r.report.Unfit++
			}
			continue
		}
		for _, doc := range append([]jsondoc.Value{q.Base}, q.Leaves...) {
			if doc != nil && len(m.models) < maxModels {
				m.models = append(m.models, model{q.ID, doc, "made from " + q.Source})
			}
		}
		if r.goesOn(ctx) {
			*count++
			r.ask(ctx, q)
		}
	}
}

// maxModels bounds how many documents are kept to make others from.
const maxModels = 500

// ask puts a question to every law that has not failed yet.
func (r *run) ask(ctx context.Context, q Question) {
	d := decide.Decide(ctx, r.rules, plant(q, upward(len(q.Leaves))).site(r.rules, q.ID, indices(q)...).conflict())
	r.decisions++
	if d.Outcome == couchmend.Review {
		r.report.Reviewed++
		r.report.Reasons[d.Reason]++
		r.remember(d)
	} else {
		r.report.Merged++
	}
	if d.Reason == couchmend.ReasonResolverTimeout {
		return // each law would wait as long a hundred times, and learn nothing
	}
	for _, law := range All() {
		v := r.verdicts[law]
		if v.Status == Failed || law == Associative && len(q.Leaves) < 3 {
			continue
		}
		if r.verdicts[Deterministic].Status == Failed && law != Exact { // chance breaks any law
			continue
		}
		v.Tried++
		b := r.try(ctx, law, q)
		if ctx.Err() != nil {
			return // what was cut off tells nothing
		}
		r.judge(ctx, v, q, b)
	}
}

// judge takes what one question showed into a verdict. The first example of a
// warning stays, a failure takes its place.
func (r *run) judge(ctx context.Context, v *Verdict, q Question, b *breach) {
	if b == nil {
		if v.Status == Untested {
			v.Status = OK
		}
		return
	}
	v.Broken++
	first := v.Status != Warning
	v.Status = b.status
	if b.status == Failed || first {
		began := time.Now()
		limit, steps := r.shrinking, maxSteps
		if b.status == Warning {
			limit, steps = limit/4, steps/4
		}
		small, shrunk := r.shrink(ctx, v.Law, q, b, began.Add(limit), steps)
		r.deadline = r.deadline.Add(time.Since(began))
		v.Example = example(small, shrunk, !small.equal(q))
	}
	if b.status == Failed {
		return
	}
	for _, reason := range b.why {
		excused(v, reason)
	}
}

// excused adds a reason to a verdict's, or its places to those of the same
// reason.
func excused(v *Verdict, reason Explanation) {
	i := slices.IndexFunc(v.Because, func(known Explanation) bool { return known.Text == reason.Text })
	if i < 0 {
		i, v.Because = len(v.Because), append(v.Because, Explanation{Text: reason.Text})
	}
	for _, place := range reason.Where {
		if !slices.Contains(v.Because[i].Where, place) {
			v.Because[i].Where = append(v.Because[i].Where, place)
		}
	}
}

func example(q Question, b *breach, shrunk bool) *Counterexample {
	if b.asked != nil {
		q = *b.asked
	}
	e := &Counterexample{Base: raw(q.Base), Answers: b.answers, Differs: b.differs, Means: b.means, Source: q.Source, Shrunk: shrunk}
	for _, leaf := range q.Leaves {
		e.Leaves = append(e.Leaves, json.RawMessage(leaf))
	}
	return e
}

// remember notes how a resolver failed, once for each reason.
func (r *run) remember(d couchmend.Decision) {
	if r.report.Reasons[d.Reason] == 1 && (d.Reason == couchmend.ReasonResolverError || d.Reason.IsResolvers()) && len(d.Evidence) > 0 {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("the resolver failed (%s): %s", d.Reason, d.Evidence[0]))
	}
}

// end says what was not shown.
func (r *run) end(m *maker) RuleReport {
	rep := r.report
	asked := rep.Sampled + rep.FromFiles + rep.Generated
	note := func(format string, args ...any) { rep.Notes = append(rep.Notes, fmt.Sprintf(format, args...)) }
	switch {
	case asked == 0:
		note("nothing was tried: no document could be made that the rule selects (and its schema takes). Give conflicts with --db or --from")
	case rep.Merged == 0:
		note("nothing was shown: every conflict went to review. Give conflicts that the rule merges, with --db or --from")
	}
	if rep.Unfit > 0 {
		note("%d given conflicts were not tried: not all of their documents select the rule and satisfy its schema. They go to review", rep.Unfit)
	}
	if m.choked > 0 {
		note("the resolver failed on %d conflicts made up for it, which then were not tried; the last time with: %s", m.choked, m.words)
	}
	if rep.OutOfTime {
		note("the time was up: of the conflicts that were to be tried, some were not")
	}
	rep.Decisions = r.decisions
	for _, law := range All() {
		v := *r.verdicts[law]
		switch {
		case v.Status == OK && rep.Merged == 0: // what is never merged breaks no law
			v.Status = Untested
		case v.Status == Failed:
			v.Because = nil
		case v.Status == Untested && r.verdicts[Deterministic].Status == Failed:
			v.Because = []Explanation{{Text: "an answer that chance decides breaks any law"}}
		}
		rep.Laws = append(rep.Laws, v)
	}
	return rep
}
