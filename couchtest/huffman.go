package couchtest

import (
	"encoding/binary"
	"math/bits"
)

// The alphabets of RFC 1951.
const (
	literals   = 256 // bytes; 256 itself ends a block
	endOfBlock = 256
	lengths    = 286 // bytes, the end, 29 lengths
	distances  = 30
	lengthCode = 19 // codes for the lengths of codes
	maxBits    = 15
)

// extra bits behind the symbols for lengths, distances and code lengths.
var (
	extraLength   = [29]int{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	extraDistance = [distances]int{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	extraRepeat   = [lengthCode]int{16: 2, 17: 3, 18: 7}
	// repeatOrder is the order in which the lengths of codes' codes are sent.
	repeatOrder = [lengthCode]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// baseLength and baseDistance are the first value of each symbol.
var baseLength, baseDistance = bases(extraLength[:], minMatch), bases(extraDistance[:], 1)

func bases(extra []int, first int) []int {
	base := make([]int, len(extra))
	for i, n := range extra {
		base[i] = first
		first += 1 << n
	}
	return base
}

// lookUp returns the symbol for a value and what its extra bits hold.
func lookUp(base []int, v int) (symbol, rest int) {
	if len(base) == len(extraLength) && v == maxMatch {
		return len(base) - 1, 0
	}
	for symbol = len(base) - 1; base[symbol] > v || len(base) == len(extraLength) && symbol == len(base)-1; symbol-- {
	}
	return symbol, v - base[symbol]
}

// code is a Huffman code for an alphabet.
type code struct {
	bits []int // of each symbol's code; 0: it has none
	code []int // lowest bit first
	last int   // the highest symbol that has one
}

// assign gives codes to symbols by their lengths (RFC 1951, 3.2.2).
func (c *code) assign() {
	var count, next [maxBits + 2]int
	for _, n := range c.bits {
		count[n]++
	}
	count[0] = 0
	for n := 1; n <= maxBits; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	c.code = make([]int, len(c.bits))
	for s, n := range c.bits {
		if n > 0 {
			c.code[s] = int(bits.Reverse16(uint16(next[n])) >> (16 - n))
			next[n]++
		}
	}
}

// size is how many bits symbols take that occur so often.
func (c *code) size(frequency []int, extra func(symbol int) int) int {
	total := 0
	for s, f := range frequency {
		total += f * (c.bits[s] + extra(s))
	}
	return total
}

// fixedLengths and fixedDistances are the codes of blocks that bring none.
var fixedLengths, fixedDistances = fixedCodes()

func fixedCodes() (l, d *code) {
	l, d = &code{bits: make([]int, lengths+2)}, &code{bits: make([]int, distances)}
	for s := range l.bits {
		switch {
		case s < 144 || s >= 280:
			l.bits[s] = 8
		case s < 256:
			l.bits[s] = 9
		default:
			l.bits[s] = 7
		}
	}
	for s := range d.bits {
		d.bits[s] = 5
	}
	l.assign()
	d.assign()
	return l, d
}

func lengthExtra(s int) int {
	if s <= endOfBlock {
		return 0
	}
	return extraLength[s-literals-1]
}

func distanceExtra(s int) int { return extraDistance[s] }
func repeatExtra(s int) int   { return extraRepeat[s] }

// block writes symbols, which stand for data, in the shortest of three ways:
// as they are, with fixed codes, or with codes of their own.
func (w *bitWriter) block(symbols []symbol, data []byte, last bool) {
	lengthFrequency, distanceFrequency := make([]int, lengths), make([]int, distances)
	lengthFrequency[endOfBlock] = 1
	for _, s := range symbols {
		if s.dist == 0 {
			lengthFrequency[s.length]++
			continue
		}
		l, _ := lookUp(baseLength, s.length)
		d, _ := lookUp(baseDistance, s.dist)
		lengthFrequency[literals+1+l]++
		distanceFrequency[d]++
	}
	fixed := fixedLengths.size(lengthFrequency, lengthExtra) + fixedDistances.size(distanceFrequency, distanceExtra)
	own := ownCodes(lengthFrequency, distanceFrequency)
	fixedBytes, ownBytes := (fixed+3+7)/8, (own.size+3+7)/8
	final := 0
	if last {
		final = 1
	}
	switch {
	case len(data)+4 <= min(fixedBytes, ownBytes):
		w.add(final, 3)
		w.flush()
		w.dst = binary.LittleEndian.AppendUint16(w.dst, uint16(len(data)))
		w.dst = binary.LittleEndian.AppendUint16(w.dst, ^uint16(len(data)))
		w.dst = append(w.dst, data...)
	case fixedBytes <= ownBytes:
		w.add(1<<1|final, 3)
		w.symbols(symbols, fixedLengths, fixedDistances)
	default:
		w.add(2<<1|final, 3)
		w.codes(own)
		w.symbols(symbols, own.lengths, own.distances)
	}
}

func (w *bitWriter) put(c *code, symbol int) { w.add(c.code[symbol], c.bits[symbol]) }

func (w *bitWriter) symbols(symbols []symbol, l, d *code) {
	for _, s := range symbols {
		if s.dist == 0 {
			w.put(l, s.length)
			continue
		}
		symbol, rest := lookUp(baseLength, s.length)
		w.put(l, literals+1+symbol)
		w.add(rest, extraLength[symbol])
		symbol, rest = lookUp(baseDistance, s.dist)
		w.put(d, symbol)
		w.add(rest, extraDistance[symbol])
	}
	w.put(l, endOfBlock)
}

// codes are those that a block brings with it.
type codes struct {
	lengths, distances *code
	repeats            *code    // for the lengths of the codes
	sent               []repeat // the lengths of both codes
	shown              int      // how many of repeats' lengths are sent
	size               int      // bits of codes and symbols together
}

// repeat is a symbol of repeats and its extra bits.
type repeat struct{ symbol, rest int }

func ownCodes(lengthFrequency, distanceFrequency []int) codes {
	c := codes{lengths: huffman(lengthFrequency, maxBits), distances: huffman(distanceFrequency, maxBits)}
	c.sent = appendRepeats(nil, c.lengths.bits[:c.lengths.last+1])
	c.sent = appendRepeats(c.sent, c.distances.bits[:c.distances.last+1])
	frequency := make([]int, lengthCode)
	for _, r := range c.sent {
		frequency[r.symbol]++
	}
	c.repeats = huffman(frequency, 7)
	for c.shown = lengthCode; c.shown > 4 && c.repeats.bits[repeatOrder[c.shown-1]] == 0; c.shown-- {
	}
	c.size = c.lengths.size(lengthFrequency, lengthExtra) + c.distances.size(distanceFrequency, distanceExtra) +
		c.repeats.size(frequency, repeatExtra) + 3*c.shown + 5 + 5 + 4
	return c
}

// appendRepeats writes code lengths shorter: 16 repeats the last one 3 to 6
// times, 17 is 3 to 10 zeros, 18 is 11 to 138.
func appendRepeats(dst []repeat, lengths []int) []repeat {
	for i := 0; i < len(lengths); {
		n := 1
		for i+n < len(lengths) && lengths[i+n] == lengths[i] {
			n++
		}
		l := lengths[i]
		i += n
		if l != 0 {
			dst = append(dst, repeat{symbol: l})
			n--
		}
		for n >= 3 {
			switch {
			case l != 0:
				m := min(n, 6)
				dst = append(dst, repeat{16, m - 3})
				n -= m
			case n <= 10:
				dst = append(dst, repeat{17, n - 3})
				n = 0
			default:
				m := min(n, 138)
				dst = append(dst, repeat{18, m - 11})
				n -= m
			}
		}
		for ; n > 0; n-- {
			dst = append(dst, repeat{symbol: l})
		}
	}
	return dst
}

func (w *bitWriter) codes(c codes) {
	w.add(c.lengths.last+1-257, 5)
	w.add(c.distances.last, 5)
	w.add(c.shown-4, 4)
	for _, s := range repeatOrder[:c.shown] {
		w.add(c.repeats.bits[s], 3)
	}
	for _, r := range c.sent {
		w.put(c.repeats, r.symbol)
		w.add(r.rest, extraRepeat[r.symbol])
	}
}
