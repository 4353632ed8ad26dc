package couch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// splitter cuts an answer of the form
//
//	{"total_rows":2,"offset":0,"rows":[row,row]}
//
// into its rows while it arrives. A row is found by its brackets alone, which
// costs a tenth of what parsing it does. CouchDB puts each on a line of its own,
// which would be cheaper still; PouchDB's server puts all of them on one.
type splitter struct {
	answer io.Reader
	begun  bool
	buf    []byte // what has been read and may still be wanted
	at     int    // the next byte to look at
	row    int    // where the row under way begins
	depth  int    // brackets that are open in it; 0 between rows
	inText bool   // within a string
}

// firstBuffer is the room for rows that fit. It grows for those that don't.
const firstBuffer = 128 << 10

func newSplitter(answer io.Reader) *splitter { return &splitter{answer: answer} }

// next returns the next row, good until the one after; nil where the list has
// ended.
func (s *splitter) next() ([]byte, error) {
	if !s.begun {
		if err := s.head(); err != nil {
			return nil, err
		}
		s.begun = true
	}
	for {
		row, end, err := s.scan()
		if row != nil || end || err != nil {
			return row, err
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// head reads up to the first row.
func (s *splitter) head() error {
	dec := newDecoder(s.answer)
	err := readObject(dec, func(name jsontext.Value) error {
		if string(name) != `"rows"` {
			return dec.SkipValue()
		}
		if err := enter(dec, '['); err != nil {
			return err
		}
		return errEnough
	})
	switch {
	case err == nil:
		return errors.New("it holds no rows")
	case err != errEnough:
		return err
	}
	ahead := dec.UnreadBuffer()
	s.buf = append(make([]byte, 0, max(firstBuffer, 2*len(ahead))), ahead...)
	return nil
}

// scan looks at what has been read, for the end of the row under way or of the
// list.
func (s *splitter) scan() (row []byte, end bool, err error) {
	for s.at < len(s.buf) {
		if s.inText {
			s.text()
			continue
		}
		c := s.buf[s.at]
		s.at++
		if s.depth == 0 {
			switch c {
			case '{':
				s.row, s.depth = s.at-1, 1
			case ']':
				return nil, true, nil
			case ',', ' ', '\t', '\r', '\n':
			default:
				return nil, false, fmt.Errorf("found %q where a row was due", c)
			}
			continue
		}
		switch c {
		case '"':
			s.inText = true
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth == 0 {
				return s.buf[s.row:s.at:s.at], false, nil
			}
		}
	}
	return nil, false, nil
}

// text moves behind the quote that ends a string, or to the end of what has
// been read.
func (s *splitter) text() {
	quote := bytes.IndexByte(s.buf[s.at:], '"')
	if quote < 0 {
		s.at = len(s.buf)
		return
	}
	s.at += quote + 1
	before := s.at - 2
	for s.buf[before] == '\\' { // ends at the quote that opened the string
		before--
	}
	s.inText = (s.at-before)%2 == 1 // an odd number of backslashes
}

// fill reads on. It keeps the row under way, and makes room for the rest of it.
func (s *splitter) fill() error {
	if s.depth == 0 {
		s.row = len(s.buf)
	}
	if s.row > 0 {
		kept := copy(s.buf, s.buf[s.row:])
		s.at -= s.row
		s.row, s.buf = 0, s.buf[:kept]
	}
	if len(s.buf) == cap(s.buf) {
		if len(s.buf) >= maxAnswer {
			return fmt.Errorf("a row is longer than %d bytes", maxAnswer)
		}
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.answer.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	switch {
	case n > 0:
		return nil // an error comes again
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
