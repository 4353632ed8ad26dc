package collision

import (
	"slices"

	"github.com/couchmend/couchmend"
)

// In returns the references to ids that stand in one leaf of a document. The
// document's own id is none of them.
func In(db, doc string, leaf couchmend.Revision, ids []string, o Options) ([]Found, error) {
	s, err := newSearch(ids)
	if err != nil {
		return nil, err
	}
	if leaf.Deleted || !s.mayHold(leaf.Body) {
		return nil, nil
	}
	w := walk{search: s, substrings: o.Substrings}
	if err := w.body(leaf.Body, Reference{DB: db, Doc: doc, Rev: leaf.Rev}); err != nil {
		return nil, err
	}
	var found []Found
	for _, ref := range w.found {
		if ref.Kind != DocID {
			found = append(found, Found{Reference: ref, Body: leaf.Body})
		}
	}
	return found, nil
}

// Mean says what references mean in documents as they are now: what the plan
// says of the same place of the document, in whichever of its leaves; where it
// says nothing, what Assign would. Those that the plan had not are in fresh, too.
func (p Plan) Mean(found []Found, k Knowledge) (all, fresh []Repoint) {
	a := assigner{plan: p, rules: k.Rules, census: k.Census}
	for _, f := range found {
		f.Self = f.Self || f.DB == p.DB && slices.ContainsFunc(p.Versions, func(v Version) bool { return v.NewID == f.Doc })
		at := slices.IndexFunc(p.References, func(r Repoint) bool { return r.at(f) && r.Old == standsAt(f) })
		if at < 0 {
			r := a.assign(f)
			all, fresh = append(all, r), append(fresh, r)
			continue
		}
		r := p.References[at]
		r.Reference = f.Reference
		all = append(all, r)
	}
	return all, fresh
}

// at reports whether a reference stands where r does, in any leaf.
func (r Repoint) at(f Found) bool {
	return r.DB == f.DB && r.Doc == f.Doc && r.Kind == f.Kind && slices.Equal(r.Place, f.Place)
}

// Back tells references to the new ids that the plan brought about, and what is
// to be written to take them back, from others: those are somebody else's.
func (p Plan) Back(found []Found) (back []Repoint, others []Found) {
	for _, f := range found {
		at := slices.IndexFunc(p.References, func(r Repoint) bool {
			there := r
			there.Place = p.placeAfter(r)
			return r.New != "" && r.New != r.Old && there.at(f) && standsAt(f) == r.New
		})
		if at < 0 {
			others = append(others, f)
			continue
		}
		r := p.References[at]
		r.Reference, r.Old, r.New = f.Reference, r.New, r.Old
		back = append(back, r)
	}
	return back, others
}

// placeAfter returns where a reference stands once the members on the way to it
// have their new names.
func (p Plan) placeAfter(r Repoint) Place {
	after := slices.Clone(r.Place)
	for _, key := range p.References {
		n := len(key.Place)
		if key.Kind == Key && key.New != "" && key.DB == r.DB && key.Doc == r.Doc && n <= len(r.Place) && slices.Equal(key.Place, r.Place[:n]) {
			after[n-1].Name = key.New
		}
	}
	return after
}
