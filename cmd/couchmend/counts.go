package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/suggest"
)

// maxCounts is how many counts a line shows.
const maxCounts = 8

// printCounts writes counts on one line, the largest first.
func printCounts[K ~string](a *app, what string, counts map[K]int) {
	keys := slices.SortedFunc(maps.Keys(counts), func(x, y K) int {
		if counts[x] != counts[y] {
			return counts[y] - counts[x]
		}
		return strings.Compare(string(x), string(y))
	})
	var words []string
	for i, k := range keys {
		if i == maxCounts {
			words = append(words, fmt.Sprintf("and %d more", len(keys)-i))
			break
		}
		words = append(words, fmt.Sprintf("%s %d", cmp.Or(clean(string(k)), "(none)"), counts[k]))
	}
	if len(words) > 0 {
		a.printf("  %-11s %s\n", what, strings.Join(words, ", "))
	}
}

// shareOutcomes are the columns of a table of shares.
var shareOutcomes = []couchmend.Outcome{couchmend.Merge, couchmend.Keep, couchmend.Bury, couchmend.Delete, couchmend.Split, couchmend.Review}

// printShares writes a table of what becomes of open conflicts, a rule a line,
// and of all on the last line.
func printShares(a *app, s suggest.Shares) error {
	if s.All().Open == 0 {
		return nil
	}
	head := []string{"RULE", "OPEN", "RESOLVED"}
	for _, o := range shareOutcomes {
		head = append(head, strings.ToUpper(string(o)))
	}
	a.printf("\n")
	t := a.table(a.stdout, append(head, "REVIEW FOR")...).cut(0, len(head))
	add := func(name string, share suggest.Share) {
		cells := []string{name, fmt.Sprint(share.Open), share.Percent()}
		for _, o := range shareOutcomes {
			cells = append(cells, fmt.Sprint(share.Outcomes[o]))
		}
		t.add(append(cells, share.Why())...)
	}
	for _, share := range s.Rules() {
		add(cmp.Or(share.Rule, "(no rule)"), share)
	}
	add("all", s.All())
	return t.flush()
}
