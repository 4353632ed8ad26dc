package document

import (
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Finding is one conflict in a listing of many.
type Finding struct {
	DB     string          `json:"db"`
	ID     string          `json:"id"`
	Leaves []couchmend.Rev `json:"leaves"`         // live ones, the winner first
	Dead   int             `json:"dead,omitempty"` // tombstoned leaves
	Depth  int             `json:"depth"`          // edits on the longest branch since the leaves parted
	Deep   bool            `json:"deep,omitempty"`
	Type   string          `json:"type,omitempty"` // the winner's field of that name
	Fields []string        `json:"fields"`         // that differ among the live leaves

	Outcome   couchmend.Outcome `json:"outcome,omitempty"` // empty: it could not be read, see Evidence
	Rule      string            `json:"rule,omitempty"`
	Reason    couchmend.Reason  `json:"reason,omitempty"`
	Evidence  []string          `json:"evidence,omitempty"`
	Since     time.Time         `json:"since,omitzero"` // in review
	Dismissed bool              `json:"dismissed,omitempty"`
}

// NewFinding tells of what a Mender previewed, and of its case, nil where it
// has none.
func NewFinding(seen mender.Preview, waits *ledger.Case) Finding {
	c, d := seen.Conflict, seen.Decision
	f := Finding{
		DB: c.DB, ID: c.ID, Leaves: []couchmend.Rev{}, Dead: len(c.Dead), Depth: Depth(c.Leaves), Deep: d.Deep, Fields: []string{},
		Outcome: d.Outcome, Rule: d.Rule, Reason: d.Reason, Evidence: d.Evidence,
	}
	var sides []Side
	for _, leaf := range c.Leaves {
		f.Leaves = append(f.Leaves, leaf.Rev)
		sides = append(sides, Side{Rev: leaf.Rev, Revision: leaf})
	}
	if len(sides) > 0 {
		f.Type = jsondoc.Value(c.Leaves[0].Body).Get("type").Text()
		for _, field := range Compare(sides) {
			if field.Differs {
				f.Fields = append(f.Fields, field.Path())
			}
		}
	}
	if seen.Err != nil {
		f.Outcome, f.Evidence = "", []string{seen.Err.Error()}
	}
	if waits != nil {
		f.Since, f.Dismissed = waits.First, waits.Dismissed
	}
	return f
}

// Depth counts the edits on the longest branch since live leaves parted; marks
// are no edits. Without a common ancestor in sight it is the longest path.
func Depth(leaves []couchmend.Revision) int {
	seen := map[couchmend.Rev]int{}
	for _, leaf := range leaves {
		for _, r := range leaf.Path {
			seen[r]++
		}
	}
	deepest := 0
	for _, leaf := range leaves {
		edits := 0
		for _, r := range leaf.Path {
			if seen[r] == len(leaves) {
				break
			}
			if !revtree.IsMark(r) {
				edits++
			}
		}
		deepest = max(deepest, edits)
	}
	return deepest
}
