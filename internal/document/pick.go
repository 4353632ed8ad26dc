package document

import (
	"encoding/json"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Proposed is the side whose value a person is offered for a field, counted
// from 0: the merge's, or that of the only change since the base, or else the
// winner's. Disputed says that nothing but a person's word speaks for it.
func (c Comparison) Proposed(f Field) (side int, disputed bool) {
	base, winner := -1, 0
	for i, s := range c.Sides {
		switch s.Name {
		case Merged, Draft:
			return i, false
		case Base:
			base = i
		}
	}
	if base >= 0 {
		winner = min(base+1, len(c.Sides)-1)
	}
	if base >= 0 {
		var changed []int
		for _, group := range f.Distinct() {
			if !slices.Contains(group, base) {
				changed = append(changed, group[0])
			}
		}
		switch len(changed) {
		case 0:
			return winner, false
		case 1:
			return changed[0], false
		}
	}
	return winner, f.Differs
}

// Assemble writes the draft of a document that has, in each field that differs,
// the value of the side that pick returns for it; literals stand as they are
// (I8). A pick that is no side of the comparison is what Proposed says.
func (c Comparison) Assemble(pick func(Field) int) []byte {
	start := c.start()
	body := jsondoc.Value(start.Revision.Body)
	attachments := c.attachments(start)
	for _, f := range c.Fields {
		if !f.Differs {
			continue
		}
		i := pick(f)
		if i < 0 || i >= len(c.Sides) {
			i, _ = c.Proposed(f)
		}
		side := c.Sides[i]
		if name, ok := f.Attachment(); ok {
			attachments = replaced(attachments, name, c.attachments(side))
		} else {
			body = set(body, f.At, f.Values[i], jsondoc.Value(side.Revision.Body))
		}
	}
	return Indent(draft(c.ID, body, attachments))
}

// start is the side that gives a draft the order of its members: the merge, or
// the winner.
func (c Comparison) start() Side {
	for _, s := range slices.Backward(c.Sides) {
		if s.Name == Merged || s.Name == Draft {
			return s
		}
	}
	if c.Sides[0].Name == Base && len(c.Sides) > 1 {
		return c.Sides[1]
	}
	return c.Sides[0]
}

// attachments are a side's, each with the revision that it comes from.
func (c Comparison) attachments(s Side) []couchmend.Attachment {
	if s.Rev == (couchmend.Rev{}) {
		return slices.Clone(s.Revision.Attachments) // they say it themselves
	}
	return taken(s.Revision)
}

// replaced puts in place of the attachment called name what others have of that
// name, if anything. Where it takes the last one away, that is said: none are
// not the same as nothing said of them.
func replaced(attachments []couchmend.Attachment, name string, others []couchmend.Attachment) []couchmend.Attachment {
	named := func(a couchmend.Attachment) bool { return a.Name == name }
	at, from := slices.IndexFunc(attachments, named), slices.IndexFunc(others, named)
	switch {
	case from < 0:
		return append([]couchmend.Attachment{}, slices.DeleteFunc(attachments, named)...)
	case at < 0:
		return append(attachments, others[from])
	}
	attachments[at] = others[from]
	return attachments
}

// set returns object with v at path: nil removes what is there, and an object
// that is empty then, if picked, the body that nil is taken from, has none.
func set(object jsondoc.Value, path merge.Path, v, picked jsondoc.Value) jsondoc.Value {
	members := object.Members()
	at := slices.IndexFunc(members, func(m jsondoc.Member) bool { return m.Name == path[0] })
	if len(path) > 1 {
		inner := jsondoc.Value("{}")
		if at >= 0 {
			inner = members[at].Value
		}
		below := picked.Get(path[0])
		inner = set(inner, path[1:], v, below)
		if v == nil && below == nil && len(inner.Members()) == 0 {
			v = nil
		} else {
			v = inner
		}
	}
	switch {
	case v == nil && at < 0:
		return object
	case v == nil:
		members = slices.Delete(members, at, at+1)
	case at < 0:
		members = append(members, jsondoc.Member{Name: path[0], Value: v})
	default:
		members[at].Value = v
	}
	return jsondoc.Object(members)
}

// Put writes one field of a draft that a person has begun: it gets the value of
// a side of the comparison, and all the rest stays as it was written. The error
// is of KindUsage, for a draft that is no JSON object.
func (s *Sight) Put(c Comparison, text []byte, f Field, side int) ([]byte, error) {
	choice, err := s.Choice(text)
	if err != nil {
		return nil, err
	}
	if side < 0 || side >= len(c.Sides) {
		side, _ = c.Proposed(f)
	}
	picked := c.Sides[side]
	if name, ok := f.Attachment(); ok {
		choice.Attachments = replaced(choice.Attachments, name, c.attachments(picked))
	} else {
		choice.Body = json.RawMessage(set(jsondoc.Value(choice.Body), f.At, f.Values[side], jsondoc.Value(picked.Revision.Body)))
	}
	return Indent(draft(c.ID, choice.Body, choice.Attachments)), nil
}
