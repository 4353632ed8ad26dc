package merge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// starlike reports whether all heads of a fold join on one and the same base,
// or all without one: then a resolver is asked about them all at once. Leaves
// of which some have more in common than others are folded two at a time, or
// what these share would count twice.
func starlike(f revtree.Fold) bool {
	var first *revtree.Step
	for i := range f.Steps {
		s := &f.Steps[i]
		switch {
		case s.How == revtree.Contained:
		case s.How == revtree.Ahead:
			return false
		case first == nil:
			first = s
		case (s.How == revtree.ThreeWay) != (first.How == revtree.ThreeWay) || !slices.Equal(s.Base.Heads, first.Base.Heads):
			return false
		}
	}
	return first != nil
}

// asksTogether reports whether the rule's resolver is asked about a whole fold at
// once. What the rule decides before it asks, it decides about two at a time.
func (m *merger) asksTogether(f revtree.Fold) bool {
	return m.rule.Resolver != nil && m.rule.Clock.Kind != Vector && m.rule.SoftDelete == nil && starlike(f)
}

// together asks the rule's resolver about all heads of a starlike fold. It
// reports false where a head's body is missing.
func (m *merger) together(acc side, f revtree.Fold) (side, bool) {
	sides := []side{acc}
	var base side
	var exact bool
	for _, s := range f.Steps {
		if s.How == revtree.Contained {
			continue
		}
		head, ok := m.head(s.Head)
		if !ok {
			return acc, false
		}
		if len(sides) == 1 {
			base, exact = m.base(s)
			m.baseless = m.baseless || !exact
		}
		sides = append(sides, head)
	}
	files := acc
	for _, head := range sides[1:] {
		st := step{merger: m, a: files, b: head, base: base, exact: exact, origins: map[string]couchmend.Origin{}}
		files = files.with(head)
		files.attachments = st.attachments()
		files.origins = st.origins
	}
	return m.ask(files, base, exact, sides), true
}

// resolve asks the rule's resolver about the two sides of a step.
func (s *step) resolve() side {
	s.origins = map[string]couchmend.Origin{}
	joined := s.a.with(s.b)
	joined.attachments = s.attachments()
	joined.origins = s.origins
	return s.ask(joined, s.base, s.exact, []side{s.a, s.b})
}

// ask puts a question about whole documents to the rule's resolver, and its
// answer into joined.
func (m *merger) ask(joined, base side, exact bool, sides []side) side {
	asked := make([]couchmend.Revision, len(sides))
	bodies := make([]jsondoc.Value, len(sides))
	for i, d := range sides {
		asked[i], bodies[i] = m.document(d), d.body
	}
	var before *couchmend.Revision
	if exact {
		b := m.document(base)
		before, bodies = &b, append(bodies, base.body)
	}
	answer, err := m.rule.Resolver.Resolve(m.ctx, before, asked)
	if err == nil {
		if joined.body, joined.deleted, err = m.checked(answer); err == nil {
			joined.body, err = exactAs(joined.body, bodies...)
		}
		if err == nil {
			attribute(joined.origins, nil, joined.body, sides, "by "+m.rule.ResolverName)
			return joined
		}
	}
	m.failed("", m.rule.ResolverName, err)
	return joined
}

// custom asks a field's resolver.
func (s *step) custom(path Path, strategy Strategy, base, a, b jsondoc.Value) jsondoc.Value {
	asked := []couchmend.Revision{
		{Rev: s.a.heads[0], Body: json.RawMessage(a)},
		{Rev: s.b.heads[0], Body: json.RawMessage(b)},
	}
	var before *couchmend.Revision
	if s.exact {
		before = &couchmend.Revision{Rev: s.base.heads[0], Body: json.RawMessage(base)}
	}
	answer, err := strategy.Resolver.Resolve(s.ctx, before, asked)
	var v jsondoc.Value
	if err == nil && answer != nil {
		if v, err = parsed(answer); err == nil {
			v, err = exactAs(v, a, b, base)
		}
	}
	if err != nil {
		s.failed(path.String()+": ", strategy.ResolverName, err)
		return a
	}
	s.note(path, "by "+strategy.ResolverName, v == nil, s.a, s.b)
	return v
}

// document is a side as a resolver sees it: between _id and _rev, and
// _attachments. Of these only what every server says alike is told (I4).
func (m *merger) document(d side) couchmend.Revision {
	members := append([]jsondoc.Member{
		{Name: "_id", Value: jsondoc.String(m.id)},
		{Name: "_rev", Value: jsondoc.String(d.heads[0].String())},
	}, d.body.Members()...)
	if len(d.attachments) > 0 {
		var files []jsondoc.Member
		for _, a := range d.attachments {
			files = append(files, jsondoc.Member{Name: a.Name, Value: jsondoc.Object([]jsondoc.Member{
				{Name: "content_type", Value: jsondoc.String(a.ContentType)},
				{Name: "length", Value: jsondoc.Value(fmt.Sprint(a.Length))},
				{Name: "stub", Value: jsondoc.Value("true")},
			})})
		}
		members = append(members, jsondoc.Member{Name: "_attachments", Value: jsondoc.Object(files)})
	}
	if d.deleted { // by an earlier answer, about other leaves
		members = append(members, jsondoc.Member{Name: "_deleted", Value: jsondoc.Value("true")})
	}
	return couchmend.Revision{Rev: d.heads[0], Body: json.RawMessage(jsondoc.Object(members)), Attachments: d.attachments}
}

// reserved are CouchDB's own members that an answer may hold beside _id: a
// resolver that copies what it was given returns them.
var reserved = []string{"_rev", "_attachments", "_revisions", "_revs_info", "_conflicts", "_deleted_conflicts", "_local_seq", "_deleted"}

// checked returns the body that an answer about a document holds, without
// CouchDB's members, and whether it deletes the document.
func (m *merger) checked(answer json.RawMessage) (body jsondoc.Value, deleted bool, err error) {
	v, err := parsed(answer)
	if err != nil {
		return nil, false, err
	}
	if v.Kind() != '{' {
		return nil, false, &couchmend.ResolverError{Reason: couchmend.ReasonResolverOutput, Err: fmt.Errorf("it returned %s: want a document", shown(v))}
	}
	var members []jsondoc.Member
	for _, member := range v.Members() {
		switch {
		case member.Name == "_id" && member.Value.Text() != m.id:
			return nil, false, &couchmend.ResolverError{Reason: couchmend.ReasonResolverIdentity, Err: fmt.Errorf("it returned _id %s: want %q", shown(member.Value), m.id)}
		case member.Name == "_id", slices.Contains(reserved, member.Name):
		case strings.HasPrefix(member.Name, "_"):
			return nil, false, &couchmend.ResolverError{Reason: couchmend.ReasonResolverOutput, Err: fmt.Errorf("it returned a member %q: names that begin with _ are CouchDB's", member.Name)}
		default:
			members = append(members, member)
		}
	}
	return jsondoc.Object(members), v.Get("_deleted").Kind() == 't', nil
}

func parsed(answer json.RawMessage) (jsondoc.Value, error) {
	if answer == nil {
		return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverOutput, Err: errors.New("it returned nothing: want the merged document")}
	}
	v, err := jsondoc.Parse(answer)
	if err != nil {
		return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverOutput, Err: fmt.Errorf("it returned no JSON: %w", err)}
	}
	return v, nil
}

// failed notes why a resolver gave no answer.
func (m *merger) failed(place, name string, err error) {
	reason := couchmend.ReasonResolverError
	var failure *couchmend.ResolverError
	switch {
	case errors.Is(err, couchmend.ErrReview):
		reason = couchmend.ReasonResolver
	case errors.As(err, &failure):
		reason, err = failure.Reason, failure.Err
	case m.ctx.Err() != nil: // couchmend stops: no fault of the resolver's
		reason = couchmend.ReasonResolverTimeout
	}
	m.problems = append(m.problems, problem{reason, place + name + ": " + err.Error()})
}

// exactAs returns an answer with each number that lost digits or its fraction
// in a language whose numbers are all float64 as the question had it (I8). Where
// two numbers of the question lost so much that they became one, nobody knows
// which one the answer means, and whoever won must not decide it (I4).
func exactAs(answer jsondoc.Value, asked ...jsondoc.Value) (jsondoc.Value, error) {
	forth, back := answer, answer
	for i := range asked {
		if v := asked[i]; v != nil {
			forth = jsondoc.Restored(v, forth)
		}
		if v := asked[len(asked)-1-i]; v != nil {
			back = jsondoc.Restored(v, back)
		}
	}
	if !jsondoc.Equal(forth, back) {
		return nil, &couchmend.ResolverError{Reason: couchmend.ReasonResolverOutput, Err: fmt.Errorf("it returned %s with a number rounded that may be either of two: give it long numbers as text", shown(answer))}
	}
	return forth, nil
}

// attribute notes of each place at which the sides or the answer differ where
// the answer's value may have come from: the sides that have it, or all (I10).
func attribute(origins map[string]couchmend.Origin, path Path, answer jsondoc.Value, sides []side, why string) {
	values := make([]jsondoc.Value, len(sides))
	objects := answer.Kind() == '{'
	alike := true
	for i, d := range sides {
		values[i] = d.body.At(path...)
		objects = objects && values[i].Kind() == '{'
		alike = alike && bytes.Equal(values[i], answer)
	}
	switch {
	case alike:
		return
	case objects:
		for _, name := range names(append(values, answer)) {
			attribute(origins, append(slices.Clone(path), name), answer.Get(name), sides, why)
		}
		return
	}
	origin := couchmend.Origin{Path: path.String(), Why: why, Removed: answer == nil}
	var all []couchmend.Rev
	for i, d := range sides {
		all = append(all, d.heads...)
		if jsondoc.Equal(values[i], answer) {
			origin.From = append(origin.From, d.heads...)
		}
	}
	if len(origin.From) == 0 {
		origin.From = all
	}
	origins[origin.Path] = origin
}

// names are the members that any of some objects has, sorted.
func names(objects []jsondoc.Value) []string {
	var all []string
	for _, o := range objects {
		for _, member := range o.Members() {
			all = append(all, member.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
