package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/laws"
)

// printReport tells people what policy check found.
func printReport(a *app, r laws.Report) {
	counts := map[laws.Status]int{}
	for _, f := range r.Findings {
		a.printf("%-8s", f.Severity)
		if f.Rule != "" {
			a.printf("%s: ", clean(f.Rule))
		}
		a.printf("%s\n", clean(f.Text))
		if f.Severity == laws.SeverityError {
			counts[laws.Failed]++
		} else {
			counts[laws.Warning]++
		}
	}
	for _, rule := range r.Rules {
		printRule(a, rule)
		for _, v := range rule.Laws {
			counts[v.Status]++
		}
	}
	untested := ""
	if n := counts[laws.Untested]; n > 0 {
		untested = fmt.Sprintf(", %d untested", n)
	}
	a.printf("\n%s, %s%s. Seed %d.\n", plural(counts[laws.Failed], "failure"), plural(counts[laws.Warning], "warning"), untested, r.Seed)
	a.printf("That no counterexample was found is no proof that there is none: docs/convergence.md.\n")
}

func printRule(a *app, r laws.RuleReport) {
	a.printf("\n%s\n", clean(r.Rule))
	for _, p := range r.Promises {
		a.printf("  expected %s by %s: %s\n", clean(p.Pattern), clean(p.Strategy), p.Expected)
	}
	a.printf("  tried    %s; %d merged, %d to review%s; %s\n", tried(r), r.Merged, r.Reviewed, reasons(r), plural(r.Decisions, "decision"))
	told := map[string]laws.Law{}
	for _, v := range r.Laws {
		printVerdict(a, v, told)
	}
	for _, note := range r.Notes {
		first, _, _ := strings.Cut(note, "\n")
		a.printf("  note     %s\n", clean(first))
	}
}

// tried counts conflicts by where they come from.
func tried(r laws.RuleReport) string {
	var parts []string
	for _, p := range []struct {
		n     int
		words string
	}{{r.Sampled, "sampled"}, {r.FromFiles, "from files"}, {r.Generated, "made up"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.words))
		}
	}
	return plural(r.Sampled+r.FromFiles+r.Generated, "conflict") + " (" + cmp.Or(strings.Join(parts, ", "), "none") + ")"
}

func reasons(r laws.RuleReport) string {
	if len(r.Reasons) == 0 {
		return ""
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(r.Reasons)) {
		words = append(words, fmt.Sprintf("%s %d", reason, r.Reasons[reason]))
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// printVerdict prints how one law fared. What was told of a law before is not
// told again.
func printVerdict(a *app, v laws.Verdict, told map[string]laws.Law) {
	line := fmt.Sprintf("%-13s %s", v.Law, v.Law.Says())
	if v.Status == laws.Warning {
		line += fmt.Sprintf(": not in %d of %d", v.Broken, v.Tried)
	}
	status := string(v.Status)
	if v.Status == laws.Failed {
		status = "FAILED"
	}
	a.printf("  %-8s %s\n", status, line)
	for _, reason := range v.Because {
		text := reason.Text
		if law, known := told[text]; known {
			text = "as for " + string(law)
		}
		told[reason.Text] = v.Law
		if len(reason.Where) > 0 {
			text = listed(reason.Where) + ": " + text
		}
		a.printf("             - %s\n", clean(text))
	}
	if v.Status == laws.Failed && v.Example != nil {
		printExample(a, *v.Example)
	}
}

// maxPlaces is how many places a line names.
const maxPlaces = 4

func listed(places []string) string {
	if more := len(places) - maxPlaces; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(places[:maxPlaces], ", "), more)
	}
	return strings.Join(places, ", ")
}

// printExample prints a counterexample: the documents, and what became of them.
func printExample(a *app, e laws.Counterexample) {
	how := "a conflict that shows it"
	if e.Shrunk {
		how = "the smallest conflict found that shows it"
	}
	a.printf("           %s (%s):\n", how, clean(e.Source))
	a.printf("             base  %s\n", shownBody(e.Base))
	for i, leaf := range e.Leaves {
		a.printf("             %c     %s\n", 'A'+i, shownBody(leaf))
	}
	for _, answer := range e.Answers {
		a.printf("           %s:\n             %s\n", clean(answer.How), shownAnswer(answer))
	}
	if len(e.Differs) > 0 {
		a.printf("           differs at %s\n", clean(strings.Join(e.Differs, ", ")))
	}
	a.printf("           %s\n", clean(e.Means))
}

func shownBody(body json.RawMessage) string {
	if string(body) == "null" {
		return "unknown"
	}
	return clean(string(body))
}

func shownAnswer(answer laws.Answer) string {
	switch answer.Outcome {
	case couchmend.Review:
		words := "review: " + string(answer.Reason)
		if len(answer.Words) > 0 {
			words += ": " + answer.Words[0]
		}
		return clean(words)
	case couchmend.Delete:
		return "deleted"
	}
	return shownBody(answer.Body)
}
