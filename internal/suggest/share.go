package suggest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// Share is what a policy makes of open conflicts: of those that one rule
// decides, or of all.
type Share struct {
	Rule     string                    `json:"rule,omitempty"` // "policy/rule"; empty: no rule selects them, or they were reviewed before one was asked
	Open     int                       `json:"open"`
	Resolved int                       `json:"resolved"` // no person is needed: neither review nor unreadable, nor split, of which a person may have to say what refers to it
	Outcomes map[couchmend.Outcome]int `json:"outcomes"` // unreadable documents have none
	Reasons  map[couchmend.Reason]int  `json:"reasons"`  // for review
}

// Shares counts what a policy makes of open conflicts, in all and by rule. The
// zero Shares has counted none. Its memory is bounded by the number of rules.
type Shares struct {
	total  Share
	byRule map[string]*Share
}

// Add counts one conflict. A document that could not be read has the zero
// Decision.
func (s *Shares) Add(d couchmend.Decision) {
	if s.byRule == nil {
		s.byRule = map[string]*Share{}
	}
	if s.byRule[d.Rule] == nil {
		s.byRule[d.Rule] = &Share{Rule: d.Rule}
	}
	s.byRule[d.Rule].add(d)
	s.total.add(d)
}

// All is the share of all conflicts.
func (s *Shares) All() Share { return s.total.filled() }

// Rules are the shares of rules that conflicts fell to, sorted by name.
func (s *Shares) Rules() []Share {
	rules := []Share{}
	for _, name := range slices.Sorted(maps.Keys(s.byRule)) {
		rules = append(rules, *s.byRule[name])
	}
	return rules
}

// Of returns the share of one rule, empty where no conflict fell to it.
func (s *Shares) Of(rule string) Share {
	if share := s.byRule[rule]; share != nil {
		return *share
	}
	return Share{Rule: rule}.filled()
}

func (s *Share) add(d couchmend.Decision) {
	*s = s.filled()
	s.Open++
	if d.Outcome != "" {
		s.Outcomes[d.Outcome]++
	}
	if resolves(d) {
		s.Resolved++
	}
	if d.Outcome == couchmend.Review {
		s.Reasons[d.Reason]++
	}
}

// filled has counts to show where nothing was counted.
func (s Share) filled() Share {
	if s.Outcomes == nil {
		s.Outcomes, s.Reasons = map[couchmend.Outcome]int{}, map[couchmend.Reason]int{}
	}
	return s
}

// resolves reports whether a decision is known to leave nothing to a person. Of
// a split that is not known before its references are.
func resolves(d couchmend.Decision) bool {
	return d.Outcome != "" && d.Outcome != couchmend.Review && d.Outcome != couchmend.Split
}

// Percent writes the resolved share, rounded towards less, so that 100 % means
// all: "82.5 %".
func (s Share) Percent() string {
	if s.Open == 0 {
		return "-"
	}
	permille := 1000 * s.Resolved / s.Open
	return fmt.Sprintf("%d.%d %%", permille/10, permille%10)
}

// Why lists the reasons for review with their counts, the most frequent first:
// "overlap 412, no_base 10".
func (s Share) Why() string {
	reasons := slices.SortedFunc(maps.Keys(s.Reasons), func(a, b couchmend.Reason) int {
		if s.Reasons[a] != s.Reasons[b] {
			return s.Reasons[b] - s.Reasons[a]
		}
		return strings.Compare(string(a), string(b))
	})
	words := make([]string, len(reasons))
	for i, r := range reasons {
		words[i] = fmt.Sprintf("%s %d", r, s.Reasons[r])
	}
	return strings.Join(words, ", ")
}
