package suggest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/merge"
)

// lineWidth is where comments are broken, in characters.
const lineWidth = 100

// page is a policy file in the making.
type page struct{ strings.Builder }

// line writes a line at a depth of so many levels.
func (w *page) line(depth int, format string, args ...any) {
	w.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

// note writes a comment, broken at lineWidth.
func (w *page) note(depth int, format string, args ...any) {
	w.hang(depth, "", fmt.Sprintf(format, args...))
}

// hang writes a comment whose lines after the first are indented once more,
// where it begins with a bullet.
func (w *page) hang(depth int, bullet, text string) {
	lead := bullet
	room := lineWidth - 2*depth - len("# ")
	var line strings.Builder
	flush := func() {
		if line.Len() > 0 {
			w.line(depth, "# %s%s", lead, line.String())
			lead = strings.Repeat(" ", len(bullet))
			line.Reset()
		}
	}
	for _, word := range strings.Fields(strings.Map(printable, text)) {
		if line.Len() > 0 && utf8.RuneCountInString(lead+line.String()+" "+word) > room {
			flush()
		}
		if line.Len() > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(word)
	}
	flush()
}

// printable keeps out what YAML does not take, not even in a comment.
func printable(r rune) rune {
	if unicode.IsPrint(r) || unicode.IsSpace(r) {
		return r
	}
	return unicode.ReplacementChar
}

// render writes the policy file. Comments are data's shape, counts and ids:
// such files get committed.
func (p *Proposal) render() string {
	w := &page{}
	p.head(w)
	w.line(0, "databases:")
	w.line(1, "- { match: %s, policy: %s }", quoted(globOf(p.DB)), quoted(p.Policy))
	w.line(0, "policies:")
	w.line(1, "%s:", quoted(p.Policy))
	if len(p.Rules) > 0 {
		w.line(2, "rules:")
	}
	for i := range p.Rules {
		if i > 0 {
			w.line(0, "")
		}
		p.Rules[i].write(w)
	}
	if p.Otherwise.Open > 0 {
		w.note(2, "%s of no rule above: %s would be resolved.", plural(p.Otherwise.Open, "conflict"), count(p.Otherwise.Resolved))
	}
	w.note(2, "As without a policy file: what one side alone changed is merged, the rest reviewed. With review instead, a person sees each conflict of documents that no rule above is about.")
	w.line(2, "otherwise: merge")
	return w.String()
}

func (p *Proposal) head(w *page) {
	w.note(0, "A policy proposed for the database %s. Read each line before you use it: it says what conflicts showed, not what is right. A field that no line names is merged where one side alone changed it, and reviewed where both did, differently.", quoted(p.DB))
	w.line(0, "#")
	switch {
	case p.Conflicts == 0:
		w.note(0, "The database has no open conflict, so there is nothing to propose.")
		w.line(0, "")
		return
	case p.Of > p.Conflicts:
		w.note(0, "Seen: a sample of %s of about %s open conflicts.", count(p.Conflicts), count(p.Of))
	default:
		w.note(0, "Seen: %s, all there are.", plural(p.Conflicts, "open conflict"))
	}
	w.note(0, "%s still have the revision that their leaves grew from, which tells who changed what.", count(p.Based))
	if p.Based*2 < p.Conflicts-p.Design {
		w.note(0, "Most have none: CouchDB drops such bodies when it compacts. Without one only union, max, min and latest beside a value can merge. A couchmend that keeps running meets conflicts while the base is still there.")
	}
	switch {
	case len(p.By) == 0:
		w.note(0, "No field tells kinds of documents apart: one rule is for all. Name a field with --by.")
	case p.By[0] == idPrefix:
		w.note(0, "Kinds of documents are told apart by the beginning of their ids.")
	default:
		w.note(0, "Kinds of documents are told apart by the field %s.", quoted(p.By[0]))
	}
	if p.Cut {
		w.note(0, "The documents have more fields than were looked at: some are missing here.")
	}
	w.line(0, "#")
	w.note(0, "What this file would make of them. Each was decided by it, and nothing was written; `couchmend scan --policy FILE` measures it again.")
	w.line(0, "#")
	p.table(w)
	w.line(0, "")
}

// table shows the shares as a table in comments.
func (p *Proposal) table(w *page) {
	if p.Total.Open == 0 { // not measured yet
		return
	}
	rows := [][]string{{"", "open", "resolved", "", "review", ""}}
	add := func(name string, s Share) {
		rows = append(rows, []string{name, count(s.Open), count(s.Resolved), s.Percent(), count(s.Open - s.Resolved), s.Why()})
	}
	for _, r := range p.Rules {
		add(quoted(r.Name), r.Share)
	}
	if p.Otherwise.Open > 0 {
		add("otherwise", p.Otherwise)
	}
	if rest := p.unruled(); rest.Open > 0 {
		add("before any rule", rest)
	}
	add("in all", p.Total)
	add("without a policy", p.Builtin)
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		text := fmt.Sprintf("#   %-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			format := "  %*s"
			if i == len(row)-2 {
				format = "  %-*s"
			}
			text += fmt.Sprintf(format, widths[i+1], cell)
		}
		w.line(0, "%s", strings.TrimRight(text, " "))
	}
}

// unruled is the share of conflicts that went to review before a rule was
// asked: design documents, leaves that select several rules.
func (p *Proposal) unruled() Share {
	rest := Share{Open: p.Total.Open - p.Otherwise.Open, Resolved: p.Total.Resolved - p.Otherwise.Resolved, Reasons: map[couchmend.Reason]int{}}
	for reason, n := range p.Total.Reasons {
		rest.Reasons[reason] = n - p.Otherwise.Reasons[reason]
	}
	for _, r := range p.Rules {
		rest.Open -= r.Share.Open
		rest.Resolved -= r.Share.Resolved
		for reason, n := range r.Share.Reasons {
			rest.Reasons[reason] -= n
		}
	}
	for reason, n := range rest.Reasons {
		if n == 0 {
			delete(rest.Reasons, reason)
		}
	}
	return rest
}

func (r *Rule) write(w *page) {
	w.note(3, "%s, %s with a base.", plural(r.Conflicts, "conflict"), count(r.Based))
	if s := r.Share; s.Open > 0 {
		text := fmt.Sprintf("%s (%s) would be resolved", count(s.Resolved), s.Percent())
		if left := s.Open - s.Resolved; left > 0 {
			text += fmt.Sprintf(", %s left to review: %s", count(left), s.Why())
		}
		w.note(3, "%s.", text)
	}
	w.line(3, "- name: %s", quoted(r.Name))
	if len(r.When) > 0 {
		w.line(4, "when: { %s }", whenText(r.When))
	}
	if r.Clock != nil {
		w.note(4, "%s", r.Clock.Why)
		w.line(4, "clock: { %s: %s }", r.Clock.Kind, pathText(r.Clock.Path))
	}
	if len(r.Fields) > 0 {
		w.line(4, "fields:")
	}
	for _, f := range r.Fields {
		w.note(5, "%s %s", f.counts(), f.Why)
		f.example(w)
		w.line(5, "%s", fieldLine(f.Pattern, f.Strategy))
	}
	if r.SoftDelete != nil {
		w.note(4, "%s", r.SoftDelete.Why)
		w.line(4, "soft_delete: { field: %s, wins: review }", pathText(r.SoftDelete.Pattern))
	}
	r.writeOpen(w)
	r.writeChoices(w)
}

func (r *Rule) writeOpen(w *page) {
	if len(r.Open) == 0 {
		return
	}
	w.note(4, "Left to a person, where both sides changed it or no base tells:")
	for _, f := range r.Open {
		w.hang(4, "- ", fmt.Sprintf("%s: %s %s E.g. document %s.", quoted(patternOf(f.Pattern)), f.counts(), f.Why, quoted(f.Example.ID)))
		f.example(w)
	}
	if r.More > 0 {
		w.note(4, "- and %s more", count(r.More))
	}
}

func (r *Rule) writeChoices(w *page) {
	if len(r.Choices) == 0 {
		return
	}
	w.note(4, "What a person may add, and couchmend does not by itself. Each line alone would resolve so many more:")
	width := 0
	for _, c := range r.Choices {
		width = max(width, len(count(c.More)))
	}
	for _, c := range r.Choices {
		w.hang(4, fmt.Sprintf("  +%-*s  ", width, count(c.More)), c.Line+"   ("+c.Price+")")
	}
}

// counts says in how many conflicts a place differs.
func (f *Field) counts() string {
	var parts []string
	if f.Contested > 0 {
		parts = append(parts, "both sides changed it in "+plural(f.Contested, "conflict"))
	}
	if f.Alike > 0 {
		parts = append(parts, "both changed it alike in "+count(f.Alike))
	}
	if f.Blind > 0 {
		parts = append(parts, fmt.Sprintf("it differs without a base in %s", count(f.Blind)))
	}
	if len(parts) == 0 {
		return ""
	}
	text := strings.Join(parts, ", ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// example writes an example's values, if they were asked for.
func (f *Field) example(w *page) {
	if v := f.Example.Values; len(v) == 3 {
		w.hang(5, "  ", fmt.Sprintf("E.g. %s: base %s, winner %s, other %s", quoted(f.Example.ID), strconv.Quote(v[0]), strconv.Quote(v[1]), strconv.Quote(v[2])))
	}
}

func whenText(when []Condition) string {
	parts := make([]string, len(when))
	for i, c := range when {
		field := merge.Path{c.Field}
		switch {
		case c.Field == idPrefix:
			parts[i] = fmt.Sprintf("_id: { $beginsWith: %s }", quoted(c.Value))
		case len(c.Or) > 0:
			values := []string{quoted(c.Value)}
			for _, v := range c.Or {
				values = append(values, quoted(v))
			}
			parts[i] = fmt.Sprintf("%s: { $in: [%s] }", quoted(field.String()), strings.Join(values, ", "))
		default:
			parts[i] = fmt.Sprintf("%s: %s", quoted(field.String()), quoted(c.Value))
		}
	}
	return strings.Join(parts, ", ")
}

func fieldLine(pattern merge.Path, s merge.Strategy) string {
	return quoted(patternOf(pattern)) + ": " + strategyText(s)
}

// strategyText writes a strategy as it stands beside a pattern.
func strategyText(s merge.Strategy) string {
	switch {
	case s.Kind == merge.ByKey:
		return fmt.Sprintf("{ by_key: %s }", quoted(s.Key))
	case len(s.Beside) > 0:
		return fmt.Sprintf("{ latest: %s }", pathText(s.Beside))
	}
	return string(s.Kind)
}

// patternOf writes a pattern, in which a whole name "*" is any name.
func patternOf(pattern merge.Path) string {
	names := make([]string, len(pattern))
	for i, name := range pattern {
		names[i] = merge.Path{name}.String()
		if name != anyName && name != "**" {
			names[i] = strings.ReplaceAll(names[i], "*", `\*`)
		}
	}
	return strings.Join(names, ".")
}

func pathText(path merge.Path) string { return quoted(path.String()) }

// plainScalar is text that YAML takes as a string as it stands, in a flow
// mapping too.
var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*$`)

// notStrings are words that YAML, or a reader of it, takes for something else.
var notStrings = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}

// quoted writes a text as one YAML scalar that is a string.
func quoted(text string) string {
	if plainScalar.MatchString(text) && !slices.Contains(notStrings, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text)
}

// globOf is the glob that matches one database alone.
func globOf(db string) string {
	return cmp.Or(strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(db), "*")
}
