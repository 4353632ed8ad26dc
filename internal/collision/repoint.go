package collision

import (
	"bytes"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/go-json-experiment/json/jsontext"
)

// Apply makes the references of one document's body mean what the repoints say,
// and changes nothing else, not a byte (I8). Those that are open, left or
// unchanged are passed over. It is all or nothing: the error is of KindConflict
// where at some place no longer stands what the repoint says, or where the new
// name of a member is taken.
func Apply(body []byte, repoints []Repoint) ([]byte, error) {
	e := editor{text: body, dec: newDecoder(body)}
	var changes []Repoint
	for _, r := range repoints {
		if r.New != "" && r.New != r.Old {
			changes = append(changes, r)
		}
	}
	if len(changes) == 0 {
		return body, nil
	}
	if err := e.value(changes, 0); err != nil {
		return nil, err
	}
	return e.edited(), nil
}

// editor goes through a JSON text and notes which strings take another's place.
type editor struct {
	text  []byte
	dec   *jsontext.Decoder
	edits []edit
}

type edit struct {
	begin, end int
	with       jsondoc.Value
}

// value goes through one value. changes are those at or below it, whose places
// go on at depth.
func (e *editor) value(changes []Repoint, depth int) error {
	here, below := take(changes, func(c Repoint) bool { return len(c.Place) == depth })
	if len(here) > 0 && (len(below) > 0 || e.dec.PeekKind() != '"') {
		return moved(here[0])
	}
	switch kind := e.dec.PeekKind(); {
	case len(here) > 0:
		return e.string(here)
	case len(below) == 0:
		return e.dec.SkipValue()
	case kind == '{':
		return e.object(below, depth)
	case kind == '[':
		return e.array(below, depth)
	}
	return moved(below[0])
}

func (e *editor) object(changes []Repoint, depth int) error {
	if _, err := e.dec.ReadToken(); err != nil {
		return err
	}
	names := map[string]bool{}
	for e.dec.PeekKind() != '}' {
		name, err := e.name()
		if err != nil {
			return err
		}
		var own, inside []Repoint
		own, changes = take(changes, func(c Repoint) bool { return !c.Place[depth].Element && c.Place[depth].Name == name.text })
		own, inside = take(own, func(c Repoint) bool { return c.Kind == Key && len(c.Place) == depth+1 })
		if len(own) > 0 {
			if err := e.replace(own, name); err != nil {
				return err
			}
			name.text = own[0].New
		}
		if names[name.text] {
			return &couchmend.Error{Op: "split", Kind: couchmend.KindConflict, Err: fmt.Errorf("a member called %q is there already", name.text)}
		}
		names[name.text] = true
		if err := e.value(inside, depth+1); err != nil {
			return err
		}
	}
	return e.end(changes)
}

func (e *editor) array(changes []Repoint, depth int) error {
	if _, err := e.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; e.dec.PeekKind() != ']'; i++ {
		var inside []Repoint
		inside, changes = take(changes, func(c Repoint) bool { return c.Place[depth].Element && c.Place[depth].Index == i })
		if err := e.value(inside, depth+1); err != nil {
			return err
		}
	}
	return e.end(changes)
}

// end reads the closing bracket of an object or array in which changes found no
// place.
func (e *editor) end(changes []Repoint) error {
	if len(changes) > 0 {
		return moved(changes[0])
	}
	_, err := e.dec.ReadToken()
	return err
}

// take tells the changes for which which holds from the others.
func take(changes []Repoint, which func(Repoint) bool) (taken, left []Repoint) {
	for _, c := range changes {
		if which(c) {
			taken = append(taken, c)
		} else {
			left = append(left, c)
		}
	}
	return taken, left
}

// literal is a string of the text, and where it stands.
type literal struct {
	text       string
	begin, end int
}

// name reads a string: a member's name, or a value.
func (e *editor) name() (literal, error) {
	raw, err := e.dec.ReadValue()
	if err != nil {
		return literal{}, err
	}
	end := int(e.dec.InputOffset())
	return literal{jsondoc.Value(raw).Text(), end - len(raw), end}, nil
}

func (e *editor) string(changes []Repoint) error {
	l, err := e.name()
	if err != nil {
		return err
	}
	if keys, _ := take(changes, func(c Repoint) bool { return c.Kind != Value }); len(keys) > 0 {
		return moved(keys[0])
	}
	return e.replace(changes, l)
}

// replace notes that a literal takes another text. Several changes of one
// string are one and the same, or contradict each other.
func (e *editor) replace(changes []Repoint, l literal) error {
	for _, c := range changes {
		if c.Old != l.text || c.New != changes[0].New {
			return moved(c)
		}
	}
	e.edits = append(e.edits, edit{l.begin, l.end, jsondoc.String(changes[0].New)})
	return nil
}

// moved says that a document is no longer what a reference was found in.
func moved(r Repoint) error {
	return &couchmend.Error{Op: "split", DB: r.DB, ID: r.Doc, Kind: couchmend.KindConflict, Err: fmt.Errorf("%q no longer stands at %s", r.Old, r.Place)}
}

// edited returns the text with all edits made.
func (e *editor) edited() []byte {
	var b bytes.Buffer
	from := 0
	for _, change := range e.edits {
		b.Write(e.text[from:change.begin])
		b.Write(change.with)
		from = change.end
	}
	b.Write(e.text[from:])
	return b.Bytes()
}
