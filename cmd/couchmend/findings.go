package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/suggest"
)

// finding is one conflict that a scan found.
type finding struct{ document.Finding }

func newFinding(seen found) finding {
	var waits *ledger.Case
	if seen.waiting {
		waits = &seen.waits
	}
	return finding{document.NewFinding(seen.Preview, waits)}
}

// scanSummary is what a scan found in all.
type scanSummary struct {
	Databases int                       `json:"databases"`
	Documents int64                     `json:"documents"` // looked at, deleted ones included
	Conflicts int                       `json:"conflicts"`
	Open      int                       `json:"open"` // not dismissed
	Deep      int                       `json:"deep"` // more than four live leaves
	Outcomes  map[couchmend.Outcome]int `json:"outcomes"`
	Reasons   map[couchmend.Reason]int  `json:"reasons"`
	Rules     map[string]int            `json:"rules"`
	Types     map[string]int            `json:"types"`
	Shares    scanShares                `json:"shares"`
	Deepest   *finding                  `json:"deepest,omitempty"` // most live leaves, then depth
	Limited   bool                      `json:"limited,omitempty"` // --limit ended the scan
}

// scanShares says what the policy makes of open conflicts, in all and by rule.
type scanShares struct {
	Total suggest.Share   `json:"total"`
	Rules []suggest.Share `json:"rules"`
}

// maxTypes bounds the types that are counted: documents may hold anything.
const maxTypes = 1000

// scanReport prints what a scan finds as it finds it.
type scanReport struct {
	summary scanSummary
	shares  suggest.Shares // of those that are open
	cmd     *scanCmd
	out     io.Writer
	table   *table
}

func newScanReport(a *app, cmd *scanCmd, bar *progress) *scanReport {
	out := bar.out(a.stdout)
	return &scanReport{
		cmd: cmd, out: out,
		table: a.table(out, "DB", "DOCUMENT", "LEAVES", "DEPTH", "AGE", "TYPE", "FIELDS", "OUTCOME", "RULE").cut(5, 6, 8),
		summary: scanSummary{
			Outcomes: map[couchmend.Outcome]int{}, Reasons: map[couchmend.Reason]int{},
			Rules: map[string]int{}, Types: map[string]int{},
		},
	}
}

// add takes a finding in; full says that it is the last one that is wanted.
func (r *scanReport) add(f finding, seen found) (full bool, err error) {
	s := &r.summary
	s.Conflicts++
	s.Outcomes[f.Outcome]++
	if _, known := s.Types[f.Type]; known || len(s.Types) < maxTypes {
		s.Types[f.Type]++
	}
	if !f.Dismissed {
		s.Open++
		r.shares.Add(seen.decided())
	}
	if f.Deep {
		s.Deep++
	}
	if f.Reason != "" && f.Outcome == couchmend.Review {
		s.Reasons[f.Reason]++
	}
	if f.Rule != "" {
		s.Rules[f.Rule]++
	}
	if d := s.Deepest; d == nil || len(f.Leaves) > len(d.Leaves) || len(f.Leaves) == len(d.Leaves) && f.Depth > d.Depth {
		s.Deepest = &f
	}
	s.Limited = s.Conflicts == r.cmd.Limit
	switch {
	case r.cmd.Summary:
	case r.cmd.JSON:
		err = writeJSON(r.out, f)
	default:
		r.table.add(f.cells()...)
	}
	return s.Limited, err
}

func (f finding) cells() []string {
	waited := ""
	if !f.Since.IsZero() {
		waited = age(time.Since(f.Since))
	}
	return []string{
		f.DB, f.ID, fmt.Sprint(len(f.Leaves)), fmt.Sprint(f.Depth), waited,
		f.Type, strings.Join(f.Fields, ", "), f.verdict(), f.Rule,
	}
}

func (f finding) verdict() string {
	words := string(f.Outcome)
	if f.Reason != "" && f.Outcome != couchmend.Split {
		words += ": " + string(f.Reason)
	}
	if f.Outcome == "" {
		words = "unreadable: " + strings.Join(f.Evidence, " ")
	}
	if f.Dismissed {
		words += ", dismissed"
	}
	return words
}

func (r *scanReport) flush() error { return r.table.flush() }

// end prints the summary.
func (r *scanReport) end(a *app, cmd *scanCmd) error {
	r.out, r.table.out = a.stdout, a.stdout // the bar is gone
	if err := r.flush(); err != nil {
		return err
	}
	s := r.summary
	s.Shares = scanShares{r.shares.All(), r.shares.Rules()}
	if cmd.JSON {
		return a.printJSON(map[string]scanSummary{"summary": s})
	}
	if s.Conflicts > 0 && !cmd.Summary {
		a.printf("\n")
	}
	a.printf("%s in %s, of %s looked at.\n", plural(s.Conflicts, "conflict"), plural(s.Databases, "database"), plural(s.Documents, "document"))
	if s.Conflicts == 0 {
		return nil
	}
	printCounts(a, "outcome", s.Outcomes)
	printCounts(a, "review for", s.Reasons)
	printCounts(a, "rule", s.Rules)
	printCounts(a, "type", s.Types)
	if s.Open < s.Conflicts {
		a.printf("  dismissed   %d\n", s.Conflicts-s.Open)
	}
	d := s.Deepest
	a.printf("  deepest     %s/%s: %d live leaves, %s deep\n", clean(d.DB), clean(d.ID), len(d.Leaves), plural(d.Depth, "edit"))
	if s.Limited {
		a.printf("Stopped at --limit.\n")
	}
	return printShares(a, r.shares)
}
