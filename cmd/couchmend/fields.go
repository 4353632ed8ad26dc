package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// side is one revision of a comparison.
type side struct {
	Name string        `json:"name"` // "winner", "base", "leaf", "merge"
	Rev  couchmend.Rev `json:"rev,omitzero"`
	body couchmend.Revision
}

func sideOf(name string, r couchmend.Revision) side { return side{Name: name, Rev: r.Rev, body: r} }

// title is the side's column head.
func (s side) title() string {
	if s.Rev == (couchmend.Rev{}) {
		return s.Name
	}
	return s.Name + " " + shortRev(s.Rev)
}

// fieldRow is one field of a comparison.
type fieldRow struct {
	Path    string
	Differs bool
	Values  []jsondoc.Value // one for each side; nil where it has no such field
}

// compare puts revisions side by side, field by field, those that differ first.
// Objects are opened as far as they differ; everything else is one value.
func compare(sides []side) []fieldRow {
	bodies := make([]jsondoc.Value, len(sides))
	attachments := make([]jsondoc.Value, len(sides))
	for i, s := range sides {
		bodies[i], attachments[i] = jsondoc.Value(s.body.Body), attachmentsOf(s.body)
	}
	rows := compareMembers(nil, nil, bodies)
	rows = compareMembers(rows, merge.Path{"_attachments"}, attachments)
	slices.SortStableFunc(rows, func(a, b fieldRow) int {
		switch {
		case a.Differs == b.Differs:
			return 0
		case a.Differs:
			return -1
		}
		return 1
	})
	return rows
}

func compareMembers(rows []fieldRow, at merge.Path, objects []jsondoc.Value) []fieldRow {
	for _, name := range names(objects) {
		values := make([]jsondoc.Value, len(objects))
		for i, o := range objects {
			values[i] = o.Get(name)
		}
		path := append(slices.Clone(at), name)
		switch differ := differ(values); {
		case differ && allObjects(values) && len(names(values)) > 0:
			rows = compareMembers(rows, path, values)
		default:
			rows = append(rows, fieldRow{Path: fieldName(path), Differs: differ, Values: values})
		}
	}
	return rows
}

// fieldName writes a path as decisions do: an attachment's name as it is.
func fieldName(path merge.Path) string {
	if len(path) == 2 && path[0] == "_attachments" {
		return "_attachments/" + path[1]
	}
	return path.String()
}

// names are the members of objects, in the first one's order, then the others'.
func names(objects []jsondoc.Value) []string {
	var all []string
	seen := map[string]bool{}
	for _, o := range objects {
		for _, m := range o.Members() {
			if !seen[m.Name] {
				seen[m.Name] = true
				all = append(all, m.Name)
			}
		}
	}
	return all
}

func differ(values []jsondoc.Value) bool {
	return slices.ContainsFunc(values[1:], func(v jsondoc.Value) bool {
		return (v == nil) != (values[0] == nil) || v != nil && !jsondoc.Equal(v, values[0])
	})
}

func allObjects(values []jsondoc.Value) bool {
	return !slices.ContainsFunc(values, func(v jsondoc.Value) bool { return v != nil && v.Kind() != '{' })
}

// attachmentsOf tells of a revision's attachments as an object: what is one
// value to people is a string, so that it is not opened.
func attachmentsOf(r couchmend.Revision) jsondoc.Value {
	members := make([]jsondoc.Member, len(r.Attachments))
	for i, a := range r.Attachments {
		members[i] = jsondoc.Member{Name: a.Name, Value: jsondoc.String(describe(a))}
	}
	return jsondoc.Object(members)
}

func describe(a couchmend.Attachment) string {
	size := max(a.Length, int64(len(a.Data)))
	if a.Digest == "" {
		return fmt.Sprintf("%s, %s", a.ContentType, plural(size, "byte"))
	}
	return fmt.Sprintf("%s, %s, %s", a.ContentType, plural(size, "byte"), a.Digest)
}

// comparison is what diff prints as JSON.
type comparison struct {
	DB     string          `json:"db"`
	ID     string          `json:"id"`
	Sides  []side          `json:"sides"`
	Fields []comparedField `json:"fields"`
}

// comparedField is one field; Values has one for each side, null where the
// side has no such field (and where it is null: Absent tells them apart).
type comparedField struct {
	Path    string            `json:"path"`
	Differs bool              `json:"differs"`
	Values  []json.RawMessage `json:"values"`
	Absent  []int             `json:"absent,omitempty"` // sides, counted from 0
}

func newComparison(db, id string, sides []side, rows []fieldRow) comparison {
	c := comparison{DB: db, ID: id, Sides: sides, Fields: []comparedField{}}
	for _, row := range rows {
		f := comparedField{Path: row.Path, Differs: row.Differs}
		for i, v := range row.Values {
			if v == nil {
				f.Absent = append(f.Absent, i)
			}
			f.Values = append(f.Values, json.RawMessage(v))
		}
		c.Fields = append(c.Fields, f)
	}
	return c
}
