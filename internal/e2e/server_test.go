package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/ledger"
)

// server is the CouchDB that a test runs against.
type server struct {
	url  string // credentials included, no slash at the end
	real bool
	node *couchtest.Node // nil for a real one
}

// onEachServer runs a test against couchtest and, where COUCHMEND_TEST_COUCHDB
// names one, against a real CouchDB.
func onEachServer(t *testing.T, test func(t *testing.T, s server)) {
	t.Run("couchtest", func(t *testing.T) { test(t, newServer(t)) })
	if named := os.Getenv("COUCHMEND_TEST_COUCHDB"); named != "" {
		t.Run("CouchDB", func(t *testing.T) {
			s := server{url: strings.TrimSuffix(named, "/"), real: true}
			s.keepOldBodies(t)
			test(t, s)
		})
	}
}

func newServer(t *testing.T) server {
	node := couchtest.NewNode()
	return server{url: couchtest.NewServer(t, node).URL, node: node}
}

// number is how many of something a test makes: small, so that everybody can
// wait for it, unless an environment variable says otherwise.
func number(t *testing.T, env string, small int) int {
	text := os.Getenv(env)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}

// keepOldBodies stops automatic compaction until all tests are done: it takes
// bases away, at moments of its own choosing, and the oracle would be wrong.
func (s server) keepOldBodies(t *testing.T) {
	const setting, off = "/_node/_local/_config/smoosh/db_channels", "upgrade_dbs"
	compaction.Lock()
	defer compaction.Unlock()
	var before string
	status := s.ask(t, http.MethodGet, setting, nil, &before)
	if before == off {
		return
	}
	s.must(t, http.MethodPut, setting, off, nil)
	compaction.restore = func() error {
		method, value := http.MethodPut, strconv.Quote(before)
		if status != http.StatusOK {
			method, value = http.MethodDelete, ""
		}
		req, err := http.NewRequestWithContext(context.Background(), method, s.url+setting, strings.NewReader(value))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}

var compaction struct {
	sync.Mutex
	restore func() error
}

// compactAgain undoes keepOldBodies.
func compactAgain() error {
	if compaction.restore == nil {
		return nil
	}
	return compaction.restore()
}

// newName is the name of a database that does not exist; if it does when the
// test ends, it is deleted.
func (s server) newName(t *testing.T) string {
	name := "couchmend-e2e-" + strings.ToLower(rand.Text()[:10])
	t.Cleanup(func() { s.ask(t, http.MethodDelete, "/"+name, nil, nil) })
	return name
}

// newDB creates a database for the length of the test.
func (s server) newDB(t *testing.T) string {
	name := s.newName(t)
	s.must(t, http.MethodPut, "/"+name, nil, nil)
	return name
}

// site is a new installation that looks after this server.
func (s server) site(t *testing.T, policy string) site {
	return newSite(t, policy, "COUCHDB_URL="+s.url)
}

// ask makes a request and returns its status; a body is sent as JSON, or as it
// is if it is []byte.
func (s server) ask(t *testing.T, method, path string, body, answer any) int {
	t.Helper()
	raw, ok := body.([]byte)
	if body != nil && !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json") // else attachments come as multipart
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && answer != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode
}

// must is ask for what can't be refused.
func (s server) must(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	if status := s.ask(t, method, path, body, answer); status >= 300 {
		t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// write writes revisions as replication does.
func (s server) write(t *testing.T, db string, docs ...map[string]any) {
	t.Helper()
	var refused []any
	s.must(t, http.MethodPost, "/"+db+"/_bulk_docs", map[string]any{"new_edits": false, "docs": docs}, &refused)
	if len(refused) > 0 {
		t.Fatalf("refused: %v", refused)
	}
}

// conflict writes a document of the policy `records` in conflict: two leaves
// that each changed a field of the base's. big is added to all three.
func (s server) conflict(t *testing.T, db, id string, big ...string) {
	t.Helper()
	revision := func(hash, left, right string, path ...string) map[string]any {
		ids := append([]string{hash}, path...)
		return map[string]any{
			"_id": id, "_rev": fmt.Sprintf("%d-%s", len(ids), hash), "_revisions": map[string]any{"start": len(ids), "ids": ids},
			"type": "record", "left": left, "right": right, "big": strings.Join(big, ""),
		}
	}
	const base, one, two = "b1111111111111111111111111111111", "a2222222222222222222222222222222", "a3333333333333333333333333333333"
	s.write(t, db, revision(base, "old", "old"))
	s.write(t, db, revision(one, "new", "old", base), revision(two, "old", "new", base))
}

// records merges what conflict writes.
const records = `
databases:
  - { match: "*", policy: all }
policies:
  all:
    rules:
      - { name: records, when: { type: record } }
    otherwise: review
`

// escaped is a document's id in a path: CouchDB reads a bare + as a space.
func escaped(id string) string { return strings.ReplaceAll(url.PathEscape(id), "+", "%2B") }

// merged reports whether what conflict wrote is merged: one live leaf, both
// edits in it.
func (s server) merged(t *testing.T, db, id string) bool {
	t.Helper()
	var doc struct {
		Left, Right string
		Conflicts   []string `json:"_conflicts"`
	}
	s.ask(t, http.MethodGet, "/"+db+"/"+escaped(id)+"?conflicts=true", nil, &doc)
	return doc.Left == "new" && doc.Right == "new" && len(doc.Conflicts) == 0
}

// leaves lists all leaves of all documents, dead ones too.
func (s server) leaves(t *testing.T, db string) map[string][]string {
	t.Helper()
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	s.must(t, http.MethodGet, "/"+db+"/_changes?style=all_docs", nil, &feed)
	all := make(map[string][]string, len(feed.Results))
	for _, row := range feed.Results {
		var revs []string
		for _, c := range row.Changes {
			revs = append(revs, c.Rev)
		}
		slices.Sort(revs)
		all[row.ID] = revs
	}
	return all
}

// sameLeaves compares two databases; differing documents fail the test.
func sameLeaves(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	wrong := 0
	complain := func(id string) {
		if wrong++; wrong <= 10 {
			t.Errorf("%s: %q has the leaves %v, want %v", what, id, got[id], want[id])
		}
	}
	for id := range want {
		if !slices.Equal(got[id], want[id]) {
			complain(id)
		}
	}
	for id := range got {
		if want[id] == nil {
			complain(id)
		}
	}
	if wrong > 10 {
		t.Errorf("%s: %d documents in all", what, wrong)
	}
}

// load writes generated conflicts into a new database.
func (s server) load(t *testing.T, g *conflictgen.Generator) string {
	t.Helper()
	db := s.newName(t)
	if err := conflictgen.Load(context.Background(), s.url, db, g.Docs()); err != nil {
		t.Fatal(err)
	}
	return db
}

// check compares a database and a site's review queue with the oracle.
func (s server) check(t *testing.T, db string, g *conflictgen.Generator, at site) {
	t.Helper()
	wrong, err := conflictgen.Check(context.Background(), s.url, db, g.Docs(), at.reviews(t, db))
	if err != nil {
		t.Fatal(err)
	}
	report(t, wrong)
}

func report(t *testing.T, wrong []conflictgen.Mismatch) {
	t.Helper()
	for _, m := range wrong[:min(len(wrong), 20)] {
		t.Error(m)
	}
	if len(wrong) > 20 {
		t.Errorf("%d documents are not as the oracle wants them", len(wrong))
	}
}

// reviews is a site's review queue for db: reasons by document.
func (s site) reviews(t *testing.T, db string) map[string]couchmend.Reason {
	t.Helper()
	reasons := map[string]couchmend.Reason{}
	s.look(t, func(ctx context.Context, l *ledger.Ledger) {
		for c, err := range l.Cases(ctx, ledger.Filter{DB: db}) {
			if err != nil {
				t.Fatal(err)
			}
			reasons[c.ID] = c.Reason
		}
	})
	return reasons
}

// history is what a site's journal says of a document.
func (s site) history(t *testing.T, db, id string) (entries []ledger.Entry) {
	t.Helper()
	s.look(t, func(ctx context.Context, l *ledger.Ledger) {
		var err error
		if entries, err = l.History(ctx, db, id); err != nil {
			t.Fatal(err)
		}
	})
	return entries
}

// look opens a site's state, beside the process that holds it if there is one.
func (s site) look(t *testing.T, f func(context.Context, *ledger.Ledger)) {
	t.Helper()
	ctx := context.Background()
	l, err := ledger.Connect(ctx, ledger.Config{Dir: s.state()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f(ctx, l)
}

// replicate copies one database to another, completely.
func replicate(t *testing.T, from server, source string, to server, target string) {
	t.Helper()
	var answer struct {
		OK      bool
		History []struct {
			Failures int `json:"doc_write_failures"`
		}
	}
	to.must(t, http.MethodPost, "/_replicate", map[string]string{
		"source": from.url + "/" + source, "target": to.url + "/" + target,
	}, &answer)
	if !answer.OK || len(answer.History) > 0 && answer.History[0].Failures > 0 {
		t.Fatalf("replication: %+v", answer)
	}
}

// eventually waits for something, and fails the test after a while.
func eventually(t *testing.T, within time.Duration, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !happened(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// endpoint is the last segment of a path, without database and document names.
func endpoint(r *http.Request) string { return r.Method + " " + path.Base(r.URL.Path) }
