package conflictgen

import (
	"slices"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// numberScenarios are about values that a double cannot hold (I8).
func numberScenarios() []scenario {
	return []scenario{
		{name: "big-numbers", share: 3, build: bigNumbers, numbers: true},
		{name: "javascript-rounded", share: 4, build: javascriptRounded, numbers: true},
		{name: "javascript-rounded-array", share: 1, build: javascriptRoundedArray, numbers: true},
		{name: "one-point-zero", share: 2, build: onePointZero, numbers: true},
	}
}

func bigNumbers(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	r := &register{first: jsondoc.Value("12345678901234567891")}
	r.writes = []write{{at: d.within(d.segments[0]), value: jsondoc.Value("12345678901234567892")}}
	d.add(r, "vitals", "number")
	tags := &set{start: []jsondoc.Value{jsondoc.Value("90071992547409931")}}
	for i, seg := range d.segments { // none of these is another one, rounded
		tags.edits = append(tags.edits, setEdit{at: d.within(seg), element: number(90071992547409921 + 3*i)})
	}
	d.add(tags, "tags")
	d.extreme(1, "high")
	d.sum(0, "visits")
	return d.merged()
}

// awkward draws a number that a client in JavaScript writes back differently.
func (d *draft) awkward() jsondoc.Value {
	return pick(d, jsondoc.Value("12345678901234567891"), jsondoc.Value("-9007199254740993"),
		jsondoc.Value("1.0"), jsondoc.Value("-3.0"), jsondoc.Value("98765432109876543211"))
}

// javascriptRounded has clients in JavaScript that edited something else.
func javascriptRounded(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	for _, path := range [][]string{{"barcode"}, {"vitals", "ratio"}, {"visits"}, {"high"}, {"colour"}} {
		e := &exact{register: register{first: d.awkward()}}
		if path[0] == "visits" { // a sum: of what literal 1.0 + 5 is, is another question
			e.first = jsondoc.Value("12345678901234567891")
		}
		writer := d.IntN(2 * len(d.segments)) // in half of the cases nobody
		for i, seg := range d.segments {
			switch at := d.within(seg); {
			case i == writer:
				e.writes = append(e.writes, write{at: at, value: jsondoc.Value("55555555555555555555")})
			case d.chance(0.6):
				e.rounded = append(e.rounded, at)
			}
		}
		d.add(e, path...)
	}
	return d.merged()
}

// roundedSet is a set among whose writers are clients in JavaScript.
type roundedSet struct {
	set
	rounded []*node
}

func (s *roundedSet) at(n *node) jsondoc.Value {
	v := s.set.at(n)
	if slices.ContainsFunc(s.rounded, n.follows) {
		return roundTrip(v)
	}
	return v
}

// javascriptRoundedArray has a client in JavaScript that wrote an array back,
// and a set to which it and another client added something.
func javascriptRoundedArray(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	e := &exact{register: register{first: jsondoc.Array([]jsondoc.Value{d.awkward(), d.text(), jsondoc.Value("1.0"), number(7)})}}
	e.rounded = []*node{d.within(d.segments[0])}
	d.add(e, "series")
	tags := &roundedSet{set: set{start: []jsondoc.Value{jsondoc.Value("12345678901234567891"), jsondoc.String("x")}}}
	for _, seg := range d.segments[:2] {
		tags.edits = append(tags.edits, setEdit{at: seg.last(), element: d.text()})
	}
	tags.rounded = []*node{d.within(d.segments[0])}
	d.add(tags, "tags")
	return d.merged()
}

func onePointZero(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	d.add(fixed(jsondoc.Value("1.0")), "vitals", "same")
	toFloat := &register{first: jsondoc.Value("1")} // no client in JavaScript writes 1.0
	toFloat.writes = []write{{at: d.within(d.segments[0]), value: jsondoc.Value("1.0")}}
	d.add(toFloat, "vitals", "ratio")
	back := &exact{register: register{first: jsondoc.Value("2.0")}, rounded: []*node{d.within(d.segments[1])}}
	d.add(back, "scale")
	return d.merged()
}
