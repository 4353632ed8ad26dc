package merge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Three merges revisions over a base by a rule's fields, its resolver left out:
// what a resolver calls that has a word to say about some fields only. Arguments
// and answer are those of couchmend.Resolver, asked about a document; what is
// in dispute is an error that wraps couchmend.ErrReview.
func Three(ctx context.Context, rule *Rule, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	if len(revisions) == 0 {
		return nil, errors.New("there are no revisions to merge")
	}
	plain := *rule
	plain.Resolver = nil
	asked := asked{}
	step := revtree.Step{How: revtree.NoBase}
	if base != nil {
		rev, err := asked.add(*base, "base")
		if err != nil {
			return nil, err
		}
		step = revtree.Step{How: revtree.ThreeWay, Base: revtree.Fold{Heads: []couchmend.Rev{rev}}}
	}
	var fold revtree.Fold
	for i, r := range revisions {
		rev, err := asked.add(r, fmt.Sprintf("revisions[%d]", i))
		if err != nil {
			return nil, err
		}
		fold.Heads = append(fold.Heads, rev)
		if step.Head = rev; i > 0 {
			fold.Steps = append(fold.Steps, step)
		}
	}
	first := jsondoc.Value(revisions[0].Body)
	merged, refusal := Merge(ctx, &plain, first.Get("_id").Text(), fold, asked)
	if refusal != nil {
		return nil, fmt.Errorf("%w: %s", couchmend.ErrReview, strings.Join(refusal.Evidence, "; "))
	}
	identity := slices.DeleteFunc(first.Members(), func(m jsondoc.Member) bool { return m.Name != "_id" && m.Name != "_rev" })
	return json.RawMessage(jsondoc.Object(append(identity, merged.Body.Members()...))), nil
}

// asked are the revisions that Three was given, without CouchDB's members.
type asked map[couchmend.Rev]couchmend.Revision

// add returns the name under which a revision stands. The same one may be asked
// about twice, in two versions of it that the resolver made: the second gets a
// name of its own, which says its place.
func (known asked) add(r couchmend.Revision, place string) (couchmend.Rev, error) {
	v, err := jsondoc.Parse(r.Body)
	if err != nil || v.Kind() != '{' {
		return couchmend.Rev{}, fmt.Errorf("%s is no document", place)
	}
	name := r.Rev
	if _, taken := known[name]; taken || name == (couchmend.Rev{}) {
		name = couchmend.Rev{Gen: r.Rev.Gen + 1, Hash: place}
	}
	known[name] = couchmend.Revision{Rev: name, Body: json.RawMessage(own(v))}
	return name, nil
}

// own returns a document without the members that are CouchDB's.
func own(v jsondoc.Value) jsondoc.Value {
	return jsondoc.Object(slices.DeleteFunc(v.Members(), func(m jsondoc.Member) bool { return strings.HasPrefix(m.Name, "_") }))
}
