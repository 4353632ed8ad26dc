package resolver

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

func TestAQuestionIsOneLine(t *testing.T) {
	line := questionOf(nil, revisions("{\r\n\"a\":\n\"\\n\"}", "")).line(12)
	if want := `{"id":12,"base":null,"revisions":[{  "a": "\n"},null]}` + "\n"; string(line) != want {
		t.Errorf("got %s want %s", line, want)
	}
}

// FuzzAnswer: an answer is valid JSON or an error with a reason, whatever a
// program writes, and a result that was written is the one that is read.
func FuzzAnswer(f *testing.F) {
	for _, line := range []string{
		`{"id":7,"result":{"a":1.0}}`, `{"result":null,"id":7}`, `{"id":7,"review":"x"}`, `{"id":7,"error":"\u0000"}`,
		`{"id":8,"result":1}`, `{"id":7}`, `{"id":7,"result":"\ud800"}`, `[]`, ``, "{\"id\":7,\"result\":\"\xff\"}", `{"id":7,"result":{"a":1,"a":2}}`, `{"id":7.0,"result":1}`,
	} {
		f.Add([]byte(line))
	}
	verdicts := map[string]couchmend.Reason{"error": couchmend.ReasonResolverError}
	f.Fuzz(func(t *testing.T, line []byte) {
		v, err := parseAnswer(line, 7, verdicts)
		switch {
		case err != nil:
			if v != nil || reasonOf(err) == "" && !errors.Is(err, couchmend.ErrReview) {
				t.Fatalf("%q: %s %v", line, v, err)
			}
			if len(err.Error()) > 2*maxWords {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
		case v != nil:
			if _, err := jsondoc.Parse(v); err != nil || !bytes.Contains(line, v) {
				t.Fatalf("%q is read as %s: %v", line, v, err)
			}
		}
		if value, err := jsondoc.Parse(line); err == nil && value.Kind() != 'n' {
			answer := append(append([]byte(`{"id":7,"result":`), value...), "}\n"...)
			if got, err := parseAnswer(answer, 7, nil); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("%s returns as %s %v", value, got, err)
			}
		}
		if !json.Valid(line) && err == nil {
			t.Fatalf("%q is an answer", line)
		}
	})
}
