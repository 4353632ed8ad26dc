package resolver

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// helper is a function that scripts are given: it unpacks its arguments itself.
type helper func(c *call, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// predeclared are the names that a script finds beside Starlark's own.
func predeclared(o StarlarkOptions) starlark.StringDict {
	names := gulp(o.Memory / 4).guards()
	for name, help := range map[string]helper{
		"review":    (*call).review,
		"merge3":    (*call).merge3,
		"union":     (*call).union,
		"latest":    (*call).latest,
		"copy":      (*call).copy,
		"canonical": (*call).canonical,
		"get":       (*call).get,
		"has":       (*call).has,
		"set":       (*call).set,
		"delete":    (*call).delete,
	} {
		names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return help(callOf(thread), args, kwargs)
		})
	}
	return names
}

func (c *call) review(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 {
		return nil, errors.New("review: takes no named arguments")
	}
	if err := c.gulp().printable(args, nil); err != nil {
		return nil, err
	}
	var words []string
	for _, v := range args {
		if s, ok := starlark.AsString(v); ok {
			words = append(words, s)
		} else {
			words = append(words, v.String())
		}
	}
	if len(words) == 0 {
		words = []string{"the resolver asks for a person"}
	}
	return nil, askedForReview(shortened(strings.Join(words, " ")))
}

func (c *call) gulp() gulp { return gulp(c.options.Memory / 4) }

func (c *call) merge3(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var base starlark.Value
	var list starlark.Iterable
	if err := starlark.UnpackArgs("merge3", args, kwargs, "base", &base, "revisions", &list); err != nil {
		return nil, err
	}
	if c.options.Merge3 == nil {
		return nil, errors.New("merge3 is not available here: no rule's fields say how to merge")
	}
	var before *couchmend.Revision
	if base != starlark.None {
		r, err := c.revision(base, c.base)
		if err != nil {
			return nil, fmt.Errorf("merge3: base: %w", err)
		}
		before = &r
	}
	var revisions []couchmend.Revision
	for v := range starlark.Elements(list) {
		r, err := c.revision(v, nil)
		if err != nil {
			return nil, fmt.Errorf("merge3: revision %d: %w", len(revisions), err)
		}
		revisions = append(revisions, r)
	}
	merged, err := c.options.Merge3(c.ctx, before, revisions)
	if err != nil {
		return nil, err
	}
	return c.read(merged, nil)
}

// revision is a document of a script's as Go knows it: what the script was
// given, told by its _rev, with the body that the script made of it.
func (c *call) revision(v starlark.Value, base *couchmend.Revision) (couchmend.Revision, error) {
	dict, ok := v.(*starlark.Dict)
	if !ok {
		return couchmend.Revision{}, fmt.Errorf("got %s, want a document", v.Type())
	}
	id, _, _ := dict.Get(starlark.String("_rev"))
	text, _ := starlark.AsString(id)
	rev, err := couchmend.ParseRev(text)
	if err != nil {
		return couchmend.Revision{}, fmt.Errorf("_rev: %w", err)
	}
	r := couchmend.Revision{Rev: rev}
	if base != nil && base.Rev == rev {
		r = *base
	}
	for _, known := range c.revisions {
		if base == nil && known.Rev == rev {
			r = known
		}
	}
	r.Body, err = c.encode(dict)
	return r, err
}

func (c *call) union(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 {
		return nil, errors.New("union: takes no named arguments")
	}
	sum := jsondoc.Value("[]")
	for i, v := range args {
		switch v.(type) {
		case starlark.NoneType:
			continue
		case *starlark.List, starlark.Tuple:
		default:
			return nil, fmt.Errorf("union: argument %d is a %s, want a list", i+1, v.Type())
		}
		text, err := c.encode(v)
		if err != nil {
			return nil, err
		}
		sum, _ = merge.UnionOf(sum, jsondoc.Value(text))
	}
	return c.read([]byte(sum), nil)
}

func (c *call) latest(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var list starlark.Iterable
	var by string
	if err := starlark.UnpackArgs("latest", args, kwargs, "revisions", &list, "by", &by); err != nil {
		return nil, err
	}
	var last starlark.Value
	var clock, tie jsondoc.Value
	differ := false
	for v := range starlark.Elements(list) {
		text, err := c.encode(v)
		if err != nil {
			return nil, err
		}
		doc := jsondoc.Value(text)
		at, own := doc.At(merge.ParsePath(by)...), withoutMeta(doc)
		if last != nil {
			differ = differ || jsondoc.Compare(own, tie) != 0
			order, ok := merge.CompareClocks(at, clock)
			if !ok {
				return nil, askedForReview(shortened(fmt.Sprintf("latest by %s: the clocks %q and %q can't be ordered", by, at, clock)))
			}
			if order < 0 || order == 0 && jsondoc.Compare(own, tie) <= 0 {
				continue
			}
		}
		last, clock, tie = v, at, own
	}
	switch {
	case last == nil:
		return nil, errors.New("latest: there are no revisions")
	case clock == nil && differ: // as for the strategy: a name that is mistyped must not choose
		return nil, askedForReview(shortened(fmt.Sprintf("latest by %s: no revision has such a clock", by)))
	}
	return last, nil
}

// withoutMeta is a document's canonical form without CouchDB's members: a merge
// of two leaves has the _rev of one of them, whatever it holds.
func withoutMeta(doc jsondoc.Value) jsondoc.Value {
	if doc.Kind() != '{' {
		return jsondoc.Canonical(doc)
	}
	var members []jsondoc.Member
	for _, m := range doc.Members() {
		if !strings.HasPrefix(m.Name, "_") {
			members = append(members, m)
		}
	}
	return jsondoc.Canonical(jsondoc.Object(members))
}

func (c *call) canonical(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackArgs("canonical", args, kwargs, "x", &x); err != nil {
		return nil, err
	}
	text, err := c.encode(x)
	if err != nil {
		return nil, err
	}
	return starlark.String(jsondoc.Canonical(jsondoc.Value(text))), nil
}
