package conflictgen

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// with returns body with value at path; a nil value removes what is there. A
// name that was not there comes last, as an editing client writes it.
func with(body jsondoc.Value, path []string, value jsondoc.Value) jsondoc.Value {
	members := body.Members()
	i := slices.IndexFunc(members, func(m jsondoc.Member) bool { return m.Name == path[0] })
	if len(path) > 1 {
		inner := jsondoc.Value("{}")
		if i >= 0 {
			inner = members[i].Value
		} else if value == nil {
			return body
		}
		value = with(inner, path[1:], value)
	}
	switch {
	case value == nil && i < 0:
		return body
	case value == nil:
		members = slices.Delete(members, i, i+1)
	case i < 0:
		members = append(members, jsondoc.Member{Name: path[0], Value: value})
	default:
		members[i].Value = value
	}
	return jsondoc.Object(members)
}

// inOrderOf puts the members of v as a merge has them: those of winner in the
// winner's order, the others after them, sorted by their bytes; objects inside
// objects too.
func inOrderOf(winner, v jsondoc.Value) jsondoc.Value {
	if winner.Kind() != '{' || v.Kind() != '{' {
		return v
	}
	place := map[string]int{}
	old := winner.Members()
	for i, m := range old {
		place[m.Name] = i - len(old) // all before 0, where the new ones are
	}
	members := v.Members()
	slices.SortFunc(members, func(a, b jsondoc.Member) int {
		return cmp.Or(cmp.Compare(place[a.Name], place[b.Name]), cmp.Compare(a.Name, b.Name))
	})
	for i, m := range members {
		members[i].Value = inOrderOf(winner.Get(m.Name), m.Value)
	}
	return jsondoc.Object(members)
}

// merged is the expectation that all edits meet in one revision.
func (d *draft) merged() Expectation {
	winner := d.live()[0]
	body := d.body(winner)
	for _, s := range d.slots {
		if truth := s.field.truth(d); !bytes.Equal(truth, s.field.at(winner)) {
			body = with(body, s.path, truth)
		}
	}
	return d.stands(inOrderOf(d.body(winner), body), d.filesMerged())
}

// stands is the expectation that the document ends as body and files.
func (d *draft) stands(body jsondoc.Value, files map[string][]byte) Expectation {
	winner := d.live()[0]
	want := Expectation{Outcome: couchmend.Merge, Body: body, Attachments: files}
	if Difference(d.body(winner), body) == "" && sameFiles(d.filesAt(winner), files) {
		want.Outcome = couchmend.Keep
	}
	return want
}

// untouched is the expectation that there is nothing to do.
func (d *draft) untouched() Expectation {
	winner := d.live()[0]
	return Expectation{Outcome: couchmend.Nothing, Body: d.body(winner), Attachments: d.filesAt(winner)}
}

func review(reason couchmend.Reason) Expectation {
	return Expectation{Outcome: couchmend.Review, Reason: reason}
}
