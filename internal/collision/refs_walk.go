package collision

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/go-json-experiment/json/jsontext"
)

// walk goes through one leaf of a document and gathers its references.
type walk struct {
	search     *search
	substrings bool

	dec   *jsontext.Decoder
	leaf  Reference // what all references of the leaf have in common
	found []Reference

	steps []step
	names []byte // those of steps, one after the other
	text  []byte // the string under way, without its escapes
}

// step is a Step whose name is at the end of walk.names: most places are passed
// by, and cost no memory.
type step struct {
	name    int // where it begins
	index   int
	element bool
}

// begin prepares for a leaf whose JSON dec is about to read.
func (w *walk) begin(dec *jsontext.Decoder, leaf Reference) {
	leaf.Design = strings.HasPrefix(leaf.Doc, "_design/")
	w.dec, w.leaf = dec, leaf
	w.found, w.steps, w.names = w.found[:0], w.steps[:0], w.names[:0]
}

// own adds the references that a document's own id makes.
func (w *walk) own() {
	w.push([]byte("_id"))
	w.match([]byte(w.leaf.Doc), DocID)
	w.pop()
}

// value goes through one value and all below it.
func (w *walk) value() error {
	switch w.dec.PeekKind() {
	case '{':
		return w.object()
	case '[':
		return w.array()
	case '"':
		text, err := w.string()
		if err == nil {
			w.match(text, Value)
		}
		return err
	default:
		return w.dec.SkipValue()
	}
}

func (w *walk) object() error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != '}' {
		name, err := w.string()
		if err != nil {
			return err
		}
		w.push(name)
		w.match(name, Key)
		if err := w.value(); err != nil {
			return err
		}
		w.pop()
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *walk) array() error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.dec.PeekKind() != ']'; i++ {
		w.steps = append(w.steps, step{name: len(w.names), index: i, element: true})
		if err := w.value(); err != nil {
			return err
		}
		w.pop()
	}
	_, err := w.dec.ReadToken()
	return err
}

// string reads a string's content, good until the next one.
func (w *walk) string() ([]byte, error) {
	if kind := w.dec.PeekKind(); kind != '"' && kind != 0 {
		return nil, fmt.Errorf("found %v where a string was due", kind)
	}
	quoted, err := w.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	w.text, _ = jsontext.AppendUnquote(w.text[:0], quoted) // it errs for a lone surrogate, and replaces it
	return w.text, nil
}

func (w *walk) push(name []byte) {
	w.steps = append(w.steps, step{name: len(w.names)})
	w.names = append(w.names, name...)
}

func (w *walk) pop() {
	last := len(w.steps) - 1
	w.names = w.names[:w.steps[last].name]
	w.steps = w.steps[:last]
}

// match adds the references that one string makes.
func (w *walk) match(text []byte, kind Kind) {
	if w.search.whole[string(text)] {
		w.add(string(text), kind, false)
	} else if w.substrings {
		for _, id := range w.search.within(text) {
			w.add(id, kind, true)
		}
	}
}

func (w *walk) add(id string, kind Kind, part bool) {
	ref := w.leaf
	ref.Place, ref.ID, ref.Kind, ref.Part = w.place(), id, kind, part
	ref.Self = ref.Doc == id
	w.found = append(w.found, ref)
}

func (w *walk) place() Place {
	place := make(Place, len(w.steps))
	end := len(w.names)
	for i := len(w.steps) - 1; i >= 0; i-- {
		s := w.steps[i]
		place[i] = Step{Name: string(w.names[s.name:end]), Index: s.index, Element: s.element}
		end = s.name
	}
	return place
}

// newDecoder reads a document's JSON in place. PouchDB keeps lone surrogates,
// which are no characters: they must not hide what stands beside them.
func newDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// row reads a row of a list, the winner of a document, and gathers its
// references. It returns the other live leaves that it names.
func (w *walk) row(text []byte, leaf Reference) (others []string, err error) {
	w.begin(newDecoder(text), leaf)
	err = w.members(func(name string) error {
		if name != "doc" || w.dec.PeekKind() != '{' { // null: deleted since
			return w.dec.SkipValue()
		}
		w.own()
		return w.members(func(name string) (err error) {
			switch {
			case name == "_rev":
				err = w.rev()
			case name == "_conflicts" && w.dec.PeekKind() == '[':
				others, err = w.strings()
			case strings.HasPrefix(name, "_"):
				err = w.dec.SkipValue()
			default:
				err = w.member(name)
			}
			return err
		})
	})
	for i := range w.found { // its revision may stand behind what was found
		w.found[i].Rev = w.leaf.Rev
	}
	return others, err
}

// body gathers the references of a leaf that was read with its body alone.
func (w *walk) body(text []byte, leaf Reference) error {
	w.begin(newDecoder(text), leaf)
	w.own()
	return w.members(w.member)
}

// members calls member with each name of an object; it must read the value.
func (w *walk) members(member func(name string) error) error {
	opening, err := w.dec.ReadToken()
	if err != nil || opening.Kind() != '{' {
		return cmp.Or(err, errNoObject)
	}
	for w.dec.PeekKind() != '}' {
		name, err := w.string()
		if err != nil {
			return err
		}
		if err := member(string(name)); err != nil {
			return err
		}
	}
	_, err = w.dec.ReadToken()
	return err
}

var errNoObject = errors.New("a document that is no JSON object")

// member goes through a member of the document itself.
func (w *walk) member(name string) error {
	w.push([]byte(name))
	w.match([]byte(name), Key)
	err := w.value()
	w.pop()
	return err
}

func (w *walk) rev() error {
	text, err := w.string()
	if err == nil {
		w.leaf.Rev, _ = couchmend.ParseRev(string(text))
	}
	return err
}

// strings reads an array of strings.
func (w *walk) strings() (all []string, err error) {
	if _, err := w.dec.ReadToken(); err != nil {
		return nil, err
	}
	for w.dec.PeekKind() != ']' {
		text, err := w.string()
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	_, err = w.dec.ReadToken()
	return all, err
}
