package policy

import (
	"slices"

	"github.com/couchmend/couchmend/internal/merge"
)

// WallClocks are the fields that the file names as wall clocks, as dotted paths,
// sorted; none of a nil file.
func (f *File) WallClocks() []string {
	var fields []string
	if f == nil {
		return nil
	}
	for _, p := range f.Policies {
		for _, r := range p.Rules {
			if r.Clock.Kind == merge.Timestamp {
				fields = append(fields, r.Clock.Path.String())
			}
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}
