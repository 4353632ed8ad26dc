package mender

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// site is one database with a mender of its own.
type site struct {
	testing.TB
	ctx    context.Context
	node   *couchtest.Node
	db     *couchtest.DB
	dir    string // of the ledger
	ledger *ledger.Ledger
	*Mender
	transport *http.Transport
	mu        sync.Mutex
	requests  []string
	written   []string // the bodies of _bulk_docs
	// answer, where it is set, may answer a request in the server's stead.
	answer func(r *http.Request, body string) (status int, text string)
}

// RoundTrip records what is written on its way to the server.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Lock()
	answer := s.answer
	if strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
		s.written = append(s.written, string(body))
	}
	s.mu.Unlock()
	if answer != nil {
		switch status, text := answer(r, string(body)); status {
		case 0:
		case dropped:
			return nil, errors.New("dropped")
		default:
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(text)), Request: r,
			}, nil
		}
	}
	return s.transport.RoundTrip(r)
}

// dropped is the status of a request that never arrives.
const dropped = -1

// answering sets answer; nil ends it.
func (s *site) answering(answer func(r *http.Request, body string) (int, string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// numbers merges every field: numbers add up, all else is the winner's.
var numbers = &merge.Rule{Name: "numbers", Fields: []merge.Field{
	{Pattern: merge.Path{"n"}, Strategy: merge.Strategy{Kind: merge.Sum}},
	{Pattern: merge.Path{"**"}, Strategy: merge.Strategy{Kind: merge.Winner}},
}}

func newSite(t testing.TB, options ...couchtest.Option) *site {
	t.Helper()
	s := &site{TB: t, ctx: t.Context(), node: couchtest.NewNode(options...)}
	s.db = s.node.CreateDB("clinic")
	url := couchtest.NewServer(t, s.node).URL
	s.node.OnRequest(func(r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/clinic"))
	})
	s.transport = &http.Transport{}
	t.Cleanup(s.transport.CloseIdleConnections)
	server, err := couch.Open(couch.Config{URL: url, Timeout: 3 * time.Second, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s.open(t.TempDir(), server)
	return s
}

// open gives the site a state directory and a mender.
func (s *site) open(dir string, server *couch.Server) {
	s.Helper()
	l, err := ledger.Open(s.ctx, ledger.Config{Dir: dir})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	s.dir, s.ledger = dir, l
	s.Mender = New(Config{
		Server: server, Ledger: l,
		Rules: func(string) (decide.Rules, string) {
			return func(string, jsondoc.Value) *merge.Rule { return numbers }, "test"
		},
		Pace: func(int) time.Duration { return 5 * time.Millisecond },
	})
}

// fork writes a document with a base and a child of it for each body.
func (s *site) fork(id, base string, bodies ...string) {
	s.Helper()
	first := s.put(id, nil, base)
	for _, body := range bodies {
		s.put(id, first, body)
	}
}

// put writes a child of path and returns the child's path.
func (s *site) put(id string, path []couchmend.Rev, body string) []couchmend.Rev {
	s.Helper()
	sum := md5.Sum(fmt.Append(nil, id, path, body))
	rev := couchmend.Rev{Gen: len(path) + 1, Hash: hex.EncodeToString(sum[:])}
	grown := append([]couchmend.Rev{rev}, path...)
	if err := s.db.Put(couchmend.Revision{Rev: rev, Path: grown, Body: json.RawMessage(body)}, id); err != nil {
		s.Fatal(err)
	}
	return grown
}

// offer puts a document's present leaves into the work queue.
func (s *site) offer(ids ...string) {
	s.Helper()
	for _, id := range ids {
		item := ledger.Item{DB: "clinic", ID: id, Since: "0"}
		for _, leaf := range s.db.Leaves(id) {
			item.Leaves = append(item.Leaves, leaf.Rev)
		}
		if _, err := s.ledger.Put(s.ctx, item); err != nil {
			s.Fatal(err)
		}
	}
}

// work mends what is in the queue until nothing is left, or for ten rounds.
func (s *site) work() error {
	s.Helper()
	var failed error
	for range 10 {
		tasks, err := s.ledger.Fetch(s.ctx, 100, 50*time.Millisecond)
		if err != nil {
			s.Fatal(err)
		}
		if len(tasks) == 0 {
			if n, err := s.ledger.Pending(s.ctx); err != nil || n == 0 {
				return nil
			}
			continue
		}
		if err := s.Mend(s.ctx, tasks); err != nil {
			failed = err
		}
	}
	return failed
}

// workUntil mends what is in the queue until ok, or for a long time.
func (s *site) workUntil(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.Fatalf("never: %s", what)
		}
		tasks, err := s.ledger.Fetch(s.ctx, 100, 20*time.Millisecond)
		if err != nil {
			s.Fatal(err)
		}
		_ = s.Mend(s.ctx, tasks)
	}
}

func (s *site) reviewed(id string) func() bool {
	return func() bool {
		_, ok, _ := s.ledger.Case(s.ctx, "clinic", id)
		return ok
	}
}

func (s *site) emptied() bool {
	n, err := s.ledger.Pending(s.ctx)
	return err == nil && n == 0
}

// body returns a document's winning body and its number of live leaves.
func (s *site) body(id string) (body string, live int) {
	leaves := s.db.Leaves(id)
	for _, leaf := range leaves {
		if !leaf.Deleted {
			live++
		}
	}
	return string(leaves[0].Body), live
}

func (s *site) wantBody(id, want string) {
	s.Helper()
	if body, live := s.body(id); body != want || live != 1 {
		s.Errorf("%s: %s with %d live leaves, want %s alone", id, body, live, want)
	}
}

func (s *site) wantCase(id string, reason couchmend.Reason) ledger.Case {
	s.Helper()
	c, ok, err := s.ledger.Case(s.ctx, "clinic", id)
	if err != nil || !ok || c.Reason != reason {
		s.Errorf("%s: case %v %q %v, want %q", id, ok, c.Reason, err, reason)
	}
	return c
}

func (s *site) wantNoCase(id string) {
	s.Helper()
	if c, ok, _ := s.ledger.Case(s.ctx, "clinic", id); ok {
		s.Errorf("%s is in review: %s %v", id, c.Reason, c.Evidence)
	}
}

// asked returns the requests since the last call.
func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.requests
	s.requests = nil
	return r
}
