package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/feed"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// soon is how long something may take that takes a second on an idle machine.
const soon = 20 * time.Second

func TestRunMergesConflictsAsTheyAppearAndLeavesWhenAsked(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		s.conflict(t, db, "before")
		p := s.site(t, records).start(t, "run", "--db", db)
		eventually(t, soon, "the backlog is merged", func() bool { return s.merged(t, db, "before") })
		for i := range 3 {
			id := fmt.Sprint("while", i)
			started := time.Now()
			s.conflict(t, db, id)
			eventually(t, soon, "a conflict that appears is merged", func() bool { return s.merged(t, db, id) })
			t.Logf("merged after %v", time.Since(started).Round(time.Millisecond))
		}
		started := time.Now()
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		err := <-p.done
		p.done <- err
		if took := time.Since(started); err != nil || took > 5*time.Second {
			t.Errorf("it left after %v: %v", took, err)
		}
	})
}

func TestADatabaseThatAppearsIsFollowedAndOneThatGoesIsMissedByNobody(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		first := s.newDB(t)
		second := first + "-too"
		t.Cleanup(func() { s.ask(t, http.MethodDelete, "/"+second, nil, nil) })
		p := s.site(t, records).start(t, "run", "--db", first+"*")
		s.conflict(t, first, "one")
		eventually(t, soon, "the first is followed", func() bool { return s.merged(t, first, "one") })
		s.must(t, http.MethodDelete, "/"+first, nil, nil)

		s.must(t, http.MethodPut, "/"+second, nil, nil)
		s.conflict(t, second, "two")
		eventually(t, 2*soon, "a new one is followed", func() bool { return s.merged(t, second, "two") })

		s.must(t, http.MethodPut, "/"+first, nil, nil)
		s.conflict(t, first, "three")
		eventually(t, 2*soon, "one created anew is followed", func() bool { return s.merged(t, first, "three") })
		if p.cmd.ProcessState != nil {
			t.Error("couchmend has left")
		}
	})
}

func TestADatabaseDeletedAndCreatedAnewWhileItIsFollowedIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		at := s.site(t, records)
		at.start(t, "run", "--db", db).holdsState(t)
		for i := range 5 {
			s.conflict(t, db, fmt.Sprint("old", i))
		}
		eventually(t, soon, "the old one is mended", func() bool { return s.merged(t, db, "old4") })
		eventually(t, soon, "the checkpoint is saved", func() bool { return at.checkpoint(t, db) > 5 })
		s.must(t, http.MethodDelete, "/"+db, nil, nil)
		time.Sleep(time.Second) // instance_start_time counts in seconds
		s.must(t, http.MethodPut, "/"+db, nil, nil)
		s.conflict(t, db, "new")
		eventually(t, 2*soon, "the new one is mended", func() bool { return s.merged(t, db, "new") })
	})
}

func TestTheCheckpointFollowsWhatIsDoneAndNeverGoesBack(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		at := s.site(t, records)
		p := at.start(t, "run", "--db", db)
		p.holdsState(t)
		var last uint64
		deadline := time.Now().Add(10 * time.Second)
		for i := 0; time.Now().Before(deadline); i++ {
			s.conflict(t, db, fmt.Sprint("doc", i))
			if i%10 > 0 {
				continue
			}
			now := at.checkpoint(t, db)
			if now < last {
				t.Errorf("the checkpoint went from %d back to %d", last, now)
			}
			last = now
			if i == 100 { // a new process goes on from there
				p.stop(t)
				p = at.start(t, "run", "--db", db)
				p.holdsState(t)
			}
		}
		var info struct {
			Seq string `json:"update_seq"`
		}
		eventually(t, soon, "the checkpoint is at the end", func() bool {
			s.must(t, http.MethodGet, "/"+db, nil, &info)
			return at.checkpoint(t, db) == seqNumber(info.Seq)
		})
	})
}

// checkpoint is the number in a site's checkpoint for db, 0 without one.
func (s site) checkpoint(t *testing.T, db string) (number uint64) {
	t.Helper()
	s.look(t, func(ctx context.Context, l *ledger.Ledger) {
		c, err := l.Checkpoint(ctx, db)
		if err != nil {
			t.Fatal(err)
		}
		number = seqNumber(c.Since)
	})
	return number
}

func seqNumber(seq string) uint64 {
	digits, _, _ := strings.Cut(seq, "-")
	n, _ := strconv.ParseUint(digits, 10, 64) // "" is the feed's start
	return n
}

// A connection may die without a word: a router that forgot it, a machine that
// lost its power. The heartbeats that are due tell.
func TestAConnectionThatFallsSilentIsReplaced(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	db := s.newDB(t)
	w := newWire(t, s.url)
	newSite(t, records, "COUCHDB_URL="+w.url).start(t, "run", "--db", db)
	s.conflict(t, db, "before")
	eventually(t, soon, "it is followed", func() bool { return s.merged(t, db, "before") })
	time.Sleep(2 * time.Second) // until nothing but the feed is under way
	w.silence()
	s.conflict(t, db, "after")
	eventually(t, 60*time.Second, "it is followed again", func() bool { return s.merged(t, db, "after") })
}

// wire passes bytes on between couchmend and a server.
type wire struct {
	url string
	mu  sync.Mutex
	age int // connections of an earlier age are silent
}

func newWire(t *testing.T, server string) *wire {
	behind, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "http://" + l.Addr().String()}
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { l.Close(); cancel(); open.Wait() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", behind.Host)
			if err != nil {
				near.Close()
				continue
			}
			born := w.now()
			open.Go(func() { w.pass(near, far, born) })
			open.Go(func() { w.pass(far, near, born) })
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
		}
	}()
	return w
}

func (w *wire) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.age
}

// silence makes all open connections say nothing more, and stay open.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.age++
}

func (w *wire) pass(to io.Writer, from io.Reader, born int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if w.now() == born {
			_, _ = to.Write(buf[:n])
		}
	}
}

func TestABacklogLargerThanTheQueueWaitsInTheFeed(t *testing.T) {
	t.Parallel()
	const limit, conflicts = 50, 400
	s := newServer(t)
	db := s.newDB(t)
	for i := range conflicts {
		s.conflict(t, db, fmt.Sprint("doc", i))
	}
	ctx := context.Background()
	server, err := couch.Open(couch.Config{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	state, err := ledger.Open(ctx, ledger.Config{Dir: t.TempDir(), QueueLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	rules := func(string) (decide.Rules, string) {
		p := policy.Builtin()
		return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, "builtin"
	}
	working, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { _ = mender.New(mender.Config{Server: server, Ledger: state, Rules: rules}).Work(working, 1) })
	var most atomic.Int64
	group.Go(func() {
		for ; working.Err() == nil; time.Sleep(2 * time.Millisecond) {
			if n, err := state.Pending(working); err == nil {
				most.Store(max(most.Load(), int64(n)))
			}
		}
	})
	follower := feed.New(feed.Config{Server: server, Ledger: state, Match: func(string) bool { return true }})
	if err := follower.Once(ctx, []string{db}); err != nil {
		t.Fatal(err)
	}
	if n := most.Load(); n > limit || n == 0 {
		t.Errorf("%d documents waited at once, want %d at most", n, limit)
	}
	for id, leaves := range s.leaves(t, db) {
		if !s.merged(t, db, id) {
			t.Errorf("%s has the leaves %v", id, leaves)
		}
	}
}
