package collision

import (
	"slices"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend"
)

// Seeker looks for ids in single leaves. It may be used from many goroutines.
type Seeker struct {
	search *search
	o      Options
}

// Seek prepares to look for ids. The error is of KindUsage: there are none, or
// one that CouchDB does not have.
func Seek(ids []string, o Options) (*Seeker, error) {
	s, err := newSearch(ids)
	if err != nil {
		return nil, err
	}
	return &Seeker{s, o}, nil
}

// MayHold reports whether an id may stand in a JSON text. It never says no where
// one does, and is as fast as a look at the bytes.
func (s *Seeker) MayHold(text []byte) bool { return s.search.mayHold(text) }

// In returns the references that stand in one leaf of a document. The
// document's own id is none of them.
func (s *Seeker) In(db, doc string, leaf couchmend.Revision) ([]Found, error) {
	if leaf.Deleted || !s.MayHold(leaf.Body) {
		return nil, nil
	}
	w := walk{search: s.search, substrings: s.o.Substrings}
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

// Meanings say what references mean in documents as they are now. They take
// time that does not depend on how many references the plan has.
type Meanings struct {
	assigner assigner
	born     map[string]bool // ids of the versions
	known    map[spotInDoc]Repoint
}

// spotInDoc is one place of one document, in whichever of its leaves.
type spotInDoc struct {
	db, doc string
	kind    Kind
	place   string
	text    string // what stands there
}

func spotOf(r Reference, text string) spotInDoc {
	return spotInDoc{r.DB, r.Doc, r.Kind, r.Place.key(), text}
}

// key is the same for the same places alone, unlike String.
func (p Place) key() string {
	var b strings.Builder
	for _, s := range p {
		if s.Element {
			b.WriteString(strconv.Itoa(s.Index))
			b.WriteByte(',')
		} else {
			b.WriteString(strconv.Quote(s.Name))
		}
	}
	return b.String()
}

// Meanings prepares to say what references mean: what the plan says of the same
// place of the document, in whichever of its leaves; where it says nothing,
// what Assign would.
func (p Plan) Meanings(k Knowledge) *Meanings {
	m := &Meanings{assigner{plan: p, rules: k.Rules, census: k.Census}, map[string]bool{}, make(map[spotInDoc]Repoint, len(p.References))}
	for _, v := range p.Versions {
		m.born[v.NewID] = true
	}
	for _, r := range p.References {
		if at := spotOf(r.Reference, r.Old); m.known[at].Doc == "" {
			m.known[at] = r
		}
	}
	return m
}

// Of says what references mean. Those that were not known before are in fresh,
// too, and known from then on.
func (m *Meanings) Of(found []Found) (all, fresh []Repoint) {
	for _, f := range found {
		f.Self = f.Self || f.DB == m.assigner.plan.DB && m.born[f.Doc]
		at := spotOf(f.Reference, standsAt(f))
		r, ok := m.known[at]
		if !ok {
			r = m.assigner.assign(f)
			m.known[at] = r
			fresh = append(fresh, r)
		}
		r.Reference = f.Reference
		all = append(all, r)
	}
	return all, fresh
}

// Backs tell references to the new ids that a plan brought about from others.
type Backs map[spotInDoc]Repoint

// Backs prepares to take the plan's references back.
func (p Plan) Backs() Backs {
	renamed := map[string][]Repoint{} // members, by document
	for _, r := range p.References {
		if r.Kind == Key && r.New != "" {
			renamed[r.DB+"/"+r.Doc] = append(renamed[r.DB+"/"+r.Doc], r)
		}
	}
	backs := Backs{}
	for _, r := range p.References {
		if r.New == "" || r.New == r.Old {
			continue
		}
		there := r.Reference
		there.Place = placeAfter(r.Place, renamed[r.DB+"/"+r.Doc])
		backs[spotOf(there, r.New)] = r
	}
	return backs
}

// Of returns what is to be written to take references back, and the others:
// those are somebody else's.
func (b Backs) Of(found []Found) (back []Repoint, others []Found) {
	for _, f := range found {
		r, ok := b[spotOf(f.Reference, standsAt(f))]
		if !ok {
			others = append(others, f)
			continue
		}
		r.Reference, r.Old, r.New = f.Reference, r.New, r.Old
		back = append(back, r)
	}
	return back, others
}

// placeAfter returns where a reference stands once the members on the way to it
// have their new names.
func placeAfter(place Place, renamed []Repoint) Place {
	after := slices.Clone(place)
	for _, key := range renamed {
		n := len(key.Place)
		if n <= len(place) && slices.Equal(key.Place, place[:n]) {
			after[n-1].Name = key.New
		}
	}
	return after
}
