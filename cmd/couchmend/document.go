package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
)

// document is the arguments that name one document.
type document struct {
	DB string `arg:"" name:"db" help:"The database."`
	ID string `arg:"" name:"doc" help:"The document's id, as it is: nothing in it is to be escaped. Write -- before one that begins with a dash."`
}

// person is who decides, for the journal.
type person struct {
	By   string `env:"COUCHMEND_BY" help:"Who decides, for the journal. Default: the user's name."`
	Note string `help:"A few words for the journal."`
}

func (p person) name() string {
	for _, name := range []string{p.By, os.Getenv("USER"), os.Getenv("USERNAME")} {
		if name != "" {
			return name
		}
	}
	return "a person"
}

// sight is a document as it was shown.
type sight struct {
	conflict couchmend.Conflict
	tree     *grove
	decision couchmend.Decision // what the policy makes of it
	waits    *ledger.Case       // nil: it is not in review
	last     *ledger.Entry      // the journal's newest; nil: none
}

// look reads a document and all that couchmend knows about it.
func (d document) look(a *app, c *mend.Couchmend) (sight, error) {
	var s sight
	var err error
	if s.conflict, s.decision, err = c.Mender.Look(a.ctx, d.DB, d.ID); err != nil {
		return s, err
	}
	s.tree = plant(s.conflict)
	waits, found, err := c.Ledger.Case(a.ctx, d.DB, d.ID)
	if err != nil {
		return s, err
	}
	if found {
		s.waits = &waits
	}
	history, err := c.Ledger.History(a.ctx, d.DB, d.ID)
	if len(history) > 0 {
		s.last = &history[len(history)-1]
	}
	return s, err
}

// leaves are all leaves, live ones first.
func (s sight) leaves() []couchmend.Revision {
	return slices.Concat(s.conflict.Leaves, s.conflict.Dead)
}

// bases are the exact bases whose bodies could be had, newest first.
func (s sight) bases() []couchmend.Revision {
	return slices.SortedFunc(maps.Values(s.conflict.Bases), func(a, b couchmend.Revision) int { return b.Rev.Compare(a.Rev) })
}

// name is a revision's place in the conflict.
func (s sight) name(r couchmend.Rev) string {
	_, isBase := s.conflict.Bases[r]
	switch t := s.tree.twigs[r]; {
	case t != nil && t.leaf != nil && t.leaf.Deleted && s.tree.isBurial(*t.leaf):
		return "buried"
	case t != nil && t.leaf != nil && t.leaf.Deleted:
		return "deleted"
	case r == s.tree.winner:
		return "winner"
	case t != nil && t.leaf != nil:
		return "leaf"
	case isBase:
		return "base"
	}
	return "revision"
}

// revision finds the revision that a person means: its id, or the beginning of
// it, among the revisions of the tree that are not marks.
func (s sight) revision(text string) (couchmend.Rev, error) {
	var found []couchmend.Rev
	for r := range s.tree.twigs {
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
		return couchmend.Rev{}, usage(fmt.Errorf("%s/%q has no revision %s in its tree", s.conflict.DB, s.conflict.ID, text))
	}
	slices.SortFunc(found, couchmend.Rev.Compare)
	return couchmend.Rev{}, usage(fmt.Errorf("%s could be %s: give more of it", text, shortRevs(found)))
}

// state says in a few words how a document stands.
func (s sight) state() string {
	words := "1 live leaf"
	if n := len(s.conflict.Leaves); n != 1 {
		words = fmt.Sprintf("%d live leaves", n)
	}
	if len(s.conflict.Dead) > 0 {
		words += fmt.Sprintf(", %d deleted", len(s.conflict.Dead))
	}
	switch {
	case len(s.conflict.Leaves) == 0:
		return "deleted: " + words
	case s.decision.Outcome == couchmend.Nothing:
		return "not in conflict: " + words
	case s.decision.Deep:
		return "in deep conflict: " + words
	}
	return "in conflict: " + words
}

// slim takes attachments' bytes out of revisions: they are told, not shown.
func slim(revisions []couchmend.Revision) []couchmend.Revision {
	out := append([]couchmend.Revision{}, revisions...) // never null in JSON
	for i := range out {
		out[i].Attachments = slices.Clone(out[i].Attachments)
		for k := range out[i].Attachments {
			out[i].Attachments[k].Data = nil
		}
	}
	return out
}
