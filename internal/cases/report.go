package cases

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// columns is how wide a report is at most, but for names.
const columns = 80

// String says how a case failed, for people: lines of at most 80 columns, long
// values shortened around the place where they begin to differ.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "FAIL  %s (%s)\n", r.Case.Name, r.Case.place())
	verdict := "decided without a rule"
	if r.Decision.Rule != "" {
		verdict = "decided by " + r.Decision.Rule
	}
	if r.Winner != "" {
		verdict += ", where " + r.Winner + " wins"
	}
	wrap(&b, 6, verdict)
	for _, sentence := range r.Wrong {
		wrap(&b, 6, sentence)
	}
	if r.Decision.Outcome == couchmend.Review && len(r.Wrong) > 0 {
		for _, sentence := range r.Decision.Evidence {
			wrap(&b, 8, r.Case.Named(r.Conflict, sentence))
		}
	}
	for _, d := range r.Differences {
		want, got := shortened(shown(d.Want), shown(d.Got), columns-14)
		path := d.Path
		if path == "" {
			path = "(the document)"
		}
		fmt.Fprintf(&b, "      %s\n        want  %s\n        got   %s\n", path, want, got)
		if d.Why != "" {
			wrap(&b, 14, d.Why)
		}
	}
	return b.String()
}

// shown is a value as a report has it.
func shown(v jsondoc.Value) string {
	if v == nil {
		return "(absent)"
	}
	return string(v)
}

// wrap writes a sentence in lines that are indented.
func wrap(b *strings.Builder, indent int, sentence string) {
	for line := range strings.Lines(sentence) {
		width := 0
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case width == 0:
				b.WriteString(strings.Repeat(" ", indent))
				width = indent
			case width+1+n > columns:
				b.WriteString("\n" + strings.Repeat(" ", indent+2))
				width = indent + 2
			default:
				b.WriteByte(' ')
				width++
			}
			b.WriteString(word)
			width += n
		}
		b.WriteByte('\n')
	}
}

// shortened cuts two texts to a number of columns, such that the place where
// they begin to differ can be seen.
func shortened(a, b string, width int) (string, string) {
	x, y := []rune(a), []rune(b)
	if len(x) <= width && len(y) <= width {
		return a, b
	}
	alike := 0
	for alike < len(x) && alike < len(y) && x[alike] == y[alike] {
		alike++
	}
	start := max(0, alike-width/3)
	return window(x, start, width), window(y, start, width)
}

func window(text []rune, start, width int) string {
	before, after := "", ""
	start = min(start, len(text))
	if start > 0 {
		before = "…"
		width--
	}
	if len(text)-start > width {
		after = "…"
		width--
	}
	return before + string(text[start:min(len(text), start+width)]) + after
}

// MarshalJSON writes a result for machines: what was decided, and what is wrong
// with it.
func (r Result) MarshalJSON() ([]byte, error) {
	type difference struct {
		Path string          `json:"path"`
		Want json.RawMessage `json:"want,omitempty"` // absent: it is to be absent
		Got  json.RawMessage `json:"got,omitempty"`
		Why  string          `json:"why,omitempty"`
	}
	v := struct {
		Name        string                `json:"name"`
		File        string                `json:"file"`
		Line        int                   `json:"line"`
		Policy      string                `json:"policy"`
		Passed      bool                  `json:"passed"`
		Winner      string                `json:"winner,omitempty"`
		Outcome     couchmend.Outcome     `json:"outcome"`
		Rule        string                `json:"rule,omitempty"`
		Reason      couchmend.Reason      `json:"reason,omitempty"`
		Evidence    []string              `json:"evidence,omitempty"`
		Violations  []couchmend.Violation `json:"violations,omitempty"`
		Body        json.RawMessage       `json:"body,omitempty"`
		Fields      []couchmend.Origin    `json:"fields,omitempty"`
		Wrong       []string              `json:"wrong,omitempty"`
		Differences []difference          `json:"differences,omitempty"`
	}{
		Name: r.Case.Name, File: r.Case.File, Line: r.Case.Line, Policy: r.Case.Policy.Name, Passed: r.Passed(), Winner: r.Winner,
		Outcome: r.Decision.Outcome, Rule: r.Decision.Rule, Reason: r.Decision.Reason, Evidence: r.Decision.Evidence,
		Violations: r.Decision.Violations, Fields: r.Decision.Fields, Wrong: r.Wrong,
	}
	if r.Decision.Merge != nil {
		v.Body = r.Decision.Merge.Body
	}
	for _, d := range r.Differences {
		v.Differences = append(v.Differences, difference{d.Path, json.RawMessage(d.Want), json.RawMessage(d.Got), d.Why})
	}
	return json.Marshal(v)
}
