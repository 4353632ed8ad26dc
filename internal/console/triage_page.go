package console

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/triage"
)

// triagePage is what the page of triage shows.
type triagePage struct {
	triageLook
	Admin bool
}

// maxEvidence is how many rows of one kind of evidence are shown; the API and
// the command have all.
const maxEvidence = 50

// Progress is where progress.js asks how far it is.
func (triagePage) Progress() string { return "/api/v1/triage/progress" }

// Spans are what can be asked for.
func (triagePage) Spans() []hourSpan {
	return []hourSpan{{1, "the last hour"}, {24, "the last day"}, {7 * 24, "the last week"}, {31 * 24, "the last 31 days"}}
}

// hourSpan is a span of time and its name.
type hourSpan struct {
	Hours int
	Words string
}

// evidenceTable is conflicts by something they share.
type evidenceTable struct {
	ID, Title, Of string
	Rows          []evidenceRow
	More          int
}

// evidenceRow is a group with its bar: its conflicts, of the largest group's.
type evidenceRow struct {
	triage.Group
	Percent int
}

// All are the group's conflicts, whether open or mended.
func (e evidenceRow) All() int { return e.Open + e.Mended }

// Groups are the tables of conflicts by type, field and writer that have rows.
func (t triagePage) Groups() []evidenceTable {
	c := t.Report.Conflicts
	by := "by writer"
	if names := slices.Sorted(maps.Keys(c.WriterFields)); len(names) > 0 {
		by += ", from " + strings.Join(names[:min(len(names), 4)], ", ")
	}
	var tables []evidenceTable
	for _, one := range []struct {
		id, title, of string
		groups        []triage.Group
	}{
		{"types", "by type", "Type", c.Types}, {"fields", "by field", "Field", c.Fields},
		{"writers", by, "Writer", c.Writers}, {"pairs", "between writers", "Writers", c.Pairs},
	} {
		if len(one.groups) > 0 {
			tables = append(tables, newEvidenceTable(one.id, "Conflicts "+one.title, one.of, one.groups))
		}
	}
	return tables
}

func newEvidenceTable(id, title, of string, groups []triage.Group) evidenceTable {
	table := evidenceTable{ID: id, Title: title, Of: of, More: max(0, len(groups)-maxEvidence)}
	top := 1
	for _, g := range groups {
		top = max(top, g.Open+g.Mended)
	}
	for _, g := range groups[:min(len(groups), maxEvidence)] {
		table.Rows = append(table.Rows, evidenceRow{g, (g.Open + g.Mended) * 100 / top})
	}
	return table
}

// Databases are those with most conflicts.
func (t triagePage) Databases() []databaseRow {
	top := 1
	for _, d := range t.Report.Databases {
		top = max(top, d.Conflicts)
	}
	var rows []databaseRow
	for _, d := range t.Report.Databases[:min(len(t.Report.Databases), maxEvidence)] {
		rows = append(rows, databaseRow{d, d.Conflicts * 100 / top})
	}
	return rows
}

// databaseRow is a database with its bar: its conflicts, of the most.
type databaseRow struct {
	triage.Database
	Percent int
}

// Replications are those that fail most.
func (t triagePage) Replications() []triage.Replication {
	return t.Report.Replications[:min(len(t.Report.Replications), maxEvidence)]
}

// Deep are the deepest documents.
func (t triagePage) Deep() []deepRow {
	var rows []deepRow
	for _, d := range t.Report.Deep[:min(len(t.Report.Deep), maxEvidence)] {
		row := deepRow{Deep: d}
		for _, s := range d.Signs {
			row.Suggests = append(row.Suggests, signWords(s))
		}
		rows = append(rows, row)
	}
	return rows
}

// deepRow is a deep document, and in words what its tree suggests.
type deepRow struct {
	triage.Deep
	Suggests []string
}

// Clocks are times that can't be right.
func (t triagePage) Clocks() []clockRow {
	var rows []clockRow
	for _, c := range t.Report.Clocks[:min(len(t.Report.Clocks), maxEvidence)] {
		says := "after the moment at which it was seen"
		if c.Ahead < 0 {
			says = "before the revision that it was edited from"
		}
		rows = append(rows, clockRow{c, age(time.Duration(max(c.Ahead, -c.Ahead)*float64(time.Second))) + " " + says})
	}
	return rows
}

// clockRow is a time that can't be right, and why.
type clockRow struct {
	triage.Clock
	Why string
}

// Failures are what couchmend could not do.
func (t triagePage) Failures() []failureRow {
	var rows []failureRow
	for _, f := range t.Report.Failures[:min(len(t.Report.Failures), maxEvidence)] {
		rows = append(rows, failureRow{f, classWords(f.Class)})
	}
	return rows
}

// failureRow is a failure and its class in words; "" where nothing failed and a
// person must decide.
type failureRow struct {
	triage.Failure
	Class string
}

// Latency is how long conflicts took from arrival to end, by failure class.
func (t triagePage) Latency() []latencyRow {
	var rows []latencyRow
	for _, class := range slices.Sorted(maps.Keys(t.Report.Latency)) {
		s := t.Report.Latency[class]
		rows = append(rows, latencyRow{cmp.Or(classWords(class), "what went well"), s.N, millis(s.P50), millis(s.P90), millis(s.P99), millis(s.Max)})
	}
	return rows
}

// latencyRow is the percentiles of one class.
type latencyRow struct {
	Class              string
	N                  int64
	P50, P90, P99, Max string
}

// classWords names a failure class.
func classWords(class string) string {
	return strings.ReplaceAll(class, "_", " ")
}

// signWords says what a deep document's tree suggests.
func signWords(s triage.Sign) string {
	words, ok := map[triage.Sign]string{
		triage.SignOffline: "a device was offline for long",
		triage.SignStale:   "an old edit arrived late",
		triage.SignBurst:   "writers that do not wait for each other",
		triage.SignRepeat:  "a client writes again instead of reading first",
		triage.SignClock:   "a clock is wrong",
	}[s]
	if !ok {
		return string(s)
	}
	return words
}

// millis writes milliseconds for people: "12 ms", "3.4 s".
func millis(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
