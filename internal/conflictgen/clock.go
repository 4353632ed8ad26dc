package conflictgen

import (
	"slices"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// docClock is a clock that every revision's writer sets anew. A merge has the
// latest one, and is not counted.
type docClock struct {
	times  map[*node]int // nil entry: the writer knows of no clock
	format func(int) jsondoc.Value
}

func (c *docClock) at(n *node) jsondoc.Value {
	if t, ok := c.times[n]; ok {
		return c.format(t)
	}
	return nil
}

func (c *docClock) truth(d *draft) jsondoc.Value {
	latest := 0
	for _, leaf := range d.live() {
		latest = max(latest, c.times[leaf])
	}
	if latest == 0 {
		return nil
	}
	return c.format(latest)
}

// instant writes a clock in RFC 3339. The zones differ, so that texts do not
// sort as the instants do.
func instant(clock int) jsondoc.Value {
	zone := time.FixedZone("", 3600*(clock%5-2))
	return jsondoc.String(time.Unix(1_790_000_000+600*int64(clock), 0).In(zone).Format(time.RFC3339))
}

// moment writes a clock in RFC 3339, always in UTC.
func moment(clock int) jsondoc.Value {
	return jsondoc.String(time.Unix(1_790_000_000+600*int64(clock), 0).UTC().Format(time.RFC3339))
}

// vectorClock counts each actor's revisions.
type vectorClock struct {
	actors map[*node]string
	// sees are revisions that a writer had read although they are not on its
	// path: it merged them by hand.
	sees map[*node][]*node
}

// history is all that n's writer had seen, n itself included.
func (c *vectorClock) history(n *node) map[*node]bool {
	seen := map[*node]bool{}
	for ; n != nil; n = n.parent {
		seen[n] = true
		for _, other := range c.sees[n] {
			for m := range c.history(other) {
				seen[m] = true
			}
		}
	}
	return seen
}

func (c *vectorClock) count(leaves ...*node) jsondoc.Value {
	seen := map[*node]bool{}
	for _, leaf := range leaves {
		for n := range c.history(leaf) {
			seen[n] = true
		}
	}
	counts := map[string]int{}
	for n := range seen {
		counts[c.actors[n]]++
	}
	var members []jsondoc.Member
	for actor, n := range counts {
		members = append(members, jsondoc.Member{Name: actor, Value: number(n)})
	}
	slices.SortFunc(members, func(a, b jsondoc.Member) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return jsondoc.Object(members)
}

func (c *vectorClock) at(n *node) jsondoc.Value { return c.count(n) }

// truth counts each revision once: as branches have actors of their own, that
// is the maximum of each actor's counts.
func (c *vectorClock) truth(d *draft) jsondoc.Value { return c.count(d.live()...) }
