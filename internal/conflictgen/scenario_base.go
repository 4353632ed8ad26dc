package conflictgen

import (
	"math/big"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// baseScenarios have no base: its body was never written, as where a replica
// got only leaves, or the leaves do not share a first revision.
func baseScenarios() []scenario {
	return []scenario{
		{name: "no-base-joins", share: 5, build: noBaseJoins},
		{name: "no-base-equal", share: 2, build: noBaseEqual},
		{name: "no-base-clock", share: 2, build: noBaseClock},
		{name: "no-base-strategies", share: 3, build: noBaseStrategies},
		{name: "no-base-differs", share: 3, build: noBase(func(d *draft) { d.oneSided() })},
		{name: "no-base-sum", share: 2, build: noBase(noBaseSum)},
		{name: "no-base-append", share: 2, build: noBase(func(d *draft) {
			d.add(fixed(jsondoc.Array([]jsondoc.Value{d.text()})), "journal")
		})},
		{name: "no-base-text", share: 1, build: noBase(func(d *draft) { d.lines("notes") })},
		{name: "no-base-one-side", share: 2, build: noBase(noBaseOneSide)},
		{name: "no-base-reverted", share: 2, build: noBaseReverted},
		{name: "no-base-of-two", share: 2, build: noBaseOfTwo},
		{name: "two-roots", share: 3, build: twoRoots},
		{name: "two-roots-equal", share: 2, build: twoRootsEqual},
		{name: "two-roots-merge", share: 2, build: twoRootsMerge},
		{name: "two-roots-merge-differs", share: 1, build: twoRootsMergeDiffers},
	}
}

// orphans is a star whose base is lost. Older ancestors may be at hand; they
// must not stand in for it.
func (d *draft) orphans(leaves int) {
	d.star(leaves)
	d.base.kept = false
}

// joins adds fields that can be merged by their values alone.
func (d *draft) joins() {
	for _, path := range [][]string{{"tags"}, {"team", "members"}} {
		d.union(path...).noBase = true
	}
	d.extreme(1, "high")
	d.extreme(-1, "low")
	d.addresses()
}

func noBaseJoins(d *draft) Expectation {
	d.orphans(d.few())
	d.record("record")
	d.joins()
	if !d.opts.NoAttachments && d.chance(0.3) {
		d.file("kept.png", d.content())
	}
	return d.merged()
}

// noBase is a document whose joins would merge, and something that does not.
func noBase(spoil func(*draft)) func(*draft) Expectation {
	return func(d *draft) Expectation {
		d.orphans(d.few())
		d.record("record")
		d.joins()
		spoil(d)
		return review(couchmend.ReasonNoBase)
	}
}

// noBaseSum has a counter: also where all leaves show the same number, it may
// have been added to more than once.
func noBaseSum(d *draft) {
	t := &tally{start: big.NewInt(int64(d.IntN(9)))}
	if d.chance(0.5) {
		for _, seg := range d.segments {
			t.added = append(t.added, addition{at: d.within(seg), by: big.NewInt(3)})
		}
	}
	d.add(t, "visits")
}

// noBaseOneSide has a counter, or a plain field, that only one leaf shows.
func noBaseOneSide(d *draft) {
	path := pick(d, []string{"visits"}, []string{"status"}, []string{"vitals", "weight"})
	d.add(&register{writes: []write{{at: d.within(d.segments[0]), value: number(d.IntN(9))}}}, path...)
}

// noBaseEqual has leaves that say the same.
func noBaseEqual(d *draft) Expectation {
	d.orphans(d.few())
	d.record("record")
	r := &register{first: d.value()}
	value := d.value()
	for _, seg := range d.segments {
		r.writes = append(r.writes, write{at: d.within(seg), value: value})
	}
	d.add(r, "status")
	return d.merged()
}

// noBaseClock differs in the document's clock and in a set only.
func noBaseClock(d *draft) Expectation {
	d.orphans(d.few())
	d.record("lamport")
	d.add(d.tick(number), "edit_count")
	d.union("tags").noBase = true
	return d.merged()
}

// topWriter is a register that is settled by the leaf alone, whoever wrote:
// without a base it cannot be told who changed it.
type topWriter struct {
	register
	top *node
}

func (t *topWriter) truth(*draft) jsondoc.Value { return t.at(t.top) }

// noBaseStrategies has a rule that lets the document's clock, and CouchDB's
// winner, settle what differs.
func noBaseStrategies(d *draft) Expectation {
	d.orphans(d.few())
	d.record("stopgap")
	clock := d.tick(number)
	d.add(clock, "edit_count")
	d.union("tags").noBase = true
	for _, f := range []struct {
		path []string
		top  *node
	}{
		{[]string{"stage"}, clock.latestLeaf(d)},
		{[]string{"vitals", "pulse"}, clock.latestLeaf(d)},
		{[]string{"colour"}, d.live()[0]},
	} {
		r := register{first: d.value()}
		for _, seg := range d.some(1) {
			r.writes = append(r.writes, write{at: d.within(seg), value: d.value()})
		}
		d.add(&topWriter{register: r, top: f.top}, f.path...)
	}
	t := &table{}
	for _, key := range []string{"b0", "b1"} {
		r := d.row(t, key, false)
		r.cells[0].field = fixed(d.value())
		t.rows = append(t.rows, r)
	}
	d.add(t, "tasks")
	return d.merged()
}

// noBaseReverted has a branch that went back to what an older ancestor had,
// whose body is at hand. Taking that one for the base would undo it.
func noBaseReverted(d *draft) Expectation {
	d.trunk(2)
	d.nodes[0].kept, d.base.kept = true, false
	d.branch(d.base, 1+d.IntN(2))
	d.branch(d.base, 1+d.IntN(2))
	d.record("record")
	d.joins()
	r := &register{first: d.value()}
	r.writes = []write{{at: d.base, value: d.value()}, {at: d.segments[0][0], value: r.first}}
	d.add(r, "status")
	return review(couchmend.ReasonNoBase)
}

// noBaseOfTwo has a base for most pairs of leaves, and none for one pair that
// needs it.
func noBaseOfTwo(d *draft) Expectation {
	d.fork()
	d.segments[0].last().kept = false
	d.record("record")
	r := &register{first: d.value()}
	r.writes = []write{
		{at: d.within(d.segments[1]), value: d.value()},
		{at: d.within(d.segments[2]), value: d.value()},
	}
	d.add(r, "status")
	return review(couchmend.ReasonNoBase)
}

// grove grows two histories without a common root, the first one with leaves
// leaves.
func (d *draft) grove(leaves int) {
	d.trunk(1 + d.IntN(2))
	for range leaves {
		d.branch(d.base, 1+d.IntN(2))
	}
	d.branch(nil, 1+d.IntN(3))
}

func twoRoots(d *draft) Expectation {
	d.grove(1 + d.IntN(2))
	d.record("record")
	other := d.segments[len(d.segments)-1]
	r := &register{first: d.value(), writes: []write{{at: other[0], value: d.value()}}}
	d.add(r, pick(d, []string{"status"}, []string{"tags"}, []string{"vitals", "weight"})...)
	return review(couchmend.ReasonTwoRoots)
}

// twoRootsEqual is one thing created twice, alike.
func twoRootsEqual(d *draft) Expectation {
	d.grove(1 + d.IntN(2))
	d.record("record")
	return d.merged()
}

// twoRootsMerge is one thing created twice, by a rule that says so: joins
// alone merge it.
func twoRootsMerge(d *draft) Expectation {
	d.grove(1)
	d.record("twice")
	d.union("tags").noBase = true
	d.extreme(1, "high")
	return d.merged()
}

func twoRootsMergeDiffers(d *draft) Expectation {
	d.grove(1 + d.IntN(2))
	d.record("twice")
	other := d.segments[len(d.segments)-1]
	d.add(&register{first: d.value(), writes: []write{{at: other[0], value: d.value()}}}, "status")
	return review(couchmend.ReasonNoBase)
}
