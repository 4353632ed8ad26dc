package feed

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
)

// TestARealCouchDBWakesItsDatabases runs where COUCHMEND_TEST_COUCHDB is the URL
// of a CouchDB, with a server admin's name and password in it.
func TestARealCouchDBWakesItsDatabases(t *testing.T) {
	url := strings.TrimRight(os.Getenv("COUCHMEND_TEST_COUCHDB"), "/")
	if url == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	s := newSite(t)
	server, err := couch.Open(couch.Config{URL: url})
	if err != nil {
		t.Fatal("COUCHMEND_TEST_COUCHDB is no URL") // its text has a password
	}
	t.Cleanup(server.Close)
	prefix := fmt.Sprintf("couchmend-feed-%x-", rand.Uint64())
	send := func(method, path, body string) {
		t.Helper()
		req, _ := http.NewRequest(method, url+"/"+prefix+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal("CouchDB does not answer")
		}
		if resp.Body.Close(); resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for i := range 4 {
		send("PUT", fmt.Sprint(i), "")
		t.Cleanup(func() { send("DELETE", fmt.Sprint(i), "") })
	}
	fork := func(db, id string) {
		t.Helper()
		send("POST", db+"/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":%q,"_rev":"1-a"},{"_id":%q,"_rev":"1-b"}]}`, id, id))
	}
	fork("2", "before")
	s.running(s.follower(func(c *Config) {
		c.Server, c.Held, c.Sweep = server, 2, time.Hour
		c.Match = func(db string) bool { return strings.HasPrefix(db, prefix) }
	}))
	s.wantQueued(prefix+"2", "before")
	s.eventually("the feed of updates is open", func() bool { return server.Requests()["db_updates"] > 1 })
	time.Sleep(time.Second)
	fork("3", "after")
	s.wantQueued(prefix+"3", "after")
}
