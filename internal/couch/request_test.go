package couch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/couchmend/couchmend"
)

func TestAServerThatIsNoCouchDBIsNamedAsSuch(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"a web page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<!doctype html><p>welcome")
		},
		"a page not found": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<html>Bad Gateway")
		},
		"a login page":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		"another JSON":  always(200, `{"name":"elasticsearch","tagline":"You Know, for Search"}`),
		"an array":      always(200, `[1,2]`),
		"plain text":    always(200, `hello`),
		"no such place": always(500, ``),
	}
	for name, handler := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := serve(t, handler).Ping(t.Context())
			wantKind(t, err, couchmend.KindServer, "is not a CouchDB")
		})
	}
}

func TestPingKnowsCouchDBCloudantAndPouchDB(t *testing.T) {
	cases := map[string]Welcome{
		`{"couchdb":"Welcome","version":"3.5.0","uuid":"u1","vendor":{"name":"The Apache Software Foundation"}}`: {
			Version: "3.5.0", Vendor: "The Apache Software Foundation", UUID: "u1"},
		`{"couchdb":"Welcome","version":"3.3.3+cloudant","vendor":{"name":"IBM Cloudant","version":"8640","variant":"paas"}}`: {
			Version: "3.3.3+cloudant", Vendor: "IBM Cloudant"},
		`{"express-pouchdb":"Welcome!","version":"4.2.0","vendor":{"name":"PouchDB authors","version":"4.2.0"},"uuid":"u2"}`: {
			Version: "4.2.0", Vendor: "PouchDB authors", UUID: "u2", PouchDB: true},
	}
	for text, want := range cases {
		got, err := serve(t, always(200, text)).Ping(t.Context())
		if err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestErrorsCarryWhatCouchDBSaysAndAreClassed(t *testing.T) {
	cases := []struct {
		status int
		reason string
		kind   couchmend.Kind
	}{
		{400, "bad", couchmend.KindRefused},
		{401, "no", couchmend.KindAuth},
		{402, "quota", couchmend.KindForbidden},
		{403, "You are not allowed to access this db.", couchmend.KindForbidden},
		{404, "Database does not exist.", couchmend.KindNotFound},
		{405, "Only GET allowed", couchmend.KindOther},
		{409, "Document update conflict.", couchmend.KindConflict},
		{412, "stub", couchmend.KindRefused},
		{413, "the request entity is too large", couchmend.KindTooLarge},
		{500, "timeout", couchmend.KindServer},
		{503, "maintenance", couchmend.KindServer},
	}
	for _, c := range cases {
		s := serve(t, always(c.status, `{"error":"word","reason":"`+c.reason+`"}`))
		_, err := s.DB("my/db").Info(t.Context())
		wantKind(t, err, c.kind, "my/db", "word", c.reason)
	}
}

func TestASilentServerIsUnreachable(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { <-release }, func(c *Config) { c.Timeout = 20 * time.Millisecond })
	defer close(release)
	_, err := s.DB("a").Info(t.Context())
	wantKind(t, err, couchmend.KindUnreachable, "no sign of life for 20ms")
}

func TestASlowReaderIsNotASilentServer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"results":[`)
		row := `{"seq":1,"id":"` + strings.Repeat("x", 100_000) + `","changes":[{"rev":"1-a"}]}`
		for i := range 20 {
			if i > 0 {
				row = "," + strings.TrimPrefix(row, ",")
			}
			_, _ = io.WriteString(w, row)
		}
		_, _ = io.WriteString(w, `],"last_seq":1}`)
	}, func(c *Config) { c.Timeout = 250 * time.Millisecond })
	n := 0
	for _, err := range s.DB("a").Changes(t.Context(), ChangesOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			time.Sleep(300 * time.Millisecond) // longer than the server may be silent
		}
	}
	if n != 21 {
		t.Errorf("read %d rows, want 21", n)
	}
}

func TestCancelEndsARequestWithTheCallersReason(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := s.DB("a").Info(ctx)
	wantKind(t, err, couchmend.KindUnreachable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled inside", err)
	}
}

func TestARequestToldToSlowDownIsRepeated(t *testing.T) {
	n := 0
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 3 {
			answer(w, 429, `{"error":"too_many_requests","reason":"rate"}`)
			return
		}
		answer(w, 200, `["a"]`)
	})
	if names, err := s.AllDBs(t.Context()); err != nil || len(names) != 1 || n != 3 {
		t.Errorf("got %v, %v after %d requests", names, err, n)
	}
	n = -1000
	_, err := s.AllDBs(t.Context())
	wantKind(t, err, couchmend.KindServer, "too_many_requests")
	if n != -1000+busyTries {
		t.Errorf("%d requests, want %d", n+1000, busyTries)
	}
}

func TestWaitLastsBetweenHalfAndAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			start := time.Now()
			if err := wait(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d < time.Second/2 || d > time.Second {
				t.Fatalf("waited %v", d)
			}
		}
	})
}

func TestNamesAreEscapedInPaths(t *testing.T) {
	var got string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.EscapedPath()
		answer(w, 200, `[{"ok":{"_id":"x","_rev":"1-a","_revisions":{"start":1,"ids":["a"]}}}]`)
	})
	cases := map[string]string{
		"plain":       "/d%2F%2Bb/plain",
		"a/b c+d":     "/d%2F%2Bb/a%2Fb%20c%2Bd",
		"ünï?#%":      "/d%2F%2Bb/%C3%BCn%C3%AF%3F%23%25",
		"_design/a/b": "/d%2F%2Bb/_design/a%2Fb",
		"..":          "/d%2F%2Bb/..",
	}
	for id, want := range cases {
		if _, err := s.DB("d/+b").Leaves(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q is asked for as %s, want %s", id, got, want)
		}
	}
	if _, err := s.DB("d").Attachment(t.Context(), "i/d", rev(1, "a"), "dir/a b.txt"); err != nil || got != "/d/i%2Fd/dir/a%20b.txt" {
		t.Errorf("attachment asked for as %s: %v", got, err)
	}
}
