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
	widths := fit(t.widths, t.limit)
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

// fit narrows the widest columns until a row fits into limit.
func fit(widths []int, limit int) []int {
	fitted := slices.Clone(widths)
	total := len(columnGap) * (len(fitted) - 1)
	for _, w := range fitted {
		total += w
	}
	for limit > 0 && total > limit {
		widest := 0
		for i, w := range fitted {
			if w > fitted[widest] {
				widest = i
			}
		}
		if fitted[widest] <= minColumn {
			break
		}
		fitted[widest]--
		total--
	}
	return fitted
}
