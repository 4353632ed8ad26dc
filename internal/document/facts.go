package document

import (
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Facts is a document as programs are told of it: by `show --json` and by the
// console's API. The bytes of attachments are left out.
type Facts struct {
	DB       string               `json:"db"`
	ID       string               `json:"id"`
	Leaves   []couchmend.Rev      `json:"leaves"` // all of them: what a decision is pinned to
	Live     []couchmend.Revision `json:"live"`   // the winner first
	Dead     []couchmend.Revision `json:"dead"`
	Bases    []couchmend.Revision `json:"bases"`
	NoBodies []couchmend.Rev      `json:"bases_without_body,omitempty"`
	Decision couchmend.Decision   `json:"decision"`
	Review   *ledger.Case         `json:"review,omitempty"`
	Last     *ledger.Entry        `json:"last,omitempty"` // the journal's newest
}

// Facts tells of a sight.
func (s *Sight) Facts() Facts {
	f := Facts{
		DB: s.Conflict.DB, ID: s.Conflict.ID, Leaves: s.LeafRevs(), Decision: SlimDecision(s.Decision), Review: s.Case,
		Live: Slim(s.Conflict.Leaves), Dead: Slim(s.Conflict.Dead),
		Bases: Slim(s.Bases()), NoBodies: decide.Bases(s.Conflict),
	}
	if last := s.Last(); last != nil {
		slim := SlimEntry(*last)
		f.Last = &slim
	}
	return f
}

// Slim takes attachments' bytes out of revisions: they are told, not shown. It
// is never nil.
func Slim(revisions []couchmend.Revision) []couchmend.Revision {
	out := append([]couchmend.Revision{}, revisions...)
	for i := range out {
		out[i].Attachments = slices.Clone(out[i].Attachments)
		for k := range out[i].Attachments {
			out[i].Attachments[k].Data = nil
		}
	}
	return out
}

// SlimDecision takes attachments' bytes out of a decision.
func SlimDecision(d couchmend.Decision) couchmend.Decision {
	if d.Merge != nil {
		d.Merge = &Slim([]couchmend.Revision{*d.Merge})[0]
	}
	return d
}

// SlimEntry takes attachments' bytes out of an entry of the journal.
func SlimEntry(e ledger.Entry) ledger.Entry {
	e.Leaves, e.Bases, e.Decision = Slim(e.Leaves), Slim(e.Bases), SlimDecision(e.Decision)
	return e
}
