package conflictgen

import (
	"fmt"
	"math/big"
	"slices"
)

// tasks adds an array of objects with keys. Their cells have strategies:
// "count" is a sum where counts is set, "grade" a maximum, and "state" has
// none and is edited by one segment.
func (d *draft) tasks(counts bool, path ...string) *table {
	t := &table{}
	for i := range 2 + d.IntN(3) {
		t.rows = append(t.rows, d.row(t, fmt.Sprintf("b%d", i), counts))
	}
	if !d.forked() {
		d.moveRows(t)
	}
	d.add(t, path...)
	return t
}

// row makes a row that is there from the start and edits its cells.
func (d *draft) row(t *table, key string, counts bool) *row {
	state := &register{first: d.value()}
	if d.chance(0.5) {
		at := d.within(d.segments[d.IntN(len(d.segments))])
		state.writes = []write{{at: at, value: d.value()}}
		t.editors = append(t.editors, at)
	}
	grade := &register{first: number(d.IntN(5)), settle: greatest(byNumber)}
	for _, seg := range d.segments {
		if d.chance(0.3) {
			at := d.within(seg)
			grade.writes = append(grade.writes, write{at: at, value: number(10*len(at.path()) + d.IntN(9))})
			t.editors = append(t.editors, at)
		}
	}
	r := &row{key: key, cells: []slot{
		{path: []string{"state"}, field: state},
		{path: []string{"grade"}, field: grade},
	}}
	if !counts {
		return r
	}
	count := &tally{start: big.NewInt(int64(d.IntN(9)))}
	for _, seg := range d.segments {
		if d.chance(0.3) {
			at := d.within(seg)
			count.added = append(count.added, addition{at: at, by: big.NewInt(int64(1 + d.IntN(3)))})
			t.editors = append(t.editors, at)
		}
	}
	r.cells = append(r.cells, slot{path: []string{"count"}, field: count})
	return r
}

// moveRows adds rows on branches, and removes one that nobody edits. A later
// branch's new keys sort after those of a branch nearer to the winner.
func (d *draft) moveRows(t *table) {
	doomed := &row{key: "a0", cells: []slot{{path: []string{"state"}, field: fixed(d.value())}}}
	t.rows = slices.Insert(t.rows, d.IntN(len(t.rows)+1), doomed)
	for i, seg := range d.segments {
		if d.chance(0.5) {
			at := d.within(seg)
			t.editors = append(t.editors, at)
			for _, n := range d.Perm(1 + d.IntN(2)) {
				key := fmt.Sprintf("n%03d-%d", d.rank(seg.last()), n)
				cells := []slot{{path: []string{"state"}, field: fixed(d.value())}}
				t.rows = append(t.rows, &row{key: key, born: at, first: d.chance(0.2), cells: cells})
			}
		}
		if i == 0 && d.chance(0.5) {
			at := d.within(seg)
			t.editors = append(t.editors, at)
			doomed.gone = append(doomed.gone, at)
		}
	}
}
