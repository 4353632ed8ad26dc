package couch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that answers with handler, and a client of it whose
// pauses are short.
func serve(t testing.TB, handler http.HandlerFunc, change ...func(*Config)) *Server {
	t.Helper()
	h := httptest.NewServer(handler)
	cfg := Config{URL: h.URL}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.pause = time.Millisecond
	t.Cleanup(func() {
		s.Close()
		h.CloseClientConnections()
		h.Close()
	})
	return s
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, format, args...)
}

// always answers every request alike.
func always(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, "%s", text) }
}

// cut sends part of an answer and drops the connection.
func cut(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Length", fmt.Sprint(len(text)+100))
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// wantKind fails the test unless err is a *couchmend.Error of this kind.
func wantKind(t *testing.T, err error, kind couchmend.Kind, words ...string) {
	t.Helper()
	var e *couchmend.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("got %v (%q), want an error of kind %q", err, couchmend.KindOf(err), kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

// rev makes a revision id whose hash is 32 digits long.
func rev(gen int, hash string) couchmend.Rev {
	return couchmend.Rev{Gen: gen, Hash: strings.Repeat("0", 32-len(hash)) + hash}
}

// revision makes a revision whose path goes down to generation 1.
func revision(gen int, hash, body string) couchmend.Revision {
	r := couchmend.Revision{Rev: rev(gen, hash), Body: json.RawMessage(body)}
	r.Path = append(r.Path, r.Rev)
	for g := gen - 1; g > 0; g-- {
		r.Path = append(r.Path, rev(g, fmt.Sprintf("%x", g)))
	}
	return r
}

// sent is what a _bulk_docs request holds.
type sent struct {
	NewEdits *bool `json:"new_edits"`
	Docs     []struct {
		ID      string `json:"_id"`
		Rev     string `json:"_rev"`
		Deleted bool   `json:"_deleted"`
		Poison  bool   `json:"poison"`
	}
}

func readSent(t *testing.T, r *http.Request) (s sent) {
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		t.Errorf("the server can't read the request: %v", err)
	}
	if s.NewEdits == nil || *s.NewEdits {
		t.Error("new_edits is not false")
	}
	return s
}
