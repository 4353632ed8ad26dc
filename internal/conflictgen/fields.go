package conflictgen

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// write is the edit "the field becomes value" at a revision; nil removes it.
type write struct {
	at    *node
	value jsondoc.Value
	clock int // of the write, where the field has a clock
}

// register is a field that is written as a whole.
type register struct {
	first  jsondoc.Value // nil: no such field at first
	clock  int           // of first
	writes []write
	// settle picks among writes that did not see each other and differ. Where
	// it is nil the edits are made such that this does not happen.
	settle func(heads []write) write
}

func fixed(v jsondoc.Value) *register { return &register{first: v} }

func (r *register) last(n *node) write {
	last := write{value: r.first, clock: r.clock}
	for _, w := range r.writes {
		if n.follows(w.at) {
			last = w
		}
	}
	return last
}

func (r *register) at(n *node) jsondoc.Value { return r.last(n).value }

func (r *register) truth(d *draft) jsondoc.Value { return r.stands(d).value }

// stands is the write that is right in the end: the one that has seen all
// others, or else the one that settle picks. A branch that went back to what
// the base had has written nothing.
func (r *register) stands(d *draft) write {
	base := r.last(d.base)
	heads := slices.DeleteFunc(r.heads(), func(w write) bool {
		return !d.base.follows(w.at) && bytes.Equal(w.value, base.value)
	})
	switch {
	case len(heads) == 0:
		return base
	case allEqual(heads):
		return heads[0]
	default:
		return r.settle(heads)
	}
}

// heads are the writes that no other write has seen.
func (r *register) heads() []write {
	var heads []write
	for i, w := range r.writes {
		seen := slices.ContainsFunc(r.writes[i+1:], func(later write) bool { return later.at.follows(w.at) })
		if !seen {
			heads = append(heads, w)
		}
	}
	return heads
}

func allEqual(heads []write) bool {
	return !slices.ContainsFunc(heads, func(w write) bool { return !bytes.Equal(w.value, heads[0].value) })
}

// greatest settles by the given order.
func greatest(order func(a, b write) int) func([]write) write {
	return func(heads []write) write { return slices.MaxFunc(heads, order) }
}

func byNumber(a, b write) int {
	x, _ := new(big.Rat).SetString(string(a.value))
	y, _ := new(big.Rat).SetString(string(b.value))
	return x.Cmp(y)
}

func bySmallness(a, b write) int { return byNumber(b, a) }

// byClock orders by the clock beside the value, then by the value's text.
func byClock(a, b write) int {
	return cmp.Or(cmp.Compare(a.clock, b.clock), bytes.Compare(a.value, b.value))
}

// byWinner settles for the leaf that CouchDB shows first.
func (d *draft) byWinner(heads []write) write {
	return slices.MinFunc(heads, func(a, b write) int {
		return cmp.Compare(d.firstLeafAfter(a.at), d.firstLeafAfter(b.at))
	})
}

// firstLeafAfter is the rank of the first live leaf that has seen n.
func (d *draft) firstLeafAfter(n *node) int {
	return slices.IndexFunc(d.live(), func(leaf *node) bool { return leaf.follows(n) })
}

// clockBeside is the clock of a register's value, in a field of its own.
type clockBeside struct {
	of     *register
	format func(int) jsondoc.Value
}

func (c clockBeside) at(n *node) jsondoc.Value { return c.text(c.of.last(n).clock) }

func (c clockBeside) truth(*draft) jsondoc.Value {
	latest := c.of.clock
	for _, w := range c.of.writes {
		latest = max(latest, w.clock)
	}
	return c.text(latest)
}

// text writes a clock; 0 is a clock that nobody has set.
func (c clockBeside) text(clock int) jsondoc.Value {
	if clock == 0 {
		return nil
	}
	return c.format(clock)
}

// addition is the edit "add by to the counter" at a revision.
type addition struct {
	at *node
	by *big.Int
}

// tally is a counter in units of 10^-scale.
type tally struct {
	start *big.Int // nil: no such field before the first addition
	scale int
	added []addition
}

func (t *tally) sum(seen func(*node) bool) jsondoc.Value {
	total, there := new(big.Int), t.start != nil
	if there {
		total.Set(t.start)
	}
	for _, a := range t.added {
		if seen(a.at) {
			total.Add(total, a.by)
			there = true
		}
	}
	if !there {
		return nil
	}
	return decimal(total, t.scale)
}

func (t *tally) at(n *node) jsondoc.Value { return t.sum(n.follows) }

func (t *tally) truth(*draft) jsondoc.Value { return t.sum(func(*node) bool { return true }) }

// decimal writes units of 10^-scale as a number.
func decimal(units *big.Int, scale int) jsondoc.Value {
	text := units.String()
	if scale == 0 {
		return jsondoc.Value(text)
	}
	sign, digits := "", text
	if strings.HasPrefix(text, "-") {
		sign, digits = "-", text[1:]
	}
	digits = strings.Repeat("0", max(0, scale+1-len(digits))) + digits
	cut := len(digits) - scale
	return jsondoc.Value(sign + digits[:cut] + "." + digits[cut:])
}

func number(n int) jsondoc.Value { return jsondoc.Value(strconv.Itoa(n)) }

// setEdit puts an element into a set, or takes one out.
type setEdit struct {
	at      *node
	element jsondoc.Value
	out     bool
	first   bool // put in front
}

// set is an array that is a set.
type set struct {
	start  []jsondoc.Value // nil: no such field before the first edit
	edits  []setEdit
	noBase bool // the base is gone: who took something out cannot be told
}

func (s *set) elements(n *node) []jsondoc.Value {
	elements := slices.Clone(s.start)
	for _, e := range s.edits {
		switch {
		case !n.follows(e.at):
		case e.out:
			elements = slices.DeleteFunc(elements, func(v jsondoc.Value) bool { return bytes.Equal(v, e.element) })
		case e.first:
			elements = slices.Insert(elements, 0, e.element)
		default:
			elements = append(elements, e.element)
		}
	}
	return elements
}

func (s *set) at(n *node) jsondoc.Value {
	if elements := s.elements(n); elements != nil {
		return jsondoc.Array(elements)
	}
	return nil
}

// truth is what the one writer left, or what several made alike. Where several
// writers did not see each other, everything that any of them left is in it.
func (s *set) truth(d *draft) jsondoc.Value {
	var heads []write
	if s.noBase {
		for _, leaf := range d.live() {
			heads = append(heads, write{at: leaf, value: s.at(leaf)})
		}
		return s.settle(heads)
	}
	for i, e := range s.edits {
		if !slices.ContainsFunc(s.edits[i+1:], func(later setEdit) bool { return later.at.follows(e.at) }) {
			heads = append(heads, write{at: e.at, value: s.at(e.at)})
		}
	}
	if len(heads) == 0 {
		return s.at(d.base)
	}
	return s.settle(heads)
}

// settle is what all heads have alike, or else everything that any of them has.
func (s *set) settle(heads []write) jsondoc.Value {
	if allEqual(heads) {
		return heads[0].value
	}
	var all []jsondoc.Value
	for _, h := range heads {
		all = append(all, s.elements(h.at)...)
	}
	slices.SortFunc(all, canonicalOrder)
	return jsondoc.Array(slices.CompactFunc(all, func(a, b jsondoc.Value) bool { return bytes.Equal(a, b) }))
}

// canonicalOrder puts numbers first, by value, and all else by its text. The
// generator writes only elements whose text is canonical.
func canonicalOrder(a, b jsondoc.Value) int {
	switch numA, numB := a.Kind() == '0', b.Kind() == '0'; {
	case numA && numB:
		return byNumber(write{value: a}, write{value: b})
	case numA:
		return -1
	case numB:
		return 1
	}
	return bytes.Compare(a, b)
}

// entry is the edit "write this at the end of the log" at a revision.
type entry struct {
	at    *node
	value jsondoc.Value
}

// logbook is an array that only grows, at its end.
type logbook struct {
	start   []jsondoc.Value
	entries []entry // of one leaf in its order; not on a part that leaves share
}

func (l *logbook) at(n *node) jsondoc.Value {
	elements := slices.Clone(l.start)
	for _, e := range l.entries {
		if n.follows(e.at) {
			elements = append(elements, e.value)
		}
	}
	return jsondoc.Array(elements)
}

// truth is every entry once: those of the winner's branch, then of the next.
func (l *logbook) truth(d *draft) jsondoc.Value {
	sorted := slices.Clone(l.entries)
	slices.SortStableFunc(sorted, func(a, b entry) int {
		return cmp.Compare(d.firstLeafAfter(a.at), d.firstLeafAfter(b.at))
	})
	elements := slices.Clone(l.start)
	for _, e := range sorted {
		elements = append(elements, e.value)
	}
	return jsondoc.Array(elements)
}
