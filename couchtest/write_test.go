package couchtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// newDBServer returns a server with one database, and its URL.
func newDBServer(t *testing.T, options ...Option) (*DB, string) {
	t.Helper()
	s := NewServer(t, NewNode(options...))
	return s.Node.CreateDB("db"), s.URL + "/db"
}

// expect asks and compares the answer, whose last newline does not count.
func expect(t tester, method, url, body string, status int, want string) {
	t.Helper()
	gotStatus, got := ask(t, method, url, body)
	if got = strings.TrimSuffix(got, "\n"); gotStatus != status || got != want {
		t.Errorf("%s %s %.200s\n got  %d %.500s\n want %d %.500s", method, url, body, gotStatus, got, status, want)
	}
}

// leaves draws a document's leaves, winner first, tombstones with a star.
func leaves(db *DB, id string) string {
	var drawn []string
	for _, leaf := range db.Leaves(id) {
		text := leaf.Rev.String()
		if leaf.Deleted {
			text += "*"
		}
		drawn = append(drawn, text)
	}
	return strings.Join(drawn, " ")
}

// put writes a revision whose path is drawn oldest first: "1-a 2-b".
func put(t tester, db *DB, id, line, body string) {
	t.Helper()
	p, rev := drawn(line)
	r := couchmend.Revision{Path: p.revs(), Deleted: rev.deleted, Body: json.RawMessage(body)}
	r.Rev = r.Path[0]
	if err := db.Put(r, id); err != nil {
		t.Fatalf("put %s %s: %v", id, line, err)
	}
}

func TestStaleMergeLosesAndItsTombstoneDoesNot(t *testing.T) {
	db, url := newDBServer(t)
	put(t, db, "d", "1-a 2-b", `{"x":1}`)
	put(t, db, "d", "1-a 2-c", `{"x":2}`)
	put(t, db, "d", "1-a 2-c 3-e", `{"x":3}`)
	_, answer := ask(t, "POST", url+"/_bulk_docs",
		`{"docs":[{"_id":"d","_rev":"2-c","x":9},{"_id":"d","_rev":"2-b","_deleted":true}]}`)
	var rows []struct {
		OK    bool
		Error string
	}
	json.Unmarshal([]byte(answer), &rows)
	if len(rows) != 2 || rows[0].Error != "conflict" || !rows[1].OK {
		t.Errorf("rows: %s", answer)
	}
	if got := leaves(db, "d"); !strings.HasPrefix(got, "3-e 3-") || !strings.HasSuffix(got, "*") {
		t.Errorf("leaves: %s", got)
	}
}

func TestRefusedRowDoesNotKeepItsNeighboursBack(t *testing.T) {
	db, url := newDBServer(t)
	db.SetValidate(func(newDoc, oldDoc json.RawMessage, user UserContext) error {
		if bytes.Contains(newDoc, []byte(`"bad":true`)) {
			return errors.New("no bad ones")
		}
		if bytes.Contains(newDoc, []byte(`"login":true`)) {
			return &Unauthorized{Reason: "who are you?"}
		}
		return nil
	})
	expect(t, "POST", url+"/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a","bad":true},{"_id":"b","_rev":"1-b","_deleted":true},{"_id":"c","_rev":"1-c","login":true}]}`,
		201, `[{"id":"a","rev":"1-a","error":"forbidden","reason":"no bad ones"},{"id":"c","rev":"1-c","error":"unauthorized","reason":"who are you?"}]`)
	expect(t, "PUT", url+"/d", `{"bad":true}`, 403, `{"error":"forbidden","reason":"no bad ones"}`)
	if got := leaves(db, "b"); got != "1-b*" {
		t.Errorf("b: %s", got)
	}
	if got := leaves(db, "a") + leaves(db, "c"); got != "" {
		t.Errorf("refused ones are there: %s", got)
	}
}

func TestValidationSeesBothDocuments(t *testing.T) {
	db, url := newDBServer(t)
	var seen []string
	db.SetValidate(func(newDoc, oldDoc json.RawMessage, user UserContext) error {
		seen = append(seen, string(newDoc)+" "+string(oldDoc)+" "+user.DB)
		return nil
	})
	ask(t, "PUT", url+"/d", `{"x":1}`)
	ask(t, "PUT", url+"/d?rev=1-0785e9eb543380151003dc452c3a001a", `{"x":2}`)
	put(t, db, "d", "1-0785e9eb543380151003dc452c3a001a 2-b 3-c*", `{"why":1}`)
	ask(t, "PUT", url+"/_local/l", `{}`)
	ask(t, "PUT", url+"/_design/l", `{}`)
	const first = `{"_id":"d","_rev":"1-0785e9eb543380151003dc452c3a001a","x":1,"_revisions":{"start":1,"ids":["0785e9eb543380151003dc452c3a001a"]}}`
	want := []string{
		`{"_id":"d","x":1} null db`,
		strings.Replace(first, `"x":1`, `"x":2`, 1) + " " + first + " db",
		`{"_id":"d","_rev":"3-c","why":1,"_deleted":true,"_revisions":{"start":3,"ids":["c","b","0785e9eb543380151003dc452c3a001a"]}} ` + first + " db",
	}
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("seen\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestRewritingARevisionChangesNothing(t *testing.T) {
	db, url := newDBServer(t)
	const body = `{"new_edits":false,"docs":[{"_id":"d","_revisions":{"start":3,"ids":["c","b","a"]},"x":1}]}`
	for range 2 {
		expect(t, "POST", url+"/_bulk_docs", body, 201, `[]`)
		if db.seq != 1 {
			t.Errorf("sequence %d", db.seq)
		}
	}
	db.SetRevsLimit(2)
	expect(t, "POST", url+"/_bulk_docs", body, 201, `[]`) // stems it
	expect(t, "POST", url+"/_bulk_docs", body, 201, `[]`) // brings the same path again
	if db.seq != 2 {
		t.Errorf("sequence %d after stemming", db.seq)
	}
}

func TestMissingStubRefusesItsShardAlone(t *testing.T) {
	db, url := newDBServer(t)
	var docs []string
	for i := range 20 {
		docs = append(docs, fmt.Sprintf(`{"_id":"doc-%d"}`, i))
	}
	docs = append(docs, `{"_id":"poison","_attachments":{"a":{"stub":true}}}`)
	expect(t, "POST", url+"/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`,
		412, `{"error":"missing_stub","reason":"Invalid attachment stub in poison for a"}`)
	if n := len(db.IDs()); n == 0 || n == 20 {
		t.Errorf("%d of 20 innocent documents were written", n)
	}
}

func TestDocumentsOverEightMillionBytesAreRefused(t *testing.T) {
	db, url := newDBServer(t)
	fits := strings.Repeat("x", maxDocument-len(`{"x":""}`))
	expect(t, "POST", url+"/_bulk_docs", `{"docs":[{"_id":"small"},{"_id":"big","x":"`+fits+`y"}]}`,
		413, `{"error":"document_too_large","reason":"big"}`)
	if len(db.IDs()) != 0 {
		t.Error("the small one was written")
	}
	if status, answer := ask(t, "POST", url+"/_bulk_docs", `{"docs":[{"_id":"big","x":"`+fits+`"}]}`); status != 201 {
		t.Errorf("%d %.100s", status, answer)
	}
}

func TestForeignStubIsRefusedOrKeepsTheWrongBytes(t *testing.T) {
	db, url := newDBServer(t)
	at := func(line, content string, revpos int) {
		p, _ := drawn(line)
		r := couchmend.Revision{Path: p.revs(), Attachments: []couchmend.Attachment{
			{Name: "f", ContentType: "text/plain", Data: []byte(content), RevPos: revpos}}}
		r.Rev = r.Path[0]
		if err := db.Put(r, "d"); err != nil {
			t.Fatal(err)
		}
	}
	at("1-a 2-b", "bee", 2)
	at("1-a 2-c", "sea", 2)
	stub := `{"new_edits":false,"docs":[{"_id":"d","_revisions":{"start":3,"ids":["m","c","a"]},"_attachments":{"f":{"stub":true,"revpos":%d,"digest":"md5-AAAA"}}}]}`
	expect(t, "POST", url+"/_bulk_docs", fmt.Sprintf(stub, 1), 412, `{"error":"missing_stub","reason":"Invalid attachment stub in d for f"}`)
	expect(t, "POST", url+"/_bulk_docs", fmt.Sprintf(stub, 2), 201, `[]`)
	expect(t, "GET", url+"/d/f", "", 200, "sea")
	expect(t, "GET", url+"/d/f?rev=2-b", "", 200, "bee")
}

func TestAttachmentLeftOutIsGone(t *testing.T) {
	db, url := newDBServer(t)
	_, _ = ask(t, "PUT", url+"/d/f.txt", "hello")
	rev := db.Leaves("d")[0].Rev.String()
	ask(t, "PUT", url+"/d/g.txt?rev="+rev, "world")
	rev = db.Leaves("d")[0].Rev.String()
	names := func() string {
		var names []string
		for _, a := range db.Leaves("d")[0].Attachments {
			names = append(names, fmt.Sprintf("%s@%d=%s", a.Name, a.RevPos, a.Data))
		}
		return strings.Join(names, " ")
	}
	if got := names(); got != "g.txt@2=world f.txt@1=hello" {
		t.Errorf("attachments: %s", got)
	}
	ask(t, "PUT", url+"/d?rev="+rev, `{"_attachments":{"f.txt":{"stub":true}}}`)
	if got := names(); got != "f.txt@1=hello" {
		t.Errorf("attachments: %s", got)
	}
	rev = db.Leaves("d")[0].Rev.String()
	ask(t, "DELETE", url+"/d/f.txt?rev="+rev, "")
	if got := names(); got != "" {
		t.Errorf("attachments: %s", got)
	}
	expect(t, "GET", url+"/d/f.txt", "", 404, `{"error":"not_found","reason":"Document is missing attachment"}`)
}

func TestCompactionKeepsLeavesAlone(t *testing.T) {
	db, url := newDBServer(t)
	put(t, db, "d", "1-a", `{"x":1}`)
	put(t, db, "d", "1-a 2-b", `{"x":2}`)
	put(t, db, "d", "1-a 2-c 3-c*", `{"why":"merged"}`)
	expect(t, "POST", url+"/_bulk_get", `{"docs":[{"id":"d","rev":"1-a"}]}`, 200, `{"results":[{"id":"d","docs":[{"ok":{"_id":"d","_rev":"1-a","x":1}}]}]}`)
	expect(t, "POST", url+"/_compact", `{}`, 202, `{"ok":true}`)
	expect(t, "POST", url+"/_bulk_get", `{"docs":[{"id":"d","rev":"1-a"},{"id":"d","rev":"3-c"}]}`, 200,
		`{"results":[{"id":"d","docs":[{"error":{"id":"d","rev":"1-a","error":"not_found","reason":"missing"}}]},`+
			`{"id":"d","docs":[{"ok":{"_id":"d","_rev":"3-c","why":"merged","_deleted":true}}]}]}`)
	expect(t, "GET", url+"/d?revs_info=true", "", 200,
		`{"_id":"d","_rev":"2-b","x":2,"_revs_info":[{"rev":"2-b","status":"available"},{"rev":"1-a","status":"missing"}]}`)
}

func TestGzippedBodiesAreRead(t *testing.T) {
	db, url := newDBServer(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte(`{"docs":[{"_id":"a"}]}`))
	w.Close()
	r, _ := http.NewRequest("POST", url+"/_bulk_docs", &packed)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 201 || len(db.IDs()) != 1 {
		t.Errorf("%d, %q", answer.StatusCode, db.IDs())
	}
}

func TestPutFromGoSaysWhatIsWrong(t *testing.T) {
	db := NewNode().CreateDB("db")
	rev := couchmend.MustRev("2-b")
	for name, c := range map[string]struct {
		id   string
		rev  couchmend.Revision
		kind couchmend.Kind
	}{
		"id":   {"_x", couchmend.Revision{Rev: rev}, couchmend.KindRefused},
		"path": {"d", couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev, rev}}, couchmend.KindRefused},
		"body": {"d", couchmend.Revision{Rev: rev, Body: json.RawMessage(`[]`)}, couchmend.KindRefused},
		"stub": {"d", couchmend.Revision{Rev: rev, Attachments: []couchmend.Attachment{{Name: "f"}}}, couchmend.KindRefused},
		"size": {"d", couchmend.Revision{Rev: rev, Body: json.RawMessage(`{"x":"` + strings.Repeat("x", maxDocument) + `"}`)}, couchmend.KindTooLarge},
	} {
		if err := db.Put(c.rev, c.id); couchmend.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := db.Put(couchmend.Revision{Rev: rev}, "d"); err != nil {
		t.Error(err)
	}
}

func TestConflictsListsLiveLeavesOnly(t *testing.T) {
	db := NewNode().CreateDB("db")
	put(t, db, "buried", "1-a 2-b", `{}`)
	put(t, db, "buried", "1-a 2-c*", `{}`)
	put(t, db, "open", "1-a 2-b", `{}`)
	put(t, db, "open", "1-a 2-c", `{}`)
	put(t, db, "gone", "1-a*", `{}`)
	if got := strings.Join(db.Conflicts(), " "); got != "open" {
		t.Errorf("conflicts: %s", got)
	}
	if got := strings.Join(db.IDs(), " "); got != "buried open" {
		t.Errorf("ids: %s", got)
	}
}
