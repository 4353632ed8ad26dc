package console

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// real is a CouchDB, asked as its admin.
type real struct {
	t     *testing.T
	admin *url.URL
}

// do makes a request and returns the revision that the answer names.
func (r real) do(method, path, body string) string {
	r.t.Helper()
	req, err := http.NewRequest(method, r.admin.Scheme+"://"+r.admin.Host+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	password, _ := r.admin.User.Password()
	req.SetBasicAuth(r.admin.User.Username(), password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 400 && resp.StatusCode != http.StatusPreconditionFailed {
		r.t.Fatal(method, path, resp.Status)
	}
	return strings.Trim(resp.Header.Get("ETag"), `"`)
}

// The same as on couchtest, so that what is believed of _session and of rights
// is CouchDB's own word.
func TestOnARealCouchDBAPersonSeesAndDecidesAsThemselves(t *testing.T) {
	address := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if address == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	admin, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil {
		t.Fatal(err)
	}
	server := real{t, admin}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	mark := fmt.Sprint(time.Now().UnixNano())
	mine, hidden, name := "console_mine_"+mark, "console_hidden_"+mark, "asha"+mark
	server.do("PUT", "/_users", "")
	rev := server.do("PUT", "/_users/org.couchdb.user:"+name, fmt.Sprintf(`{"name":%q,"password":"pw","roles":[],"type":"user"}`, name))
	defer server.do("DELETE", "/_users/org.couchdb.user:"+name+"?rev="+rev, "")
	for _, db := range []string{mine, hidden} {
		server.do("PUT", "/"+db, "")
		defer server.do("DELETE", "/"+db, "")
		server.do("POST", "/"+db+"/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a"},
			{"_id":"a","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"name":"y"},{"_id":"a","_rev":"2-c","_revisions":{"start":2,"ids":["c","a"]},"name":"z"}]}`)
	}
	server.do("PUT", "/"+mine+"/_security", fmt.Sprintf(`{"members":{"names":[%q],"roles":[]},"admins":{"names":[],"roles":["_admin"]}}`, name))
	bare := *admin
	bare.User = nil
	c := newClinic(t, func(cfg *Config) {
		if cfg.Server, err = couch.Open(couch.Config{URL: bare.String()}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cfg.Server.Close)
	})
	for _, db := range []string{mine, hidden} {
		if err := c.ledger.PutCases(t.Context(), ledger.Case{DB: db, ID: "a", Reason: couchmend.ReasonOverlap, Live: 2}); err != nil {
			t.Fatal(err)
		}
		c.shown(db, "a")
	}
	b := c.browser()
	if got := b.get("/"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Fatalf("without a sign-in: %s", got.path)
	}
	if got := b.signIn(name, "pw"); got.path != "/" {
		t.Fatalf("signing in: %d %s", got.status, got.text)
	}
	if got := b.get("/api/v1/cases").text; !strings.Contains(got, mine) || strings.Contains(got, hidden) {
		t.Errorf("the list: %s", got)
	}
	if got := b.get("/api/v1/document?id=a&db=" + hidden); got.status != http.StatusNotFound {
		t.Errorf("the hidden one: %d %s", got.status, got.text)
	}
	form := url.Values{"action": {"winner"}, "item": {itemKey(mine, "a")}}
	shown := b.post("/cases", "/cases/preview", form)
	form["item"] = items(shown)
	if got := b.post("/cases", "/cases/apply", form); !strings.Contains(got.text, "done for 1 document") {
		t.Errorf("deciding: %d %s", got.status, got.text)
	}
	history, err := c.ledger.History(t.Context(), mine, "a")
	if err != nil || len(history) != 1 || history[0].By != name {
		t.Errorf("the journal: %v %v", history, err)
	}
}
