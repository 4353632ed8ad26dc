package conflictgen

import (
	"math/big"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// reviewScenarios have an exact base, and something that no rule may settle.
func reviewScenarios() []scenario {
	overlap := couchmend.ReasonOverlap
	return []scenario{
		{name: "overlap", share: 5, build: reviewed(overlap, "record", overlapped)},
		{name: "overlap-explicit", share: 1, build: reviewed(overlap, "record", func(d *draft) { d.clash(d.value(), d.value(), d.value(), "secret") })},
		{name: "overlap-under-clock", share: 1, build: reviewed(overlap, "lamport", func(d *draft) { d.clash(d.value(), d.value(), d.value(), "secret") })},
		{name: "overlap-removed", share: 3, build: reviewed(overlap, "record", func(d *draft) { d.clash(d.value(), nil, d.value(), "stage") })},
		{name: "overlap-object", share: 2, build: reviewed(overlap, "record", overlappedObject)},
		{name: "overlap-array", share: 2, build: reviewed(overlap, "record", overlappedArray)},
		{name: "overlap-row", share: 2, build: reviewed(overlap, "record", overlappedRow)},
		{name: "strategy-unfit", share: 3, build: reviewed(couchmend.ReasonStrategy, "record", unfit)},
		{name: "rules-differ", share: 3, build: rulesDiffer},
		{name: "no-rule", share: 3, build: reviewed(couchmend.ReasonNoRule, "stray", func(*draft) {})},
	}
}

// clash adds a field that two leaves changed differently, and maybe a third
// one as one of the two did.
func (d *draft) clash(first, one, other jsondoc.Value, path ...string) {
	r := &register{first: first}
	order := d.Perm(len(d.segments))
	r.writes = []write{
		{at: d.within(d.segments[order[0]]), value: one},
		{at: d.within(d.segments[order[1]]), value: other},
	}
	if len(order) > 2 && d.chance(0.3) {
		r.writes = append(r.writes, write{at: d.within(d.segments[order[2]]), value: one})
	}
	d.add(r, path...)
}

// overlapped has a plain field changed twice, or added twice.
func overlapped(d *draft) {
	first := d.value()
	if d.chance(0.2) {
		first = nil
	}
	d.clash(first, d.value(), d.value(), pick(d, []string{"stage"}, []string{"vitals", "pulse"}, []string{"vitals", "deep", "deeper", "name"})...)
}

// overlappedObject has an object that one leaf replaced or removed and
// another one edited inside.
func overlappedObject(d *draft) {
	var replaced jsondoc.Value
	if d.chance(0.5) {
		replaced = d.text()
	}
	d.clash(jsondoc.MustParse(`{"a":1,"b":{"c":2}}`), replaced, jsondoc.MustParse(`{"a":1,"b":{"c":3}}`), "block")
}

// overlappedArray has an array without a strategy: it is one value.
func overlappedArray(d *draft) {
	d.clash(jsondoc.MustParse(`[1,2,3]`), jsondoc.MustParse(`[1,2,3,4]`), jsondoc.MustParse(`[0,1,2,3]`), "readings")
}

// overlappedRow has a row whose cell was edited twice, or that was removed
// and edited.
func overlappedRow(d *draft) {
	a, b := d.within(d.segments[0]), d.within(d.segments[1])
	state := &register{first: d.value(), writes: []write{{at: a, value: d.value()}}}
	r := &row{key: "b0", cells: []slot{{path: []string{"state"}, field: state}}}
	if d.chance(0.5) {
		r.gone = []*node{b}
	} else {
		state.writes = append(state.writes, write{at: b, value: d.value()})
	}
	d.add(&table{rows: []*row{r}}, "tasks")
}

// unfit has values on two sides that their strategy cannot take.
func unfit(d *draft) {
	word := d.text()
	switch d.IntN(5) {
	case 0:
		d.clash(number(3), number(5), word, pick(d, "high", "low"))
	case 1:
		d.clash(decimal(big.NewInt(7), 0), number(9), word, "visits")
	case 2:
		d.clash(jsondoc.MustParse(`["a"]`), jsondoc.MustParse(`["a","b"]`), word, pick(d, "tags", "journal"))
	case 3:
		d.clash(jsondoc.String("one\n"), jsondoc.String("one\ntwo\n"), number(4), "notes")
	default:
		d.clash(jsondoc.MustParse(`[{"id":"a"}]`), jsondoc.MustParse(`[{"id":"a"},{"id":"b"}]`), word, "tasks")
	}
}

// rulesDiffer has a leaf that became another kind of document.
func rulesDiffer(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.slots[0].field = &register{
		first:  jsondoc.String("record"),
		writes: []write{{at: d.within(d.segments[0]), value: jsondoc.String(pick(d, "lamport", "vector", "soft-edit"))}},
	}
	d.oneSided()
	return review(couchmend.ReasonRulesDiffer)
}
