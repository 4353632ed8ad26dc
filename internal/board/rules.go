package board

import (
	"github.com/couchmend/couchmend"
)

// RuleDid is what one rule did, and what of its documents waits for a person.
type RuleDid struct {
	LastHour Numbers                  `json:"last_hour"`
	LastDay  Numbers                  `json:"last_day"`
	Open     int                      `json:"open"`              // in review now, those let stand left out
	Reasons  map[couchmend.Reason]int `json:"reasons,omitempty"` // of those
}

// Rules tells of each rule that did something in the last day, or whose
// documents wait, by name; "" is what no rule selected.
func (b *Board) Rules(visible Visible) map[string]RuleDid {
	b.mu.RLock()
	defer b.mu.RUnlock()
	rules := map[string]RuleDid{}
	shown := b.shown(visible)
	add := func(slots []slot, after int64, to func(*RuleDid) *Numbers) {
		for i := range slots {
			if slots[i].at <= after {
				continue
			}
			for place, n := range slots[i].n {
				k := b.done.keys[place]
				if !shown[place] {
					continue
				}
				did := rules[k.rule]
				to(&did)[k.kind] += int(n)
				rules[k.rule] = did
			}
		}
	}
	now := b.now().Unix()
	add(b.done.minute[:], now/60-60, func(r *RuleDid) *Numbers { return &r.LastHour })
	add(b.done.hour[:], now/3600-24, func(r *RuleDid) *Numbers { return &r.LastDay })
	picked := b.pick(Query{}, visible)
	for i, t := range b.cases.tallies {
		if !picked[i] {
			continue
		}
		did := rules[t.rule.Value()]
		if did.Reasons == nil {
			did.Reasons = map[couchmend.Reason]int{}
		}
		did.Open += t.n
		did.Reasons[couchmend.Reason(t.reason.Value())] += t.n
		rules[t.rule.Value()] = did
	}
	return rules
}
