package collision

import (
	"cmp"
	"slices"

	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Spot is a kind of place at which references stand: in documents of one type.
// What the ids there name in other documents tells what they are likely to mean
// in this one.
type Spot struct {
	DB   string
	Type string // of the documents: decide.TypeOf; "" is those that say none
	At   string // a merge.Path; "*" is any element or name
	Kind Kind   // Value or Key
}

// Census counts the types (decide.TypeOf) of the documents that the ids at a
// spot name, in other documents than those in question. A few dozen of each are
// enough. The caller samples: it reads documents of the spot's type, asks Named
// for the ids in each, and looks at which types the documents of these ids have.
// Ids that name no document don't count.
type Census map[Spot]map[string]int

// Spots returns the spots at which references stand, each once, sorted.
func Spots(found []Found) []Spot {
	var spots []Spot
	for _, f := range found {
		if f.countable() {
			spots = append(spots, f.spot())
		}
	}
	slices.SortFunc(spots, func(a, b Spot) int {
		return cmp.Or(cmp.Compare(a.DB, b.DB), cmp.Compare(a.Type, b.Type), cmp.Compare(a.At, b.At), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.Compact(spots)
}

// countable reports whether other documents can tell what a reference means.
func (f Found) countable() bool { return f.Err == nil && !f.Part && !f.Design && f.Kind != DocID }

// spot returns where a reference stands, with "*" for what is another element
// or id in another document.
func (f Found) spot() Spot {
	at := make(merge.Path, len(f.Place))
	for i, s := range f.Place {
		at[i] = s.Name
		if s.Element || s.Name == f.ID || uuids.MatchString(s.Name) {
			at[i] = "*"
		}
	}
	return Spot{f.DB, decide.TypeOf(jsondoc.Value(f.Body)), at.String(), f.Kind}
}

// Named returns the ids that stand at the spot in a document's body: strings,
// or names of members.
func (s Spot) Named(body jsondoc.Value) []string {
	var ids []string
	s.collect(body, merge.ParsePath(s.At), &ids)
	return ids
}

func (s Spot) collect(v jsondoc.Value, at merge.Path, ids *[]string) {
	if len(at) == 0 {
		if id := v.Text(); s.Kind == Value && id != "" {
			*ids = append(*ids, id)
		}
		return
	}
	for _, m := range v.Members() {
		if at[0] != "*" && at[0] != m.Name {
			continue
		}
		if s.Kind == Key && len(at) == 1 {
			*ids = append(*ids, m.Name)
			continue
		}
		s.collect(m.Value, at[1:], ids)
	}
	if at[0] == "*" {
		for _, e := range v.Elements() {
			s.collect(e, at[1:], ids)
		}
	}
}
