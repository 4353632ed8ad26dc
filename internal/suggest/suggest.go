package suggest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// Source yields open conflicts: the same ones each time that it is ranged over,
// in any order. An error is the last thing that it yields.
type Source = iter.Seq2[couchmend.Conflict, error]

// Options say what a proposal is made for.
type Options struct {
	DB string
	// Of is about how many conflicts are open, where the source has a sample of
	// them; 0: the source has all.
	Of int
	// By names the fields that say what kind a document is, the first of all
	// documents, others within its kinds; "_id" is the beginning of the id.
	// Empty: it is found out.
	By []string
	// Examples puts values of documents into the comments.
	Examples bool
}

// Propose reads the source three times and proposes a policy for what it
// yields. Errors are those of the source, the context's, and of KindUsage where
// no kinds can be told apart by Options.By.
func Propose(ctx context.Context, source Source, o Options) (*Proposal, error) {
	source = until(ctx, source)
	p := &Proposal{DB: o.DB, Policy: policyName(o.DB), By: []string{}, Rules: []Rule{}}
	kinder, err := p.takeCensus(source, o.By)
	if err != nil {
		return nil, err
	}
	profiles, err := p.profile(source, kinder)
	if err != nil {
		return nil, err
	}
	rules := profiles.rules(kinder)
	nameRules(rules)
	for _, r := range rules {
		p.Rules = append(p.Rules, r.Rule)
	}
	p.show(o.Examples)
	p.Of = max(o.Of, p.Conflicts)
	if err := p.measure(ctx, source, rules); err != nil {
		return nil, err
	}
	p.Text = p.render()
	_, err = p.parse(p.Text)
	return p, err
}

// until ends a source with the context's error when that ends.
func until(ctx context.Context, source Source) Source {
	return func(yield func(couchmend.Conflict, error) bool) {
		for c, err := range source {
			if err == nil {
				err = ctx.Err()
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// takeCensus finds out by which fields documents say what kind they are.
func (p *Proposal) takeCensus(source Source, by []string) (*kinder, error) {
	n := newCensus()
	for c, err := range source {
		if err != nil {
			return nil, err
		}
		p.Conflicts++
		if isDesign(c.ID) {
			p.Design++
			continue
		}
		n.add(c)
	}
	if len(by) > 0 {
		p.By = by
		return n.kinder(by[0], by[1:]), n.check(by[0])
	}
	best := n.best()
	if best != "" {
		p.By = append(p.By, best)
	}
	return n.kinder(best, subkindNames), nil
}

func isDesign(id string) bool { return strings.HasPrefix(id, "_design/") }

// profiles are what conflicts showed, by kind and within it by subkind.
type profiles map[string]map[subkind]*profile

// profile looks at each conflict.
func (p *Proposal) profile(source Source, k *kinder) (profiles, error) {
	all := profiles{}
	space := newRoom()
	doc := 0
	for c, err := range source {
		if err != nil {
			return nil, err
		}
		kind, sub, ok := k.of(c)
		if isDesign(c.ID) || !ok {
			continue
		}
		doc++
		at := all.at(kind, sub, space)
		at.conflicts++
		pairs, twoRoots := pairsOf(c)
		based := len(pairs) > 0
		for _, pair := range pairs {
			based = based && pair.exact
			at.look(seen{pair: pair, doc: doc, id: c.ID, rank: rankOf(c.ID)})
		}
		switch {
		case based:
			at.based++
			p.Based++
		case len(pairs) > 0:
			at.blind++
		}
		at.twoRoots += min(twoRoots, 1)
		if filesDiffer(c) {
			at.files++
		}
	}
	p.Cut = space.full
	return all, nil
}

func filesDiffer(c couchmend.Conflict) bool {
	return slices.ContainsFunc(c.Leaves, func(leaf couchmend.Revision) bool {
		return !slices.EqualFunc(leaf.Attachments, c.Leaves[0].Attachments, func(x, y couchmend.Attachment) bool {
			return x.Name == y.Name && x.Digest == y.Digest && x.Length == y.Length
		})
	})
}

// at returns the profile of a subkind. A kind that has too many of them is not
// divided.
func (all profiles) at(kind string, sub subkind, space *room) *profile {
	subs := all[kind]
	if subs == nil {
		subs = map[subkind]*profile{}
		all[kind] = subs
	}
	if p := subs[undivided]; p != nil {
		return p
	}
	if subs[sub] == nil {
		if len(subs) == maxSubkinds {
			whole := whole(subs, space)
			clear(subs)
			subs[undivided] = whole
			return whole
		}
		subs[sub] = newProfile(space)
	}
	return subs[sub]
}

// undivided is the only subkind of a kind that has too many.
var undivided = subkind{value: "undivided"}

// whole is what all of these showed together.
func whole(subs map[subkind]*profile, space *room) *profile {
	all := newProfile(space)
	for _, sub := range sortedSubs(subs) {
		all.merge(subs[sub])
	}
	return all
}

func sortedSubs(subs map[subkind]*profile) []subkind {
	return slices.SortedFunc(maps.Keys(subs), func(a, b subkind) int {
		return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.value, b.value))
	})
}

// rules makes a rule of each kind, those with most conflicts first, and before
// it rules for those of its subkinds that need one of their own.
func (all profiles) rules(k *kinder) []proposed {
	var kinds [][]proposed
	for kind, subs := range all {
		kinds = append(kinds, rulesOf(subs, k.condition(kind)))
	}
	slices.SortFunc(kinds, func(a, b []proposed) int {
		return cmp.Or(conflicts(b)-conflicts(a), slices.CompareFunc(a[0].When, b[0].When, func(x, y Condition) int { return strings.Compare(x.Value, y.Value) }))
	})
	var rules []proposed
	for _, kind := range kinds {
		if len(rules)+len(kind) <= maxRules {
			rules = append(rules, kind...)
		}
	}
	return rules
}

func conflicts(rules []proposed) int {
	n := 0
	for _, r := range rules {
		n += r.Conflicts
	}
	return n
}

// rulesOf makes the rules of one kind: one, or where its subkinds ask for
// different ones, the rule of the larger part last, since it also takes the
// subkinds that nobody has seen yet.
func rulesOf(subs map[subkind]*profile, when []Condition) []proposed {
	one := []proposed{proposeRule(whole(subs, newRoom()), when)}
	if !slices.ContainsFunc(sortedSubs(subs), func(s subkind) bool { return proposeRule(subs[s], when).differs(one[0]) }) {
		return one
	}
	parts := divided(subs)
	if len(parts) > maxSplit {
		return one
	}
	var rules []proposed
	for i, part := range parts {
		if i == 0 || part.field == "" { // of no subkind: only the general rule can take them
			continue
		}
		rules = append(rules, proposeRule(part.profile, append(slices.Clone(when), Condition{Field: part.field, Value: part.values[0], Or: part.values[1:]})))
	}
	rest := newProfile(newRoom())
	for i, part := range parts {
		if i == 0 || part.field == "" {
			rest.merge(part.profile)
		}
	}
	return append(rules, proposeRule(rest, when))
}

// part is subkinds that one rule is for.
type part struct {
	*profile
	field  string
	values []string
}

// divided puts the subkinds of one kind into parts that ask for the same rule,
// the part with most conflicts first.
func divided(subs map[subkind]*profile) []part {
	var parts []part
	bySize := sortedSubs(subs)
	slices.SortStableFunc(bySize, func(a, b subkind) int { return subs[b].conflicts - subs[a].conflicts })
	for _, sub := range bySize {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.takes(sub, subs[sub]) }) {
			own := newProfile(newRoom())
			own.merge(subs[sub])
			parts = append(parts, part{own, sub.field, []string{sub.value}})
			continue
		}
		for i := range parts {
			if parts[i].takes(sub, subs[sub]) {
				parts[i].merge(subs[sub])
				parts[i].values = append(parts[i].values, sub.value)
				break
			}
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return b.conflicts - a.conflicts })
	return parts
}

// takes reports whether one rule serves a part and one more subkind.
func (p part) takes(sub subkind, more *profile) bool {
	if sub.field != p.field {
		return false
	}
	both := newProfile(newRoom())
	both.merge(p.profile)
	both.merge(more)
	one := proposeRule(both, nil)
	return !proposeRule(p.profile, nil).differs(one) && !proposeRule(more, nil).differs(one)
}

// nameRules gives each rule a name of its own: the values that select it.
func nameRules(rules []proposed) {
	taken := map[string]bool{"otherwise": true}
	for i := range rules {
		var values []string
		for _, c := range rules[i].When {
			values = append(values, strings.TrimRight(c.Value, ":/_-"))
			values = append(values, c.Or...)
		}
		name := goodName(strings.Join(values, " "), "documents")
		for n := 2; taken[name]; n++ {
			name = goodName(fmt.Sprintf("%s %d", strings.Join(values, " "), n), "documents")
		}
		taken[name] = true
		rules[i].Name = name
	}
}

func policyName(db string) string { return goodName(db, "proposed") }

// maxName is the length of a name, in bytes: a policy takes 100.
const maxName = 90

// goodName makes a name of text that a policy takes.
func goodName(text, otherwise string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' || r == '\u007f' {
			return '-'
		}
		return r
	}, text)
	for len(clean) > maxName {
		runes := []rune(clean)
		clean = string(runes[:len(runes)-1])
	}
	return cmp.Or(strings.TrimSpace(clean), otherwise)
}

// show puts the values of examples into the proposal, where they are wanted.
func (p *Proposal) show(values bool) {
	if !values {
		return
	}
	fill := func(f *Field) {
		for _, v := range [][]byte{f.Example.Base, f.Example.A, f.Example.B} {
			f.Example.Values = append(f.Example.Values, cmp.Or(string(v), "absent"))
		}
	}
	for i := range p.Rules {
		for j := range p.Rules[i].Fields {
			fill(&p.Rules[i].Fields[j])
		}
		for j := range p.Rules[i].Open {
			fill(&p.Rules[i].Open[j])
		}
	}
}
