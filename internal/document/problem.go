package document

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf16"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/go-json-experiment/json/jsontext"
)

// Problem is one thing that is wrong with a document that a person wrote.
type Problem struct {
	// Of says what it is about: "json", "document" (see Sight.Choice) or
	// "schema". Only the last can be written: a person's word is above the
	// policy's.
	Of      string `json:"of"`
	Message string `json:"message"`
	Pointer string `json:"pointer,omitempty"` // JSON pointer (RFC 6901) to the value, of "schema"
	From    Place  `json:"from"`
	To      Place  `json:"to"`
}

// Place is a place in a text, counted from 1; Column counts UTF-16 units, as
// editors do. The zero Place is none.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// The things that a Problem is about.
const (
	OfJSON     = "json"
	OfDocument = "document"
	OfSchema   = "schema"
)

// Check reads a document that a person wrote and says all that is wrong with
// it. Rule is the rule that the policy has for it, "" for none. The choice is
// good where no problem is of anything but the schema.
func (s *Sight) Check(m *mender.Mender, text []byte) (choice decide.Choice, rule string, problems []Problem) {
	choice, err := s.Choice(text)
	if err != nil {
		return choice, "", []Problem{textProblem(text, err)}
	}
	rules, _ := m.Rules(s.Conflict.DB)
	if rules == nil {
		return choice, "", nil
	}
	body := jsondoc.Value(choice.Body)
	r := rules(s.Conflict.ID, body)
	if r == nil {
		return choice, "", nil
	}
	if r.Merged == nil {
		return choice, r.Name, nil
	}
	violations := r.Merged(s.Conflict.ID, body)
	spans := locate(text, violations)
	for i, v := range violations {
		from, to := placesOf(text, spans[i])
		problems = append(problems, Problem{Of: OfSchema, Message: v.Message, Pointer: v.Pointer, From: from, To: to})
	}
	return choice, r.Name, problems
}

// Writable reports whether a document with these problems can be written.
func Writable(problems []Problem) bool {
	return !slices.ContainsFunc(problems, func(p Problem) bool { return p.Of != OfSchema })
}

// textProblem places an error of Choice.
func textProblem(text []byte, err error) Problem {
	p := Problem{Of: OfDocument, Message: err.Error()}
	if e := new(couchmend.Error); errors.As(err, &e) {
		p.Message = e.Err.Error()
	}
	if e := new(jsontext.SyntacticError); errors.As(err, &e) {
		start := len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
		at := start + int(e.ByteOffset)
		p.Of, p.From, p.To = OfJSON, placeOf(text, at), placeOf(text, at+1)
	}
	return p
}

// span is a value's place in a text, in bytes; of an object or array it is the
// bracket that opens it.
type span struct{ from, to int }

// locate finds the values that violations point to. The span of one that is not
// there is zero.
func locate(text []byte, violations []couchmend.Violation) []span {
	found := map[string]span{}
	for _, v := range violations {
		found[v.Pointer] = span{}
	}
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	for dec.PeekKind() != 0 {
		size := 1
		switch dec.PeekKind() {
		case '}', ']':
			_, _ = dec.ReadToken() // text was read before: it is valid
			continue
		case '{', '[':
			_, _ = dec.ReadToken()
		default:
			v, _ := dec.ReadValue()
			size = len(v)
		}
		pointer := string(dec.StackPointer())
		if _, ok := found[pointer]; ok { // a member's name, then its value
			to := int(dec.InputOffset())
			found[pointer] = span{to - size, to}
		}
	}
	spans := make([]span, len(violations))
	for i, v := range violations {
		spans[i] = found[v.Pointer]
	}
	return spans
}

// placesOf are the ends of a span in a text; of none, none.
func placesOf(text []byte, s span) (from, to Place) {
	if s == (span{}) {
		return Place{}, Place{}
	}
	return placeOf(text, s.from), placeOf(text, s.to)
}

func placeOf(text []byte, at int) Place {
	before := text[:min(at, len(text))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	column := 1
	for _, r := range string(line) {
		column += max(1, utf16.RuneLen(r))
	}
	return Place{Line: 1 + bytes.Count(before, []byte("\n")), Column: column}
}
