package laws

import (
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// maxLeaves bounds the leaves of a question that a real conflict makes.
const maxLeaves = 4

// OfConflict makes a question of a real conflict: its winner, the leaves that
// grew from the same base as the first of the others, and that base where its
// body is known. False where fewer than two live leaves are left.
func OfConflict(c couchmend.Conflict, source string) (Question, bool) {
	q := Question{ID: c.ID, Source: source}
	if len(c.Leaves) < 2 {
		return q, false
	}
	var paths []revtree.Path
	var heads []couchmend.Rev
	leaves := slices.Clone(c.Leaves)
	revtree.WinnerFirst(leaves)
	bodies := map[couchmend.Rev]couchmend.Revision{}
	for _, leaf := range leaves {
		paths, heads = append(paths, leaf.Path), append(heads, leaf.Rev)
		bodies[leaf.Rev] = leaf
	}
	q.Leaves = append(q.Leaves, jsondoc.Value(leaves[0].Body))
	var first *revtree.Step
	for _, step := range revtree.New(paths...).Fold(heads).Steps {
		if step.How == revtree.Contained || step.How == revtree.Ahead || len(q.Leaves) == maxLeaves {
			continue
		}
		if first == nil {
			first = &step
		}
		if step.How == first.How && slices.Equal(step.Base.Heads, first.Base.Heads) {
			q.Leaves = append(q.Leaves, jsondoc.Value(bodies[step.Head].Body))
		}
	}
	if first != nil && first.How == revtree.ThreeWay && len(first.Base.Heads) == 1 {
		if base, ok := c.Bases[first.Base.Heads[0]]; ok && base.Body != nil {
			q.Base = jsondoc.Value(base.Body)
		}
	}
	return q, len(q.Leaves) > 1
}

// OfDocuments makes a question of documents: the base, null where it can't be
// had, then the leaves. Members that begin with "_" are left out, but that _id
// is the document's.
func OfDocuments(documents []jsondoc.Value, source string) (Question, bool) {
	q := Question{ID: "doc", Source: source}
	for i, doc := range documents {
		if id := doc.Get("_id").Text(); id != "" {
			q.ID = id
		}
		body := jsondoc.Object(slices.DeleteFunc(doc.Members(), func(m jsondoc.Member) bool { return m.Name != "" && m.Name[0] == '_' }))
		switch {
		case i == 0 && doc.Kind() == 'n':
		case doc.Kind() != '{':
			return q, false
		case i == 0:
			q.Base = body
		default:
			q.Leaves = append(q.Leaves, body)
		}
	}
	return q, len(q.Leaves) > 1
}
