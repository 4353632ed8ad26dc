package revtree

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/couchmend/couchmend"
)

// MaxMarks is the most marks that one merge gets, however long a history the
// database keeps.
const MaxMarks = 256

// MinRevsLimit is the smallest _revs_limit with which marks are written: below
// it they would push a document's own history out of its path.
const MinRevsLimit = 50

// MarksFor returns the ids that stand between a merge and its winner, newest
// first: one for each revision that the losers contain and the winner does
// not. Order: loser by loser, as given (winner order), each from its newest
// revision to its oldest. There are at most min(MaxMarks, revsLimit/4), and
// where that leaves some out, the newest of each loser come first; then, or
// where a loser's path does not visibly meet the winner's, "incomplete" stands
// before all others. extra are a person's words: releases of holds.
func (t *Tree) MarksFor(winner couchmend.Rev, losers []couchmend.Rev, revsLimit int, extra ...Mark) Path {
	perLoser := make([][]Mark, len(losers)+1)
	seen := make(Contents)
	seen.addAll(t.Contains(winner))
	take := func(i int, m Mark) {
		if m != incomplete && !seen.Has(m) {
			seen[m] = struct{}{}
			perLoser[i] = append(perLoser[i], m)
		}
	}
	for _, m := range extra {
		take(0, m)
	}
	gap := false
	from := t.sightFrom(winner)
	for i, loser := range losers {
		gap = gap || !from.meet(loser).Visible
		for at, r := range t.paths[loser] {
			m, isMark := AsMark(r)
			if !isMark || at == 0 {
				m = t.mark(r)
			}
			take(i+1, m)
		}
	}
	marks, cut := limit(perLoser, min(MaxMarks, revsLimit/4))
	if gap || cut {
		marks = append([]Mark{incomplete}, marks...)
	}
	return place(marks, winner)
}

// limit keeps at most n marks: the first of each list, then the second of
// each, and so on; in the lists' order.
func limit(lists [][]Mark, n int) (marks []Mark, cut bool) {
	kept := make([]int, len(lists))
	for depth := 0; n > 0; depth++ {
		left := false
		for i, list := range lists {
			if depth < len(list) && n > 0 {
				kept[i]++
				n--
			}
			left = left || depth+1 < len(list)
		}
		if !left {
			break
		}
	}
	for i, list := range lists {
		marks = append(marks, list[:kept[i]]...)
		cut = cut || kept[i] < len(list)
	}
	return marks, cut
}

// Placed returns marks as ids above r, the first of them newest.
func Placed(r couchmend.Rev, marks ...Mark) Path { return place(marks, r) }

func place(marks []Mark, above couchmend.Rev) Path {
	path := make(Path, len(marks))
	for i, m := range marks {
		path[i] = couchmend.Rev{Gen: above.Gen + len(marks) - i, Hash: m.Hash(above)}
	}
	return path
}

// MergePath returns the whole path of a new revision with the given hash: it,
// the marks, and the winner's path, no longer than revsLimit.
func MergePath(hash string, marks, winner Path, revsLimit int) Path {
	parent := slices.Concat(marks, winner)
	path := slices.Concat(Path{{Gen: parent[0].Gen + 1, Hash: hash}}, parent)
	if revsLimit > 0 && len(path) > revsLimit {
		path = path[:revsLimit]
	}
	return path
}

// Tombstone returns the id that CouchDB gives to a bare tombstone of parent,
// by whomever it is written: md5 of the Erlang term
// [true, ParentGen, ParentHash, {[]}, []]. Two sites that bury one leaf write
// one tombstone.
func Tombstone(parent couchmend.Rev) couchmend.Rev {
	hash := []byte(parent.Hash)
	if raw, err := hex.DecodeString(parent.Hash); err == nil && len(raw) == 16 {
		hash = raw
	}
	term := []byte{131, 108, 0, 0, 0, 5} // version, list of five
	term = append(term, 100, 0, 4)       // atom true
	term = append(term, "true"...)
	if parent.Gen < 256 {
		term = append(term, 97, byte(parent.Gen))
	} else {
		term = append(term, 98)
		term = binary.BigEndian.AppendUint32(term, uint32(parent.Gen))
	}
	term = append(term, 109) // binary
	term = binary.BigEndian.AppendUint32(term, uint32(len(hash)))
	term = append(term, hash...)
	term = append(term, 104, 1, 106) // {[]}
	term = append(term, 106, 106)    // [], and the end of the list
	sum := md5.Sum(term)
	return couchmend.Rev{Gen: parent.Gen + 1, Hash: hex.EncodeToString(sum[:])}
}

// Recreated reports whether a path holds a bare tombstone of the revision just
// below it: the document was deleted there and created anew.
func Recreated(path Path) bool {
	for i := 1; i+1 < len(path); i++ {
		if !IsMark(path[i]) && path[i] == Tombstone(path[i+1]) {
			return true
		}
	}
	return false
}
