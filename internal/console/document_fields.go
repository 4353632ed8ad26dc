package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// ownColumns is how many live leaves beside the winner have a column each; of
// more, one column has their distinct values.
const ownColumns = 3

// fieldTable is a comparison as a table: a column a side, a row a field.
type fieldTable struct {
	Columns []fieldColumn
	Differ  []fieldRow
	Alike   []fieldRow
	Pick    bool // there is something to choose between
}

// fieldColumn is one side, or all leaves that share a column.
type fieldColumn struct {
	Name  string
	Kind  document.Kind
	Rev   couchmend.Rev // zero: the merge, or several leaves
	sides []int
}

// Title is the column's head in words.
func (c fieldColumn) Title() string { return strings.TrimSpace(c.Name + " " + shortRev(c.Rev)) }

// Side is what is sent where all of the column is taken; "" where it is of
// several leaves.
func (c fieldColumn) Side() string {
	switch {
	case c.Revision():
		return c.Rev.String()
	case c.Proposed():
		return string(c.Kind)
	}
	return ""
}

// Revision reports whether the column is one revision's.
func (c fieldColumn) Revision() bool { return c.Rev != (couchmend.Rev{}) }

// Proposed reports whether the column is what the policy would write.
func (c fieldColumn) Proposed() bool { return c.Kind == document.Merged || c.Kind == document.Draft }

// tableHead is the first row of a table of sides.
type tableHead struct {
	Of      string
	Columns []fieldColumn
	All     bool // each can be taken whole
}

// Head is the head of a table of fields or attachments.
func (d documentView) Head(of string, all bool) tableHead {
	return tableHead{of, d.Fields.Columns, all}
}

// fieldRow is one field.
type fieldRow struct {
	Path     string
	Name     string // of the radio buttons
	Disputed bool   // nothing but a person's word speaks for a value
	Cells    []fieldCell
	Origins  []couchmend.Origin // where the merge's value came from
}

// fieldCell is what a column's sides have: one value, or several.
type fieldCell struct {
	Column  fieldColumn
	Options []fieldOption
}

const (
	shownOptions  = 4   // values of one cell that are seen at once; others are folded
	foldedOptions = 300 // of which the page has no more (I11)
)

// Shown are the values that are seen at once: the first, and the picked one.
func (c fieldCell) Shown() []fieldOption {
	var shown []fieldOption
	for i, o := range c.Options {
		if i < shownOptions || o.Picked {
			shown = append(shown, o)
		}
	}
	return shown
}

// Folded are the others, as far as the page has them.
func (c fieldCell) Folded() []fieldOption {
	var folded []fieldOption
	for i, o := range c.Options {
		if i >= shownOptions && !o.Picked && len(folded) < foldedOptions {
			folded = append(folded, o)
		}
	}
	return folded
}

// Rest counts those that the page does not have.
func (c fieldCell) Rest() int { return len(c.Options) - len(c.Shown()) - len(c.Folded()) }

// fieldOption is a value that can be picked.
type fieldOption struct {
	ID      string // in the page
	Side    string // sent where it is picked
	Who     string // has it, where a column is of several leaves
	Value   shownValue
	Picked  bool
	Changed bool // it is another than the base's
	Says    string
	isFile  bool
	file    *couchmend.Attachment // nil: the side has none of that name
	from    couchmend.Rev
}

// picks are the sides that a person picked, by fieldRow.Name.
type picks map[string]string

const pickPrefix = "pick:"

// picked reads the picks of a form.
func (v *visit) picked() picks {
	p := picks{}
	for name, values := range v.r.PostForm {
		if strings.HasPrefix(name, pickPrefix) {
			p[name] = values[0]
		}
	}
	return p
}

// side is the side that is picked for a field, counted from 0; -1: none.
func (p picks) side(c document.Comparison, f document.Field) int {
	key, ok := p[pickName(f)]
	if !ok {
		return -1
	}
	return slices.IndexFunc(c.Sides, func(s document.Side) bool { return sideKey(s) == key })
}

// pickName names the radio buttons of a field. It is JSON, since browsers
// rewrite line ends in names.
func pickName(f document.Field) string {
	text, _ := json.Marshal([]string(f.At)) // strings can be marshalled
	return pickPrefix + string(text)
}

func sideKey(s document.Side) string {
	if s.Rev == (couchmend.Rev{}) {
		return string(s.Name)
	}
	return s.Rev.String()
}

// tabulate makes a comparison's tables: of fields, and of attachments.
func tabulate(c document.Comparison, d couchmend.Decision, p picks) (fieldTable, fileTable) {
	fields := fieldTable{Columns: columnsOf(c), Pick: len(c.Sides) > 1}
	files := fileTable{Columns: fields.Columns, Pick: fields.Pick}
	for i, f := range c.Fields {
		row := fieldRowOf(c, f, p, fields.Columns, i)
		row.Origins = originsOf(d, row.Path)
		if name, ok := f.Attachment(); ok {
			files.Rows = append(files.Rows, fileRow{fieldRow: row, File: name, Differs: f.Differs})
			continue
		}
		if f.Differs {
			fields.Differ = append(fields.Differ, row)
		} else {
			row.Cells = row.Cells[:1]
			fields.Alike = append(fields.Alike, row)
		}
	}
	return fields, files
}

// columnsOf gives each side a column, but many leaves one together.
func columnsOf(c document.Comparison) []fieldColumn {
	var columns []fieldColumn
	leaves := 0
	for _, s := range c.Sides {
		if s.Name == document.Leaf {
			leaves++
		}
	}
	shared := -1
	for i, s := range c.Sides {
		if s.Name == document.Leaf && leaves > ownColumns {
			if shared < 0 {
				shared = len(columns)
				columns = append(columns, fieldColumn{Name: number(leaves) + " other leaves", Kind: document.Leaf})
			}
			columns[shared].sides = append(columns[shared].sides, i)
			continue
		}
		columns = append(columns, fieldColumn{Name: sideNames[s.Name], Kind: s.Name, Rev: s.Rev, sides: []int{i}})
	}
	return columns
}

var sideNames = map[document.Kind]string{
	document.Base: "Base", document.Winner: "Winner", document.Leaf: "Leaf", document.Deleted: "Deleted", document.Buried: "Buried",
	document.Merged: "Proposed merge", document.Draft: "Refused merge", document.Inner: "Revision",
}

func fieldRowOf(c document.Comparison, f document.Field, p picks, columns []fieldColumn, at int) fieldRow {
	proposed, disputed := c.Proposed(f)
	if i := p.side(c, f); i >= 0 {
		proposed, disputed = i, false
	}
	row := fieldRow{Path: f.Path(), Name: pickName(f), Disputed: disputed}
	groups := f.Distinct()
	group := make([]int, len(c.Sides)) // of each side
	for g, sides := range groups {
		for _, i := range sides {
			group[i] = g
		}
	}
	base := slices.IndexFunc(c.Sides, func(s document.Side) bool { return s.Name == document.Base })
	for _, column := range columns {
		cell := fieldCell{Column: column}
		for _, sides := range groups {
			mine := slices.DeleteFunc(slices.Clone(sides), func(i int) bool { return !slices.Contains(column.sides, i) })
			if len(mine) == 0 {
				continue
			}
			i := mine[0]
			o := fieldOption{
				ID: fmt.Sprintf("pick-%d-%d", at, i), Side: sideKey(c.Sides[i]), Value: showValue(f.Values[i]),
				Changed: base >= 0 && group[i] != group[base], from: c.Sides[i].Rev,
			}
			if len(column.sides) > 1 {
				o.Who = leavesWords(c, mine)
				o.Picked = slices.Contains(mine, proposed)
			} else {
				o.Picked = i == proposed
			}
			o.Says = fmt.Sprintf("%s: %s %s", row.Path, strings.ToLower(column.Name), shortRev(o.from))
			if name, ok := f.Attachment(); ok {
				o.isFile = true
				o.file = fileNamed(c.Sides[i].Revision.Attachments, name)
				if o.from == (couchmend.Rev{}) && o.file != nil { // the merge's is some leaf's
					o.from = o.file.From
				}
			}
			cell.Options = append(cell.Options, o)
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

func leavesWords(c document.Comparison, sides []int) string {
	if len(sides) == 1 {
		return shortRev(c.Sides[sides[0]].Rev)
	}
	return plural(len(sides), "leaf")[:len(number(len(sides)))] + " leaves"
}

// originsOf are those of a decision's origins that speak of a field, of what is
// in it or of what it is in.
func originsOf(d couchmend.Decision, path string) []couchmend.Origin {
	var all []couchmend.Origin
	for _, o := range d.Fields {
		if o.Path == path || strings.HasPrefix(o.Path, path+".") || strings.HasPrefix(path, o.Path+".") {
			all = append(all, o)
		}
	}
	return all
}

// shownValue is a value for people.
type shownValue struct {
	Text   string // the beginning, where it is folded
	Full   string // "" where it is not
	Size   int    // bytes
	Absent bool
	Cut    bool // Full is not all of it
}

const (
	shortValue = 120     // bytes that are shown without folding
	foldedText = 80      // of a folded value that are shown
	longValue  = 100_000 // of a folded value that are in the page
)

// Bytes is the value's size in words.
func (s shownValue) Bytes() string { return bytesWords(int64(s.Size)) }

// bytesWords is a size for people: "812 bytes", "12 kB", "3.4 MB".
func bytesWords(n int64) string {
	switch {
	case n < 10_000:
		return plural(int(n), "byte")
	case n < 1_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// showValue folds what is long. Literals stand as they are, 20 digits too.
func showValue(v jsondoc.Value) shownValue {
	if v == nil {
		return shownValue{Absent: true}
	}
	if len(v) <= shortValue {
		return shownValue{Text: string(v)}
	}
	full := document.Indent(v[:min(len(v), longValue)])
	return shownValue{Text: upTo(string(v), foldedText), Full: upTo(string(full), longValue), Size: len(v), Cut: len(v) > longValue}
}

// upTo cuts a text between two characters.
func upTo(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
