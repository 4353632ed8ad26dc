package main

import (
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// table is aligned columns. It may be flushed piece by piece: a listing of a
// million rows is never held whole, and its columns never get narrower.
type table struct {
	out    io.Writer
	limit  int // columns of the terminal; 0: nothing is cut
	head   []string
	give   []int // columns that are cut before others: long text; not ids
	rows   [][]string
	widths []int
	begun  bool
}

const (
	columnGap = "  "
	minColumn = 8 // a column is not cut below this
)

func (a *app) table(out io.Writer, head ...string) *table {
	return &table{out: out, limit: a.width(), head: head, widths: make([]int, len(head))}
}

// cut names the columns that are cut before others where a row does not fit:
// text that goes on and on, never what one wants to copy.
func (t *table) cut(columns ...int) *table {
	t.give = columns
	return t
}

// add takes a row in. Cells may hold anything.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// flush writes the rows taken in so far, under the head at first; nothing where
// there are none.
func (t *table) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	rows := t.rows
	if !t.begun {
		rows = append([][]string{t.head}, rows...)
	}
	t.begun, t.rows = true, nil
	for _, row := range rows {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], runewidth.StringWidth(cell))
		}
	}
	widths := t.fit()
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString(columnGap)
			}
			line.WriteString(runewidth.FillRight(runewidth.Truncate(cell, widths[i], "…"), widths[i]))
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// fit returns the widths with which a row fits into the limit: it narrows the
// widest of the columns that give way, and when these are narrow, of all.
func (t *table) fit() []int {
	widths := slices.Clone(t.widths)
	if t.limit == 0 {
		return widths
	}
	over := len(columnGap)*(len(widths)-1) - t.limit
	all := make([]int, len(widths))
	for i, w := range widths {
		over += w
		all[i] = i
	}
	for _, columns := range [][]int{t.give, all} {
		for ; over > 0; over-- {
			widest := -1
			for _, i := range columns {
				if widths[i] > minColumn && (widest < 0 || widths[i] > widths[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
		}
	}
	return widths
}
