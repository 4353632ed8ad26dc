package merge

import "github.com/couchmend/couchmend/internal/jsondoc"

// Target says which document is meant by an id that stands at some place.
type Target struct {
	// At is a pattern, as a Field's; elements of an array are reached by their
	// index as a name, or by "*".
	At Path
	// Means says in words what the document is like, such as "person".
	Means string
	// Match reports whether a document is like that.
	Match func(id string, body jsondoc.Value) bool
}

// TargetAt returns what the rule says of the ids at a place, nil where it says
// nothing. The most specific pattern decides.
func (r *Rule) TargetAt(path Path) *Target {
	var best *Target
	for i := range r.References {
		t := &r.References[i]
		if t.At.matches(path) && (best == nil || t.At.moreSpecific(best.At)) {
			best = t
		}
	}
	return best
}
