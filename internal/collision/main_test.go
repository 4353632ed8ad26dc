package collision

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// couchEnv names the environment variable with the URL of a real CouchDB, an
// admin's credentials in it.
const couchEnv = "COUCHMEND_TEST_COUCHDB"

func realCouchDB(t *testing.T) string {
	t.Helper()
	if os.Getenv(couchEnv) == "" {
		t.Skip(couchEnv + " names no CouchDB")
	}
	return os.Getenv(couchEnv)
}

// open is a client of a server.
func open(t testing.TB, url string) *couch.Server {
	t.Helper()
	s, err := couch.Open(couch.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// serve starts a server that answers with handler.
func serve(t testing.TB, handler http.HandlerFunc) *couch.DB {
	t.Helper()
	h := httptest.NewServer(handler)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return open(t, h.URL).DB("d")
}

// freshDB creates a database that is deleted after the test.
func freshDB(t *testing.T, server string) *couch.DB {
	t.Helper()
	name := "couchmend-collision-" + strings.ToLower(rand.Text()[:10])
	ask := func(ctx context.Context, method string) {
		u, _ := url.Parse(server)
		req, _ := http.NewRequestWithContext(ctx, method, u.Scheme+"://"+u.Host+"/"+name, nil)
		if u.User != nil {
			password, _ := u.User.Password()
			req.SetBasicAuth(u.User.Username(), password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode >= 300 {
			t.Errorf("%s %s: %v", method, name, err)
			return
		}
		resp.Body.Close()
	}
	ask(t.Context(), http.MethodPut)
	t.Cleanup(func() {
		ask(context.Background(), http.MethodDelete)
		http.DefaultClient.CloseIdleConnections()
	})
	return open(t, server).DB(name)
}

// leaf is a document of one leaf, or one leaf of a document, that has a history
// of its own.
func leaf(id, rev, body string) couch.Write {
	r := couchmend.Revision{Rev: couchmend.MustRev(rev), Body: json.RawMessage(body)}
	r.Path = append(r.Path, r.Rev)
	for gen := r.Rev.Gen - 1; gen > 0; gen-- {
		r.Path = append(r.Path, couchmend.Rev{Gen: gen, Hash: fmt.Sprint(r.Rev.Hash, gen)})
	}
	return couch.Write{ID: id, Revision: r}
}

func mustWrite(t testing.TB, db *couch.DB, all ...couch.Write) {
	t.Helper()
	written, err := db.Write(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range written.Errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// line writes a reference as the tests name it: "doc path kind id more".
func line(r Reference) string {
	if r.Err != nil {
		return fmt.Sprintf("%s unread: %v", r.Doc, r.Err)
	}
	text := fmt.Sprintf("%s %s %s %s", r.Doc, r.Place, r.Kind, r.ID)
	for _, more := range []struct {
		is   bool
		word string
	}{{r.Part, "part"}, {r.Self, "self"}, {r.Design, "design"}, {r.Losing, "losing"}} {
		if more.is {
			text += " " + more.word
		}
	}
	return text
}
