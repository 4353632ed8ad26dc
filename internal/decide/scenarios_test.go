package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

const page = "../../docs/how-it-decides.md"

// TestScenarios reads the scenarios of docs/how-it-decides.md and decides them.
func TestScenarios(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, scenarios, _ := strings.Cut(string(text), "\n## Scenarios\n")
	scenarios, _, _ = strings.Cut(scenarios, "\n## ")
	sections := strings.Split(scenarios, "\n### ")[1:]
	if len(sections) < 20 {
		t.Fatalf("the page has %d scenarios", len(sections))
	}
	for _, section := range sections {
		name, rest, _ := strings.Cut(section, "\n")
		t.Run(name, func(t *testing.T) {
			parts := strings.Split(rest, "```")
			if len(parts) != 3 {
				t.Fatal("a scenario is one drawn tree")
			}
			drawn := drawnScenario(t, strings.TrimSpace(parts[1]))
			d := Decide(context.Background(), func(string, jsondoc.Value) *merge.Rule { return drawn.rule }, drawn.conflict)
			if got := outcomeOf(d); got != drawn.want {
				t.Errorf("got  %s\nwant %s\n%v", got, drawn.want, d.Evidence)
			}
		})
	}
}

// outcomeOf is a decision as the page writes it.
func outcomeOf(d couchmend.Decision) string {
	switch d.Outcome {
	case couchmend.Merge, couchmend.Keep:
		return fmt.Sprintf("%s %s", d.Outcome, d.Merge.Body)
	case couchmend.Review:
		return fmt.Sprintf("%s %s", d.Outcome, d.Reason)
	case couchmend.Bury:
		words := []string{"bury"}
		for _, tombstone := range d.Bury {
			words = append(words, tombstone.Path[1].String())
		}
		return strings.Join(words, " ")
	default:
		return string(d.Outcome)
	}
}

type drawing struct {
	rule     *merge.Rule
	conflict couchmend.Conflict
	want     string
}

var line = regexp.MustCompile(`^([│├└─ ]*)(\d+)-(\S+)(?: \(([^)]*)\))? ?(.*)$`)

// drawnScenario reads a tree as the page draws it.
func drawnScenario(t *testing.T, text string) drawing {
	d := drawing{rule: &merge.Rule{Name: "page"}, conflict: couchmend.Conflict{ID: "doc", RevsLimit: 1000, Bases: map[couchmend.Rev]couchmend.Revision{}}}
	var above []couchmend.Revision // the revisions on the way to the last line, root first
	parents := map[couchmend.Rev]bool{}
	var all []couchmend.Revision
	for row := range strings.Lines(text) {
		row = strings.TrimRight(row, "\n")
		if rule, ok := strings.CutPrefix(row, "rule "); ok {
			d.conflict.RevsLimit = drawnRule(t, d.rule, rule)
			continue
		}
		if want, ok := strings.CutPrefix(row, "= "); ok {
			d.want = want
			continue
		}
		m := line.FindStringSubmatch(row)
		if m == nil {
			t.Fatalf("what is %q?", row)
		}
		depth := len([]rune(m[1])) / 3
		above = above[:depth]
		r := drawnRevision(t, above, m[2], m[3], m[4], m[5])
		if depth > 0 {
			parents[above[depth-1].Rev] = true
		}
		above = append(above, r)
		all = append(all, r)
	}
	for _, r := range all {
		switch {
		case parents[r.Rev] && r.Body != nil:
			d.conflict.Bases[r.Rev] = r
		case parents[r.Rev]:
		case r.Deleted:
			d.conflict.Dead = append(d.conflict.Dead, r)
		default:
			d.conflict.Leaves = append(d.conflict.Leaves, r)
		}
	}
	return d
}

func drawnRevision(t *testing.T, above []couchmend.Revision, gen, hash, marks, body string) couchmend.Revision {
	n, _ := strconv.Atoi(gen)
	r := couchmend.Revision{Rev: couchmend.Rev{Gen: n, Hash: hash}}
	var below []couchmend.Rev
	if len(above) > 0 {
		below = above[len(above)-1].Path
	}
	if marks != "" {
		var words []revtree.Mark
		for _, word := range strings.Split(marks, ", ") {
			words = append(words, revtree.WordMark(word))
		}
		below = slices.Concat(revtree.Placed(below[0], words...), below)
	}
	if hash == "†" {
		r.Rev, r.Deleted, body = revtree.Tombstone(below[0]), true, "{}"
	}
	if r.Path = slices.Concat([]couchmend.Rev{r.Rev}, below); len(below) > 0 && below[0].Gen != n-1 {
		t.Fatalf("%s stands above %s", r.Rev, below[0])
	}
	if body = strings.TrimSpace(body); body != "gone" {
		r.Body = json.RawMessage(jsondoc.MustParse(body))
	}
	return r
}

// drawnRule reads "visits=sum deletes=review" and returns the _revs_limit.
func drawnRule(t *testing.T, rule *merge.Rule, text string) int {
	limit := 1000
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "revs_limit":
			limit, _ = strconv.Atoi(value)
		case "deletes":
			rule.Deletes = merge.Deletes(value)
		case "collision":
			rule.Collision = merge.Collision(value)
		case "soft_delete":
			rule.SoftDelete = &merge.SoftDelete{Field: merge.ParsePath(value), Wins: merge.SoftDeleteStands}
		default:
			rule.Fields = append(rule.Fields, merge.Field{Pattern: merge.ParsePath(name), Strategy: merge.Strategy{Kind: merge.StrategyKind(value)}})
		}
	}
	return limit
}

// TestThePageNamesEachReasonAndInvariant keeps the tables complete.
func TestThePageNamesEachReasonAndInvariant(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"`design_document`", "`annihilated`", "`deleted`", "`revs_limit`", "`held`", "`two_roots`", "`rules_differ`", "`no_rule`", "`overlap`", "`no_base`", "`strategy`", "`attachment`"}
	for i := range 12 {
		words = append(words, fmt.Sprintf("| I%d |", i+1))
	}
	for _, word := range words {
		if !strings.Contains(string(text), word) {
			t.Errorf("%s does not mention %s", page, word)
		}
	}
}
