package collision

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
)

// Plan is how a document under whose id several things live is taken apart: each
// becomes a document of its own, what refers to the old id is made to refer to
// the one that it means, and the old leaves are buried. It is a pure function of
// the leaves, the policy and the references (I4), and stands only for the leaves
// that it was made from (I3).
type Plan struct {
	DB string `json:"db"`
	ID string `json:"id"`
	// Leaves and Dead are those that the plan was made from, winner first.
	Leaves []couchmend.Rev `json:"leaves"`
	Dead   []couchmend.Rev `json:"dead,omitempty"`
	// Judgement is of whether they are several things at all.
	Judgement decide.Judgement `json:"judgement"`
	// Versions are the things: live ones in the order of their winners, then
	// those of which only tombstones are left.
	Versions   []Version `json:"versions"`
	References []Repoint `json:"references,omitempty"`
	// Bury are the tombstones for the leaves that got an id of their own, to be
	// written last. Their bodies say where each leaf went (decide.SplitTo).
	Bury []couchmend.Revision `json:"bury,omitempty"`
	// Waits says why nobody can carry the plan out yet: a version's own leaves
	// are in conflict and for review.
	Waits []string `json:"waits,omitempty"`
	// Doubts say why only a person may have it carried out.
	Doubts []string `json:"doubts,omitempty"`
}

// Version is one of the things that live under an id.
type Version struct {
	// Name is what the plan calls it: its type, with a number where two have
	// the same.
	Name string `json:"name"`
	// Root is its first revision, or the oldest known one of a stemmed history.
	Root   couchmend.Rev   `json:"root"`
	Leaves []couchmend.Rev `json:"leaves"` // live ones, or tombstones where Deleted, winner first
	// NewID is its id after the split: the old one where Keep is set.
	NewID string `json:"new_id"`
	Keep  bool   `json:"keep,omitempty"`
	// Deleted says that it is deleted, or that its rule deletes it: nothing is
	// created, and yet references may mean it.
	Deleted bool `json:"deleted,omitempty"`
	// Moved says that an earlier split gave it NewID. Its body is not here:
	// whoever wants references assigned reads it there, into Body and Type.
	Moved bool `json:"moved,omitempty"`
	// Revision is what to write under NewID, with its path and new_edits=false:
	// the version's leaf as it is, history and all, or the merge of its leaves.
	// Every attachment travels inline, with its bytes: where Data is nil they
	// are those of the same name of the leaf From of the old document.
	// Nil where Keep, Deleted or Moved is set, or the plan Waits for it.
	Revision *couchmend.Revision `json:"revision,omitempty"`
	Rule     string              `json:"rule,omitempty"` // "policy/rule"
	Type     string              `json:"type,omitempty"`
	Summary  string              `json:"summary,omitempty"` // some of its fields, for people
	// Body is what the version looks like; that of Revision, where there is one.
	Body json.RawMessage `json:"body,omitempty"`
}

// Repoint is a reference and the version that it means.
type Repoint struct {
	Reference
	// To is a version's name, or Leave; "" is an open question.
	To string `json:"to"`
	// Old is the string or name that stands at Place, New what takes its
	// stead; New is empty where nothing does.
	Old        string     `json:"old"`
	New        string     `json:"new,omitempty"`
	Confidence Confidence `json:"confidence"`
	Reason     string     `json:"reason"` // a sentence or more
}

// Leave is a Repoint's To where the reference is left as it is.
const Leave = "leave"

// Confidence is how sure it is what a reference means.
type Confidence string

// The confidences. An unclear reference is an open question, unless a person
// has answered it.
const (
	Sure    Confidence = "sure"   // a rule says so, or several signs do, and none against it
	Likely  Confidence = "likely" // one sign
	Unclear Confidence = "unclear"
)

// Open returns the references of which it is not known what they mean.
func (p Plan) Open() []Repoint {
	var open []Repoint
	for _, r := range p.References {
		if r.To == "" {
			open = append(open, r)
		}
	}
	return open
}

// Version returns the version of a name.
func (p Plan) Version(name string) (Version, bool) {
	i := slices.IndexFunc(p.Versions, func(v Version) bool { return v.Name == name })
	if i < 0 {
		return Version{}, false
	}
	return p.Versions[i], true
}

// Stands reports whether a plan is still one for a document with these leaves,
// in any order (I3). The error is of KindConflict, and names what is new and
// what is gone.
func (p Plan) Stands(live, dead []couchmend.Rev) error {
	now, then := slices.Concat(live, dead), slices.Concat(p.Leaves, p.Dead)
	fresh := slices.DeleteFunc(slices.Clone(now), func(r couchmend.Rev) bool { return slices.Contains(then, r) })
	gone := slices.DeleteFunc(slices.Clone(then), func(r couchmend.Rev) bool { return slices.Contains(now, r) })
	var words string
	switch {
	case len(fresh) > 0 && len(gone) > 0:
		words = fmt.Sprintf("the document has new leaves (%s), and others are gone (%s)", couchmend.ListRevs(fresh), couchmend.ListRevs(gone))
	case len(fresh) > 0:
		words = fmt.Sprintf("the document has new leaves: %s", couchmend.ListRevs(fresh))
	case len(gone) > 0:
		words = fmt.Sprintf("leaves of the document are gone: %s", couchmend.ListRevs(gone))
	default:
		return nil
	}
	return p.fault(couchmend.KindConflict, "%s: make the plan anew", words)
}

func (p Plan) fault(kind couchmend.Kind, format string, args ...any) error {
	return &couchmend.Error{Op: "split", DB: p.DB, ID: p.ID, Kind: kind, Err: fmt.Errorf(format, args...)}
}
