package couchtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a JSON value as CouchDB holds it: objects in order and without
// duplicate names, numbers as they were written, strings unescaped. CouchDB
// does not keep white space, escapes or the exact literals of floats.
type value struct {
	kind     jsontext.Kind // of its first byte: n f t " 0 { [
	text     string        // a string's content, a number's literal
	names    []string      // of an object's members
	children []value       // an object's values, an array's elements
}

var errJSON = errors.New("invalid UTF-8 JSON")

// decode reads one JSON value and refuses what CouchDB refuses: 01, NaN, 1e400,
// lone surrogates, invalid UTF-8, text after the value. Of members with one
// name the last is kept, where it stands.
func decode(text []byte) (value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	v, err := read(dec)
	if err != nil {
		return value{}, fmt.Errorf("%w: %w", errJSON, err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return value{}, fmt.Errorf("%w: more text after the value", errJSON)
	}
	return v, nil
}

func read(dec *jsontext.Decoder) (value, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return value{}, err
	}
	v := value{kind: token.Kind()}
	switch v.kind {
	case '"':
		v.text = token.String()
	case '0':
		if v.text = token.String(); !inRange(v.text) {
			return value{}, fmt.Errorf("number %s is out of range", v.text)
		}
	case '{':
		err = v.readMembers(dec)
	case '[':
		err = v.readElements(dec)
	}
	return v, err
}

func (v *value) readMembers(dec *jsontext.Decoder) error {
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		v.names = append(v.names, name.String())
		child, err := read(dec)
		if err != nil {
			return err
		}
		v.children = append(v.children, child)
	}
	v.dropDuplicates()
	_, err := dec.ReadToken()
	return err
}

func (v *value) readElements(dec *jsontext.Decoder) error {
	for dec.PeekKind() != ']' {
		child, err := read(dec)
		if err != nil {
			return err
		}
		v.children = append(v.children, child)
	}
	_, err := dec.ReadToken()
	return err
}

// dropDuplicates keeps the last of each name.
func (v *value) dropDuplicates() {
	const few = 16 // below this many names, comparing them beats a map
	var last map[string]int
	if len(v.names) > few {
		last = make(map[string]int, len(v.names))
		for i, name := range v.names {
			last[name] = i
		}
		if len(last) == len(v.names) {
			return
		}
	}
	kept := 0
	for i, name := range v.names {
		again := slices.Contains(v.names[i+1:], name)
		if last != nil {
			again = last[name] != i
		}
		if !again {
			v.names[kept], v.children[kept] = name, v.children[i]
			kept++
		}
	}
	v.names, v.children = v.names[:kept], v.children[:kept]
}

// get returns an object's member.
func (v *value) get(name string) (value, bool) {
	if i := slices.Index(v.names, name); i >= 0 {
		return v.children[i], true
	}
	return value{}, false
}

// appendJSON writes v as CouchDB does.
func (v *value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case '"':
		return appendString(dst, v.text)
	case '0':
		return appendNumber(dst, v.text)
	case '{':
		dst = append(dst, '{')
		dst = v.appendMembers(dst)
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i := range v.children {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.children[i].appendJSON(dst)
		}
		return append(dst, ']')
	case 't':
		return append(dst, "true"...)
	case 'f':
		return append(dst, "false"...)
	default:
		return append(dst, "null"...)
	}
}

func (v *value) appendMembers(dst []byte) []byte {
	for i, name := range v.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = v.children[i].appendJSON(dst)
	}
	return dst
}

// appendString quotes s, escaping what JSON demands and no more.
func appendString(dst []byte, s string) []byte {
	const hexDigits = "0123456789ABCDEF"
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
