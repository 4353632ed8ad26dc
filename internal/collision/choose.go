package collision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/merge"
)

// Group is the references that stand at one place of documents of one database:
// what a person mostly answers at once.
type Group struct {
	DB         string    `json:"db"`
	At         string    `json:"at"` // Place.String, with "*" for any element
	Kind       Kind      `json:"kind"`
	References []Repoint `json:"references"`
}

// Groups returns the plan's references by place, in the order of each place's
// first one.
func (p Plan) Groups() []Group {
	type place struct {
		db, at string
		kind   Kind
	}
	var groups []Group
	index := map[place]int{}
	for _, r := range p.References {
		here := place{r.DB, r.Place.anywhere(), r.Kind}
		i, ok := index[here]
		if !ok {
			i = len(groups)
			index[here] = i
			groups = append(groups, Group{DB: here.db, At: here.at, Kind: here.kind})
		}
		groups[i].References = append(groups[i].References, r)
	}
	return groups
}

// anywhere is String with "*" for each element.
func (p Place) anywhere() string {
	path := make(merge.Path, len(p))
	for i, s := range p {
		if path[i] = s.Name; s.Element {
			path[i] = "*"
		}
	}
	return path.String()
}

// Choose makes references mean a version, or be left, by a person's word: those
// at one place of documents of one database, as Groups names it, or with doc
// those of that document alone. The plan itself stays as it was. Errors are
// those of Answer, and of KindUsage where nothing stands there.
func (p Plan) Choose(db, at, doc, to string) (Plan, error) {
	p.References = slices.Clone(p.References)
	found := false
	for i, r := range p.References {
		if r.DB != db || r.Place.anywhere() != at || doc != "" && r.Doc != doc {
			continue
		}
		found = true
		answered, err := p.Answer(r, to)
		if err != nil {
			return p, err
		}
		p.References[i] = answered
	}
	if !found {
		return p, p.fault(couchmend.KindUsage, "nothing refers to it at %s of %s", at, db)
	}
	return p, nil
}

// Answer makes a reference mean a version, or be left, by a person's word. The
// error is of KindUsage where the plan has no such version, or it is deleted.
func (p Plan) Answer(r Repoint, to string) (Repoint, error) {
	v, ok := p.Version(to)
	asked := r.To != to || r.Confidence != Sure
	switch {
	case to == Leave:
		r.To, r.New = Leave, ""
	case !ok:
		return r, p.fault(couchmend.KindUsage, "no version is called %q: want %s", to, p.choices())
	case v.Deleted:
		return r, p.fault(couchmend.KindUsage, "%s was deleted: nothing can refer to it; want %s", to, p.choices())
	case r.Design || r.Kind == DocID:
		return r, p.fault(couchmend.KindUsage, "%s, so it can only be left", r.Reason)
	default:
		r = r.meaning(v)
	}
	if asked {
		r.Confidence, r.Reason = Sure, "decided by a person"
	}
	return r, nil
}

// choices lists what a reference can be made to mean.
func (p Plan) choices() string {
	var names []string
	for _, v := range p.Versions {
		if !v.Deleted {
			names = append(names, fmt.Sprintf("%q", v.Name))
		}
	}
	return strings.Join(append(names, fmt.Sprintf("or %q", Leave)), ", ")
}
