package couch

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// newDecoder reads a server's answer. It doesn't look for names that occur
// twice in an object, a third of the cost: CouchDB sends none, and Write
// refuses them.
func newDecoder(answer io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(answer, jsontext.AllowDuplicateNames(true))
}

// readObject reads an object member by member. It calls member with each name
// as it stands in the text, quotes included and good until the next read;
// member must read the value, whole.
func readObject(dec *jsontext.Decoder, member func(name jsontext.Value) error) error {
	if err := enter(dec, '{'); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// readArray reads an array; element must read one of them, whole.
func readArray(dec *jsontext.Decoder, element func() error) error {
	if err := enter(dec, '['); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func enter(dec *jsontext.Decoder, opening jsontext.Kind) error {
	token, err := dec.ReadToken()
	if err == nil && token.Kind() != opening {
		err = fmt.Errorf("found %v where %v was due at byte %d", token.Kind(), opening, dec.InputOffset())
	}
	return err
}

// readText reads a string's content, or any other value as it stands: sequence
// numbers are strings in CouchDB, numbers in PouchDB, arrays in old Cloudants.
// It reads null as "".
func readText(dec *jsontext.Decoder) (string, error) {
	kind := dec.PeekKind()
	value, err := dec.ReadValue()
	switch {
	case err != nil, kind == 'n':
		return "", err
	case kind != '"':
		return string(value), nil
	}
	content, err := jsontext.AppendUnquote(nil, value)
	return string(content), err
}

// readBool reads true as true and any other value as false.
func readBool(dec *jsontext.Decoder) (bool, error) {
	kind := dec.PeekKind()
	return kind == 't', dec.SkipValue()
}
