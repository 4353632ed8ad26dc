package merge

import (
	"context"
	"encoding/json"
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
	plain := *rule
	plain.Resolver = nil
	known := map[couchmend.Rev]couchmend.Revision{}
	id := ""
	// The same revision may be asked about twice, in two versions of it that
	// the resolver made: each stands under a name of its own.
	add := func(r couchmend.Revision, at string) (couchmend.Rev, error) {
		v, err := jsondoc.Parse(r.Body)
		if err != nil || v.Kind() != '{' {
			return couchmend.Rev{}, fmt.Errorf("%s is no document", at)
		}
		id = v.Get("_id").Text()
		name := r.Rev
		if _, taken := known[name]; taken || name == (couchmend.Rev{}) {
			name = couchmend.Rev{Gen: r.Rev.Gen + 1, Hash: at}
		}
		r.Rev, r.Body, r.Attachments = name, json.RawMessage(own(v)), nil
		known[name] = r
		return name, nil
	}
	step := revtree.Step{How: revtree.NoBase}
	if base != nil {
		rev, err := add(*base, "base")
		if err != nil {
			return nil, err
		}
		step = revtree.Step{How: revtree.ThreeWay, Base: revtree.Fold{Heads: []couchmend.Rev{rev}}}
	}
	var fold revtree.Fold
	for i, r := range revisions {
		rev, err := add(r, fmt.Sprintf("revisions[%d]", i))
		if err != nil {
			return nil, err
		}
		fold.Heads = append(fold.Heads, rev)
		if step.Head = rev; i > 0 {
			fold.Steps = append(fold.Steps, step)
		}
	}
	if len(fold.Heads) == 0 {
		return nil, fmt.Errorf("there are no revisions to merge")
	}
	merged, refusal := Merge(ctx, &plain, id, fold, known)
	if refusal != nil {
		return nil, fmt.Errorf("%w: %s", couchmend.ErrReview, strings.Join(refusal.Evidence, "; "))
	}
	first := jsondoc.Value(revisions[0].Body)
	var members []jsondoc.Member
	for _, m := range first.Members() {
		if m.Name == "_id" || m.Name == "_rev" {
			members = append(members, m)
		}
	}
	return json.RawMessage(jsondoc.Object(append(members, merged.Body.Members()...))), nil
}

// own returns a document without the members that are CouchDB's.
func own(v jsondoc.Value) jsondoc.Value {
	return jsondoc.Object(slices.DeleteFunc(v.Members(), func(m jsondoc.Member) bool { return strings.HasPrefix(m.Name, "_") }))
}
