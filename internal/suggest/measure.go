package suggest

import (
	"context"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/revtree"
)

// measure decides each conflict by the very text that is proposed, and those
// that stay in review by each choice that a person has, alone.
func (p *Proposal) measure(ctx context.Context, source Source, rules []proposed) error {
	read, err := p.parse(p.render())
	if err != nil {
		return err
	}
	choices := map[string][]*choice{}
	for i, r := range rules {
		name := read.Rules[i].Name
		for _, c := range choicesOf(r, read.Rules[i].Rule) {
			c.with(read, i)
			choices[name] = append(choices[name], c)
		}
	}
	var shares, builtin Shares
	for c, err := range source {
		if err != nil {
			return err
		}
		d := decided(ctx, read, c)
		shares.Add(d)
		builtin.Add(decided(ctx, policy.Builtin(), c))
		if resolves(d) {
			continue
		}
		for _, choice := range choices[d.Rule] {
			if resolves(decided(ctx, choice.policy, c)) {
				choice.More++
			}
		}
	}
	p.Total, p.Builtin = shares.Total, builtin.Total
	p.Otherwise = shares.Of(p.Policy + "/otherwise")
	for i := range p.Rules {
		name := read.Rules[i].Name
		p.Rules[i].Share = shares.Of(name)
		for _, c := range choices[name] {
			if c.More > 0 {
				p.Rules[i].Choices = append(p.Rules[i].Choices, c.Choice)
			}
		}
		slices.SortStableFunc(p.Rules[i].Choices, func(a, b Choice) int { return b.More - a.More })
	}
	return nil
}

// parse reads a text of the proposal as `run` would.
func (p *Proposal) parse(text string) (*policy.Policy, error) {
	f, err := policy.Parse(p.DB, []byte(text), ".")
	if err != nil {
		return nil, fmt.Errorf("the proposal is not a policy, which is a mistake of couchmend's: %w", err)
	}
	return f.Policies[p.Policy], nil
}

// decided is what a policy makes of a conflict.
func decided(ctx context.Context, p *policy.Policy, c couchmend.Conflict) couchmend.Decision {
	return decide.Decide(ctx, func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, c)
}

// choice is a Choice with the policy that it would make.
type choice struct {
	Choice
	change func(*merge.Rule)
	policy *policy.Policy
}

// with makes the policy in which rule i is changed by the choice.
func (c *choice) with(p *policy.Policy, i int) {
	changed := *p
	changed.Rules = slices.Clone(p.Rules)
	rule := changed.Rules[i].Rule
	rule.Fields = slices.Clone(rule.Fields)
	c.change(&rule)
	changed.Rules[i].Rule = rule
	c.policy = &changed
}

// maxChoices bounds the strategies that are measured for one rule.
const maxChoices = 12

// choicesOf lists what a person may add to a rule.
func choicesOf(r proposed, rule merge.Rule) []*choice {
	var all []*choice
	add := func(line, price string, change func(*merge.Rule)) {
		all = append(all, &choice{Choice: Choice{Line: line, Price: price}, change: change})
	}
	for _, f := range r.Open {
		for _, s := range f.Maybe {
			if len(all) < maxChoices {
				add(fmt.Sprintf("fields: { %s }", fieldLine(f.Pattern, s)), "its evidence is above, and not enough", func(to *merge.Rule) { withField(to, f.Pattern, s) })
			}
		}
	}
	if r.SoftDelete != nil {
		add(fmt.Sprintf("soft_delete: { field: %s, wins: delete }", pathText(r.SoftDelete.Pattern)),
			"the edit beside a deletion is in the journal alone", func(to *merge.Rule) { to.SoftDelete.Wins = merge.SoftDeleteStands })
	}
	if r.files > 0 {
		add("attachments: keep_both", "two files where one was meant; nothing is lost", func(to *merge.Rule) { to.Attachments = merge.AttachmentsKeepBoth })
	}
	if r.TwoRoots > 0 {
		add("collision: merge", "right where one thing was created twice; wrong where two drew one id", func(to *merge.Rule) { to.Collision = merge.CollisionMerge })
	}
	const noBase = "without a base nobody can tell a field that one side added from one that the other removed"
	if slices.ContainsFunc(rule.Fields, func(f merge.Field) bool { return f.Strategy.Kind == merge.ByKey }) {
		add("no_base: strategies", noBase, func(to *merge.Rule) { to.NoBase = merge.NoBaseStrategies })
	}
	return append(all, sweeping(r, noBase)...)
}

// sweeping are the choices that settle every other field at once.
func sweeping(r proposed, noBase string) []*choice {
	everything := merge.Path{"**"}
	var all []*choice
	add := func(line, price string, change func(*merge.Rule)) {
		all = append(all, &choice{Choice: Choice{Line: line, Price: price}, change: change})
	}
	const lost = "of each field that both sides changed, one side's value is in the journal alone; what sites end with may depend on the order in which they merge"
	switch {
	case r.Clock != nil && r.Clock.Kind != merge.Vector:
		add(`fields: { "**": latest }`, lost, func(to *merge.Rule) { withField(to, everything, merge.Strategy{Kind: merge.Latest}) })
	case r.Clock == nil && r.stamp != nil:
		add(fmt.Sprintf(`clock: { timestamp: %s }, fields: { "**": latest }`, pathText(r.stamp)), lost+"; a device whose clock is wrong wins or loses wrongly", func(to *merge.Rule) {
			to.Clock = merge.Clock{Kind: merge.Timestamp, Path: r.stamp}
			withField(to, everything, merge.Strategy{Kind: merge.Latest})
		})
	}
	winner := merge.Strategy{Kind: merge.Winner}
	add(`fields: { "**": winner }`, lost, func(to *merge.Rule) { withField(to, everything, winner) })
	add(`fields: { "**": winner }, no_base: strategies`, lost+"; "+noBase, func(to *merge.Rule) {
		withField(to, everything, winner)
		to.NoBase = merge.NoBaseStrategies
	})
	return all
}

func withField(to *merge.Rule, pattern merge.Path, s merge.Strategy) {
	to.Fields = append(to.Fields, merge.Field{Pattern: pattern, Strategy: s})
}

// merges reports whether a strategy merges two values that both sides made of
// a base.
func merges(s merge.Strategy, base, a, b jsondoc.Value) bool {
	const field = "v"
	rev := func(gen int, hash string) couchmend.Rev { return couchmend.Rev{Gen: gen, Hash: hash} }
	o, x, y := rev(1, "0"), rev(2, "b"), rev(2, "a")
	revisions := map[couchmend.Rev]couchmend.Revision{}
	for r, v := range map[couchmend.Rev]jsondoc.Value{o: base, x: a, y: b} {
		var members []jsondoc.Member
		if v != nil {
			members = []jsondoc.Member{{Name: field, Value: v}}
		}
		revisions[r] = couchmend.Revision{Rev: r, Body: []byte(jsondoc.Object(members))}
	}
	fold := revtree.Fold{Heads: []couchmend.Rev{x, y}, Steps: []revtree.Step{{Head: y, How: revtree.ThreeWay, Base: revtree.Fold{Heads: []couchmend.Rev{o}}}}}
	rule := &merge.Rule{Fields: []merge.Field{{Pattern: merge.Path{field}, Strategy: s}}}
	_, refusal := merge.Merge(context.Background(), rule, "", fold, revisions)
	return refusal == nil
}
