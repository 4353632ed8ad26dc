package couchtest

import (
	"crypto/md5"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// realURL is a real CouchDB to compare with, named with its credentials.
func realURL(t *testing.T) string {
	url := strings.TrimSuffix(os.Getenv("COUCHMEND_TEST_COUCHDB"), "/")
	if url == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no server")
	}
	return url
}

// twins asks two servers the same.
type twins struct {
	model, real string // URLs of a database
}

func newTwins(t tester, s *Server, real, name string) twins {
	t.Helper()
	tw := twins{model: s.URL + "/" + name, real: real + "/" + name}
	for _, url := range []string{tw.model, tw.real} {
		ask(t, "DELETE", url, "")
		if status, answer := ask(t, "PUT", url, ""); status != 201 {
			t.Fatalf("PUT: %d %s", status, answer)
		}
	}
	return tw
}

// ask asks both and returns the real one's answer.
func (tw twins) ask(t tester, method, path, body string) (status int, answer any) {
	t.Helper()
	modelStatus, modelAnswer := ask(t, method, tw.model+path, body)
	realStatus, realAnswer := ask(t, method, tw.real+path, body)
	model, real := comparison(modelAnswer), comparison(realAnswer)
	if realStatus == http.StatusInternalServerError { // its crashes are not imitated
		return realStatus, real
	}
	if modelStatus != realStatus || !reflect.DeepEqual(model, real) {
		t.Errorf("%s %s %s\n model %d %s\n real  %d %s", method, path, body, modelStatus, modelAnswer, realStatus, realAnswer)
	}
	return realStatus, real
}

var record = flag.Bool("record", false, "write down what the real CouchDB answers to testdata/edges.txt")

// TestEdgesAreAsARealCouchDBHasThem asks what testdata/edges.txt says. Its
// answers are recorded beside it and replayed where there is no CouchDB.
func TestEdgesAreAsARealCouchDBHasThem(t *testing.T) {
	real := realURL(t)
	s := NewServer(t, NewNode())
	scripts := readScripts(t, "testdata/edges.txt")
	for i := range scripts {
		tw := newTwins(t, s, real, fmt.Sprintf("couchtest-edges-%d-%d", os.Getpid(), i))
		for j := range scripts[i].Steps {
			step := &scripts[i].Steps[j]
			step.Status, step.Answer = tw.ask(t, step.Method, strings.TrimPrefix(step.Path, "/$DB"), *step.Body)
		}
		ask(t, "DELETE", tw.real, "")
	}
	if *record {
		text, err := json.MarshalIndent(vectors{Server: "3.5.2", Transcripts: scripts}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/couchdb-edges.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readScripts reads lines "METHOD path body". A line that begins with # names
// the script that follows, with a database of its own.
func readScripts(t testing.TB, file string) []transcript {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var scripts []transcript
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# "); ok {
			scripts = append(scripts, transcript{Name: name})
		} else if line != "" {
			method, rest, _ := strings.Cut(line, " ")
			path, body, _ := strings.Cut(rest, " ")
			script := &scripts[len(scripts)-1]
			script.Steps = append(script.Steps, step{Method: method, Path: "/$DB" + path, Body: &body})
		}
	}
	return scripts
}

func TestRandomWritesLeaveTheSameTreesOnARealCouchDB(t *testing.T) {
	real := realURL(t)
	s := NewServer(t, NewNode())
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		tw := newTwins(r, s, real, fmt.Sprintf("couchtest-random-%d-%d", os.Getpid(), round))
		defer ask(t, "DELETE", tw.real, "")
		if rapid.Bool().Draw(r, "short history") {
			tw.ask(r, "PUT", "/_revs_limit", "3")
		}
		if rapid.Bool().Draw(r, "validated") {
			tw.ask(r, "PUT", "/_design/v", `{"validate_doc_update":"function(n, o) { if (n.x === 2 && !(o && o.x === 2)) throw({forbidden: 'two'}) }"}`)
			s.Node.DB(strings.TrimPrefix(tw.model, s.URL+"/")).SetValidate(noTwos)
		}
		for range rapid.IntRange(1, 8).Draw(r, "requests") {
			body := randomBulk(r)
			r.Log(body)
			tw.ask(r, "POST", "/_bulk_docs", body)
		}
		for _, path := range []string{
			"/_changes?style=all_docs", "/_changes?include_docs=true&conflicts=true", "/_all_docs",
			"/d?open_revs=all&revs=true", "/d?meta=true&revs=true", "/e?open_revs=all&revs=true",
		} {
			tw.ask(r, "GET", path, "")
		}
		tw.ask(r, "POST", "/_bulk_get?revs=true", `{"docs":[{"id":"d"},{"id":"e"}]}`)
	})
}

// noTwos is the validation function above, in Go.
func noTwos(newDoc, oldDoc json.RawMessage, _ UserContext) error {
	var now, before struct{ X int }
	json.Unmarshal(newDoc, &now)
	json.Unmarshal(oldDoc, &before)
	if now.X == 2 && before.X != 2 {
		return errors.New("two")
	}
	return nil
}

// randomBulk is a request with revisions of few documents from few hashes, so
// that paths meet, cross and fall apart.
func randomBulk(r *rapid.T) string {
	replicated := rapid.IntRange(0, 3).Draw(r, "mode") > 0
	var docs []string
	for range rapid.IntRange(1, 4).Draw(r, "docs") {
		id := rapid.SampledFrom([]string{"d", "e"}).Draw(r, "id")
		deleted := rapid.IntRange(0, 3).Draw(r, "deleted") == 0
		x := rapid.IntRange(0, 3).Draw(r, "x")
		length := rapid.IntRange(1, 5).Draw(r, "length")
		gen := rapid.IntRange(length, 6).Draw(r, "gen")
		hashes := make([]string, length)
		for i := range hashes {
			letter := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "hash")
			hashes[i] = `"` + strings.Repeat(letter, 31) + fmt.Sprint(gen-i) + `"`
		}
		if rapid.IntRange(0, 9).Draw(r, "tip") > 0 { // mostly an id of its own, as a digest would be
			hashes[0] = fmt.Sprintf(`"%x"`, md5.Sum([]byte(strings.Join(hashes, ","))))
		}
		if !replicated {
			hashes = hashes[:1]
		}
		doc := fmt.Sprintf(`{"_id":%q,"x":%d,"_deleted":%t,"_revisions":{"start":%d,"ids":[%s]}}`, id, x, deleted, gen, strings.Join(hashes, ","))
		if !replicated && rapid.Bool().Draw(r, "new") {
			doc = fmt.Sprintf(`{"_id":%q,"x":%d,"_deleted":%t}`, id, x, deleted)
		}
		kind := rapid.IntRange(0, 30).Draw(r, "attachment")
		if kind < 2 || kind < 4 && strings.Contains(doc, "_revisions") { // a stub without any crashes CouchDB
			file := []string{
				`{"content_type":"text/plain","data":"aGVsbG8=","revpos":1}`, `{"content_type":"text/plain","data":"d29ybGQ="}`,
				`{"stub":true}`, `{"stub":true,"revpos":1}`,
			}[kind]
			doc = strings.TrimSuffix(doc, "}") + `,"_attachments":{"f":` + file + `}}`
		}
		docs = append(docs, doc)
	}
	return fmt.Sprintf(`{"new_edits":%t,"docs":[%s]}`, !replicated, strings.Join(docs, ","))
}

// TestRealReplicatorMovesDataInAndOut lets CouchDB's own replicator pull from
// the model and push into it. It fetches attachments as multipart only, so that
// there are none.
func TestRealReplicatorMovesDataInAndOut(t *testing.T) {
	real := realURL(t)
	s := NewServer(t, NewNode())
	from, to := s.Node.CreateDB("from"), s.Node.CreateDB("to")
	put(t, from, "conflict", "1-a 2-b", `{"x":1.0}`)
	put(t, from, "conflict", "1-a 2-c 3-d", `{"x":12345678901234567890}`)
	put(t, from, "dead", "1-a 2-b*", `{"why":"é"}`)
	for i := range 300 {
		put(t, from, fmt.Sprintf("more-%d", i), "1-a 2-b", `{}`)
	}
	name := fmt.Sprintf("couchtest-replica-%d", os.Getpid())
	ask(t, "PUT", real+"/"+name, "")
	defer ask(t, "DELETE", real+"/"+name, "")
	for _, job := range []string{
		fmt.Sprintf(`{"source":"%s/from","target":"%s/%s"}`, s.URL, real, name),
		fmt.Sprintf(`{"source":"%s/%s","target":"%s/to"}`, real, name, s.URL),
	} {
		if status, answer := ask(t, "POST", real+"/_replicate", job); status != 200 {
			t.Errorf("%d %s", status, answer)
		}
	}
	if got, want := state(to), state(from); got != want {
		t.Errorf("came back as\n%.2000s\nof\n%.2000s", got, want)
	}
}
