package couchtest

// CouchDB names a compressed attachment by the digest of its compressed bytes,
// and the digest enters the revision id. So the bytes must be zlib's own, at
// level 8: its choice of matches (this file) and of codes (huffman.go), where
// RFC 1951 leaves a choice. Package compress/flate chooses otherwise.
//
// Contents beyond 64 KB can, in rare places, still be packed otherwise than
// zlib does, which then has a window that depends on how it was fed.

// zlib's limits, and its settings for level 8.
const (
	minMatch   = 3
	maxMatch   = 258
	maxDist    = 32768 - maxMatch - minMatch - 1
	tooFar     = 4096 // beyond it a match of three bytes is not worth it
	goodMatch  = 32   // with a match that long, look less far for a better one
	lazyMatch  = 128  // with a match that long, do not look for a better one
	maxChain   = 1024
	blockLimit = 1<<14 - 1 // symbols of a block
	hashBits   = 15
)

// symbol is a byte, or a match: length bytes from dist before.
type symbol struct {
	dist   int // 0: a byte
	length int // of the match, or the byte
}

// deflate appends data, compressed.
func deflate(dst, data []byte) []byte {
	w := bitWriter{dst: dst}
	m := matcher{data: data, previous: make([]int32, len(data))}
	begin := 0
	var block []symbol
	m.symbols(func(s symbol, end int) {
		block = append(block, s)
		if len(block) == blockLimit {
			w.block(block, data[begin:end], false)
			begin, block = end, block[:0]
		}
	})
	w.block(block, data[begin:], true)
	return w.flush()
}

// matcher finds repetitions: positions with the same hash of three bytes are
// chained, newest first. Position 0 ends a chain and is never found.
type matcher struct {
	data     []byte
	head     [1 << hashBits]int32
	previous []int32
}

// insert chains position i and returns the one before it with its hash.
func (m *matcher) insert(i int) int {
	h := (int(m.data[i])<<10 ^ int(m.data[i+1])<<5 ^ int(m.data[i+2])) & (1<<hashBits - 1)
	before := m.head[h]
	m.previous[i] = before
	m.head[h] = int32(i)
	return int(before)
}

// symbols calls emit for each symbol and the position behind it. A match is
// put off by one byte, to see whether a longer one begins there.
func (m *matcher) symbols(emit func(s symbol, end int)) {
	n := len(m.data)
	length, start := minMatch-1, 0 // of the match at the byte before
	pending := false               // that byte is not emitted yet
	for i := 0; i < n; {
		candidate := 0
		if i+minMatch <= n {
			candidate = m.insert(i)
		}
		lastLength, lastStart := length, start
		length = minMatch - 1
		if candidate != 0 && lastLength < lazyMatch && i-candidate <= maxDist {
			length, start = m.longest(i, candidate, lastLength, start)
			if length == minMatch && i-start > tooFar {
				length = minMatch - 1
			}
		}
		switch {
		case lastLength >= minMatch && length <= lastLength:
			end := i - 1 + lastLength
			for i++; i < end; i++ {
				if i+minMatch <= n {
					m.insert(i)
				}
			}
			emit(symbol{dist: end - lastLength - lastStart, length: lastLength}, end)
			pending, length = false, minMatch-1
		case pending:
			emit(symbol{length: int(m.data[i-1])}, i)
			i++
		default:
			pending = true
			i++
		}
	}
	if pending {
		emit(symbol{length: int(m.data[n-1])}, n)
	}
}

// longest follows the chain from candidate for a match at i that is longer
// than best. It returns the longest, and where it was found.
func (m *matcher) longest(i, candidate, best, start int) (length, at int) {
	chain := maxChain
	if best >= goodMatch {
		chain /= 4
	}
	limit := max(0, i-maxDist)
	rest := len(m.data) - i
	nice := min(maxMatch, rest)
	for {
		if best < rest && m.data[candidate+best] == m.data[i+best] {
			n := 0
			for n < nice && m.data[candidate+n] == m.data[i+n] {
				n++
			}
			if n > best {
				best, start = n, candidate
				if n >= nice {
					break
				}
			}
		}
		chain--
		if candidate = int(m.previous[candidate]); candidate <= limit || chain == 0 {
			break
		}
	}
	return min(best, rest), start
}

// bitWriter packs bits into bytes, lowest first.
type bitWriter struct {
	dst  []byte
	bits uint32
	n    int
}

func (w *bitWriter) add(bits, n int) {
	w.bits |= uint32(bits) << w.n
	w.n += n
	for w.n >= 8 {
		w.dst = append(w.dst, byte(w.bits))
		w.bits >>= 8
		w.n -= 8
	}
}

// flush fills up the last byte.
func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.bits))
		w.bits, w.n = 0, 0
	}
	return w.dst
}
