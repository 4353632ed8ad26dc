package laws

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// maxSteps bounds how many smaller questions are tried for one counterexample.
const maxSteps = 2000

// shrink returns the smallest question that still breaks a law as gravely as q
// does, as far as can be found in so many steps and until the deadline: fewer
// leaves, fewer fields, plainer values. A law that is broken by chance may hold
// for the smaller question when it is asked once more: then the larger one stays.
func (t *trial) shrink(ctx context.Context, law Law, q Question, b *breach, deadline time.Time, steps int) (Question, *breach) {
	for smaller := true; smaller; {
		smaller = false
		for candidate := range candidates(q) {
			if !t.admits(candidate) {
				continue
			}
			if steps--; steps < 0 || time.Now().After(deadline) || ctx.Err() != nil {
				return q, b
			}
			if again := t.try(ctx, law, candidate); b.sameKind(again) {
				q, b, smaller = candidate, again, true
				break
			}
		}
	}
	for _, place := range b.differs {
		candidate := spread(q, merge.ParsePath(place))
		if candidate.equal(q) || !t.admits(candidate) {
			continue
		}
		if again := t.try(ctx, law, candidate); b.sameKind(again) {
			return candidate, again
		}
	}
	return q, b
}

// spread is a question whose documents all have another value at a path, the
// plainest that there are.
func spread(q Question, path merge.Path) Question {
	values := valuesOf(q, path)
	for i, v := range values {
		switch v.Kind() {
		case '0':
			values[i] = jsondoc.Value("0123456789"[i%10:][:1])
		case '"':
			values[i] = jsondoc.String("abcdefghij"[i%10:][:1])
		default:
			return q
		}
	}
	return withAt(q, path, values)
}

// sameKind keeps a counterexample from shrinking to none, or to one of another
// kind: a wrong value to a lost document, a user's field to one that was put in
// to try.
func (b *breach) sameKind(again *breach) bool {
	return again != nil && again.status == b.status && len(again.answers) == len(b.answers) &&
		len(again.differs) == 0 == (len(b.differs) == 0) && again.asked == nil == (b.asked == nil)
}

// candidates are questions smaller than q, the smallest steps last.
func candidates(q Question) func(yield func(Question) bool) {
	return func(yield func(Question) bool) {
		for i := range q.Leaves {
			if len(q.Leaves) > 2 {
				with := q
				with.Leaves = slices.Delete(slices.Clone(q.Leaves), i, i+1)
				if !yield(with) {
					return
				}
			}
		}
		for _, path := range allPaths(q) {
			for _, simpler := range simplerAt(q, path) {
				if !simpler.equal(q) && !yield(simpler) {
					return
				}
			}
		}
	}
}

func (q Question) equal(other Question) bool {
	return bytes.Equal(q.Base, other.Base) && slices.EqualFunc(q.Leaves, other.Leaves, func(a, b jsondoc.Value) bool { return bytes.Equal(a, b) })
}

// allPaths are the places of all documents of a question, the outer ones first.
func allPaths(q Question) []merge.Path {
	var all []merge.Path
	seen := map[string]bool{}
	level := []merge.Path{{}}
	for len(level) > 0 {
		var next []merge.Path
		for _, path := range level {
			for _, name := range memberNames(valuesOf(q, path)...) {
				p := append(slices.Clone(path), name)
				if !seen[p.String()] {
					seen[p.String()] = true
					next = append(next, p)
				}
			}
		}
		all = append(all, next...)
		level = next
	}
	return all
}

// valuesOf are the values at a path: the base's, where there is one, and the leaves'.
func valuesOf(q Question, path merge.Path) []jsondoc.Value {
	var values []jsondoc.Value
	if q.Base != nil {
		values = append(values, q.Base.At(path...))
	}
	for _, leaf := range q.Leaves {
		values = append(values, leaf.At(path...))
	}
	return values
}

// withAt is a question with other values at a path, in the order of
// valuesOf.
func withAt(q Question, path merge.Path, values []jsondoc.Value) Question {
	with := q
	with.Leaves = slices.Clone(q.Leaves)
	put := func(doc, v jsondoc.Value) jsondoc.Value {
		if doc.At(path...) == nil && v == nil {
			return doc
		}
		return set(doc, path, v)
	}
	if q.Base != nil {
		with.Base = put(q.Base, values[0])
		values = values[1:]
	}
	for i, v := range values {
		with.Leaves[i] = put(q.Leaves[i], v)
	}
	return with
}

// simplerAt are questions that say less at one place.
func simplerAt(q Question, path merge.Path) []Question {
	values := valuesOf(q, path)
	n := len(values)
	simpler := []Question{withAt(q, path, make([]jsondoc.Value, n))}
	for i := range values { // a change taken back
		if i > 0 && !bytes.Equal(values[i], values[0]) {
			back := slices.Clone(values)
			back[i] = values[0]
			simpler = append(simpler, withAt(q, path, back))
		}
	}
	if plain := plainer(values); plain != nil {
		simpler = append(simpler, withAt(q, path, plain))
	}
	for i, v := range values { // one element less
		elements := v.Elements()
		for j := range elements {
			less := slices.Clone(values)
			less[i] = jsondoc.Array(slices.Delete(slices.Clone(elements), j, j+1))
			simpler = append(simpler, withAt(q, path, less))
			everywhere := slices.Clone(values)
			for k, other := range values {
				everywhere[k] = without(other, elements[j])
			}
			simpler = append(simpler, withAt(q, path, everywhere))
		}
	}
	return simpler
}

// without is an array without the elements that equal one.
func without(array, element jsondoc.Value) jsondoc.Value {
	if array.Kind() != '[' {
		return array
	}
	return jsondoc.Array(slices.DeleteFunc(array.Elements(), func(e jsondoc.Value) bool { return jsondoc.Equal(e, element) }))
}

// plainer gives the different scalars at one place the plainest values, equal
// ones the same: 0, 1, 2… or a, b, c…; nil where these are no plainer.
func plainer(values []jsondoc.Value) []jsondoc.Value {
	given := map[string]jsondoc.Value{}
	plain := slices.Clone(values)
	for i, v := range values {
		if v == nil || v.Kind() != '0' && v.Kind() != '"' {
			continue
		}
		p, ok := given[string(v)]
		if !ok {
			p = jsondoc.Value("0123456789"[len(given)%10:][:1])
			if v.Kind() == '"' {
				p = jsondoc.String("abcdefghij"[len(given)%10:][:1])
			}
			given[string(v)] = p
		}
		plain[i] = p
	}
	was, now := slices.Concat(values...), slices.Concat(plain...)
	if len(now) > len(was) || len(now) == len(was) && bytes.Compare(now, was) >= 0 {
		return nil
	}
	return plain
}
