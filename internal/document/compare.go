package document

import (
	"encoding/json"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// The sides of a comparison that are no revisions yet.
const (
	Merged Kind = "merge" // what the policy would write
	Draft  Kind = "draft" // what it would write, if the schema allowed it
)

// Side is one revision of a comparison.
type Side struct {
	Name     Kind               `json:"name"`
	Rev      couchmend.Rev      `json:"rev,omitzero"` // zero: it is not written
	Revision couchmend.Revision `json:"-"`
}

// Field is one field of a comparison, or one attachment.
type Field struct {
	At      merge.Path      // an attachment's is "_attachments", name
	Differs bool            // not all sides have the same
	Values  []jsondoc.Value // exact, one for each side; nil where it has no such field
}

// Comparison is revisions side by side, field by field, those that differ
// first. Objects are opened as far as they differ; everything else is one
// value. Values are compared exactly: 12345678901234567890 is not …891 (I8).
type Comparison struct {
	DB     string  `json:"db"`
	ID     string  `json:"id"`
	Sides  []Side  `json:"sides"`
	Fields []Field `json:"fields"`
}

// Sides are what a person wants to see beside each other: the base, where one
// exact base is known, the winner, the other live leaves (of a document that
// has none the tombstones), and the merge that the policy would write.
func (s *Sight) Sides() []Side {
	var sides []Side
	if bases := s.Bases(); len(bases) == 1 && len(decide.Bases(s.Conflict)) == 0 {
		sides = append(sides, Side{Base, bases[0].Rev, bases[0]})
	}
	leaves := s.Conflict.Leaves
	if len(leaves) == 0 {
		leaves = s.Conflict.Dead
	}
	for _, leaf := range leaves {
		sides = append(sides, s.SideOf(leaf))
	}
	switch d := s.Decision; {
	case d.Merge != nil:
		sides = append(sides, Side{Name: Merged, Revision: *d.Merge})
	case d.Draft != nil:
		sides = append(sides, Side{Name: Draft, Revision: couchmend.Revision{Body: d.Draft, Attachments: taken(leaves[0])}})
	}
	return sides
}

// SideOf is a revision of the tree as a side.
func (s *Sight) SideOf(r couchmend.Revision) Side { return Side{s.Tree.Kind(r.Rev), r.Rev, r} }

// Compare puts revisions of the document side by side: Sides, or those given.
func (s *Sight) Compare(sides ...Side) Comparison {
	if len(sides) == 0 {
		sides = s.Sides()
	}
	return Comparison{DB: s.Conflict.DB, ID: s.Conflict.ID, Sides: sides, Fields: Compare(sides)}
}

// Compare compares at least one side, see Comparison.
func Compare(sides []Side) []Field {
	bodies := make([]jsondoc.Value, len(sides))
	attachments := make([]jsondoc.Value, len(sides))
	for i, side := range sides {
		bodies[i], attachments[i] = jsondoc.Value(side.Revision.Body), attachmentsOf(side.Revision)
	}
	fields := compareMembers([]Field{}, nil, bodies)
	fields = compareMembers(fields, merge.Path{"_attachments"}, attachments)
	slices.SortStableFunc(fields, func(a, b Field) int {
		switch {
		case a.Differs == b.Differs:
			return 0
		case a.Differs:
			return -1
		}
		return 1
	})
	return fields
}

func compareMembers(fields []Field, at merge.Path, objects []jsondoc.Value) []Field {
	names, members := membersOf(objects)
	for _, name := range names {
		values := members[name]
		path := append(slices.Clone(at), name)
		differs := differ(values)
		if differs && allObjects(values) {
			if opened := compareMembers(fields, path, values); len(opened) > len(fields) {
				fields = opened
				continue
			}
		}
		fields = append(fields, Field{At: path, Differs: differs, Values: values})
	}
	return fields
}

// membersOf are the names of objects' members, in the first one's order, then
// the others', and for each its value in every object.
func membersOf(objects []jsondoc.Value) (names []string, members map[string][]jsondoc.Value) {
	members = map[string][]jsondoc.Value{}
	for i, o := range objects {
		for _, m := range o.Members() {
			values := members[m.Name]
			if values == nil {
				values = make([]jsondoc.Value, len(objects))
				members[m.Name] = values
				names = append(names, m.Name)
			}
			values[i] = m.Value
		}
	}
	return names, members
}

func differ(values []jsondoc.Value) bool {
	return slices.ContainsFunc(values[1:], func(v jsondoc.Value) bool { return !same(v, values[0]) })
}

// same compares values; an absent one is the same as another absent one.
func same(a, b jsondoc.Value) bool {
	return (a == nil) == (b == nil) && (a == nil || jsondoc.Equal(a, b))
}

func allObjects(values []jsondoc.Value) bool {
	return !slices.ContainsFunc(values, func(v jsondoc.Value) bool { return v != nil && v.Kind() != '{' })
}

// attachmentsOf tells of a revision's attachments as an object: what is one
// value to people is a string, so that it is not opened.
func attachmentsOf(r couchmend.Revision) jsondoc.Value {
	members := make([]jsondoc.Member, len(r.Attachments))
	for i, a := range r.Attachments {
		members[i] = jsondoc.Member{Name: a.Name, Value: jsondoc.String(Describe(a))}
	}
	return jsondoc.Object(members)
}

// Path writes the field's place as decisions do, see couchmend.Origin: dotted,
// and an attachment's as "_attachments/name".
func (f Field) Path() string {
	if name, ok := f.Attachment(); ok {
		return "_attachments/" + name
	}
	return f.At.String()
}

// Attachment reports whether the field is an attachment, and of which name. Its
// values are words about it, see Describe.
func (f Field) Attachment() (name string, ok bool) {
	if len(f.At) == 2 && f.At[0] == "_attachments" {
		return f.At[1], true
	}
	return "", false
}

// Distinct groups the sides that have the same value, in the order of their
// first side.
func (f Field) Distinct() [][]int {
	var groups [][]int
	known := map[string]int{} // by text: most equal values are written alike
	for i, v := range f.Values {
		at, ok := known[string(v)]
		if !ok || (v == nil) != (f.Values[groups[at][0]] == nil) {
			at = slices.IndexFunc(groups, func(g []int) bool { return same(f.Values[g[0]], v) })
			if at < 0 {
				at, groups = len(groups), append(groups, nil)
			}
			known[string(v)] = at
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// MarshalJSON writes the values as they are, null for a side that has no such
// field; "absent" has these sides, counted from 0, since a value may be null.
func (f Field) MarshalJSON() ([]byte, error) {
	shown := struct {
		Path    string            `json:"path"`
		Differs bool              `json:"differs"`
		Values  []json.RawMessage `json:"values"`
		Absent  []int             `json:"absent,omitempty"`
	}{Path: f.Path(), Differs: f.Differs}
	for i, v := range f.Values {
		if v == nil {
			shown.Absent = append(shown.Absent, i)
		}
		shown.Values = append(shown.Values, json.RawMessage(v))
	}
	return json.Marshal(shown)
}
