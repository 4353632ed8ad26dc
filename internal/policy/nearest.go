package policy

import "strings"

// nearest returns the candidate that word was probably meant to be, "" when
// none is close: at most one slip of the finger in three letters.
func nearest(word string, candidates []string) string {
	best, slips := "", len(word)/3+1
	for _, c := range candidates {
		if d := distance(plain(word), plain(c)); d < slips || d == slips && best == "" && d <= len(c)/3 {
			best, slips = c, d
		}
	}
	return best
}

// plain takes away what people mix up between tools: case, "-" and "_".
func plain(word string) string {
	if len(word) > 64 {
		word = word[:64]
	}
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(word))
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbor to make b out of a (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
