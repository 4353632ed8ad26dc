package main

import (
	"io"
	"strings"

	"github.com/couchmend/couchmend/internal/document"
	"github.com/mattn/go-runewidth"
)

// drawTree writes a revision tree, the oldest revision on top.
func drawTree(w io.Writer, t *document.Tree) error {
	lines := make([]string, len(t.Rows))
	width := 0
	for i, row := range t.Rows {
		lines[i] = clean("  " + branches(row) + symbol(row))
		width = max(width, runewidth.StringWidth(lines[i]))
	}
	var b strings.Builder
	for i, row := range t.Rows {
		note := plural(len(row.Run), "revision") + " from "
		if row.Node != nil {
			note = strings.Join(row.Notes, "; ")
		} else {
			note += document.Short(row.Run[0])
		}
		b.WriteString(strings.TrimRight(runewidth.FillRight(lines[i], width)+"   "+clean(note), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// branches draws the lines that pass a row on its left, or end there.
func branches(row document.Row) string {
	var b strings.Builder
	for i, more := range row.More {
		switch begins := row.First && i == len(row.More)-1; {
		case begins && more:
			b.WriteString("├─")
		case begins:
			b.WriteString("└─")
		case more:
			b.WriteString("│ ")
		default:
			b.WriteString("  ")
		}
	}
	return b.String()
}

func symbol(row document.Row) string {
	if row.Node == nil {
		return "⋮"
	}
	mark := "·"
	switch row.Kind {
	case document.Winner:
		mark = "●"
	case document.Leaf:
		mark = "○"
	case document.Deleted, document.Buried:
		mark = "✕"
	}
	return mark + " " + document.Short(row.Rev)
}
