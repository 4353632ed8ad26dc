package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

// shop is a server with a database of this test's own.
type shop struct {
	*testing.T
	url *url.URL
	db  string
}

func newShop(t *testing.T, server string) *shop {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{T: t, url: u, db: "couchmend-views-" + strings.ToLower(rand.Text()[:8])}
	s.ask("PUT", "/"+s.db, "")
	t.Cleanup(func() { s.ask("DELETE", "/"+s.db, "") })
	password, _ := u.User.Password()
	t.Setenv("COUCHDB_USER", u.User.Username())
	t.Setenv("COUCHDB_PASSWORD", password)
	t.Setenv("COUCHMEND_STATE", t.TempDir())
	bare := *u
	bare.User = nil
	t.Setenv("COUCHDB_URL", bare.String())
	return s
}

func (s *shop) ask(method, path, body string) {
	s.Helper()
	r, _ := http.NewRequest(method, s.url.String()+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode >= 300 {
		s.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

// couchmend runs a command and returns what it printed.
func (s *shop) couchmend(want int, args ...string) string {
	s.Helper()
	var out, errs bytes.Buffer
	a := &app{ctx: s.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	if code := run(a, args); code != want {
		s.Fatalf("couchmend %q: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String()
}

// fill writes conflicts of every kind: three leaves, one that is dead beside two,
// a design document; and documents that are in none.
func (s *shop) fill() {
	var docs []string
	add := func(id, body, rev string, ids ...string) {
		docs = append(docs, fmt.Sprintf(`{"_id":%q,"_rev":%q,"_revisions":{"start":%d,"ids":%s},%s}`, id, rev, len(ids), jsonOf(ids), body))
	}
	hash := func(c string) string { return strings.Repeat(c, 32) }
	for i := range 130 { // more than are looked up at once
		id := fmt.Sprintf("report/%d ü", i)
		add(id, `"type":"report","n":1`, "2-"+hash("a"), hash("a"), hash("1"))
		add(id, `"type":"report","n":2`, "2-"+hash("b"), hash("b"), hash("1"))
		if i%2 == 0 {
			add(id, `"type":"report","n":3`, "3-"+hash("c"), hash("c"), hash("d"), hash("1"))
		}
		if i%3 == 0 {
			add(id, `"_deleted":true`, "2-"+hash("e"), hash("e"), hash("1"))
		}
	}
	add("_design/app", `"language":"javascript","x":1`, "2-"+hash("a"), hash("a"), hash("1"))
	add("_design/app", `"language":"javascript","x":2`, "2-"+hash("b"), hash("b"), hash("1"))
	add("quiet", `"type":"report"`, "1-"+hash("1"), hash("1"))
	add("buried", `"type":"report"`, "1-"+hash("1"), hash("1"))
	add("buried", `"_deleted":true`, "2-"+hash("2"), hash("2"), hash("1"))
	s.ask("POST", "/"+s.db+"/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`)
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// conflicts are the lines of a scan, the summary left out, in order.
func (s *shop) conflicts(args ...string) []string {
	s.Helper()
	lines := strings.Split(strings.TrimSpace(s.couchmend(exitReview, append([]string{"scan", s.db, "--json"}, args...)...)), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, `{"summary"`) })
	slices.Sort(lines)
	return lines
}

// A scan that reads a view tells of the same conflicts as one that reads the
// whole database: of this command's view, and of one that operators had.
func aViewTellsOfWhatAScanFinds(t *testing.T, server string) {
	s := newShop(t, server)
	s.fill()
	s.ask("PUT", "/"+s.db+"/_design/medic-conflicts", `{"views":{"conflicts":{"map":"function(doc) { if (doc._conflicts) { emit(doc._conflicts, null); } }"}}}`)
	want := s.conflicts()
	if len(want) != 131 {
		t.Fatalf("%d conflicts", len(want))
	}
	if got := s.conflicts("--from-view=medic-conflicts/conflicts"); !slices.Equal(got, want) {
		t.Errorf("the operators' view tells of %d conflicts, a scan of %d", len(got), len(want))
	}
	s.couchmend(exitFailed, "scan", s.db, "--from-view")
	s.couchmend(exitOK, "views", "install", s.db, "--yes")
	s.couchmend(exitOK, "views", "install", s.db, "--yes")
	if got := s.conflicts("--from-view"); !slices.Equal(got, want) {
		t.Errorf("couchmend's view tells of %d conflicts, a scan of %d", len(got), len(want))
	}
	if got := s.conflicts("--from-view", "--limit", "7"); len(got) != 7 {
		t.Errorf("%d conflicts within --limit 7", len(got))
	}
	s.couchmend(exitOK, "views", "remove", s.db, "--yes")
	s.couchmend(exitFailed, "scan", s.db, "--from-view")
}

func TestAViewTellsOfWhatAScanFindsOnCouchDBInMemory(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	aViewTellsOfWhatAScanFinds(t, strings.Replace(couchtest.NewServer(t, node).URL, "://", "://admin:secret@", 1))
}

func TestAViewTellsOfWhatAScanFindsOnCouchDB(t *testing.T) {
	server := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if server == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	aViewTellsOfWhatAScanFinds(t, server)
}

func TestAViewTellsOfWhatAScanFindsOnPouchDB(t *testing.T) {
	aViewTellsOfWhatAScanFinds(t, pouchserver.Start(t))
}

// The Mango index lets _find see the documents in conflict, and no others.
func TestTheIndexOfConflictsAnswersFind(t *testing.T) {
	server := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if server == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	s := newShop(t, server)
	s.fill()
	s.couchmend(exitOK, "views", "install", s.db, "--yes")
	query := `{"selector":{"_conflicts":{"$exists":true}},"conflicts":true,"limit":1000,"execution_stats":true,"use_index":["` + indexDesign + `","` + indexName + `"],"fields":["_id","_conflicts"]}`
	resp, err := http.Post(s.url.String()+"/"+s.db+"/_find", "application/json", strings.NewReader(query))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Docs  []json.RawMessage
		Stats struct {
			Examined int `json:"total_docs_examined"`
		} `json:"execution_stats"`
		Warning string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Docs) != 130 || answer.Stats.Examined != 130 || answer.Warning != "" {
		t.Errorf("%d documents, %d examined, %q, %v", len(answer.Docs), answer.Stats.Examined, answer.Warning, err)
	}
}

// What is not couchmend's own is neither overwritten nor removed.
func TestAForeignDesignDocumentIsLeftAlone(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	s := newShop(t, strings.Replace(couchtest.NewServer(t, node).URL, "://", "://admin:secret@", 1))
	s.ask("PUT", "/"+s.db+"/_design/"+conflictsDesign, `{"views":{"mine":{"map":"function (doc) {}"}}}`)
	before := node.DB(s.db).Leaves("_design/" + conflictsDesign)
	for _, verb := range []string{"install", "remove"} {
		s.couchmend(exitFailed, "views", verb, s.db, "--yes")
		if after := node.DB(s.db).Leaves("_design/" + conflictsDesign); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s changed it", verb)
		}
	}
	// One that was changed after it was installed is somebody's work.
	s2 := newShop(t, s.url.String())
	s2.couchmend(exitOK, "views", "install", s2.db, "--yes")
	rev := node.DB(s2.db).Leaves("_design/" + conflictsDesign)[0].Rev
	s2.ask("PUT", "/"+s2.db+"/_design/"+conflictsDesign+"?rev="+rev.String(), `{"language":"javascript","views":{"conflicts":{"map":"function (doc) { if (doc._conflicts) { emit(doc._conflicts, 1); } }"}}}`)
	s2.couchmend(exitFailed, "views", "remove", s2.db, "--yes")
	if len(node.DB(s2.db).Leaves("_design/"+conflictsDesign)) != 1 || node.DB(s2.db).Leaves("_design/" + conflictsDesign)[0].Deleted {
		t.Error("it was removed")
	}
}

// A design document that changes between the look and the deed stays.
func TestADesignDocumentIsRemovedAtTheRevisionThatWasSeen(t *testing.T) {
	node := couchtest.NewNode()
	server, err := couch.Open(couch.Config{URL: couchtest.NewServer(t, node).URL})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	node.CreateDB("medic")
	db := server.DB("medic")
	if err := db.PutDesign(t.Context(), conflictsDesign, conflictsBody()); err != nil {
		t.Fatal(err)
	}
	seen := node.DB("medic").Leaves("_design/" + conflictsDesign)[0].Rev
	seen.Hash = strings.Repeat("0", 32)
	if err := db.DropDesignAt(t.Context(), conflictsDesign, seen); err == nil {
		t.Error("another revision was removed")
	}
}
