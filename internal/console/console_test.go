package console

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clinic is a CouchDB in memory and a console before it.
type clinic struct {
	t       testing.TB
	node    *couchtest.Node
	server  *couchtest.Server
	ledger  *ledger.Ledger
	console *Console
	http    *httptest.Server
}

func newClinic(t testing.TB, change func(*Config)) *clinic {
	t.Helper()
	c := &clinic{t: t, node: couchtest.NewNode()}
	var err error
	if c.server, err = couchtest.Listen(c.node, "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.server.Close)
	server, err := couch.Open(couch.Config{URL: c.server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if c.ledger, err = ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.ledger.Close() })
	shown, err := board.Open(t.Context(), c.ledger, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shown.Close)
	p := policy.Builtin()
	cfg := Config{Server: server, Ledger: c.ledger, Board: shown, Loopback: true, Rules: func(string) (decide.Rules, string) {
		return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, "builtin"
	}}
	if change != nil {
		change(&cfg)
	}
	if c.console, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.console.Close)
	c.http = httptest.NewServer(c.console)
	t.Cleanup(c.http.Close)
	return c
}

// browser is one person's.
type browser struct {
	*clinic
	client *http.Client
}

func (c *clinic) browser() *browser {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &browser{c, &http.Client{Jar: jar, Transport: transport}}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	path   string // where redirects led to
}

func (b *browser) do(r *http.Request) answer {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text), resp.Request.URL.RequestURI()}
}

func (b *browser) request(method, path, kind, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, b.http.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(b.request("GET", path, "", ""))
}

const formKind = "application/x-www-form-urlencoded"

// post sends a form with the token of the page at path from.
func (b *browser) post(from, path string, form url.Values) answer {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	if found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get(from).text); found != nil {
		form.Set("csrf", found[1])
	}
	return b.do(b.request("POST", path, formKind, form.Encode()))
}

// fresh gets a page as it brings itself up to date.
func (b *browser) fresh(path string) answer {
	b.t.Helper()
	r := b.request("GET", path, "", "")
	r.Header.Set(freshHeader, "1")
	return b.do(r)
}

// csrfOf is the token that a page's forms and scripts send.
func csrfOf(t *testing.T, page answer) string {
	t.Helper()
	found := regexp.MustCompile(`name="csrf" content="([^"]+)"`).FindStringSubmatch(page.text)
	if found == nil {
		t.Fatalf("no form at %s: %s", page.path, page.text)
	}
	return found[1]
}

func (b *browser) signIn(name, password string) answer {
	b.t.Helper()
	return b.post("/sign-in", "/sign-in", url.Values{"name": {name}, "password": {password}})
}

func (c *clinic) users() {
	c.node.AddUser("root", "toor", "_admin")
	c.node.AddUser("asha", "pw", "nurse")
}
