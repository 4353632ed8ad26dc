package conflictgen

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// The functions here add one field each to a draft whose tree is grown, and
// plan its edits such that the right merge is beyond dispute. Edits are added
// in an order in which no edit comes before one that it has seen.

func (d *draft) chance(p float64) bool { return d.Float64() < p }

func pick[T any](d *draft, from ...T) T { return from[d.IntN(len(from))] }

func (d *draft) add(f field, path ...string) { d.slots = append(d.slots, slot{path: path, field: f}) }

func (d *draft) within(s segment) *node { return s[d.IntN(len(s))] }

// some draws at least least of the segments, in the order in which they grew.
func (d *draft) some(least int) []segment {
	n := least + d.IntN(len(d.segments)-least+1)
	order := d.Perm(len(d.segments))[:n]
	slices.Sort(order)
	var chosen []segment
	for _, i := range order {
		chosen = append(chosen, d.segments[i])
	}
	return chosen
}

// forked says that the first segment is shared by several leaves.
func (d *draft) forked() bool { return !d.isLeaf(d.segments[0].last()) }

// private are the segments that end in a leaf.
func (d *draft) private() []segment {
	if d.forked() {
		return d.segments[1:]
	}
	return d.segments
}

// unique draws a word that the document has not seen.
func (d *draft) unique() string {
	d.counter++
	return fmt.Sprintf("%s%d", d.word(), d.counter)
}

var words = strings.Fields("river stone lamp müller 漢字 żaba clinic ward ночь dose café scale visit naïve 🙂 north paper λόγος")

func (d *draft) word() string { return words[d.IntN(len(words))] }

func (d *draft) text() jsondoc.Value { return jsondoc.String(d.unique()) }

// value draws a value that no other edit of the document has written.
func (d *draft) value() jsondoc.Value {
	d.counter++
	switch d.IntN(5) {
	case 0:
		return number(1000*d.IntN(900) + d.counter)
	case 1:
		return jsondoc.Array([]jsondoc.Value{d.text(), number(d.counter)})
	case 2:
		return decimal(big.NewInt(int64(d.IntN(1e6)*1000+10*d.counter+5)), 3)
	default:
		return d.text()
	}
}

// record begins a document of the given type, with fields that stay as they
// are in every corner where a merge might disturb them.
func (d *draft) record(kind string) {
	d.add(fixed(jsondoc.String(kind)), "type")
	d.add(fixed(d.text()), "name")
	d.add(fixed(jsondoc.Object([]jsondoc.Member{
		{Name: "zeta", Value: number(1)},
		{Name: d.unique(), Value: jsondoc.MustParse(`[null,true,{"b":1,"a":[]}]`)},
	})), "meta", "origin")
	d.add(fixed(number(0)), "vitals", "unit")
	d.add(fixed(d.text()), "profile", "given")
	d.add(fixed(d.text()), "team", "name")
	if !d.opts.NoBigNumbers {
		d.add(fixed(pick(d, jsondoc.Value("12345678901234567890"), jsondoc.Value("1.0"), jsondoc.Value("-98765432109876543210"))), "serial")
	}
}

// oneSided adds registers without a strategy, each edited by one segment, or
// by one and then again by another that has seen it.
func (d *draft) oneSided() {
	places := [][]string{{"status"}, {"vitals", "weight"}, {"vitals", "deep", "deeper", "note"}, {"meta", "label"}, {"owner"}}
	d.add(fixed(number(1)), "vitals", "deep", "deeper", "level")
	for _, path := range places {
		r := &register{first: d.value()}
		if d.chance(0.2) {
			r.first = nil
		}
		if d.chance(0.3) {
			r.writes = append(r.writes, write{at: d.nodes[0], value: d.value()})
		}
		s := d.segments[d.IntN(len(d.segments))]
		first := d.IntN(len(s))
		r.writes = append(r.writes, write{at: s[first], value: d.value()})
		if d.chance(0.3) {
			r.writes = append(r.writes, write{at: s[first+d.IntN(len(s)-first)], value: d.value()})
		}
		if d.forked() && slices.Equal(s, d.segments[0]) && d.chance(0.5) {
			r.writes = append(r.writes, write{at: d.within(d.segments[1]), value: d.value()})
		}
		d.add(r, path...)
	}
}

// union adds a set.
func (d *draft) union(path ...string) *set {
	s := &set{}
	for range d.IntN(4) {
		s.start = append(s.start, d.element())
	}
	if s.start != nil || d.chance(0.5) {
		s.start = append(s.start, d.text())
	}
	writers := d.some(1)
	lonely := len(writers) == 1
	for _, seg := range writers {
		if lonely && s.start != nil && d.chance(0.4) {
			s.edits = append(s.edits, setEdit{at: d.within(seg), element: pick(d, s.start...), out: true})
			continue
		}
		at := d.within(seg)
		for range 1 + d.IntN(2) {
			s.edits = append(s.edits, setEdit{at: at, element: d.element(), first: d.chance(0.3)})
		}
	}
	d.add(s, path...)
	return s
}

// element draws an element of a set, written canonically.
func (d *draft) element() jsondoc.Value {
	d.counter++
	switch d.IntN(4) {
	case 0:
		return number(d.IntN(50)*100 + d.counter - 2500)
	case 1:
		return jsondoc.Object([]jsondoc.Member{{Name: "at", Value: number(d.counter)}, {Name: "by", Value: d.text()}})
	default:
		return d.text()
	}
}

// append adds a log.
func (d *draft) append(path ...string) *logbook {
	l := &logbook{start: []jsondoc.Value{}}
	for range d.IntN(3) {
		l.start = append(l.start, d.value())
	}
	same := d.value() // entries that are equal are still two entries
	for _, seg := range d.private() {
		if d.chance(0.6) {
			at := d.within(seg)
			for range 1 + d.IntN(2) {
				l.entries = append(l.entries, entry{at: at, value: pick(d, same, d.value())})
			}
		}
	}
	d.add(l, path...)
	return l
}

// sum adds a counter of whole numbers, or of thousandths. Thousandths end in
// a digit that is never 0, so that they have one way to be written.
func (d *draft) sum(scale int, path ...string) *tally {
	t := &tally{scale: scale}
	unit := int64(1)
	if scale > 0 {
		unit = 10
	}
	if scale > 0 || d.chance(0.8) {
		t.start = big.NewInt(int64(d.IntN(2000)-500)*unit + unit/2)
	}
	if scale == 0 && t.start != nil && !d.opts.NoBigNumbers && d.chance(0.2) {
		t.start.SetString("12345678901234567890", 10)
	}
	same := int64(1 + d.IntN(9))
	for _, seg := range d.segments {
		for range d.IntN(3) {
			t.added = append(t.added, addition{at: d.within(seg), by: big.NewInt(unit * pick(d, same, int64(d.IntN(40)-20), 1))})
		}
	}
	d.add(t, path...)
	return t
}

// extreme adds a number that only rises (step 1) or only falls (step -1).
func (d *draft) extreme(step int, path ...string) *register {
	settle := greatest(byNumber)
	if step < 0 {
		settle = greatest(bySmallness)
	}
	start := step * d.IntN(100)
	r := &register{first: number(start), settle: settle}
	wide := !d.opts.NoBigNumbers && d.chance(0.3) // neighbours that a double cannot tell apart
	for i, at := range d.ascending(d.some(1)) {
		value := start + step*(100*len(at.path())+d.IntN(90)+1)
		text := number(value)
		if wide && step > 0 {
			text = jsondoc.Value(fmt.Sprintf("90071992547409%05d", 10*len(at.path())+i%10))
		}
		r.writes = append(r.writes, write{at: at, value: text})
	}
	d.add(r, path...)
	return r
}

// seen adds a text that only gets later (step 1) or only earlier (step -1).
func (d *draft) seen(step int, path ...string) {
	settle := greatest(func(a, b write) int { return step * bytes.Compare(a.value, b.value) })
	r := &register{first: moment(1000), settle: settle}
	for _, at := range d.ascending(d.some(1)) {
		r.writes = append(r.writes, write{at: at, value: moment(1000 + step*(20*len(at.path())+d.IntN(20)))})
	}
	d.add(r, path...)
}

// ascending draws a revision of each segment.
func (d *draft) ascending(segments []segment) []*node {
	var at []*node
	for _, s := range segments {
		at = append(at, d.within(s))
	}
	return at
}

func (n *node) path() []*node {
	if n == nil {
		return nil
	}
	return append(n.parent.path(), n)
}

// latestBeside adds a register and, beside it, the clock of its value.
func (d *draft) latestBeside(format func(int) jsondoc.Value, path, clock []string) *register {
	r := &register{first: d.text(), clock: 1 + d.IntN(20), settle: greatest(byClock)}
	tie := d.chance(0.2)
	for _, at := range d.ascending(d.some(1)) {
		c := r.last(at).clock + 1 + d.IntN(30)
		if tie && !d.forked() {
			c = r.clock + 7
		}
		r.writes = append(r.writes, write{at: at, value: d.text(), clock: c})
	}
	d.add(r, path...)
	d.add(clockBeside{of: r, format: format}, clock...)
	return r
}

// lines adds a text. Every edit has four lines of its own.
func (d *draft) lines(path ...string) *prose {
	p := &prose{}
	writers := d.some(1)
	for range 4 * (len(writers) + d.IntN(3)) {
		p.lines = append(p.lines, d.unique()+" "+d.word())
	}
	blocks := d.Perm(len(p.lines) / 4)
	for i, seg := range writers {
		e := lineEdit{at: d.within(seg), line: 4*blocks[i] + 1}
		for range d.IntN(3) {
			e.by = append(e.by, d.unique())
		}
		p.edits = append(p.edits, e)
	}
	d.add(p, path...)
	return p
}
