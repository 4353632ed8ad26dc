package suggest

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	for batch, err := range batches(source) {
		if err != nil {
			return err
		}
		for _, o := range decideAll(ctx, read, choices, batch) {
			shares.Add(o.proposed)
			builtin.Add(o.builtin)
			for i, c := range choices[o.proposed.Rule] {
				if o.choices != nil && o.choices[i] {
					c.More++
				}
			}
		}
	}
	p.Total, p.Builtin = shares.All(), builtin.All()
	p.Otherwise = shares.Of(p.Policy + "/otherwise")
	for i := range p.Rules {
		name := read.Rules[i].Name
		p.Rules[i].Share = shares.Of(name)
		for j, c := range choices[name] {
			if c.More > 0 && !(c.beyond && c.More == choices[name][j-1].More) {
				p.Rules[i].Choices = append(p.Rules[i].Choices, c.Choice)
			}
		}
		slices.SortStableFunc(p.Rules[i].Choices, func(a, b Choice) int { return b.More - a.More })
	}
	return nil
}

// outcome is what becomes of one conflict.
type outcome struct {
	proposed, builtin couchmend.Decision // without what they would write
	choices           []bool             // which of its rule's would resolve it; nil: it is resolved
}

// decideAll decides a batch, on all processors.
func decideAll(ctx context.Context, p *policy.Policy, choices map[string][]*choice, batch []couchmend.Conflict) []outcome {
	outcomes := make([]outcome, len(batch))
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batch)); i = next.Add(1) - 1 {
				o, c := &outcomes[i], batch[i]
				o.proposed, o.builtin = verdict(ctx, p, c), verdict(ctx, policy.Builtin(), c)
				if resolves(o.proposed) {
					continue
				}
				for _, choice := range choices[o.proposed.Rule] {
					last := len(o.choices) - 1
					o.choices = append(o.choices, choice.beyond && o.choices[last] || resolves(verdict(ctx, choice.policy, c)))
				}
			}
		})
	}
	group.Wait()
	return outcomes
}

// A batch is cut after batchSize conflicts, or when it holds batchBytes of
// documents (I11).
const (
	batchSize  = 100
	batchBytes = 16 << 20
)

// batches cuts a source into pieces.
func batches(source Source) iter.Seq2[[]couchmend.Conflict, error] {
	return func(yield func([]couchmend.Conflict, error) bool) {
		var batch []couchmend.Conflict
		size := 0
		for c, err := range source {
			if err != nil {
				yield(nil, err)
				return
			}
			batch, size = append(batch, c), size+bytesOf(c)
			if len(batch) < batchSize && size < batchBytes {
				continue
			}
			if !yield(batch, nil) {
				return
			}
			batch, size = nil, 0
		}
		yield(batch, nil)
	}
}

func bytesOf(c couchmend.Conflict) int {
	n := 0
	for _, r := range c.Leaves {
		n += len(r.Body)
	}
	for _, r := range c.Bases {
		n += len(r.Body)
	}
	return n
}

// parse reads a text of the proposal as `run` would.
func (p *Proposal) parse(text string) (*policy.Policy, error) {
	f, err := policy.Parse(p.DB, []byte(text), ".", policy.Options{})
	if err != nil {
		return nil, fmt.Errorf("the proposal is not a policy, which is a mistake of couchmend's: %w", err)
	}
	return f.Policies[p.Policy], nil
}

// verdict is what a policy makes of a conflict, as far as it is counted.
func verdict(ctx context.Context, p *policy.Policy, c couchmend.Conflict) couchmend.Decision {
	d := decide.Decide(ctx, func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, c)
	return couchmend.Decision{Outcome: d.Outcome, Rule: d.Rule, Reason: d.Reason}
}

// choice is a Choice with the policy that it would make.
type choice struct {
	Choice
	change func(*merge.Rule)
	policy *policy.Policy
	beyond bool // it is the one before and more, so it resolves all that that one does
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

// What choices cost.
const (
	priceLost   = "of what both sides changed one value is lost to readers; not a join"
	priceNoBase = "without a base, added and removed look alike"
	priceSeen   = "see above"
)

// choicesOf lists what a person may add to a rule.
func choicesOf(r proposed, rule merge.Rule) []*choice {
	all := doubtful(r)
	add := func(line, price string, change func(*merge.Rule)) {
		all = append(all, &choice{Choice: Choice{Line: line, Price: price}, change: change})
	}
	if r.SoftDelete != nil {
		add(fmt.Sprintf("soft_delete: { field: %s, wins: delete }", pathText(r.SoftDelete.Pattern)),
			"the edit beside a deletion is in the journal alone", func(to *merge.Rule) {
				to.SoftDelete = &merge.SoftDelete{Field: to.SoftDelete.Field, Wins: merge.SoftDeleteStands}
			})
		add("leave soft_delete out", "the document stays deleted, with the edit in it: such documents merge field by field", func(to *merge.Rule) { to.SoftDelete = nil })
	}
	if r.files > 0 {
		add("attachments: keep_both", "two files where one was meant; nothing is lost", func(to *merge.Rule) { to.Attachments = merge.AttachmentsKeepBoth })
	}
	if r.TwoRoots > 0 {
		add("collision: merge", "right where one thing was created twice; wrong where two drew one id", func(to *merge.Rule) { to.Collision = merge.CollisionMerge })
	}
	if slices.ContainsFunc(rule.Fields, func(f merge.Field) bool { return f.Strategy.Kind == merge.ByKey }) {
		add("no_base: strategies", priceNoBase, func(to *merge.Rule) { to.NoBase = merge.NoBaseStrategies })
	}
	return append(all, sweeping(r)...)
}

// doubtful are the lines for which there is some evidence: each alone, and all
// together, since documents differ in several fields at once.
func doubtful(r proposed) []*choice {
	var all []*choice
	var lines, entries []string
	add := func(line string, change func(*merge.Rule)) {
		all = append(all, &choice{Choice: Choice{Line: line, Price: priceSeen}, change: change})
	}
	var together []func(*merge.Rule)
	if r.doubted != nil && r.Clock == nil {
		clock := func(to *merge.Rule) { to.Clock = merge.Clock{Kind: merge.Vector, Path: r.doubted} }
		lines = append(lines, fmt.Sprintf("clock: { vector: %s }", pathText(r.doubted)))
		together = append(together, clock)
		add(lines[0], clock)
	}
	for _, f := range r.Open {
		for i, s := range f.Maybe {
			if len(all) == maxChoices {
				break
			}
			entry := fieldLine(f.Pattern, s)
			change := func(to *merge.Rule) { withField(to, f.Pattern, s) }
			add("fields: { "+entry+" }", change)
			if i == 0 {
				entries, together = append(entries, entry), append(together, change)
			}
		}
	}
	if len(entries) > 0 {
		lines = append(lines, "fields: { "+strings.Join(entries, ", ")+" }")
	}
	if len(together) > 1 {
		add(strings.Join(lines, ", "), func(to *merge.Rule) {
			for _, change := range together {
				change(to)
			}
		})
	}
	return all
}

// sweeping are the choices that settle every other field at once.
func sweeping(r proposed) []*choice {
	everything := merge.Path{"**"}
	var all []*choice
	add := func(line, price string, change func(*merge.Rule)) {
		all = append(all, &choice{Choice: Choice{Line: line, Price: price}, change: change})
	}
	switch {
	case r.Clock != nil && r.Clock.Kind != merge.Vector:
		add(`fields: { "**": latest }`, priceLost, func(to *merge.Rule) { withField(to, everything, merge.Strategy{Kind: merge.Latest}) })
	case r.Clock == nil && r.stamp != nil:
		add(fmt.Sprintf(`clock: { timestamp: %s }, fields: { "**": latest }`, pathText(r.stamp)), priceLost+"; a wrong clock wins or loses wrongly", func(to *merge.Rule) {
			to.Clock = merge.Clock{Kind: merge.Timestamp, Path: r.stamp}
			withField(to, everything, merge.Strategy{Kind: merge.Latest})
		})
	}
	winner := merge.Strategy{Kind: merge.Winner}
	add(`fields: { "**": winner }`, priceLost, func(to *merge.Rule) { withField(to, everything, winner) })
	add(`fields: { "**": winner }, no_base: strategies`, priceLost+"; "+priceNoBase, func(to *merge.Rule) {
		withField(to, everything, winner)
		to.NoBase = merge.NoBaseStrategies
	})
	all[len(all)-1].beyond = true
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
