package merge

import (
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// maxLineCells bounds the table of line comparisons: 2,000 by 2,000 changed
// lines. Texts that differ in more are left to a person.
const maxLineCells = 4_000_000

// mergeText merges two strings line by line against their base, as diff3
// does. clean is false where the same lines were changed differently, ok where
// a value is no string.
func mergeText(base, a, b jsondoc.Value) (merged jsondoc.Value, clean, ok bool) {
	if a.Kind() != '"' || b.Kind() != '"' || base != nil && base.Kind() != '"' {
		return nil, false, false
	}
	o, x, y := lines(base), lines(a), lines(b)
	toX, okX := matches(o, x)
	toY, okY := matches(o, y)
	if !okX || !okY {
		return nil, false, true
	}
	var out []string
	i, j, k := 0, 0, 0
	for i < len(o) || j < len(x) || k < len(y) {
		if i < len(o) && toX[i] == j && toY[i] == k { // unchanged on both sides
			out = append(out, o[i])
			i, j, k = i+1, j+1, k+1
			continue
		}
		// The hunk ends at the next line of the base that both sides kept.
		end := i
		for end < len(o) && (toX[end] < 0 || toY[end] < 0) {
			end++
		}
		endX, endY := len(x), len(y)
		if end < len(o) {
			endX, endY = toX[end], toY[end]
		}
		hunk, ok := mergeHunk(o[i:end], x[j:endX], y[k:endY])
		if !ok {
			return nil, false, true
		}
		out = append(out, hunk...)
		i, j, k = end, endX, endY
	}
	return jsondoc.String(strings.Join(out, "")), true, true
}

func mergeHunk(o, x, y []string) ([]string, bool) {
	switch {
	case slices.Equal(x, y), slices.Equal(o, y):
		return x, true
	case slices.Equal(o, x):
		return y, true
	}
	return nil, false
}

// lines are a text's lines, each with its line break.
func lines(v jsondoc.Value) []string { return slices.Collect(strings.Lines(v.Text())) }

// matches returns for each line of o the line of x that is the same in a
// longest common subsequence, or -1; false where the texts are too large.
func matches(o, x []string) ([]int, bool) {
	to := make([]int, len(o))
	head := 0
	for head < len(o) && head < len(x) && o[head] == x[head] {
		to[head] = head
		head++
	}
	tail := 0
	for tail < len(o)-head && tail < len(x)-head && o[len(o)-1-tail] == x[len(x)-1-tail] {
		tail++
		to[len(o)-tail] = len(x) - tail
	}
	p, q := o[head:len(o)-tail], x[head:len(x)-tail]
	if len(p)*len(q) > maxLineCells {
		return nil, false
	}
	length := make([][]int32, len(p)+1) // of the longest common subsequence of p[i:], q[j:]
	for i := range length {
		length[i] = make([]int32, len(q)+1)
	}
	for i := len(p) - 1; i >= 0; i-- {
		for j := len(q) - 1; j >= 0; j-- {
			if p[i] == q[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	j := 0
	for i := range p {
		to[head+i] = -1
		for j < len(q) && p[i] != q[j] && length[i][j+1] >= length[i+1][j] {
			j++
		}
		if j < len(q) && p[i] == q[j] {
			to[head+i] = head + j
			j++
		}
	}
	return to, true
}
