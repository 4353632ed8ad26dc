package couchtest

import "math/bits"

// deflate appends data as one block of fixed Huffman codes.
func deflate(dst, data []byte) []byte {
	w := bitWriter{dst: dst}
	w.add(1, 1) // the last block
	w.add(1, 2) // of fixed codes
	for _, b := range data {
		if b < 144 {
			w.code(0x30+uint32(b), 8)
		} else {
			w.code(0x190+uint32(b)-144, 9)
		}
	}
	w.code(0, 7) // the end
	return w.flush()
}

// bitWriter packs bits into bytes, lowest first.
type bitWriter struct {
	dst  []byte
	bits uint32
	n    uint
}

func (w *bitWriter) add(bits uint32, n uint) {
	w.bits |= bits << w.n
	w.n += n
	for w.n >= 8 {
		w.dst = append(w.dst, byte(w.bits))
		w.bits >>= 8
		w.n -= 8
	}
}

// code adds a Huffman code, whose highest bit comes first.
func (w *bitWriter) code(code uint32, n uint) { w.add(bits.Reverse32(code)>>(32-n), n) }

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.bits))
	}
	return w.dst
}
