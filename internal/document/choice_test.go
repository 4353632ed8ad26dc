package document

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
)

func sighted(body string, attachments ...string) *Sight {
	r := couchmend.Revision{Rev: couchmend.MustRev("2-a"), Body: json.RawMessage(body)}
	other := couchmend.Revision{Rev: couchmend.MustRev("1-b"), Body: json.RawMessage("{}")}
	for _, name := range attachments {
		r.Attachments = append(r.Attachments, couchmend.Attachment{Name: name})
		other.Attachments = append(other.Attachments, couchmend.Attachment{Name: name})
	}
	return &Sight{Conflict: couchmend.Conflict{DB: "db", ID: "d", Leaves: []couchmend.Revision{r, other}}}
}

func TestAnEditorsTextIsTheSameDocument(t *testing.T) {
	body := `{"a":"\u001b[31m ü","n":1.10,"big":12345678901234567890,"o":{"x":[1,{}]}}`
	s := sighted(body)
	for _, text := range []string{string(s.Draft()), strings.ReplaceAll(string(s.Draft()), "\n", "\r\n")} {
		choice, err := s.Choice([]byte(text))
		if err != nil || string(choice.Body) != body {
			t.Errorf("%s, %v; want %s", choice.Body, err, body)
		}
	}
}

func TestAChoiceTakesTheAttachmentsThatItNames(t *testing.T) {
	s := sighted("{}", "a", "b")
	for text, want := range map[string]string{
		`{}`:                                       "a of 2-a, b of 2-a",
		`{"_attachments":{}}`:                      "",
		`{"_attachments":{"b":{"from":"1-b"}}}`:    "b of 1-b",
		`{"_attachments":{"b":{"stub":true}}}`:     "b of 2-a",
		`{"_attachments":{"new":{"data":"aGk="}}}`: "new of ",
	} {
		choice, err := s.Choice([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var got []string
		for _, a := range choice.Attachments {
			got = append(got, a.Name+" of "+a.From.String())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
}

func TestWhatIsNoDocumentIsRefusedInWords(t *testing.T) {
	s := sighted("{}", "a")
	for text, want := range map[string]string{
		`[]`:                                    "must be a JSON object",
		`{"a":1,"a":2}`:                         "duplicate",
		`{"_id":"other"}`:                       `it is about "d"`,
		`{"_deleted":true}`:                     "delete the document instead",
		`{"_attachments":{"a":{"from":"9-z"}}}`: "no such attachment at 9-z",
		`{"_attachments":{"c":{}}}`:             "no leaf has it",
		`{"_attachments":{"c":{"data":"?"}}}`:   "not base64",
	} {
		if _, err := s.Choice([]byte(text)); couchmend.KindOf(err) != couchmend.KindUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// checking is a Mender whose rule refuses bodies with the violations given.
func checking(violations ...couchmend.Violation) *mender.Mender {
	rule := &merge.Rule{Name: "p/r", Merged: func(string, jsondoc.Value) []couchmend.Violation { return violations }}
	return mender.New(mender.Config{Rules: func(string) (decide.Rules, string) {
		return func(string, jsondoc.Value) *merge.Rule { return rule }, ""
	}})
}

func TestAProblemSaysWhereItIs(t *testing.T) {
	text := "{\n  \"ü😀\": [1, {\"a\\nb\": true}],\n  \"o\": {}\n}"
	m := checking(
		couchmend.Violation{Pointer: "/ü😀/1/a\nb", Message: "want a string"},
		couchmend.Violation{Pointer: "/o", Message: "missing property"},
		couchmend.Violation{Pointer: "", Message: "missing property"},
		couchmend.Violation{Pointer: "/nowhere", Message: "?"},
	)
	choice, rule, problems := sighted("{}").Check(m, []byte(text))
	if len(problems) != 4 || rule != "p/r" || choice.Body == nil || !Writable(problems) {
		t.Fatalf("%s by %q: %+v", choice.Body, rule, problems)
	}
	for i, want := range [][2]Place{{{2, 23}, {2, 27}}, {{3, 8}, {3, 9}}, {{1, 1}, {1, 2}}, {}} {
		if got := [2]Place{problems[i].From, problems[i].To}; got != want {
			t.Errorf("%q: %v, want %v", problems[i].Pointer, got, want)
		}
	}
}

func TestATextThatIsNoJSONSaysWhere(t *testing.T) {
	for text, want := range map[string]Place{
		"{\n  \"a\": tru\n}": {2, 8},
		"\n {\"a\":1,}":      {2, 8},
		"{\"a\":":            {1, 6},
	} {
		_, _, problems := sighted("{}").Check(checking(), []byte(text))
		if len(problems) != 1 || problems[0].Of != OfJSON || Writable(problems) {
			t.Errorf("%q: %+v", text, problems)
		} else if got := problems[0].From; got.Line != want.Line || got.Column < want.Column-1 || got.Column > want.Column+4 {
			t.Errorf("%q: %v, want about %v", text, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, text := range []string{`{"a":[{}]}`, "{", `{"_attachments":{"a":{"data":""}}}`, "{\"\xff\":1}"} {
		f.Add([]byte(text), "/a/0")
	}
	s := sighted(`{"a":1}`, "a")
	f.Fuzz(func(t *testing.T, text []byte, pointer string) {
		choice, _, problems := s.Check(checking(couchmend.Violation{Pointer: pointer}), text)
		if len(problems) != 1 {
			t.Fatalf("%+v", problems)
		}
		if _, err := jsondoc.Parse(choice.Body); Writable(problems) && err != nil {
			t.Fatalf("%q: %v", choice.Body, err)
		}
	})
}
