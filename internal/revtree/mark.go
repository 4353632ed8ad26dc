// Package revtree knows what a revision contains.
//
// CouchDB's revision tree records what a revision grew from. It has no place
// for what else went into it: a merge of 3-w and 3-l is a child of 3-w alone,
// and nothing tells the next reader that 3-l is in it too. couchmend writes
// that into the one thing that travels with a revision wherever it goes, its
// path. For each revision that the losers contain and the winner does not, a
// merge's path has one mark: an id that never had a body.
//
//	1-a ─ 2-b ─ 3-w ─ 4-mark(3-l) ─ 5-mark(2-k) ─ 6-m      the merge
//	  └── 2-k ─ 3-l ─ 4-tombstone
//
// Most ancestors on any replica are ids without bodies, so servers and phones
// carry marks without noticing. Whoever meets 6-m and 3-l, in whatever order,
// knows that 3-l only needs to be buried; and whoever edits on from 3-l has a
// base, 3-l itself, that is shared with every descendant of 6-m.
//
// Everything here is pure and speaks of ids alone; bodies are merged elsewhere.
package revtree

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"

	"github.com/couchmend/couchmend"
)

// markPrefix begins the hash of every mark. A real revision begins with it
// once in 4 billion.
const markPrefix = "c0a1e5ce"

// Mark is the part of a mark that says what is contained: the first 10 bytes
// of sha256 of a revision's text form, or of words such as "hold 3-l".
type Mark [10]byte

// MarkOf returns the mark that stands for a revision.
func MarkOf(r couchmend.Rev) Mark { return WordMark(r.String()) }

// WordMark returns the mark that stands for words.
func WordMark(words string) Mark {
	sum := sha256.Sum256([]byte(words))
	return Mark(sum[:10])
}

// incomplete is the mark of a merge that could not name all that it contains.
var incomplete = WordMark("incomplete")

// HoldMark stands in the path of a revision that an undo restored from r: no
// couchmend merges it with others by itself until a person has decided.
func HoldMark(r couchmend.Rev) Mark { return WordMark("hold " + r.String()) }

// ReleaseMark is a person's word that r needs no further look: it ends the
// hold of r, or lets what was decided stand over the tombstone r.
func ReleaseMark(r couchmend.Rev) Mark { return WordMark("release " + r.String()) }

// Hash is the mark as the hash of a revision id in the path of a merge with
// winner w. Four of its digits come from w, so that a stemmed path is not
// grafted onto another branch that bears the same mark.
func (m Mark) Hash(w couchmend.Rev) string {
	sum := sha256.Sum256([]byte(w.String()))
	return markPrefix + hex.EncodeToString(sum[:2]) + hex.EncodeToString(m[:])
}

// AsMark reports whether an id in a path is a mark, and which.
func AsMark(r couchmend.Rev) (Mark, bool) {
	if len(r.Hash) != 32 || !strings.HasPrefix(r.Hash, markPrefix) {
		return Mark{}, false
	}
	raw, err := hex.DecodeString(r.Hash[12:])
	if err != nil {
		return Mark{}, false
	}
	return Mark(raw), true
}

// IsMark reports whether an id in a path is a mark.
func IsMark(r couchmend.Rev) bool {
	_, ok := AsMark(r)
	return ok
}

// Contents is what a revision contains: a mark for each real revision of its
// path, itself included, and each mark in its path.
type Contents map[Mark]struct{}

// Has reports whether m is contained.
func (c Contents) Has(m Mark) bool {
	_, ok := c[m]
	return ok
}

func (c Contents) addAll(other Contents) { maps.Copy(c, other) }

// and returns what is in both.
func (c Contents) and(other Contents) Contents {
	both := make(Contents)
	for m := range c {
		if other.Has(m) {
			both[m] = struct{}{}
		}
	}
	return both
}
