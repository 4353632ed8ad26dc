package suggest

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// evidence is what conflicts showed at one place. It is counts alone, so that
// the order of conflicts does not matter and two of them add up.
type evidence struct {
	contested, alike, blind int // conflicts, as Field says
	// toggled counts conflicts in which one side, and only one, set what was
	// not set: see merge.SoftDelete.
	toggled int

	// Sides that changed it since the base, of which it was new or taken out.
	changes, added, removed int
	kinds                   [kindsOfValue]int // of values that changes led to, or that differ without a base
	scale                   scale
	list                    list
	vector                  vector
	lines                   int                 // strings of several lines
	tried, mergeable        int                 // contested ones of these; those that diff3 merges
	words                   map[uint64]struct{} // hashes of strings, up to maxWords and one
	beside                  map[string]against  // clocks beside it that rose with it, or did not
	example                 sample
	doc, toggledDoc         int // the conflicts that were counted last, from 1
}

// scale is what is known of values that have an order.
type scale struct {
	rose, fell int // changes from a lesser value, from a greater one
	whole      int // changes from an integer to an integer
	small      int // of these by at most smallStep
	edits      int // of these by the number of revisions since the base
	begun      int // values that were not there before: integers from 1 to smallStep
	moments    int // values that are a moment
	dates      int // values that are a date without a time
	layout     layout
}

// against counts what speaks for something and what against it.
type against struct{ pro, con int }

// sample is the conflict that stands for others: the one whose id has the
// smallest hash, whatever their order.
type sample struct {
	Example
	rank  uint64
	blind bool
}

const (
	// maxWords is how many different strings make a place one of few words.
	maxWords = 12
	// smallStep is the largest step of what may be a counter.
	smallStep = 100
	// shownBytes is as much of a value as an example holds.
	shownBytes = 60
)

// The kinds of JSON value.
const (
	absent = iota
	null
	boolean
	number
	text
	array
	object
	kindsOfValue
)

func kindOf(v jsondoc.Value) int {
	switch v.Kind() {
	case 'n':
		return null
	case 't', 'f':
		return boolean
	case '0':
		return number
	case '"':
		return text
	case '[':
		return array
	case '{':
		return object
	}
	return absent
}

// seen is one pair of one conflict, on its way through a profile.
type seen struct {
	pair
	doc  int    // counts conflicts, from 1
	id   string // of the document
	rank uint64 // hash of the id
}

func rankOf(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}

// observe takes in what stands at one place, where base is what both grew from,
// or the two differ and nothing is known of a base.
func (e *evidence) observe(s seen, base, a, b jsondoc.Value) {
	first := e.doc != s.doc
	e.doc = s.doc
	if !s.exact {
		if first {
			e.blind++
			e.remember(s, base, a, b, true)
		}
		e.value(a)
		e.value(b)
		return
	}
	changedA, changedB := !jsondoc.Unchanged(base, a), !jsondoc.Unchanged(base, b)
	if changedA {
		e.change(base, a, s.editsA)
	}
	if changedB {
		e.change(base, b, s.editsB)
	}
	if e.toggledDoc != s.doc && !truthy(base) && truthy(a) != truthy(b) {
		e.toggled++
		e.toggledDoc = s.doc
	}
	if !changedA || !changedB {
		e.doc = 0 // nothing was counted
		return
	}
	if _, same := jsondoc.Exact(a, b); same {
		if first {
			e.alike++
		}
		return
	}
	if first {
		e.contested++
		e.remember(s, base, a, b, false)
		e.contestedText(base, a, b)
	}
	e.list.contest(base, a, b)
}

// contestedText tries a line by line merge of strings.
func (e *evidence) contestedText(base, a, b jsondoc.Value) {
	if kindOf(a) != text || kindOf(b) != text {
		return
	}
	if !hasLines(a) && !hasLines(b) {
		return
	}
	e.tried++
	if merges(merge.Strategy{Kind: merge.Text}, base, a, b) {
		e.mergeable++
	}
}

func hasLines(v jsondoc.Value) bool { return bytes.Contains(v, []byte(`\n`)) }

// change takes in what one side made of a value.
func (e *evidence) change(base, v jsondoc.Value, edits int) {
	e.changes++
	switch {
	case v == nil:
		e.removed++
		return
	case base == nil:
		e.added++
	}
	e.value(v)
	switch kindOf(v) {
	case array:
		e.list.change(base, v)
	case number, text:
		e.scale.change(base, v, edits)
		if base == nil {
			e.scale.begin(v)
		}
	}
}

// value takes in what kind of value stands at the place.
func (e *evidence) value(v jsondoc.Value) {
	e.kinds[kindOf(v)]++
	switch kindOf(v) {
	case text:
		e.word(v)
		e.scale.value(v)
		if hasLines(v) {
			e.lines++
		}
	case number:
		e.scale.value(v)
	case array:
		e.list.value(v)
	}
}

func (e *evidence) word(v jsondoc.Value) {
	if len(e.words) <= maxWords {
		e.wordHash(rankOf(string(v)))
	}
}

func (e *evidence) wordHash(hash uint64) {
	if e.words == nil {
		e.words = map[uint64]struct{}{}
	}
	if len(e.words) <= maxWords {
		e.words[hash] = struct{}{}
	}
}

// oneType reports whether all values seen, but absent ones, are of one JSON
// type.
func (e *evidence) oneType() bool {
	n := 0
	for kind := null; kind < kindsOfValue; kind++ {
		n += min(e.kinds[kind], 1)
	}
	return n == 1
}

// few reports whether all strings seen are among few words.
func (e *evidence) few() bool { return 0 < len(e.words) && len(e.words) <= maxWords }

// remember keeps the conflict as the example if its rank is smaller; one with a
// base stands before one without.
func (e *evidence) remember(s seen, base, a, b jsondoc.Value, blind bool) {
	x := sample{Example: Example{ID: s.id}, rank: s.rank, blind: blind}
	if !x.before(e.example) {
		return
	}
	x.Base, x.A, x.B = shown(base), shown(a), shown(b)
	e.example = x
}

func (x sample) before(y sample) bool {
	switch {
	case y.ID == "" || x.ID == "":
		return y.ID == "" && x.ID != ""
	case x.blind != y.blind:
		return y.blind
	}
	return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.ID, y.ID)) < 0
}

// shown is a copy of a value's beginning: an example must not hold a document.
func shown(v jsondoc.Value) jsondoc.Value {
	if len(v) <= shownBytes {
		return bytes.Clone(v)
	}
	cut := shownBytes
	for cut > 0 && !utf8.RuneStart(v[cut]) {
		cut--
	}
	return append(bytes.Clone(v[:cut]), "…"...)
}

// add takes in what other conflicts showed.
func (e *evidence) add(o *evidence) {
	e.contested += o.contested
	e.alike += o.alike
	e.blind += o.blind
	e.toggled += o.toggled
	e.changes += o.changes
	e.added += o.added
	e.removed += o.removed
	for i := range e.kinds {
		e.kinds[i] += o.kinds[i]
	}
	e.scale.add(o.scale)
	e.list.add(o.list)
	e.vector.add(o.vector)
	e.lines += o.lines
	e.tried += o.tried
	e.mergeable += o.mergeable
	for w := range o.words {
		e.wordHash(w)
	}
	for name, n := range o.beside {
		e.clockBeside(name, n)
	}
	if o.example.before(e.example) {
		e.example = o.example
	}
	e.doc, e.toggledDoc = 0, 0
}

// clockBeside counts how a clock that may be the value's own went with it.
func (e *evidence) clockBeside(name string, n against) {
	if e.beside == nil {
		e.beside = map[string]against{}
	}
	was := e.beside[name]
	e.beside[name] = against{was.pro + n.pro, was.con + n.con}
}

// value takes in what stands there, whatever was there before.
func (s *scale) value(v jsondoc.Value) {
	switch l := layoutOf(v); {
	case l == "":
	case l.date():
		s.dates++
		s.layout = s.layout.with(l)
	default:
		s.moments++
		s.layout = s.layout.with(l)
	}
}

func (s *scale) change(base, v jsondoc.Value, edits int) {
	if base == nil || kindOf(base) != kindOf(v) {
		return
	}
	order := compareOrdered(base, v)
	if order < 0 {
		s.rose++
	} else if order > 0 {
		s.fell++
	}
	if jsondoc.IsFloat(base) || jsondoc.IsFloat(v) {
		return
	}
	x, okX := jsondoc.Number(base)
	y, okY := jsondoc.Number(v)
	if !okX || !okY {
		return
	}
	s.whole++
	step := new(big.Rat).Sub(y, x)
	if new(big.Rat).Abs(step).Cmp(big.NewRat(smallStep, 1)) <= 0 {
		s.small++
	}
	if step.Cmp(big.NewRat(int64(edits), 1)) == 0 {
		s.edits++
	}
}

// begin counts a number that was not there before: a counter may begin so.
func (s *scale) begin(v jsondoc.Value) {
	n, ok := jsondoc.Number(v)
	if ok && !jsondoc.IsFloat(v) && n.Sign() > 0 && n.Cmp(big.NewRat(smallStep, 1)) <= 0 {
		s.begun++
	}
}

func (s *scale) add(o scale) {
	s.begun += o.begun
	s.rose += o.rose
	s.fell += o.fell
	s.whole += o.whole
	s.small += o.small
	s.edits += o.edits
	s.moments += o.moments
	s.dates += o.dates
	s.layout = s.layout.with(o.layout)
}

// compareOrdered orders two numbers, two moments, or two strings by their
// bytes.
func compareOrdered(a, b jsondoc.Value) int {
	x, okX := jsondoc.Number(a)
	y, okY := jsondoc.Number(b)
	if okX && okY {
		return x.Cmp(y)
	}
	s, errS := time.Parse(time.RFC3339Nano, a.Text())
	t, errT := time.Parse(time.RFC3339Nano, b.Text())
	if errS == nil && errT == nil {
		return s.Compare(t)
	}
	return cmp.Compare(a.Text(), b.Text())
}

// layout is how moments are written at a place: "" unknown, their digits as 0,
// a unit since 1970 for numbers, or several ways.
type layout string

const several layout = "several"

// units are the layouts of numbers that are moments, by their digits: a time
// from 2001 to 2096.
var units = map[int]layout{10: "seconds", 13: "milliseconds", 16: "microseconds"}

func (l layout) with(o layout) layout {
	switch {
	case l == "" || l == o:
		return o
	case o == "":
		return l
	}
	return several
}

// date reports whether a layout has no time of day.
func (l layout) date() bool { return l == "0000-00-00" }

// sortable reports whether moments so written are in the order of the numbers,
// or of the bytes of the texts: one layout, and no offset that may differ.
func (l layout) sortable() bool {
	switch {
	case l == "" || l == several:
		return false
	case l[0] != '0':
		return true
	}
	return !strings.ContainsAny(string(l[len(time.DateOnly):]), "+-")
}

// maxMoment is the length of the longest text that is taken for a moment.
const maxMoment = 40

// layoutOf says how a moment or a date is written; "" for anything else.
func layoutOf(v jsondoc.Value) layout {
	if kindOf(v) == number {
		if '1' <= v[0] && v[0] <= '3' && !jsondoc.IsFloat(v) {
			return units[len(v)]
		}
		return ""
	}
	t := v.Text()
	if len(t) < len(time.DateOnly) || len(t) > maxMoment || t[4] != '-' || t[7] != '-' || !isMoment(t) {
		return ""
	}
	shape := []byte(t)
	for i, c := range shape {
		if '0' <= c && c <= '9' {
			shape[i] = '0'
		}
	}
	return layout(shape)
}

func isMoment(t string) bool {
	for _, format := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if _, err := time.Parse(format, t); err == nil {
			return true
		}
	}
	return false
}

// truthy is how merge.SoftDelete reads a flag.
func truthy(v jsondoc.Value) bool {
	switch kindOf(v) {
	case absent, null:
		return false
	case boolean:
		return v.Kind() == 't'
	case text:
		return v.Text() != ""
	case number:
		n, ok := jsondoc.Number(v)
		return !ok || n.Sign() != 0
	}
	return true
}
