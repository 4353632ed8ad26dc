package triage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/triage"
	"github.com/couchmend/couchmend/mend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// couchEnv names the environment variable with the URL of a real CouchDB, an
// admin's credentials in it.
const couchEnv = "COUCHMEND_TEST_COUCHDB"

// incident is a server on which everything goes wrong at once.
type incident struct {
	*testing.T
	url        *url.URL // with credentials
	db, copied string
	policy     string
	couchLog   *safeBuffer // nil: the server's log is not at hand
	ownLog     safeBuffer
}

// safeBuffer may be written by many.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) reader() io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.NewReader(bytes.Clone(s.b.Bytes()))
}

// ask makes a request as an application does.
func (i *incident) ask(method, path string, body any) int {
	i.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	u := *i.url
	u.User = nil
	r, _ := http.NewRequest(method, u.String()+path, bytes.NewReader(text))
	password, _ := i.url.User.Password()
	r.SetBasicAuth(i.url.User.Username(), password)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		i.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

type doc = map[string]any

// leaf is a revision with its path, the newest first.
func leaf(id string, path []string, body doc) doc {
	d := doc{"_id": id}
	var hashes []string
	for _, r := range path {
		_, hash, _ := strings.Cut(r, "-")
		hashes = append(hashes, hash)
	}
	var gen int
	fmt.Sscanf(path[0], "%d", &gen)
	d["_revisions"] = doc{"start": gen, "ids": hashes}
	d["_rev"] = path[0]
	for k, v := range body {
		d[k] = v
	}
	return d
}

// hash is 32 digits.
func hash(s string) string { return strings.Repeat("0", 32-len(s)) + s }

// stage lets everything go wrong: merges that a validation function refuses, a
// device that was offline and whose clock is off, an application that saves over
// what has changed.
func (i *incident) stage() {
	i.Helper()
	var docs []doc
	for k := range 6 {
		id, root := fmt.Sprintf("plan-%d", k), "1-"+hash(fmt.Sprintf("a%d", k))
		docs = append(docs, leaf(id, []string{root}, doc{"type": "plan", "left": 1, "right": 1}),
			leaf(id, []string{"2-" + hash(fmt.Sprintf("b%d", k)), root}, doc{"type": "plan", "left": 2, "right": 1}),
			leaf(id, []string{"2-" + hash(fmt.Sprintf("c%d", k)), root}, doc{"type": "plan", "left": 1, "right": 2}))
	}
	root := "1-" + hash("d")
	docs = append(docs, leaf("visit-1", []string{root}, doc{"type": "visit", "n": 0}),
		leaf("visit-1", []string{"2-" + hash("e"), root}, doc{"type": "visit", "n": 1, "updated_by": "clinic"}))
	for k := range 4 {
		var path []string
		for g := 5; g > 1; g-- {
			path = append(path, fmt.Sprintf("%d-%s", g, hash(fmt.Sprintf("f%d%d", k, g))))
		}
		docs = append(docs, leaf("visit-1", append(path, root), doc{"type": "visit", "n": 10 + k, "updated_by": "phone-7", "updated_at": time.Now().Add(72 * time.Hour).UTC().Format(time.RFC3339)}))
	}
	for k := range 3 {
		docs = append(docs, leaf(fmt.Sprintf("note-%d", k), []string{"1-" + hash(fmt.Sprint(k))}, doc{"type": "note", "signed": k > 0}))
	}
	if status := i.ask("POST", "/"+i.db+"/_bulk_docs", doc{"new_edits": false, "docs": docs}); status != 201 {
		i.Fatalf("staged with %d", status)
	}
	for range 9 {
		if status := i.ask("PUT", "/"+i.db+"/note-1", doc{"type": "note", "n": 1}); status != 409 {
			i.Fatalf("the application got %d", status)
		}
	}
}

// validators are the functions of both databases, for a real CouchDB.
func (i *incident) validators() {
	for db, source := range map[string]string{
		i.db:     `function (doc) { if (doc.type == "plan" && doc.left == 2 && doc.right == 2) throw({forbidden: "left and right at once"}); }`,
		i.copied: `function (doc) { if (doc.type == "note" && !doc.signed) throw({forbidden: "unsigned note"}); }`,
	} {
		// One of a name each: the source's would come to the target as a rival.
		i.ask("PUT", "/"+db+"/_design/guard-of-"+db, doc{"validate_doc_update": source})
	}
}

// mend lets couchmend do what it can.
func (i *incident) mend() *mend.Couchmend {
	i.Helper()
	c, err := mend.Open(i.Context(), mend.Options{
		URL: i.url.String(), PolicyFile: i.policy, Databases: []string{i.db}, StateDir: i.TempDir(),
		Log: slog.New(slog.NewJSONHandler(&i.ownLog, nil)),
	})
	if err != nil {
		i.Fatal(err)
	}
	i.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(i.Context(), time.Minute)
	defer cancel()
	if err := c.Once(ctx); err != nil {
		i.Fatal(err)
	}
	return c
}

const storyPolicy = `databases:
  - { match: "*", policy: ward }
policies:
  ward:
    rules:
      - { name: plans, when: { type: plan }, fields: { left: max } }
      - { name: visits, when: { type: visit } }
    otherwise: merge
`

func newIncident(t *testing.T, server string) *incident {
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	name := "couchmend-triage-" + strings.ToLower(rand.Text()[:8])
	i := &incident{T: t, url: u, db: name, copied: name + "-copy", policy: filepath.Join(t.TempDir(), "couchmend.yaml")}
	if err := os.WriteFile(i.policy, []byte(storyPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return i
}

// findings are those of a kind.
func findings(r *triage.Report, kind string) (all []triage.Finding) {
	for _, f := range r.Findings {
		if f.Kind == kind {
			all = append(all, f)
		}
	}
	return all
}

// wantFinding fails unless a finding of a kind has the words in its evidence and
// the command after them.
func wantFinding(t *testing.T, r *triage.Report, kind, next string, words ...string) triage.Finding {
	t.Helper()
	for _, f := range findings(r, kind) {
		text := f.Title + "\n" + f.Says + "\n" + strings.Join(f.Evidence, "\n")
		fits := f.Next == next
		for _, w := range words {
			fits = fits && strings.Contains(text, w)
		}
		if fits {
			return f
		}
	}
	t.Errorf("no finding %s with %q and next %q:\n%s", kind, words, next, r.FindingsText())
	return triage.Finding{}
}

// Each cause of a staged incident is named, with what speaks for it and the
// command to run next.
func TestAnIncidentIsTakenApart(t *testing.T) {
	log := &safeBuffer{}
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"), couchtest.WithLog(log))
	server := couchtest.NewServer(t, node)
	i := newIncident(t, strings.Replace(server.URL, "://", "://admin:secret@", 1))
	i.couchLog = log
	store := node.CreateDB(i.db)
	node.CreateDB(i.copied)
	store.SetValidate(func(doc, _ json.RawMessage, _ couchtest.UserContext) error {
		v := jsondoc.Value(doc)
		if v.Get("type").Text() == "plan" && string(v.Get("left")) == "2" && string(v.Get("right")) == "2" {
			return errors.New("left and right at once")
		}
		return nil
	})
	i.stage()
	c := i.mend()

	target := server.URL + "/" + i.copied + "/"
	looks := 0
	job := couchtest.Scheduled{DocID: "to-the-copy", Source: server.URL + "/" + i.db + "/", Target: target, State: "running", Continuous: true, Started: time.Now()}
	node.OnRequest(func(r *http.Request) {
		if r.URL.Path == "/_scheduler/docs" {
			looks++
			grown := job
			grown.Stats = couchtest.ReplicationStats{DocsRead: 9, DocsWritten: 8, DocWriteFailures: looks}
			node.SetScheduled(grown)
		}
	})
	fmt.Fprintf(log, "[error] %s couchtest@127.0.0.1 <0.9.0> -------- Replicator: couldn't write document `note-0`, revision `1-%s`, to target database `%s`. Error: `forbidden`, reason: `unsigned note`.\n",
		time.Now().UTC().Format(time.RFC3339Nano), hash("0"), target)

	g := triage.New(triage.Options{Watch: 10 * time.Millisecond, Flags: " --policy couchmend.yaml"})
	gather(t, g, i, c)
	r := g.Report()
	if len(r.Notes) > 0 {
		t.Errorf("notes %+v", r.Notes)
	}
	wantFinding(t, r, "replication_write_failures", "couchmend show --policy couchmend.yaml "+i.db+" note-0", "doc_write_failures 2", "grew by 1", "unsigned note")
	wantFinding(t, r, "merge_refused", "couchmend review show --policy couchmend.yaml "+i.db+" plan-0", "6 documents in review for it, 6 lines in couchmend's log", "left and right at once")
	wantFinding(t, r, "application_409", "couchmend show --policy couchmend.yaml "+i.db+" note-1", "9 PUTs with 409", "note-1 (9)", "cannot show them")
	wantFinding(t, r, "deep", "couchmend show --policy couchmend.yaml "+i.db+" visit-1", "a device edited offline", "5 live leaves, 4 edits deep, parted 4 edits ago")
	wantFinding(t, r, "clock_skew", "couchmend diff --policy couchmend.yaml "+i.db+" visit-1", `"phone-7"`, "3 days after")
	if top := r.Findings[0]; top.Kind != "replication_write_failures" {
		t.Errorf("the heaviest is %+v", top)
	}

	// Both logs are joined by request id: no 409 is couchmend's, and its requests are known.
	l := r.Logs
	if l.Conflicts[triage.Ours] != 0 || l.Conflicts[triage.Application] != 9 || l.Bulk[triage.Ours] == 0 || l.Bulk[triage.Application] != 1 || l.Took["_bulk_get"].N == 0 || l.Own["review"] == 0 {
		t.Errorf("logs %+v", l)
	}
	// couchmend's failures stand beside what CouchDB says of the same request:
	// a refusal is a row of an answer of 201.
	joined := 0
	for _, j := range l.Joined {
		if len(j.Answers) > 0 && j.Answers[0].Path == "/"+i.db+"/_bulk_docs" && j.Answers[0].Status == 201 && j.Class == "forbidden" {
			joined++
		}
	}
	if joined != 6 {
		t.Errorf("%d of the refused merges found in CouchDB's log: %+v", joined, l.Joined)
	}
}

// gather gathers all there is.
func gather(t *testing.T, g *triage.Gatherer, i *incident, c *mend.Couchmend) {
	t.Helper()
	if err := g.Ledger(t.Context(), c.Ledger); err != nil {
		t.Fatal(err)
	}
	if err := g.Server(t.Context(), c.Server, []string{i.db}); err != nil {
		t.Fatal(err)
	}
	own := []triage.Log{{Name: "couchmend.log", From: i.ownLog.reader()}}
	var couchdb []triage.Log
	if i.couchLog != nil {
		couchdb = append(couchdb, triage.Log{Name: "couch.log", From: i.couchLog.reader()})
	}
	if err := g.Logs(t.Context(), couchdb, own); err != nil {
		t.Fatal(err)
	}
}

// The same on a real CouchDB, with a replication of its own.
func TestAnIncidentOnARealCouchDBIsTakenApart(t *testing.T) {
	if os.Getenv(couchEnv) == "" {
		t.Skip(couchEnv + " names no CouchDB")
	}
	i := newIncident(t, os.Getenv(couchEnv))
	for _, db := range []string{i.db, i.copied} {
		if status := i.ask("PUT", "/"+db, nil); status >= 300 {
			t.Fatalf("%s: %d", db, status)
		}
		t.Cleanup(func() { i.ask("DELETE", "/"+db, nil) })
	}
	i.validators()
	time.Sleep(time.Second) // CouchDB loads validation functions in its own time
	i.stage()
	c := i.mend()
	job := "/_replicator/" + i.db
	if status := i.ask("PUT", job, doc{"source": i.url.String() + "/" + i.db, "target": i.url.String() + "/" + i.copied, "continuous": true}); status != 201 {
		t.Skipf("replications cannot be asked for: %d", status)
	}
	t.Cleanup(func() { i.ask("DELETE", job+"?rev="+revOf(i, job), nil) })

	var r *triage.Report
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		g := triage.New(triage.Options{})
		gather(t, g, i, c)
		if r = g.Report(); len(findings(r, "replication_write_failures")) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no replication fails: %+v", r.Replications)
		}
	}
	for _, f := range findings(r, "replication_write_failures") {
		if f.DB == i.copied && (!strings.Contains(strings.Join(f.Evidence, " "), "doc_write_failures 1") || !strings.HasSuffix(f.Next, "/_design_docs?include_docs=true'")) {
			t.Errorf("got %+v", f)
		}
	}
	wantFinding(t, r, "merge_refused", "couchmend review show "+i.db+" plan-0", "left and right at once")
	wantFinding(t, r, "deep", "couchmend show "+i.db+" visit-1", "a device edited offline")
	wantFinding(t, r, "clock_skew", "couchmend diff "+i.db+" visit-1", `"phone-7"`)
}

// revOf is a document's revision.
func revOf(i *incident, path string) string {
	u := *i.url
	resp, err := http.Get(u.String() + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var d struct {
		Rev string `json:"_rev"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&d)
	return d.Rev
}

// A server's trouble is told; a database's is noted, and the others are looked at.
func TestWhatMayNotBeSeenIsNoted(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	node.AddUser("joe", "pw")
	server := couchtest.NewServer(t, node)
	i := newIncident(t, strings.Replace(server.URL, "://", "://joe:pw@", 1))
	node.CreateDB("open").SetRevsLimit(1000)
	store := node.CreateDB("open")
	for _, h := range []string{"a", "b"} {
		rev := couchmend.Rev{Gen: 1, Hash: hash(h)}
		if err := store.Put(couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev}, Body: json.RawMessage(`{"h":"` + h + `"}`)}, "d"); err != nil {
			t.Fatal(err)
		}
	}
	i.ask("GET", "/", nil)
	node.CreateDB("closed")
	admin := newIncident(t, strings.Replace(server.URL, "://", "://admin:secret@", 1))
	open := doc{"admins": doc{}, "members": doc{"names": []string{"joe"}}}
	if admin.ask("PUT", "/open/_security", open) >= 300 || admin.ask("PUT", "/closed/_security", doc{"members": doc{"names": []string{"ann"}}}) >= 300 {
		t.Fatal("the databases could not be closed")
	}
	s, err := mend.Connect(mend.Options{URL: i.url.String(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := triage.Gather(t.Context(), s, nil, []string{"closed", "missing", "open"}, triage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var noted []string
	for _, n := range r.Notes {
		noted = append(noted, n.DB)
	}
	if fmt.Sprint(noted) != "[ closed missing]" {
		t.Errorf("noted %+v", r.Notes)
	}
	for _, d := range r.Databases {
		if d.Skipped != (d.Name != "open") || d.Name == "open" && d.Conflicts != 1 {
			t.Errorf("got %+v", d)
		}
	}
	r, err = triage.Gather(t.Context(), s, nil, []string{"open"}, triage.Options{Visible: func(string) bool { return false }})
	if err != nil || len(r.Databases) > 0 {
		t.Errorf("what is not to be seen is told of: %+v, %v", r, err)
	}
}
