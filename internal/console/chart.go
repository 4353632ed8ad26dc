package console

import (
	"fmt"
	"time"

	"github.com/couchmend/couchmend/internal/board"
)

// chart is bars over time: drawn here, as SVG that is stretched to its place, so
// that no script is needed. Labels stand outside of it.
type chart struct {
	Label  string // what it shows, for who does not see it
	Bars   []bar
	Height float64
	Width  float64
	Top    int    // what the highest bar amounts to
	From   string // the first bar's time
	To     string
}

// bar is what was done in one span: by couchmend, and above it what people
// decided and what came to review.
type bar struct {
	X, Width float64
	Parts    []barPart
	Title    string
}

type barPart struct {
	Y, Height float64
	Class     string
}

const (
	chartHeight = 100
	barStep     = 10
	barGap      = 2
)

// newChart draws spans, whose starts are told in a layout of time.Format.
func newChart(label string, spans []board.Span, layout string) chart {
	c := chart{Label: label, Height: chartHeight, Width: float64(len(spans) * barStep)}
	for _, s := range spans {
		c.Top = max(c.Top, s.Did.Mended()+s.Did.Decided()+s.Did.Reviewed())
	}
	scale := chartHeight / float64(max(c.Top, 1))
	for i, s := range spans {
		b := bar{
			X: float64(i * barStep), Width: barStep - barGap,
			Title: fmt.Sprintf("%s: %d mended, %d decided by people, %d came to review", s.Start.UTC().Format(layout), s.Did.Mended(), s.Did.Decided(), s.Did.Reviewed()),
		}
		y := float64(chartHeight)
		for _, part := range []struct {
			n     int
			class string
		}{{s.Did.Mended(), "bar"}, {s.Did.Decided(), "bar-3"}, {s.Did.Reviewed(), "bar-2"}} {
			if part.n > 0 {
				height := float64(part.n) * scale
				y -= height
				b.Parts = append(b.Parts, barPart{Y: y, Height: height, Class: part.class})
			}
		}
		c.Bars = append(c.Bars, b)
	}
	if len(spans) > 0 {
		c.From = spans[0].Start.UTC().Format(layout)
		c.To = spans[len(spans)-1].Start.UTC().Format(layout)
	}
	return c
}

// rank is one row of a chart of names: a bar as long as its share of the
// largest.
type rank struct {
	Name, Link string
	N          int
	Percent    int // of the largest; at least 1
}

// ranks makes rows of shares; link and name may be nil.
func ranks(shares []board.Share, n int, name, link func(string) string) []rank {
	var rows []rank
	top := 1
	for _, s := range shares {
		top = max(top, s.N)
	}
	for _, s := range shares[:min(n, len(shares))] {
		row := rank{Name: s.Name, N: s.N, Percent: max(1, s.N*100/top)}
		if name != nil {
			row.Name = name(s.Name)
		}
		if link != nil {
			row.Link = link(s.Name)
		}
		rows = append(rows, row)
	}
	return rows
}

// clock is the layout of an axis that shows a day or less.
const clock = "15:04"

// perMinute is a rate in words.
func perMinute(n int, over time.Duration) string {
	return fmt.Sprintf("%.1f a minute", float64(n)/over.Minutes())
}
