package triage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Text writes a report for people: the evidence first, the findings at the end,
// the heaviest first. It holds no control characters, whatever documents and
// logs do.
func (r *Report) Text() string {
	var b strings.Builder
	r.writeEvidence(&b)
	b.WriteString("\n" + r.FindingsText())
	return b.String()
}

// FindingsText is the end of Text.
func (r *Report) FindingsText() string {
	var b strings.Builder
	if len(r.Findings) == 0 {
		b.WriteString("FINDINGS\n  None: nothing here speaks for a cause that a person should look into.\n")
		return b.String()
	}
	b.WriteString("FINDINGS, the heaviest first\n")
	for i, f := range r.Findings {
		fmt.Fprintf(&b, "\n%d. [%d] %s\n", i+1, f.Weight, clean(f.Title))
		fold(&b, "   ", f.Says)
		for _, e := range f.Evidence {
			fold(&b, "   - ", e)
		}
		fmt.Fprintf(&b, "   Next: %s\n", clean(f.Next))
	}
	return b.String()
}

// columns is how wide a paragraph is.
const columns = 96

// fold writes a paragraph whose first line begins with head.
func fold(b *strings.Builder, head, text string) {
	room := columns - len(head)
	line := ""
	for _, word := range strings.Fields(clean(text)) {
		if line != "" && len(line)+1+len(word) > room {
			b.WriteString(head + line + "\n")
			head, line = strings.Repeat(" ", len(head)), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		b.WriteString(head + line + "\n")
	}
}

// clean takes control characters out of a text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == ' ' {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// rows writes a table under a title; nothing where there are no rows.
func rows(b *strings.Builder, title string, head []string, cells [][]string) {
	if len(cells) == 0 {
		return
	}
	b.WriteString("\n" + clean(title) + "\n")
	const widest = 44
	all := append([][]string{head}, cells...)
	widths := make([]int, len(head))
	for _, row := range all {
		for i, cell := range row {
			runes := []rune(clean(cell))
			if len(runes) > widest && i > 0 && i < len(row)-1 {
				runes = append(runes[:widest-1], '…')
			}
			row[i] = string(runes)
			widths[i] = max(widths[i], len(runes))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString("  " + cell + strings.Repeat(" ", widths[i]-len([]rune(cell))))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// shownRows is how many rows of a kind Text shows; the report as JSON has more.
const shownRows = 8

func first[T any](all []T) []T { return all[:min(len(all), shownRows)] }

func (r *Report) writeEvidence(b *strings.Builder) {
	fmt.Fprintf(b, "TRIAGE of %s, CouchDB %s, %s; since %s\n", clean(r.Server.URL), clean(r.Server.Version), stamp(r.At), stamp(r.Since))
	for _, n := range r.Notes {
		says := n.Says
		if n.DB != "" {
			says = n.DB + ": " + says
		}
		if n.Error != "" {
			says += " " + n.Error
		}
		fold(b, "  ! ", says)
	}
	var cells [][]string
	for _, d := range first(r.Databases) {
		conflicts := fmt.Sprint(d.Conflicts)
		if d.Partly {
			conflicts += "+"
		}
		cells = append(cells, []string{d.Name, fmt.Sprint(d.Documents), conflicts, fmt.Sprint(d.Deep), fmt.Sprintf("%.1f / %d", d.Leaves.Mean, d.Leaves.Max), fmt.Sprint(d.Mended), fmt.Sprint(d.Review)})
	}
	rows(b, "DATABASES", []string{"DB", "DOCUMENTS", "CONFLICTS", "DEEP", "LEAVES", "MENDED", "REVIEW"}, cells)
	r.writeReplications(b)
	for _, part := range []struct {
		title, head string
		groups      []Group
	}{
		{"CONFLICTS BY TYPE", "TYPE", r.Conflicts.Types},
		{"CONFLICTS BY FIELD", "FIELD", r.Conflicts.Fields},
		{"CONFLICTS BY WRITER" + r.writerNames(), "WRITER", r.Conflicts.Writers},
		{"WRITERS THAT MEET", "WRITERS", r.Conflicts.Pairs},
	} {
		writeGroups(b, part.title, part.head, part.groups)
	}
	r.writeDeep(b)
	r.writeFailures(b)
	r.writeLogs(b)
}

// writerNames says which fields told of writers.
func (r *Report) writerNames() string {
	names := slices.SortedFunc(maps.Keys(r.Conflicts.WriterFields), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Conflicts.WriterFields[b], r.Conflicts.WriterFields[a]), cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return ""
	}
	return ", by the field " + strings.Join(first(names), ", ")
}

func (r *Report) writeReplications(b *strings.Builder) {
	var cells [][]string
	for _, x := range first(r.Replications) {
		grew := ""
		if x.Watched > 0 && x.Counted {
			grew = fmt.Sprintf("+%d in %.0f s", x.Grew, x.Watched)
		}
		failures := "?"
		if x.Counted {
			failures = fmt.Sprint(x.WriteFailures)
		}
		cells = append(cells, []string{cmp.Or(x.DocID, x.ID), x.State, failures, grew, x.Source, x.Target})
	}
	rows(b, "REPLICATIONS", []string{"NAME", "STATE", "WRITE FAILURES", "GREW", "FROM", "TO"}, cells)
}

func writeGroups(b *strings.Builder, title, head string, groups []Group) {
	var cells [][]string
	for _, g := range first(groups) {
		cells = append(cells, []string{g.DB, cmp.Or(g.Name, "(none)"), fmt.Sprint(g.Open), fmt.Sprint(g.Mended), fmt.Sprintf("%.1f", g.PerHour),
			fmt.Sprintf("%.1f / %d", g.Leaves.Mean, g.Leaves.Max), fmt.Sprintf("%.1f / %d", g.Depth.Mean, g.Depth.Max)})
	}
	rows(b, title, []string{"DB", head, "OPEN", "MENDED", "AN HOUR", "LEAVES", "DEPTH"}, cells)
}

func (r *Report) writeDeep(b *strings.Builder) {
	var cells [][]string
	for _, d := range first(r.Deep) {
		var signs []string
		for _, s := range d.Signs {
			signs = append(signs, string(s))
		}
		cells = append(cells, []string{d.DB, d.ID, fmt.Sprint(d.Leaves), fmt.Sprint(d.Depth), fmt.Sprint(d.Behind), strings.Join(signs, ", "), strings.Join(d.Writers, ", ")})
	}
	rows(b, "MORE THAN THREE LIVE LEAVES", []string{"DB", "DOCUMENT", "LEAVES", "DEPTH", "BEHIND", "SUGGESTS", "WRITERS"}, cells)
	cells = nil
	for _, c := range first(r.Clocks) {
		cells = append(cells, []string{c.DB, c.ID, c.Writer, c.Field, c.says()})
	}
	rows(b, "TIMES THAT CANNOT BE RIGHT", []string{"DB", "DOCUMENT", "WRITER", "FIELD", ""}, cells)
}

func (r *Report) writeFailures(b *strings.Builder) {
	var cells [][]string
	for _, f := range first(r.Failures) {
		cells = append(cells, []string{f.DB, cmp.Or(f.Class, "(none)"), string(f.Reason), fmt.Sprint(f.Review), fmt.Sprint(f.Logged), f.Says})
	}
	rows(b, "WHAT COUCHMEND COULD NOT DO", []string{"DB", "CLASS", "REASON", "REVIEW", "LOGGED", "SAYS"}, cells)
	cells = nil
	for _, class := range slices.Sorted(maps.Keys(r.Latency)) {
		cells = append(cells, spansRow(cmp.Or(class, "ok"), r.Latency[class]))
	}
	rows(b, "FROM ARRIVAL TO END, milliseconds", spansHead, cells)
}

var spansHead = []string{"", "N", "P50", "P90", "P99", "MAX"}

func spansRow(name string, s Spans) []string {
	return []string{name, fmt.Sprint(s.N), fmt.Sprintf("%.0f", s.P50), fmt.Sprintf("%.0f", s.P90), fmt.Sprintf("%.0f", s.P99), fmt.Sprintf("%.0f", s.Max)}
}

func (r *Report) writeLogs(b *strings.Builder) {
	l := r.Logs
	if l == nil {
		return
	}
	fmt.Fprintf(b, "\nLOGS: %s\n", clean(strings.Join(l.Files, ", ")))
	if l.Entries > 0 {
		fmt.Fprintf(b, "  CouchDB's: %s from %s to %s.\n", plural(l.Entries, "line"), stamp(l.From), stamp(l.To))
		fmt.Fprintf(b, "  409s: couchmend's %d, the application's %d, replicators' checkpoints %d, of unknown traces %d.\n",
			l.Conflicts[Ours], l.Conflicts[Application], l.Conflicts[Replicators], l.Conflicts[Traced])
		var bulk int64
		for _, n := range l.Bulk {
			bulk += n
		}
		fold(b, "  ", fmt.Sprintf("_bulk_docs: %s, %d of them couchmend's. %s", plural(bulk, "request"), l.Bulk[Ours], bulkBlind))
	}
	var cells [][]string
	for _, c := range first(l.Callers) {
		cells = append(cells, []string{string(c.Who), c.DB, c.User, c.Peer, c.Method, fmt.Sprint(c.N), fmt.Sprint(c.AfterOurs)})
	}
	rows(b, "WHOSE 409s", []string{"WHO", "DB", "USER", "FROM", "METHOD", "N", "AFTER A MERGE"}, cells)
	cells = nil
	for _, x := range first(l.Refused) {
		cells = append(cells, []string{x.Target, x.Error, fmt.Sprint(x.N), x.Reason})
	}
	rows(b, "WHAT REPLICATORS COULD NOT WRITE", []string{"TO", "ERROR", "N", "REASON"}, cells)
	cells = nil
	for _, s := range first(l.Statuses) {
		cells = append(cells, []string{string(s.Who), s.DB, s.User, fmt.Sprint(s.Status), fmt.Sprint(s.N), s.Sample})
	}
	rows(b, "OTHER REFUSALS", []string{"WHO", "DB", "USER", "STATUS", "N", "SUCH AS"}, cells)
	cells = nil
	for _, what := range slices.Sorted(maps.Keys(l.Took)) {
		cells = append(cells, spansRow(what, l.Took[what]))
	}
	rows(b, "COUCHMEND'S REQUESTS, as CouchDB measured them, milliseconds", spansHead, cells)
}
