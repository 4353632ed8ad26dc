package resolver

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// question is the text of a question after its id:
//
//	,"base":…|null,"revisions":[…]}
//
// docs/resolver-protocol.md is its reference.
type question []byte

// loading is the question whether a module can be loaded: for Python alone.
var loading = question(`,"load":true}`)

// questionOf writes a question. An absent value, which only a field has, is
// written as null.
func questionOf(base *couchmend.Revision, revisions []couchmend.Revision) question {
	q := []byte(`,"base":`)
	if base == nil {
		base = &couchmend.Revision{}
	}
	q = appendValue(q, base.Body)
	q = append(q, `,"revisions":[`...)
	for i, r := range revisions {
		if i > 0 {
			q = append(q, ',')
		}
		q = appendValue(q, r.Body)
	}
	return append(q, "]}"...)
}

// appendValue writes a value on one line. A line end in JSON can only be white
// space.
func appendValue(q, body []byte) []byte {
	if body == nil {
		return append(q, "null"...)
	}
	from := len(q)
	q = append(q, body...)
	for i, c := range q[from:] {
		if c == '\n' || c == '\r' {
			q[from+i] = ' '
		}
	}
	return q
}

// line is the question as it is sent.
func (q question) line(id uint64) []byte {
	line := make([]byte, 0, len(q)+32)
	line = append(line, `{"id":`...)
	line = strconv.AppendUint(line, id, 10)
	line = append(line, q...)
	return append(line, '\n')
}

// parseAnswer reads the answer to question id, an object with two members: the
// id and what is answered. A result of null is nil, an absent value. Verdicts
// names the members that say in words why there is no answer.
func parseAnswer(line []byte, id uint64, verdicts map[string]couchmend.Reason) (jsondoc.Value, error) {
	text, err := jsondoc.Parse(line)
	if err != nil {
		return nil, failure(couchmend.ReasonResolverOutput, "the answer is not one line of JSON: %w: %s", err, shown(line))
	}
	members := text.Members()
	if len(members) == 2 && members[1].Name == "id" {
		members[0], members[1] = members[1], members[0]
	}
	if len(members) != 2 || members[0].Name != "id" {
		return nil, failure(couchmend.ReasonResolverOutput, `the answer is not an object of "id" and one more member: %s`, shown(line))
	}
	if got := string(members[0].Value); got != strconv.FormatUint(id, 10) {
		return nil, failure(couchmend.ReasonResolverOutput, "the answer is to question %s, and %d was asked", shown([]byte(got)), id)
	}
	name, value := members[1].Name, members[1].Value
	reason, isVerdict := verdicts[name]
	switch {
	case name == "result" && value.Kind() == 'n':
		return nil, nil
	case name == "result":
		return value, nil
	case name == "review" && value.Kind() == '"':
		return nil, askedForReview(shortened(value.Text()))
	case isVerdict && value.Kind() == '"':
		return nil, failure(reason, "%s", shortened(value.Text()))
	}
	return nil, failure(couchmend.ReasonResolverOutput, "the answer's second member is not result, and not review or error with words: %s", shown(line))
}

// quoted bounds what is quoted of output for people.
const quoted = 200 // bytes

// shown quotes text, shortened.
func shown(text []byte) string { return strconv.Quote(cut(strings.TrimSpace(string(text)), quoted)) }

// cut shortens text to so many bytes, and says so.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size] + "…"
}
