package mender

import (
	"maps"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

const (
	// maxDisputed is how many fields a case names, of comparedLeaves leaves:
	// what for is finding it in a list, not deciding on it.
	maxDisputed    = 20
	comparedLeaves = 8
)

// typeOf is the type that the winner says it has; where no leaf lives, that of
// the first tombstone with a body.
func typeOf(c couchmend.Conflict) string {
	for _, leaf := range slices.Concat(c.Leaves, c.Dead) {
		if t := decide.TypeOf(jsondoc.Value(leaf.Body)); t != "" {
			return t
		}
	}
	return ""
}

// disputed returns the paths of the fields in which the live leaves differ; with
// a base, of those that more than one of them changed, and not alike.
func disputed(c couchmend.Conflict) []string {
	var sides []jsondoc.Value
	for _, leaf := range c.Leaves[:min(len(c.Leaves), comparedLeaves)] {
		if leaf.Body == nil {
			return nil
		}
		sides = append(sides, jsondoc.Value(leaf.Body))
	}
	d := disputes{hasBase: len(c.Bases) == 1}
	var base jsondoc.Value
	for _, b := range c.Bases {
		base = jsondoc.Value(b.Body)
	}
	if len(sides) > 1 {
		d.at(nil, base, sides)
	}
	return d.paths
}

type disputes struct {
	hasBase bool
	paths   []string
}

func (d *disputes) at(path merge.Path, base jsondoc.Value, sides []jsondoc.Value) {
	if len(d.paths) >= maxDisputed || !d.differ(base, sides) {
		return
	}
	names := map[string]bool{}
	for _, side := range sides {
		if side.Kind() != '{' {
			d.paths = append(d.paths, path.String())
			return
		}
		for _, m := range side.Members() {
			names[m.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		within := make([]jsondoc.Value, len(sides))
		for i, side := range sides {
			within[i] = side.Get(name)
		}
		d.at(append(slices.Clone(path), name), base.Get(name), within)
	}
}

// differ reports whether a field is in dispute, or holds one that is.
func (d *disputes) differ(base jsondoc.Value, sides []jsondoc.Value) bool {
	first := -1 // a side that is not as the base is
	for i, side := range sides {
		switch {
		case d.hasBase && same(side, base):
		case first < 0:
			first = i
		case !same(side, sides[first]):
			return true
		}
	}
	return false
}

func same(a, b jsondoc.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return jsondoc.Equal(a, b)
}
