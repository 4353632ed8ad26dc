package triage

import (
	"cmp"
	"slices"
	"time"
)

// maxGroups is how many groups of one kind are counted, and shownGroups how
// many of them a report has.
const (
	maxGroups   = 5000
	shownGroups = 25
)

// groupKey is a database and a type, a field or a writer in it.
type groupKey struct{ db, name string }

// tally counts conflicts in groups. What comes when it is full, and is new, is
// not counted: documents may hold anything.
type tally map[groupKey]*counted

type counted struct {
	open, mended  int
	leaves, depth spread
}

// spread gathers a mean and a maximum.
type spread struct{ n, sum, max int }

func (s *spread) add(v int) { s.n, s.sum, s.max = s.n+1, s.sum+v, max(s.max, v) }

func (s spread) most() Most {
	if s.n == 0 {
		return Most{}
	}
	return Most{Mean: float64(s.sum*100/s.n) / 100, Max: s.max}
}

func (t tally) add(key groupKey, o *observation) {
	c := t[key]
	if c == nil {
		if len(t) >= maxGroups {
			return
		}
		c = &counted{}
		t[key] = c
	}
	if o.open {
		c.open++
	} else {
		c.mended++
	}
	c.leaves.add(len(o.leaves))
	c.depth.add(o.depth)
}

// groups are the largest, the largest first.
func (t tally) groups(window time.Duration) []Group {
	all := make([]Group, 0, len(t))
	for key, c := range t {
		g := Group{DB: key.db, Name: key.name, Open: c.open, Mended: c.mended, Leaves: c.leaves.most(), Depth: c.depth.most()}
		if hours := window.Hours(); hours > 0 {
			g.PerHour = float64(int(float64(c.mended)/hours*100)) / 100
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Open+b.Mended, a.Open+a.Mended), cmp.Compare(a.DB, b.DB), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), shownGroups)]
}
