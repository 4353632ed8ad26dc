// Package document is a document in conflict as a person sees it, and what that
// person makes of it: the one place where the command and the console look and
// decide.
//
//	seen, err := document.Look(ctx, m, "medic", "a/b")   the conflict, the policy's answer, the case, the journal
//	seen.Tree                                            its revision tree, laid out
//	seen.Compare()                                       base, winner, leaves and merge, field by field
//	seen.Draft()                                         the text that editing starts from
//	choice, err := seen.Choice(text)                     what came back from the editor
//	decision, err := seen.Decide(ctx, m, choice)         exactly what would be written
//	err = m.Apply(ctx, seen.Conflict, decision, …)       refused if a leaf has changed (I3)
//
// Everything is read and written through a mender.Mender, and so with the
// rights of whom that Mender's server is asked as. Nothing here is formatted:
// documents and ids may hold anything, and whoever shows them escapes them.
package document

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// Sight is a document as it was shown at one moment. A person's decision is
// pinned to it (I3).
type Sight struct {
	Conflict couchmend.Conflict
	Decision couchmend.Decision // what the policy makes of it
	Case     *ledger.Case       // nil: it is not in review
	History  []ledger.Entry     // the journal's, oldest first
	Tree     *Tree
}

// Look reads a document and all that couchmend knows about it; it writes
// nothing. KindNotFound where there is no such document, KindForbidden where
// the Mender's user may not read it, KindUsage where no policy speaks of the
// database. CouchDB is asked first: whoever may not read a document there is
// not told what the journal holds of it.
func Look(ctx context.Context, m *mender.Mender, db, id string) (*Sight, error) {
	var s Sight
	var err error
	if s.Conflict, s.Decision, err = m.Look(ctx, db, id); err != nil {
		return nil, err
	}
	s.Tree = NewTree(s.Conflict)
	waits, found, err := m.Ledger.Case(ctx, db, id)
	if err != nil {
		return nil, err
	}
	if found {
		s.Case = &waits
	}
	s.History, err = m.Ledger.History(ctx, db, id)
	return &s, err
}

// Leaves are all leaves, live ones first, the winner before all. There is at
// least one.
func (s *Sight) Leaves() []couchmend.Revision {
	return slices.Concat(s.Conflict.Leaves, s.Conflict.Dead)
}

// LeafRevs are the ids of Leaves: what a decision is pinned to (I3).
func (s *Sight) LeafRevs() []couchmend.Rev {
	var revs []couchmend.Rev
	for _, leaf := range s.Leaves() {
		revs = append(revs, leaf.Rev)
	}
	return revs
}

// Bases are the exact bases whose bodies could be had, newest first.
func (s *Sight) Bases() []couchmend.Revision {
	return slices.SortedFunc(maps.Values(s.Conflict.Bases), func(a, b couchmend.Revision) int { return b.Rev.Compare(a.Rev) })
}

// Last is the journal's newest entry, nil where it holds none.
func (s *Sight) Last() *ledger.Entry {
	if len(s.History) == 0 {
		return nil
	}
	return &s.History[len(s.History)-1]
}

// Find returns the revision that a person means: its id, or the beginning of
// it, among the revisions of the tree. The error is of KindUsage.
func (s *Sight) Find(text string) (couchmend.Rev, error) {
	var found []couchmend.Rev
	for r := range s.Tree.nodes {
		if r.String() == strings.ToLower(text) || r.String() == text {
			return r, nil
		}
		if strings.HasPrefix(r.String(), text) && strings.Contains(text, "-") {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return couchmend.Rev{}, usage(fmt.Errorf("%s/%q has no revision %s in its tree", s.Conflict.DB, s.Conflict.ID, text))
	}
	slices.SortFunc(found, couchmend.Rev.Compare)
	return couchmend.Rev{}, usage(fmt.Errorf("%s could be %s: give more of it", text, ShortList(found)))
}

// State says in a few words how a document stands.
func (s *Sight) State() string {
	words := "1 live leaf"
	if n := len(s.Conflict.Leaves); n != 1 {
		words = fmt.Sprintf("%d live leaves", n)
	}
	if len(s.Conflict.Dead) > 0 {
		words += fmt.Sprintf(", %d deleted", len(s.Conflict.Dead))
	}
	switch {
	case len(s.Conflict.Leaves) == 0:
		return "deleted: " + words
	case s.Decision.Outcome == couchmend.Nothing:
		return "not in conflict: " + words
	case s.Decision.Deep:
		return "in deep conflict: " + words
	}
	return "in conflict: " + words
}

// Pinned returns an error of KindConflict that says in words what changed,
// where the document's leaves are not those that were shown earlier (I3).
func (s *Sight) Pinned(shown []couchmend.Rev) error {
	return Moved(s.Conflict.DB, s.Conflict.ID, shown, s.Leaves())
}

// Change is how a document's leaves differ from those that a person was shown.
type Change struct {
	New  []couchmend.Rev `json:"new,omitempty"`  // live or deleted
	Gone []couchmend.Rev `json:"gone,omitempty"` // edited further, or buried
}

// Since compares the document's leaves with those that were shown earlier, in
// any order; nil where they are the same (I3).
func (s *Sight) Since(shown []couchmend.Rev) *Change {
	now := s.LeafRevs()
	without := func(all, some []couchmend.Rev) []couchmend.Rev {
		known := map[couchmend.Rev]bool{}
		for _, r := range some {
			known[r] = true
		}
		return slices.DeleteFunc(slices.Clone(all), func(r couchmend.Rev) bool { return known[r] })
	}
	c := Change{New: without(now, shown), Gone: without(shown, now)}
	if len(c.New)+len(c.Gone) == 0 {
		return nil
	}
	return &c
}

// String says the change in sentences.
func (c *Change) String() string {
	var words []string
	if len(c.New) > 0 {
		words = append(words, "New: "+ShortList(c.New)+".")
	}
	if len(c.Gone) > 0 {
		words = append(words, "No longer a leaf: "+ShortList(c.Gone)+".")
	}
	return strings.Join(words, " ")
}

// CaseMoved reports whether the case in review is about other leaves than the
// document has now.
func (s *Sight) CaseMoved() bool { return s.Case != nil && s.Pinned(s.Case.Leaves) != nil }

// Moved returns an error of KindConflict that says in words how the leaves that
// a document has now differ from those that were shown; nil where they are the
// same, in any order.
func Moved(db, id string, shown []couchmend.Rev, now []couchmend.Revision) error {
	c := couchmend.Conflict{DB: db, ID: id}
	for _, rev := range shown {
		c.Leaves = append(c.Leaves, couchmend.Revision{Rev: rev})
	}
	return mender.Moved(c, now)
}

// Verdict says a decision in a few words, without its evidence.
func Verdict(d couchmend.Decision) string {
	var words string
	switch d.Outcome {
	case couchmend.Merge:
		words = "merge"
	case couchmend.Keep:
		words = "the winner's body stands, as a merge"
	case couchmend.Bury:
		words = "the winner contains every loser; they are buried"
	case couchmend.Delete:
		words = "delete"
	case couchmend.Nothing:
		return "nothing to do"
	default:
		words = fmt.Sprintf("%s (%s)", d.Outcome, d.Reason)
	}
	if d.Rule != "" {
		words += ", by rule " + d.Rule
	}
	return words
}

// shortHash is how many letters of a revision's hash people are shown.
const shortHash = 7

// Short is a revision id short enough to read: its hash's first 7 letters.
func Short(r couchmend.Rev) string {
	return couchmend.Rev{Gen: r.Gen, Hash: r.Hash[:min(shortHash, len(r.Hash))]}.String()
}

// ShortList writes revisions into a sentence, each as Short does.
func ShortList(revs []couchmend.Rev) string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = Short(r)
	}
	return strings.Join(texts, ", ")
}

// Describe tells of an attachment in a few words: type, size, digest.
func Describe(a couchmend.Attachment) string {
	size := max(a.Length, int64(len(a.Data)))
	unit := "bytes"
	if size == 1 {
		unit = "byte"
	}
	words := fmt.Sprintf("%s, %d %s", a.ContentType, size, unit)
	if a.Digest != "" {
		words += ", " + a.Digest
	}
	return words
}

// usage is an error in what the person gave.
func usage(err error) error {
	return &couchmend.Error{Op: "usage", Kind: couchmend.KindUsage, Err: err}
}

// notFound says of a document's revision that it can't be had any more.
func (s *Sight) notFound(rev couchmend.Rev, why string) error {
	return &couchmend.Error{Op: "read", DB: s.Conflict.DB, ID: s.Conflict.ID, Rev: rev, Kind: couchmend.KindNotFound, Err: errors.New(why)}
}
