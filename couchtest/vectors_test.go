package couchtest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// vectors is a recording of a real CouchDB.
type vectors struct {
	Server      string       `json:"server"`
	Revisions   []vector     `json:"revisions,omitempty"`
	Attachments []vector     `json:"attachments,omitempty"`
	Transcripts []transcript `json:"transcripts"`
}

// vector is one write: the members of a document, its parent, and what came of
// it.
type vector struct {
	Parent  *string `json:"parent"`
	Deleted bool    `json:"deleted"`
	Members string  `json:"members"`
	Rev     string  `json:"rev"`
	Stored  string  `json:"stored"` // as it came back, without _id
}

// transcript is a series of requests to a fresh database, $DB.
type transcript struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

type step struct {
	Method string  `json:"method"`
	Path   string  `json:"path"`
	Body   *string `json:"body"`
	Status int     `json:"status"`
	Answer any     `json:"answer"`
}

func TestEveryRecordedVectorIsReproduced(t *testing.T) {
	files, _ := filepath.Glob("testdata/couchdb-*.json")
	if more := os.Getenv("COUCHMEND_VECTORS"); more != "" {
		files = append(files, more)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v vectors
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s := NewServer(t, NewNode())
		for _, w := range append(v.Revisions, v.Attachments...) {
			replayVector(t, s, w)
		}
		for _, script := range v.Transcripts {
			t.Run(script.Name, func(t *testing.T) { replayTranscript(t, s, script) })
		}
	}
}

func replayVector(t *testing.T, s *Server, v vector) {
	t.Helper()
	s.Node.DeleteDB("vectors")
	db := s.Node.CreateDB("vectors")
	members := []string{`"_id":"d"`}
	if v.Parent != nil {
		parent, hash, _ := parseRev(*v.Parent)
		if _, err := (writing{db: db, replicated: true}).apply([]*edit{{
			id: "d", path: path{gen: parent, hashes: []string{hash}}, body: value{kind: '{'},
		}}); err != nil {
			t.Fatal(err)
		}
		members = append(members, `"_rev":"`+*v.Parent+`"`)
	}
	if v.Deleted {
		members = append(members, `"_deleted":true`)
	}
	if v.Members != "" {
		members = append(members, v.Members)
	}
	status, answer := ask(t, "POST", s.URL+"/vectors/_bulk_docs", `{"docs":[{`+strings.Join(members, ",")+`}]}`)
	if want := `[{"ok":true,"id":"d","rev":"` + v.Rev + `"}]` + "\n"; status != 201 || answer != want {
		t.Errorf("%s %s\n got %s want %s", members, v.Members, answer, want)
		return
	}
	_, stored := ask(t, "GET", s.URL+"/vectors/d?rev="+v.Rev, "")
	stored = strings.Replace(strings.TrimSuffix(stored, "\n"), `"_id":"d",`, "", 1)
	if stored != v.Stored {
		t.Errorf("%s came back\n as   %s\n want %s", v.Members, stored, v.Stored)
	}
}

func replayTranscript(t *testing.T, s *Server, script transcript) {
	s.Node.DeleteDB("t")
	s.Node.CreateDB("t")
	for _, step := range script.Steps {
		body := ""
		if step.Body != nil {
			body = *step.Body
		}
		status, answer := ask(t, step.Method, s.URL+strings.ReplaceAll(step.Path, "$DB", "t"), body)
		recorded, _ := json.Marshal(step.Answer)
		got, want := comparison(answer), comparison(string(recorded))
		if status != step.Status || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s %s\n got  %d %v\n want %d %v", step.Method, step.Path, body, status, got, step.Status, want)
		}
	}
}

// comparison leaves out what two servers cannot share: sequence ids, and the
// order of rows from different shards.
func comparison(answer string) any {
	var v any
	if json.Unmarshal([]byte(answer), &v) != nil {
		return answer
	}
	v = withoutSeqs(v)
	object, _ := v.(map[string]any)
	rows, _ := object["results"].([]any)
	slices.SortStableFunc(rows, func(a, b any) int {
		x, y := a.(map[string]any), b.(map[string]any)
		if x["changes"] == nil {
			return 0
		}
		return cmp.Compare(x["id"].(string), y["id"].(string))
	})
	return v
}

// withoutSeqs leaves out sequence ids, which no two servers share.
func withoutSeqs(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "seq")
		delete(v, "last_seq")
		for _, child := range v {
			withoutSeqs(child)
		}
	case []any:
		for _, child := range v {
			withoutSeqs(child)
		}
	}
	return v
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// ask makes a request and returns what was answered.
func ask(t tester, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return answer.StatusCode, string(text)
}
