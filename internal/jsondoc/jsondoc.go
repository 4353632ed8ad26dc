// Package jsondoc reads and writes JSON without changing what it does not
// touch: key order, number literals, unknown fields and unicode stay as they
// were (I8).
//
// A Value is the exact text of one JSON value. Nothing is parsed before it is
// needed: two values are compared as bytes first, and only where these differ
// is an object opened, one level at a time.
package jsondoc

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is the text of one JSON value without surrounding white space. A nil
// Value is an absent one, which is not the same as null.
type Value []byte

// Member is one name and value of an object.
type Member struct {
	Name  string
	Value Value
}

// Parse checks that text is one valid JSON value (RFC 8259: valid UTF-8, no
// lone surrogates, no leading zeros) and returns it without surrounding white
// space, sharing text's memory. Duplicate names are refused: CouchDB never
// sends any.
func Parse(text []byte) (Value, error) {
	text = bytes.TrimSpace(text)
	dec := jsontext.NewDecoder(bytes.NewBuffer(text)) // a *bytes.Buffer is read in place
	if err := dec.SkipValue(); err != nil {
		return nil, fmt.Errorf("invalid JSON: %w", err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("invalid JSON: more text after the value at byte %d", dec.InputOffset())
	}
	return Value(text), nil
}

// MustParse is Parse for JSON written in source code; it panics on bad text.
func MustParse(text string) Value {
	v, err := Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return v
}

// Kind is the JSON type of v: '{', '[', '"', '0' for a number, 't', 'f', 'n',
// or 0 when v is absent.
func (v Value) Kind() byte {
	if len(v) == 0 {
		return 0
	}
	switch c := v[0]; {
	case c == '-' || '0' <= c && c <= '9':
		return '0'
	default:
		return c
	}
}

// Members returns an object's members in order; nil for anything else.
// v must have passed Parse.
func (v Value) Members() []Member {
	if v.Kind() != '{' {
		return nil
	}
	var members []Member
	s := scanner{text: v, at: 1}
	for s.more('}') {
		name := s.value()
		s.space()
		s.at++ // the colon
		members = append(members, Member{Name: name.Text(), Value: s.value()})
	}
	return members
}

// Elements returns an array's elements; nil for anything else. v must have
// passed Parse.
func (v Value) Elements() []Value {
	if v.Kind() != '[' {
		return nil
	}
	elements := []Value{}
	s := scanner{text: v, at: 1}
	for s.more(']') {
		elements = append(elements, s.value())
	}
	return elements
}

// Get returns the member called name, or nil.
func (v Value) Get(name string) Value {
	for _, m := range v.Members() {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// At follows names down through objects; nil where one is missing.
func (v Value) At(names ...string) Value {
	for _, name := range names {
		v = v.Get(name)
	}
	return v
}

// Text is the content of a string value; "" for anything else.
func (v Value) Text() string {
	if v.Kind() != '"' {
		return ""
	}
	if raw := v[1 : len(v)-1]; bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(text)
}

// String returns s as a JSON string.
func String(s string) Value {
	text, err := jsontext.AppendQuote(nil, s)
	if err != nil { // invalid UTF-8: quoted with replacement characters
		text, _ = jsontext.AppendQuote(nil, string([]rune(s)))
	}
	return text
}

// Object writes members as an object, in order.
func Object(members []Member) Value {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(String(m.Name))
		b.WriteByte(':')
		b.Write(m.Value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Array writes elements as an array.
func Array(elements []Value) Value {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e)
	}
	b.WriteByte(']')
	return b.Bytes()
}

// scanner walks over text that is known to be valid JSON.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// more moves to the next entry, over a comma if there is one, and reports
// whether there is a next entry before the closing character.
func (s *scanner) more(closing byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == ',' {
		s.at++
		s.space()
	}
	return s.at < len(s.text) && s.text[s.at] != closing
}

// value returns the next value and moves past it.
func (s *scanner) value() Value {
	s.space()
	start := s.at
	depth := 0
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case '"':
			s.quoted()
			if depth == 0 {
				return Value(s.text[start:s.at:s.at])
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of a number or literal that closes its parent
				return Value(s.text[start:s.at:s.at])
			}
			if depth--; depth == 0 {
				s.at++
				return Value(s.text[start:s.at:s.at])
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return Value(s.text[start:s.at:s.at])
			}
		}
		s.at++
	}
	return Value(s.text[start:s.at:s.at])
}

func (s *scanner) quoted() {
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
}
