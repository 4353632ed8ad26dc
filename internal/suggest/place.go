package suggest

import (
	"bytes"
	"maps"
	"math/big"
	"slices"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

const (
	// maxPlaces bounds the places that are remembered, over all kinds.
	maxPlaces = 20_000
	// maxMembers is how many members of one object are told apart. Where there
	// are more, their names are data, and all of them are one place, "*".
	maxMembers = 256
	// maxDepth is how deep objects are opened.
	maxDepth = 12
)

// anyName is the name of a place that stands for all members of an object, and
// for all elements of an array that have a key.
const anyName = "*"

// place is one path in documents of one kind, with what lies below it.
type place struct {
	evidence
	members map[string]*place
	wild    bool              // members is "*" alone
	keyed   map[string]*place // what stands in elements, by the member taken for their key
}

// profile is what the conflicts of one kind of document showed.
type profile struct {
	conflicts int
	based     int // with a base, whose body could be had
	blind     int // without
	twoRoots  int
	files     int // in which attachments differ
	sides     int // leaves that differ from their base
	root      place
	room      *room
}

// room bounds how many places profiles hold together.
type room struct {
	left int
	full bool // a place was left out
}

func newRoom() *room { return &room{left: maxPlaces} }

func newProfile(r *room) *profile { return &profile{room: r} }

// below returns the place of a member, nil where there is no room for it.
func (p *place) below(name string, r *room) *place {
	if p.wild {
		name = anyName
	}
	if sub := p.members[name]; sub != nil {
		return sub
	}
	if len(p.members) == maxMembers && !p.wild {
		p.collapse(r)
		name = anyName
		if sub := p.members[name]; sub != nil {
			return sub
		}
	}
	sub := r.place()
	if sub != nil {
		if p.members == nil {
			p.members = map[string]*place{}
		}
		p.members[name] = sub
	}
	return sub
}

// within returns the place of the elements of an array by a key.
func (p *place) within(key string, r *room) *place {
	if sub := p.keyed[key]; sub != nil || len(p.keyed) == maxKeyNames {
		return sub
	}
	sub := r.place()
	if sub != nil {
		if p.keyed == nil {
			p.keyed = map[string]*place{}
		}
		p.keyed[key] = sub
	}
	return sub
}

func (r *room) place() *place {
	if r.left == 0 {
		r.full = true
		return nil
	}
	r.left--
	return &place{}
}

// collapse makes one place of all members.
func (p *place) collapse(r *room) {
	all := p.anyMember(r)
	r.left += len(p.members) - 1
	p.members, p.wild = map[string]*place{anyName: all}, true
}

// anyMember is what all members showed together.
func (p *place) anyMember(r *room) *place {
	all := &place{}
	for _, name := range slices.Sorted(maps.Keys(p.members)) {
		all.merge(p.members[name], r)
	}
	return all
}

// merge takes in what another place showed, and what lies below it.
func (p *place) merge(o *place, r *room) {
	p.add(&o.evidence)
	if o.wild && !p.wild {
		p.collapse(r)
	}
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		if sub := p.below(name, r); sub != nil {
			sub.merge(o.members[name], r)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.keyed)) {
		if sub := p.within(key, r); sub != nil {
			sub.merge(o.keyed[key], r)
		}
	}
}

// merge takes in what other conflicts showed.
func (p *profile) merge(o *profile) {
	p.conflicts += o.conflicts
	p.based += o.based
	p.blind += o.blind
	p.twoRoots += o.twoRoots
	p.files += o.files
	p.sides += o.sides
	p.root.merge(&o.root, p.room)
}

// walk is one pair on its way through the places of a profile.
type walk struct {
	*profile
	seen
	onlyA, onlyB bool // something was changed on that side alone
	vectors      []aheadOf
}

// aheadOf is a vector that has more than the other leaf's.
type aheadOf struct {
	at    *place
	sideA bool // the winner's has more
}

// look takes one pair of a conflict in.
func (p *profile) look(s seen) {
	if s.exact {
		for _, leaf := range []jsondoc.Value{s.a, s.b} {
			if !jsondoc.Unchanged(s.base, leaf) {
				p.sides++
			}
		}
	}
	w := &walk{profile: p, seen: s}
	w.value(&p.root, s.base, s.a, s.b, 0)
	for _, v := range w.vectors {
		v.at.vector.ahead++
		if v.sideA && w.onlyB || !v.sideA && w.onlyA {
			v.at.vector.against++
		}
	}
}

// value looks at one place of a pair, as a merge does: objects are opened as far
// as they differ, everything else is one value.
func (w *walk) value(at *place, base, a, b jsondoc.Value, depth int) {
	if at == nil || bytes.Equal(a, b) && (!w.exact || bytes.Equal(base, a)) {
		return
	}
	if kindOf(a) == object && kindOf(b) == object && depth < maxDepth {
		w.object(at, base, a, b, depth)
		return
	}
	if !w.exact && jsondoc.Equal(a, b) {
		return
	}
	at.observe(w.seen, base, a, b)
	if w.exact {
		changedA, changedB := !jsondoc.Unchanged(base, a), !jsondoc.Unchanged(base, b)
		w.onlyA = w.onlyA || changedA && !changedB
		w.onlyB = w.onlyB || changedB && !changedA
	}
	if kindOf(a) == array && kindOf(b) == array && (base == nil || kindOf(base) == array) {
		w.elements(at, base, a, b, depth)
	}
}

func (w *walk) object(at *place, base, a, b jsondoc.Value, depth int) {
	w.counters(at, base, a, b)
	mine, theirs, bases := membersOf(a), membersOf(b), membersOf(base)
	names := map[string]bool{}
	for _, members := range []map[string]jsondoc.Value{mine, theirs, bases} {
		for name := range members {
			names[name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	for _, name := range sorted {
		was, x, y := bases[name], mine[name], theirs[name]
		if bytes.Equal(x, y) && (!w.exact || bytes.Equal(was, x)) {
			continue
		}
		sub := at.below(name, w.room)
		if sub == nil {
			continue
		}
		if w.exact && len(sorted) <= maxMembers {
			for _, clock := range sorted {
				if isBeside(name, clock) {
					sub.besideOn(mine, bases, name, clock)
					sub.besideOn(theirs, bases, name, clock)
				}
			}
		}
		w.value(sub, was, x, y, depth+1)
	}
}

func membersOf(v jsondoc.Value) map[string]jsondoc.Value {
	members := map[string]jsondoc.Value{}
	for _, m := range v.Members() {
		members[m.Name] = m.Value
	}
	return members
}

// besideOn counts whether what may be the clock of a value rose on a side that
// changed the value.
func (p *place) besideOn(side, bases map[string]jsondoc.Value, name, clock string) {
	now, was := side[clock], bases[clock]
	switch {
	case jsondoc.Unchanged(bases[name], side[name]), now == nil && was == nil:
	case now != nil && (was == nil || kindOf(was) == kindOf(now) && compareOrdered(was, now) < 0):
		p.clockBeside(clock, against{pro: 1})
	default:
		p.clockBeside(clock, against{con: 1})
	}
}

// counters looks at objects whose members are all counters.
func (w *walk) counters(at *place, base, a, b jsondoc.Value) {
	x, y, was := counters(a), counters(b), counters(base)
	if x == nil || y == nil || was == nil && len(base.Members()) > 0 {
		return
	}
	at.vector.pairs++
	switch {
	case ahead(x, y) || ahead(y, x):
		w.vectors = append(w.vectors, aheadOf{at, ahead(x, y)})
	case w.exact && jsondoc.Equal(a, b) && !jsondoc.Unchanged(base, a) && !jsondoc.Equal(w.a, w.b):
		// Two that count one counter alike have not seen each other: no device
		// has it for itself, and the greater one need not have seen the lesser.
		at.vector.ahead++
		at.vector.against++
	}
	at.remember(w.seen, base, a, b, !w.exact)
	if !w.exact {
		return
	}
	for _, side := range []struct {
		text     jsondoc.Value
		counters map[string]jsondoc.Value
		edits    int
	}{{a, x, w.editsA}, {b, y, w.editsB}} {
		if jsondoc.Unchanged(base, side.text) {
			continue
		}
		at.vector.sides++
		if ahead(side.counters, was) {
			at.vector.rose++
			if risen(was, side.counters).Cmp(big.NewRat(int64(side.edits), 1)) == 0 {
				at.vector.edits++
			}
		}
	}
}

// elements looks into the elements of two arrays that have the same key.
func (w *walk) elements(at *place, base, a, b jsondoc.Value, depth int) {
	if len(a.Elements())+len(b.Elements()) > 0 {
		at.list.looks++
	}
	for _, key := range keyed(base, a, b) {
		bases, mine, theirs := byKey(key, base), byKey(key, a), byKey(key, b)
		n := keyCount{fits: 1, of: len(bases)}
		for k := range bases {
			if mine[k] != nil && theirs[k] != nil {
				n.kept++
			}
		}
		at.list.key(key, n)
		for _, k := range slices.Sorted(maps.Keys(mine)) {
			if theirs[k] != nil {
				w.value(at.within(key, w.room), bases[k], mine[k], theirs[k], depth+1)
			}
		}
	}
}
