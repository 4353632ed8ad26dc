package collision

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
)

// search finds many ids in a text at once, in one pass that mostly skips. It
// looks at the last bytes of a window as long as the shortest id. Where no id
// has these bytes within its first such length, the whole window is passed over:
// Wu and Manber's algorithm, 1994.
type search struct {
	ids    []string // the longest first
	whole  map[string]bool
	window int              // bytes; the shortest id's length, maxWindow at most
	block  int              // bytes at the window's end that are looked at
	shift  []uint8          // by a block's hash, how far the window may move; 0: look closely
	closer map[uint32][]int // the ids that a window may hold then
	spells spelling
}

const (
	maxWindow = 200 // a shift is a byte
	maxBlock  = 4
	hashBits  = 15
)

func newSearch(ids []string) (*search, error) {
	s := &search{whole: map[string]bool{}, closer: map[uint32][]int{}}
	s.spells.wide = map[rune]bool{}
	s.window = maxWindow
	for _, id := range ids {
		switch {
		case id == "":
			return nil, wrong("an id is empty")
		case !utf8.ValidString(id):
			return nil, wrong("an id is not valid UTF-8: " + strconv.Quote(id))
		case s.whole[id]:
			continue
		}
		s.whole[id] = true
		s.ids = append(s.ids, id)
		s.window = min(s.window, len(id))
		s.spells.add(id)
	}
	if len(s.ids) == 0 {
		return nil, wrong("no id is given")
	}
	slices.SortFunc(s.ids, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	s.block = min(s.window, maxBlock)
	s.shift = bytes.Repeat([]byte{uint8(s.window - s.block + 1)}, 1<<hashBits)
	for i, id := range s.ids {
		for end := s.block; end <= s.window; end++ {
			h := s.hash([]byte(id), end)
			s.shift[h] = min(s.shift[h], uint8(s.window-end))
			if end == s.window {
				s.closer[h] = append(s.closer[h], i)
			}
		}
	}
	return s, nil
}

func wrong(words string) error {
	return &couchmend.Error{Op: "refs", Kind: couchmend.KindUsage, Err: errors.New(words)}
}

func (s *search) hash(text []byte, end int) uint32 {
	if s.block == maxBlock {
		return binary.LittleEndian.Uint32(text[end-maxBlock:]) * 0x9E3779B1 >> (32 - hashBits)
	}
	h := uint32(0)
	for _, c := range text[end-s.block : end] {
		h = h<<8 | uint32(c)
	}
	return h * 0x9E3779B1 >> (32 - hashBits)
}

// each calls found for each occurrence of an id in text until it returns false:
// in the order of their beginnings, the longest first of those that begin alike.
func (s *search) each(text []byte, found func(at int, id string) bool) {
	for end := s.window; end <= len(text); {
		h := s.hash(text, end)
		if n := s.shift[h]; n > 0 {
			end += int(n)
			continue
		}
		at := end - s.window
		for _, i := range s.closer[h] {
			id := s.ids[i]
			if len(text)-at >= len(id) && string(text[at:at+len(id)]) == id && !found(at, id) {
				return
			}
		}
		end++
	}
}

// mayHold reports whether a JSON text may have a string in which an id stands.
// It never says no where one does: a string is spelled either as it is, byte for
// byte, or with an escape for at least one of the id's characters.
func (s *search) mayHold(text []byte) bool {
	held := false
	s.each(text, func(int, string) bool {
		held = true
		return false
	})
	return held || s.spells.escaped(text)
}

// spelling is a set of characters: those of the ids.
type spelling struct {
	ascii [utf8.RuneSelf]bool
	wide  map[rune]bool
}

// surrogate stands for all characters that JSON spells with two escapes.
const surrogate rune = 0xD800

func (c *spelling) add(id string) {
	for _, r := range id {
		switch {
		case r < utf8.RuneSelf:
			c.ascii[r] = true
		case r > 0xFFFF:
			c.wide[surrogate] = true
		default:
			c.wide[r] = true
		}
	}
}

func (c *spelling) has(r rune) bool {
	if r < utf8.RuneSelf {
		return c.ascii[r]
	}
	return c.wide[r]
}

// escaped reports whether a JSON text spells one of the characters with an
// escape. CouchDB escapes only what it must (quotes, backslashes, control
// characters), others also slashes or whatever is not ASCII.
func (c *spelling) escaped(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			return false
		}
		r, size := escapedRune(text[i+1:])
		if c.has(r) {
			return true
		}
		text = text[i+1+size:]
	}
}

// escapedRune returns the character that an escape stands for, without its
// backslash, and how long it is.
func escapedRune(text []byte) (r rune, size int) {
	switch text[0] {
	case 'u':
		if len(text) < 5 {
			return unicode.ReplacementChar, 1
		}
		code, err := strconv.ParseUint(string(text[1:5]), 16, 16)
		switch r := rune(code); {
		case err != nil:
			return unicode.ReplacementChar, 1
		case utf16.IsSurrogate(r):
			return surrogate, 5
		default:
			return r, 5
		}
	case 'b':
		r = '\b'
	case 'f':
		r = '\f'
	case 'n':
		r = '\n'
	case 'r':
		r = '\r'
	case 't':
		r = '\t'
	default:
		r = rune(text[0])
	}
	return r, 1
}

// within returns the ids that stand in a string as words of their own, each once:
// of "read:report:A" that is A, of "AB" neither A nor B. A word ends where a letter
// or digit meets anything else, "-", ":" and "_" included. An id within another
// one that was asked for is passed over: that string means the longer one.
func (s *search) within(text []byte) (ids []string) {
	furthest := 0 // end of the ids so far
	s.each(text, func(at int, id string) bool {
		end := at + len(id)
		if end <= furthest || !isEdge(text, at) || !isEdge(text, end) {
			return true
		}
		furthest = end
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		return true
	})
	return ids
}

// isEdge reports whether a word may begin or end at a place in a text.
func isEdge(text []byte, at int) bool {
	before, _ := utf8.DecodeLastRune(text[:at])
	after, _ := utf8.DecodeRune(text[at:])
	return !isWord(before) || !isWord(after)
}

func isWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) }
