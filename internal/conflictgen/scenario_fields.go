package conflictgen

import "github.com/couchmend/couchmend/internal/jsondoc"

// fieldScenarios have an exact base and strategies that settle every field.
func fieldScenarios() []scenario {
	return []scenario{
		{name: "one-sided", share: 6, build: starOrFork(func(*draft) {})},
		{name: "alike", share: 3, build: alike},
		{name: "removed", share: 3, build: removed},
		{name: "reverted", share: 3, build: reverted},
		{name: "union", share: 4, build: starOrFork(func(d *draft) { d.union("tags"); d.union("team", "members") })},
		{name: "append", share: 3, build: starOrFork(func(d *draft) { d.append("journal") })},
		{name: "by-key", share: 4, build: starOrFork(func(d *draft) { d.tasks(true, "tasks") })},
		{name: "max-min", share: 3, build: starOrFork(func(d *draft) {
			d.extreme(1, "high")
			d.extreme(-1, "low")
			d.extreme(1, "vitals", "peak")
			d.seen(1, "last_seen")
			d.seen(-1, "first_seen")
		})},
		{name: "sum", share: 4, build: starOrFork(func(d *draft) { d.sum(0, "visits"); d.sum(3, "totals", "paid") })},
		{name: "text", share: 3, build: starOrFork(func(d *draft) { d.lines("notes") })},
		{name: "latest-beside", share: 4, build: starOrFork(func(d *draft) { d.addresses() })},
		{name: "winner", share: 3, build: winnerTakes},
		{name: "mixed", share: 10, build: starOrFork(everything)},
		{name: "deep", share: 2, build: func(d *draft) Expectation { return d.mixed(9 + d.IntN(5)) }},
		{name: "long-branches", share: 2, build: longBranches},
		{name: "key-order", share: 3, build: keyOrder},
		{name: "unicode", share: 2, build: unicode},
	}
}

// starOrFork grows one of the two trees and plans the usual edits and those
// of plan.
func starOrFork(plan func(*draft)) func(*draft) Expectation {
	return func(d *draft) Expectation {
		if d.chance(0.25) {
			d.fork()
		} else {
			d.star(d.few())
		}
		d.record("record")
		d.oneSided()
		plan(d)
		return d.merged()
	}
}

func (d *draft) mixed(leaves int) Expectation {
	d.star(leaves)
	d.record("record")
	d.oneSided()
	everything(d)
	return d.merged()
}

// everything adds a field of every strategy.
func everything(d *draft) {
	d.union("tags")
	d.append("journal")
	d.tasks(true, "tasks")
	d.extreme(1, "high")
	d.extreme(-1, "low")
	d.sum(0, "visits")
	d.sum(3, "totals", "paid")
	d.lines("notes")
	d.addresses()
}

// addresses adds values with a clock beside them: a number, and an instant.
func (d *draft) addresses() {
	d.latestBeside(number, []string{"address"}, []string{"address_at"})
	d.latestBeside(moment, []string{"profile", "phone"}, []string{"profile", "phone_at"})
}

func alike(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	for _, path := range [][]string{{"status"}, {"vitals", "weight"}, {"owner"}, {"tags"}} {
		r := &register{first: d.value()}
		value := d.value()
		if d.chance(0.2) {
			value = nil
		}
		for _, seg := range d.some(2) {
			at := d.IntN(len(seg))
			if at > 0 && d.chance(0.5) {
				r.writes = append(r.writes, write{at: seg[at-1], value: d.value()})
			}
			r.writes = append(r.writes, write{at: seg[at], value: value})
		}
		d.add(r, path...)
	}
	d.extreme(1, "high")
	return d.merged()
}

func removed(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	d.add(fixed(number(1)), "room", "bed")
	for _, path := range [][]string{{"gone"}, {"room", "key"}, {"tags"}, {"visits"}, {"high"}} {
		r := &register{first: jsondoc.Array([]jsondoc.Value{d.text()})}
		if path[0] == "visits" || path[0] == "high" {
			r.first = number(d.IntN(90))
		}
		removers := d.some(1) // by several: removed alike
		if path[0] == "tags" || path[0] == "visits" {
			removers = removers[:1]
		}
		for _, seg := range removers {
			r.writes = append(r.writes, write{at: d.within(seg)})
		}
		d.add(r, path...)
	}
	d.add(&register{first: jsondoc.Value("null")}, "nothing") // null stays, it is not absent
	whole := &register{first: jsondoc.MustParse(`{"a":1,"b":{"c":2}}`)}
	whole.writes = []write{{at: d.within(d.segments[0])}}
	d.add(whole, "block")
	return d.merged()
}

// reverted has branches that changed a field and changed it back: they have
// not changed it.
func reverted(d *draft) Expectation {
	d.trunk(1 + d.IntN(3))
	for range 2 + d.IntN(2) {
		d.branch(d.base, 2+d.IntN(2))
	}
	d.record("record")
	d.oneSided()
	for _, path := range [][]string{{"stage"}, {"vitals", "pulse"}} {
		r := &register{first: d.value()}
		if d.base != d.nodes[0] {
			r.writes = append(r.writes, write{at: d.base, value: d.value()})
		}
		back := r.last(d.base).value
		if len(r.writes) > 0 && d.chance(0.5) { // the first revision's value: not a way back
			back = r.first
		}
		seg := d.segments[0]
		r.writes = append(r.writes, write{at: seg[0], value: d.value()}, write{at: seg[1], value: back})
		if string(back) == string(r.last(d.base).value) && d.chance(0.5) {
			r.writes = append(r.writes, write{at: d.within(d.segments[1]), value: d.value()})
		}
		d.add(r, path...)
	}
	return d.merged()
}

func winnerTakes(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	d.add(fixed(number(1)), "display", "screen")
	whole := func() jsondoc.Value {
		return jsondoc.Object([]jsondoc.Member{{Name: "dark", Value: d.value()}, {Name: "size", Value: d.value()}})
	}
	for _, f := range []struct {
		path  []string
		value func() jsondoc.Value
	}{{[]string{"colour"}, d.value}, {[]string{"settings"}, whole}, {[]string{"display", "mode"}, d.value}} {
		r := &register{first: f.value(), settle: d.byWinner}
		writers := d.some(1)
		for _, seg := range d.segments {
			// Of several writers CouchDB's winner is one: what "the winner's
			// side" means is then beyond dispute.
			if has(writers, seg) || len(writers) > 1 && seg.last() == d.live()[0] {
				r.writes = append(r.writes, write{at: d.within(seg), value: f.value()})
			}
		}
		d.add(r, f.path...)
	}
	return d.merged()
}

func has(segments []segment, s segment) bool {
	for _, t := range segments {
		if t.last() == s.last() {
			return true
		}
	}
	return false
}

// longBranches are devices that were offline for five edits and more.
func longBranches(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.base, 5+d.IntN(8))
	d.branch(d.base, 1+d.IntN(8))
	d.record("record")
	d.oneSided()
	everything(d)
	return d.merged()
}

// keyOrder has writers that shuffle the keys, and new keys on every branch.
func keyOrder(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	for _, seg := range d.segments {
		for _, path := range [][]string{{d.unique()}, {"vitals", d.unique()}, {"Z" + d.unique()}} {
			d.add(&register{writes: []write{{at: d.within(seg), value: d.value()}}}, path...)
		}
		d.shuffled[d.within(seg)] = d.chance(0.7)
	}
	return d.merged()
}

// unicode has names and values that look alike and are not, and characters
// that JSON escapes.
func unicode(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	for _, name := range []string{"größe", "grösse.m", `back\slash`, "日本 語", `"quoted"`, "🙂", ""} {
		r := &register{first: jsondoc.String("é")} // one code point
		r.writes = []write{{at: d.within(d.segments[d.IntN(len(d.segments))]), value: jsondoc.String("e\u0301" + d.word())}}
		d.add(r, "vitals", name)
	}
	nfd := &register{first: jsondoc.String("caf\u00e9")}
	nfd.writes = []write{{at: d.within(d.segments[0]), value: jsondoc.String("cafe\u0301")}}
	d.add(nfd, "drink")
	control := &register{first: jsondoc.String("tab\there")}
	control.writes = []write{{at: d.within(d.segments[1]), value: jsondoc.String("\x01 \"\\ \u2028 </b>")}}
	d.add(control, "control")
	d.union("tags")
	return d.merged()
}
