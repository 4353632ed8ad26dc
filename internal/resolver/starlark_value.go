package resolver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.starlark.net/starlark"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

const (
	maxDigits = 1 << 17 // of an integer: reading and writing one takes the square of it
	maxDepth  = 10_000  // of values in values, as in jsontext
)

// decode reads one JSON value; None where there is none. Its dicts and lists
// are frozen, and are remembered with their text.
func (c *call) decode(text json.RawMessage) (starlark.Value, error) {
	v, err := c.read(text, c.texts)
	if err != nil {
		return nil, err
	}
	v.Freeze()
	return v, nil
}

// read reads one JSON value as dicts and lists that can be changed, and puts
// down their text where there is a map for it.
func (c *call) read(text json.RawMessage, texts map[starlark.Value]jsondoc.Value) (starlark.Value, error) {
	if text == nil {
		return starlark.None, nil
	}
	d := decoder{call: c, text: text, texts: texts, tokens: jsontext.NewDecoder(bytes.NewBuffer(text))}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("more text after the value, at byte %d", d.tokens.InputOffset())
	}
	return v, nil
}

type decoder struct {
	*call
	text   []byte
	texts  map[starlark.Value]jsondoc.Value
	tokens *jsontext.Decoder
}

func (d *decoder) value() (starlark.Value, error) {
	token, err := d.tokens.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return starlark.None, nil
	case 't', 'f':
		return starlark.Bool(token.Bool()), nil
	case '"':
		return starlark.String(token.String()), nil
	case '0':
		return d.number(token.String())
	}
	start := d.tokens.InputOffset() - 1
	v, err := d.container(token.Kind())
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.ReadToken(); err != nil { // the closing bracket
		return nil, err
	}
	if d.texts != nil {
		d.texts[v] = d.text[start:d.tokens.InputOffset()]
	}
	return v, nil
}

func (d *decoder) container(kind jsontext.Kind) (starlark.Value, error) {
	if kind == '[' {
		var elements []starlark.Value
		for d.tokens.PeekKind() != ']' {
			v, err := d.value()
			if err != nil {
				return nil, err
			}
			elements = append(elements, v)
		}
		return starlark.NewList(elements), nil
	}
	dict := new(starlark.Dict)
	for d.tokens.PeekKind() != '}' {
		name, err := d.value()
		if err != nil {
			return nil, err
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(name, v); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

func (c *call) number(literal string) (starlark.Value, error) {
	if jsondoc.IsFloat(jsondoc.Value(literal)) {
		f, _ := strconv.ParseFloat(literal, 64) // beyond float64: infinite, or 0
		c.spelled(f, jsondoc.Value(literal))
		return starlark.Float(f), nil
	}
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return starlark.MakeInt64(n), nil
	}
	if len(literal) > maxDigits {
		return nil, failure(couchmend.ReasonResolverMemory, "an integer of %d digits: at most %d", len(literal), maxDigits)
	}
	n, _ := new(big.Int).SetString(literal, 10)
	return starlark.MakeBigInt(n), nil
}

// spelled remembers how a float was written. Of several spellings, the last in
// jsondoc's order stays, whatever was read first.
func (c *call) spelled(f float64, literal jsondoc.Value) {
	bits := math.Float64bits(f)
	if was, ok := c.literals[bits]; !ok || jsondoc.Compare(was, literal) < 0 {
		c.literals[bits] = literal
	}
}

// floatLiteral writes a float as one: with a point or an exponent.
func floatLiteral(f float64) jsondoc.Value {
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(nil, f, 'e', -1, 64)
	}
	text := strconv.AppendFloat(nil, f, 'f', -1, 64)
	if bytes.IndexByte(text, '.') < 0 {
		text = append(text, ".0"...)
	}
	return text
}

// encode writes a value as JSON. What was read and not changed is written as it
// was.
func (c *call) encode(v starlark.Value) (json.RawMessage, error) {
	e := encoder{call: c}
	if err := e.value(v); err != nil {
		return nil, err
	}
	return json.RawMessage(e.out), nil
}

// noJSON is the error of a value that JSON has no words for.
type noJSON struct{ at, what string }

func (e noJSON) Error() string {
	if e.at == "" {
		return "it is " + e.what
	}
	return e.at + " is " + e.what
}

type encoder struct {
	*call
	out  []byte
	path []pathStep       // to the value that is being written
	in   []starlark.Value // the containers on that path
}

// pathStep is a name or, where there is none, an index.
type pathStep struct {
	name  *string
	index int
}

func (e *encoder) value(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		e.out = append(e.out, "null"...)
	case starlark.Bool:
		e.out = strconv.AppendBool(e.out, bool(v))
	case starlark.Int:
		e.out = append(e.out, v.String()...)
	case starlark.Float:
		return e.float(float64(v))
	case starlark.String:
		if !utf8.ValidString(string(v)) {
			return e.unfit("a string that is not UTF-8: it was cut inside a character")
		}
		e.out, _ = jsontext.AppendQuote(e.out, string(v))
	case *starlark.Dict, *starlark.List, starlark.Tuple:
		return e.container(v)
	case *starlark.Set:
		return e.unfit("a set, which has no order: want sorted(…) of it")
	default:
		return e.unfit(fmt.Sprintf("a %s, which is no JSON value", v.Type()))
	}
	return e.bounded()
}

func (e *encoder) float(f float64) error {
	if literal, ok := e.literals[math.Float64bits(f)]; ok {
		e.out = append(e.out, literal...)
		return e.bounded()
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return e.unfit(fmt.Sprintf("%v, which is no JSON number", f))
	}
	e.out = append(e.out, floatLiteral(f)...)
	return e.bounded()
}

func (e *encoder) container(v starlark.Value) error {
	if _, ok := v.(starlark.Tuple); !ok { // which is no key, and never frozen text
		if text, ok := e.texts[v]; ok {
			e.out = append(e.out, text...)
			return e.bounded()
		}
		if slices.Contains(e.in, v) {
			return e.unfit("a value that holds itself")
		}
	}
	if len(e.in) == maxDepth {
		return e.unfit(fmt.Sprintf("more than %d values in each other", maxDepth))
	}
	e.in = append(e.in, v)
	defer func() { e.in = e.in[:len(e.in)-1] }()
	if dict, ok := v.(*starlark.Dict); ok {
		return e.dict(dict)
	}
	return e.list(v.(starlark.Indexable))
}

func (e *encoder) dict(dict *starlark.Dict) error {
	e.out = append(e.out, '{')
	for key, v := range dict.Entries() {
		name, ok := starlark.AsString(key)
		if !ok {
			return e.unfit(fmt.Sprintf("an object with a name of type %s: want a string", key.Type()))
		}
		if e.out[len(e.out)-1] != '{' {
			e.out = append(e.out, ',')
		}
		if err := e.value(key); err != nil {
			return err
		}
		e.out = append(e.out, ':')
		if err := e.below(pathStep{name: &name}, v); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	return e.bounded()
}

func (e *encoder) list(list starlark.Indexable) error {
	e.out = append(e.out, '[')
	for i := range list.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if err := e.below(pathStep{index: i}, list.Index(i)); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	return e.bounded()
}

func (e *encoder) below(s pathStep, v starlark.Value) error {
	e.path = append(e.path, s)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	return e.value(v)
}

// bounded is an error as soon as the output has grown too long, or the call's
// time is over: a value can hold others a million times over.
func (e *encoder) bounded() error {
	if limit := e.limit.Load(); limit != nil {
		return limit
	}
	if int64(len(e.out)) > e.options.MaxOutput {
		return tooMuch(fmt.Sprintf("more than %d bytes of JSON", e.options.MaxOutput))
	}
	return nil
}

// unfit says what can't be written, and where it is.
func (e *encoder) unfit(what string) error {
	var at []byte
	for _, s := range e.path {
		switch {
		case s.name == nil:
			at = fmt.Appendf(at, "[%d]", s.index)
		case len(at) == 0:
			at = append(at, *s.name...)
		default:
			at = append(append(at, '.'), *s.name...)
		}
	}
	return noJSON{shortened(string(at)), what}
}
