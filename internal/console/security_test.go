package console

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
)

// nasty is what an attacker would name a document, a field, a type.
const nasty = `<script>alert(1)</script>"><img src=x onerror=alert(1)>'; DROP`

// waits puts a document into review, with a conflict at CouchDB to go with it.
func (c *clinic) waits(name, id, kind string, fields ...string) {
	c.t.Helper()
	db := c.node.DB(name)
	if db == nil {
		db = c.node.CreateDB(name)
	}
	body := func(n int) string { return fmt.Sprintf(`{"type":%q,"name":%q,%q:%d}`, kind, nasty, nasty, n) }
	root := couchmend.MustRev("1-a")
	c.write(db, id, body(0), root)
	c.write(db, id, body(1), couchmend.MustRev("2-b"), root)
	c.write(db, id, body(2), couchmend.MustRev("2-c"), root)
	err := c.ledger.PutCases(c.t.Context(), ledger.Case{
		DB: name, ID: id, Reason: couchmend.ReasonOverlap, Type: kind, Fields: fields, Live: 2, Evidence: []string{nasty}, Rule: nasty,
		Leaves: []couchmend.Rev{couchmend.MustRev("2-c"), couchmend.MustRev("2-b")},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.shown(name, id)
}

// shown waits until the board knows of a case.
func (c *clinic) shown(db, id string) {
	c.t.Helper()
	for range 500 {
		found := false
		c.console.Board.EachCase(board.Query{DB: db}, board.All, func(line ledger.CaseLine) bool {
			found = found || line.ID == id
			return !found
		})
		if found {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.t.Fatalf("the board does not show %s/%s", db, id)
}

func TestEveryAnswerCarriesThePolicyThatKeepsScriptsAndFramesOut(t *testing.T) {
	b := newClinic(t, nil).browser()
	for _, path := range []string{"/", "/cases", "/static/console.css", "/api/v1/overview", "/nowhere", "/sign-in"} {
		h := b.get(path).header
		for name, want := range map[string]string{
			"Content-Security-Policy": csp, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if got := h.Get("Cache-Control"); got != "no-store" && !strings.HasPrefix(path, "/static/") {
			t.Errorf("%s: Cache-Control %q: a browser would keep documents", path, got)
		}
	}
}

func TestNoPageRunsWhatADocumentIsCalledOrHolds(t *testing.T) {
	c := newClinic(t, nil)
	c.waits("ward", nasty, nasty, nasty)
	c.waits("ward", "javascript:alert(1)", "person")
	b := c.browser()
	item := itemKey("ward", nasty)
	pages := map[string]answer{
		"overview": b.get("/"), "list": b.get("/cases"), "filtered": b.get("/cases?" + url.Values{"type": {nasty}, "field": {nasty}, "q": {nasty}, "db": {nasty}}.Encode()),
		"bad order": b.get("/cases?order=" + url.QueryEscape(nasty)), "lost": b.get("/" + url.PathEscape(nasty)), "sign-in": b.get("/sign-in?next=" + url.QueryEscape(nasty)),
	}
	for _, a := range bulkActions {
		pages[a.Name] = b.post("/cases", "/cases/preview", url.Values{"action": {a.Name}, "item": {item}, "back": {"javascript:alert(1)"}})
	}
	for name, got := range pages {
		for _, bad := range []string{"<script>alert", "<img src=x", `href="javascript:`, "onerror=alert(1)>'"} {
			if strings.Contains(got.text, bad) {
				t.Errorf("%s holds %s", name, bad)
			}
		}
	}
	if !strings.Contains(pages["list"].text, "&lt;script&gt;alert(1)") {
		t.Error("the list does not show the document")
	}
	if !strings.Contains(pages["winner"].text, "&lt;script&gt;alert(1)") || pages["winner"].status != 200 {
		t.Errorf("the preview does not show what is written: %d", pages["winner"].status)
	}
}

func TestAFormOfAnotherSiteOrSessionDoesNothing(t *testing.T) {
	c := newClinic(t, nil)
	c.users()
	b, other := c.browser(), c.browser()
	b.signIn("asha", "pw")
	other.signIn("root", "toor")
	foreign := csrfOf(t, other.get("/cases"))
	for name, change := range map[string]func(*http.Request, url.Values){
		"no token":            func(_ *http.Request, f url.Values) { f.Del("csrf") },
		"another's token":     func(_ *http.Request, f url.Values) { f.Set("csrf", foreign) },
		"a page elsewhere":    func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sibling's page":    func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"an old browser's":    func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "https://evil.example") },
		"a sandboxed frame's": func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "null") },
	} {
		form := url.Values{"csrf": {csrfOf(t, b.get("/"))}}
		r := b.request("POST", "/sign-out", formKind, "")
		change(r, form)
		text := form.Encode()
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		if got := b.do(r); got.status != http.StatusForbidden {
			t.Errorf("%s: %d at %s", name, got.status, got.path)
		}
		if got := b.get("/"); got.path != "/" {
			t.Fatalf("%s: it signed the person out", name)
		}
	}
}

func TestTheAPITakesNoWriteWithoutATokenOrItsOwnLogin(t *testing.T) {
	c := newClinic(t, nil)
	c.users()
	b := c.browser()
	b.signIn("root", "toor")
	const body = `{"action":"retry","items":[]}`
	send := func(change func(*http.Request)) answer {
		r := b.request("POST", "/api/v1/bulk/preview", "application/json", body)
		change(r)
		return b.do(r)
	}
	if got := send(func(*http.Request) {}); got.status != http.StatusForbidden {
		t.Errorf("with the cookie alone: %d %s", got.status, got.text)
	}
	if got := send(func(r *http.Request) { r.Header.Set(csrfHeader, csrfOf(t, b.get("/"))) }); got.status != http.StatusBadRequest { // no document was marked
		t.Errorf("with cookie and token: %d %s", got.status, got.text)
	}
	stranger := c.browser()
	r := stranger.request("POST", "/api/v1/bulk/preview", "application/json", body)
	if got := stranger.do(r); got.status != http.StatusUnauthorized || !strings.Contains(got.text, `"kind":"unauthorized"`) {
		t.Errorf("without a login: %d %s", got.status, got.text)
	}
	r = stranger.request("POST", "/api/v1/bulk/preview", "application/json", body)
	r.SetBasicAuth("root", "toor")
	if got := stranger.do(r); got.status != http.StatusBadRequest || got.header.Get("Set-Cookie") != "" {
		t.Errorf("with a login of its own: %d %s", got.status, got.text)
	}
	r = stranger.request("POST", "/api/v1/bulk/preview", "text/plain", body)
	r.SetBasicAuth("root", "toor")
	if got := stranger.do(r); got.status != http.StatusBadRequest || !strings.Contains(got.text, "application/json") {
		t.Errorf("as a form could send it: %d %s", got.status, got.text)
	}
}

func TestANameThatWasMadeToPointHereIsNotAnswered(t *testing.T) {
	c := newClinic(t, func(cfg *Config) { cfg.Hosts = []string{"console.example"} })
	b := c.browser()
	for host, want := range map[string]int{
		"": 200, "localhost": 200, "localhost:5985": 200, "127.0.0.1:99": 200, "[::1]:5985": 200, "demo.localhost": 200, "console.example": 200, "console.example:443": 200,
		"evil.example": 403, "evil.example:5985": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403,
	} {
		r := b.request("GET", "/sign-in", "", "")
		r.Host = host
		if got := b.do(r); got.status != want {
			t.Errorf("Host %q: %d, want %d", host, got.status, want)
		}
	}
}

func TestNoPathLeadsOutOfTheStaticFiles(t *testing.T) {
	b := newClinic(t, nil).browser()
	for _, path := range []string{
		"/static/../console.go", "/static/..%2fconsole.go", "/static/%2e%2e%2fconsole.go", "/static/%2e%2e/templates/layout.html",
		"/static/..%5cconsole.go", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/", "/static/.", "/static/console.css%00.go",
	} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := b.get("/static/console.css"); got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style itself: %d, %s", got.status, got.header.Get("Content-Type"))
	}
}

// endless is a body of n bytes whose length is not told.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.n)
	for i := range n {
		p[i] = 'a'
	}
	e.n -= n
	return n, nil
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	b := newClinic(t, nil).browser()
	token := csrfOf(t, b.get("/"))
	for _, told := range []bool{true, false} {
		for _, path := range []string{"/cases/preview", "/sign-in", "/api/v1/bulk/preview"} {
			r := b.request("POST", path, formKind, "")
			if strings.HasPrefix(path, "/api/") {
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set(csrfHeader, token)
			}
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`"`), &endless{defaultBody + 1}))
			if r.ContentLength = -1; told {
				r.ContentLength = defaultBody + 2
			}
			if got := b.do(r); got.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, length told: %v: %d %s", path, told, got.status, got.text[:min(200, len(got.text))])
			}
		}
	}
}

// wristwatch is a clock that tests turn.
type wristwatch struct{ at atomic.Int64 }

func (c *wristwatch) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *wristwatch) turn(d time.Duration) { c.at.Add(int64(d)) }

func turning() *wristwatch {
	c := new(wristwatch)
	c.at.Store(time.Now().UnixNano())
	return c
}

func TestASessionEndsWhenNobodyUsesItAndAfterHalfADayHoweverBusy(t *testing.T) {
	hand := turning()
	c := newClinic(t, func(cfg *Config) { cfg.Now = hand.now })
	c.users()
	b := c.browser()
	b.signIn("asha", "pw")
	hand.turn(sessionIdle - time.Minute)
	if got := b.get("/"); got.path != "/" {
		t.Fatal("it ended too early")
	}
	hand.turn(sessionIdle)
	if got := b.get("/"); got.path == "/" {
		t.Error("it outlived its idle time")
	}
	b.signIn("asha", "pw")
	for range int(sessionLife / (20 * time.Minute)) {
		hand.turn(20 * time.Minute)
		if b.get("/").path != "/" {
			break
		}
	}
	if got := b.get("/"); got.path == "/" {
		t.Error("it outlived half a day")
	}
}

func TestAnOpenPageAloneKeepsNobodySignedIn(t *testing.T) {
	hand := turning()
	c := newClinic(t, func(cfg *Config) { cfg.Now = hand.now })
	b := c.browser()
	b.get("/")
	hand.turn(sessionIdle / 2)
	r := b.request("GET", livePath, "", "")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	before := csrfOf(t, b.fresh("/cases"))
	hand.turn(sessionIdle/2 + time.Minute)
	if got := csrfOf(t, b.fresh("/cases")); got == before {
		t.Error("a page that brings itself up to date prolonged the session")
	}
}

func TestASessionThatCouchDBEndedIsNobodysHere(t *testing.T) {
	c := newClinic(t, nil)
	c.users()
	b := c.browser()
	b.signIn("root", "toor")
	c.waits("ward", "a", "person")
	form := url.Values{"action": {"dismiss"}, "item": {itemKey("ward", "a")}, "csrf": {csrfOf(t, b.get("/cases"))}}
	c.node.RemoveUser("root")
	got := b.do(b.request("POST", "/cases/preview", formKind, form.Encode()))
	if got.status != http.StatusUnauthorized {
		t.Errorf("a write in the name of who is gone: %d", got.status)
	}
	if got := b.get("/"); !strings.HasPrefix(got.path, "/sign-in") {
		t.Errorf("it shows %s", got.path)
	}
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"/cases?db=a": "/cases?db=a", "": "/", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"/\t/evil.example": "/", "/sign-out": "/", "javascript:alert(1)": "/", "cases": "/", "/\r\nSet-Cookie: a=b": "/",
	} {
		if got := safeNext(next); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
	c := newClinic(t, nil)
	c.users()
	b := c.browser()
	if got := b.post("/sign-in", "/sign-in", url.Values{"name": {"asha"}, "password": {"pw"}, "next": {"//evil.example/"}}); got.path != "/" {
		t.Errorf("it led to %s", got.path)
	}
}

func TestWhoGuessesPasswordsHasToWait(t *testing.T) {
	hand := turning()
	c := newClinic(t, func(cfg *Config) { cfg.Now = hand.now })
	c.users()
	var sent atomic.Int64
	c.node.OnRequest(func(r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/_session" {
			sent.Add(1)
		}
	})
	b := c.browser()
	for i := range throttleAfter {
		if got := b.signIn(fmt.Sprint("guess", i), "x"); got.status != http.StatusUnauthorized || !strings.Contains(got.text, "incorrect") {
			t.Fatalf("guess %d: %d", i, got.status)
		}
	}
	if got := b.signIn("asha", "pw"); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("after %d guesses: %d", throttleAfter, got.status)
	}
	if sent.Load() != throttleAfter {
		t.Errorf("CouchDB was asked %d times, want %d: once a guess", sent.Load(), throttleAfter)
	}
	hand.turn(throttleFor)
	if got := b.signIn("asha", "pw"); got.path != "/" {
		t.Errorf("later: %d at %s", got.status, got.path)
	}
}

func TestTheCookieIsOutOfReachAndNewForEverySignIn(t *testing.T) {
	c := newClinic(t, func(cfg *Config) { cfg.Hosts = []string{"console.example"} })
	c.users()
	b := c.browser()
	cookie := func(name string, change func(*http.Request)) *http.Cookie {
		r := b.request("POST", "/sign-in", formKind, url.Values{"name": {"asha"}, "password": {"pw"}}.Encode())
		change(r)
		resp, err := b.client.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for _, cookie := range resp.Cookies() {
			if cookie.Name == name {
				return cookie
			}
		}
		t.Fatalf("no cookie %s: %d %v", name, resp.StatusCode, resp.Cookies())
		return nil
	}
	plain := cookie("couchmend", func(*http.Request) {})
	if !plain.HttpOnly || plain.SameSite != http.SameSiteStrictMode || plain.Secure || len(plain.Value) < 43 {
		t.Errorf("plain: %+v", plain)
	}
	again := cookie("couchmend", func(r *http.Request) { r.AddCookie(plain) })
	if again.Value == plain.Value {
		t.Error("the second sign-in took the first one's session over")
	}
	sealed := cookie("__Host-couchmend", func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	if !sealed.Secure || sealed.Path != "/" || sealed.Domain != "" {
		t.Errorf("behind TLS: %+v", sealed)
	}
	if strings.Contains(plain.Value, "YXNoY") { // CouchDB's own cookie begins with the name in base64
		t.Error("CouchDB's cookie left the server")
	}
}

func TestAReadOnlyConsoleShowsAllAndTakesNothing(t *testing.T) {
	c := newClinic(t, func(cfg *Config) { cfg.ReadOnly = true })
	c.users()
	c.waits("ward", "a", "person")
	b := c.browser()
	if got := b.signIn("root", "toor"); got.path != "/" || !strings.Contains(got.text, "read-only") {
		t.Fatalf("signing in: %d at %s", got.status, got.path)
	}
	if got := b.get("/cases"); got.status != 200 || strings.Contains(got.text, `name="item"`) {
		t.Errorf("the list offers to act: %d", got.status)
	}
	for _, r := range routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if method == http.MethodGet || r.signs || r.reads {
			continue
		}
		request := b.request(method, path, "application/json", "{}")
		request.Header.Set(csrfHeader, csrfOf(t, b.get("/")))
		if got := b.do(request); got.status != http.StatusForbidden || !strings.Contains(got.text, "read-only") {
			t.Errorf("%s: %d", r.pattern, got.status)
		}
	}
	if got := b.post("/", "/sign-out", nil); got.path != "/sign-in" {
		t.Errorf("signing out: %d at %s", got.status, got.path)
	}
}
