package feed

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long what must happen may take, on a machine that is busy.
const soon = 20 * time.Second

// site is a CouchDB in memory, and a directory for couchmend's state.
type site struct {
	*testing.T
	node   *couchtest.Node
	url    string
	ledger *ledger.Ledger

	mu    sync.Mutex
	asked []string // requests
}

func newSite(t *testing.T, options ...couchtest.Option) *site {
	t.Helper()
	t.Parallel()
	s := &site{T: t, node: couchtest.NewNode(options...)}
	s.node.OnRequest(func(r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	})
	s.url = couchtest.NewServer(t, s.node).URL
	s.ledger = s.open(t.TempDir())
	return s
}

func (s *site) open(dir string) *ledger.Ledger {
	s.Helper()
	l, err := ledger.Open(s.Context(), ledger.Config{Dir: dir, LeaseTTL: 3 * time.Second})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	return l
}

// follower returns a Follower of the site; change, if given, changes its Config.
func (s *site) follower(change func(*Config)) *Follower {
	s.Helper()
	transport := &http.Transport{}
	server, err := couch.Open(couch.Config{URL: s.url, Timeout: 5 * time.Second, Transport: transport})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(transport.CloseIdleConnections)
	cfg := Config{
		Server: server, Ledger: s.ledger, Match: func(db string) bool { return !strings.HasPrefix(db, "_") },
		Refresh: 50 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// running runs a Follower until the test ends, or stop is called.
func (s *site) running(f *Follower) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f.Run(ctx); err != nil {
			s.Errorf("the feed ended: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	s.Cleanup(stop)
	return stop
}

// fork gives a document two live leaves.
func (s *site) fork(db, id string) {
	s.Helper()
	s.put(db, id, "1-a")
	s.put(db, id, "2-b", "1-a")
	s.put(db, id, "2-c", "1-a")
}

// put writes a revision, named with its path.
func (s *site) put(db, id string, path ...string) {
	s.Helper()
	r := couchmend.Revision{Body: []byte(`{}`)}
	for _, rev := range path {
		r.Path = append(r.Path, couchmend.MustRev(rev))
	}
	r.Rev = r.Path[0]
	if err := s.node.DB(db).Put(r, id); err != nil {
		s.Fatal(err)
	}
}

// waiting reports whether a document is in the work queue.
func (s *site) waiting(db, id string) bool {
	found, err := s.ledger.Waiting(s.Context(), db, id)
	return err == nil && len(found) == 1
}

func (s *site) wantQueued(db, id string) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s/%s is in the queue", db, id), func() bool { return s.waiting(db, id) })
}

func (s *site) eventually(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(soon); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("not within %v: %s", soon, what)
		}
	}
}

// work acknowledges all that is in the queue, until the test ends or stop is
// called.
func (s *site) work() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			tasks, _ := s.ledger.Fetch(ctx, 100, 50*time.Millisecond)
			for _, task := range tasks {
				_ = task.Ack(ctx)
			}
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	s.Cleanup(stop)
	return stop
}

func (s *site) checkpoint(db string) ledger.Checkpoint {
	s.Helper()
	c, err := s.ledger.Checkpoint(s.Context(), db)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// requests counts the requests so far whose method, path and query hold part.
func (s *site) requests(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.asked), func(r string) bool { return !strings.Contains(r, part) }))
}

func to(path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, path) }
}
