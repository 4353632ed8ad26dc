package conflictgen

import (
	"cmp"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// clockScenarios have documents with a clock of their own.
func clockScenarios() []scenario {
	return []scenario{
		{name: "lamport", share: 4, build: ordered("lamport", "edit_count", number)},
		{name: "sequence", share: 2, build: ordered("sequence", "sequence", number)},
		{name: "timestamp", share: 3, build: ordered("timestamp", "updated_at", instant)},
		{name: "clock-tie", share: 2, build: clockTie},
		{name: "clock-missing", share: 2, build: clockMissing},
		{name: "vector-apart", share: 3, build: vectorApart},
		{name: "vector-dominates", share: 3, build: vectorDominates},
		{name: "vector-overlap", share: 2, build: vectorOverlap},
	}
}

// tick sets the clock of every revision to one later than its parent's and
// makes the leaves' clocks differ.
func (d *draft) tick(format func(int) jsondoc.Value) *docClock {
	c := &docClock{times: map[*node]int{}, format: format}
	for _, n := range d.nodes {
		c.times[n] = c.times[n.parent] + 1 + d.IntN(4)
	}
	taken := map[int]bool{}
	for _, leaf := range d.live() {
		for taken[c.times[leaf]] {
			c.times[leaf]++
		}
		taken[c.times[leaf]] = true
	}
	return c
}

// latestLeaf is the leaf with the latest clock.
func (c *docClock) latestLeaf(d *draft) *node {
	return slices.MaxFunc(d.live(), func(a, b *node) int { return cmp.Compare(c.times[a], c.times[b]) })
}

// ordered has fields that several leaves changed. The leaf with the latest
// clock is one of those, since a fold of the others has a clock of its own.
func ordered(kind, place string, format func(int) jsondoc.Value) func(*draft) Expectation {
	return func(d *draft) Expectation {
		d.star(d.few())
		d.record(kind)
		clock := d.tick(format)
		d.add(clock, place)
		d.oneSided()
		latest := clock.latestLeaf(d)
		for _, path := range [][]string{{"stage"}, {"vitals", "pulse"}, {"plan"}} {
			r := &register{first: d.value(), settle: greatest(byClock)}
			writers := d.some(1)
			same := d.value() // what two wrote alike is as late as the later one
			for _, seg := range d.segments {
				if has(writers, seg) || seg.last() == latest {
					r.writes = append(r.writes, write{at: d.within(seg), value: pick(d, same, d.orRemoved()), clock: clock.times[seg.last()]})
				}
			}
			d.add(r, path...)
		}
		d.union("tags")
		d.sum(0, "visits")
		return d.merged()
	}
}

// orRemoved is a new value, or sometimes nothing.
func (d *draft) orRemoved() jsondoc.Value {
	if d.chance(0.15) {
		return nil
	}
	return d.value()
}

// clockTie has two leaves of the same clock: the winner's side stands.
func clockTie(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.base, 1+d.IntN(3))
	d.branch(d.base, 1+d.IntN(3))
	d.record("lamport")
	clock := d.tick(number)
	for _, leaf := range d.live() {
		clock.times[leaf] = 99
	}
	d.add(clock, "edit_count")
	d.oneSided()
	d.bothWrite(d.byWinner)
	return d.merged()
}

// clockMissing has an old client that knows of no clock: it is the earlier one.
func clockMissing(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	modern := d.branch(d.base, 1+d.IntN(3))
	d.branch(d.base, 1+d.IntN(3))
	d.record("lamport")
	d.add(&docClock{times: map[*node]int{modern.last(): 1 + d.IntN(9)}, format: number}, "edit_count")
	d.oneSided()
	d.bothWrite(func(heads []write) write {
		return heads[slices.IndexFunc(heads, func(w write) bool { return modern.last().follows(w.at) })]
	})
	return d.merged()
}

// bothWrite adds fields that every segment changed.
func (d *draft) bothWrite(settle func([]write) write) {
	for _, path := range [][]string{{"stage"}, {"vitals", "pulse"}} {
		r := &register{first: d.value(), settle: settle}
		for _, seg := range d.segments {
			r.writes = append(r.writes, write{at: d.within(seg), value: d.value()})
		}
		d.add(r, path...)
	}
}

// vectors adds a vector clock with an actor for the trunk and one for each
// branch.
func (d *draft) vectors() *vectorClock {
	c := &vectorClock{actors: map[*node]string{}, sees: map[*node][]*node{}}
	for _, n := range d.nodes {
		c.actors[n] = "server"
	}
	for i, seg := range d.segments {
		actor := string(rune('a'+d.IntN(26))) + "-phone" + string(number(i))
		for _, n := range seg {
			c.actors[n] = actor
		}
	}
	d.add(c, "versions")
	return c
}

// vectorApart has branches that did not see each other: merged by fields.
func vectorApart(d *draft) Expectation {
	d.star(d.few())
	d.record("vector")
	d.vectors()
	d.oneSided()
	d.union("tags")
	return d.merged()
}

// vectorDominates has leaves whose writers merged the others by hand, so that
// one leaf's clock covers all: it stands as it is.
func vectorDominates(d *draft) Expectation {
	d.star(2 + d.IntN(2))
	d.record("vector")
	clock := d.vectors()
	order := d.Perm(len(d.segments))
	for i, at := range order[1:] {
		last := d.segments[at].last()
		clock.sees[last] = []*node{d.segments[order[i]].last()}
	}
	for _, path := range [][]string{{"stage"}, {"vitals", "pulse"}, {"owner"}} {
		r := &register{first: d.value()}
		for _, seg := range d.some(1) {
			r.writes = append(r.writes, write{at: d.within(seg), value: d.value()})
		}
		d.add(r, path...)
	}
	top := d.segments[order[len(order)-1]].last()
	return d.stands(inOrderOf(d.body(d.live()[0]), d.body(top)), d.filesAt(top))
}

// vectorOverlap has clocks that do not order the leaves, and no strategy.
func vectorOverlap(d *draft) Expectation {
	d.star(d.few())
	d.record("vector")
	d.vectors()
	d.oneSided()
	d.bothWrite(nil)
	return review(couchmend.ReasonOverlap)
}
