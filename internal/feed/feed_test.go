package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestOnlyDocumentsOfSeveralLeavesAreQueued(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.fork("clinic", "before")
	s.put("clinic", "plain", "1-a")
	s.running(s.follower(nil))
	s.wantQueued("clinic", "before")
	s.fork("clinic", "after")
	s.wantQueued("clinic", "after")
	if s.waiting("clinic", "plain") {
		t.Error("a document of one leaf is in the queue")
	}
}

func TestANewDatabaseIsPickedUp(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.running(s.follower(nil))
	s.node.CreateDB("a/new+one")
	s.fork("a/new+one", "d")
	s.node.CreateDB("_users")
	s.wantQueued("a/new+one", "d")
	if s.requests("_users/_changes") > 0 {
		t.Error("a database that nobody named is read")
	}
}

func TestNamedDatabasesAreFollowedWhereListingIsForbidden(t *testing.T) {
	s := newSite(t)
	s.node.Inject(&couchtest.Fault{Match: to("/_all_dbs"), Status: 401, Body: `{"error":"unauthorized","reason":"You are not a server admin."}`})
	s.node.CreateDB("clinic")
	s.fork("clinic", "d")
	s.running(s.follower(func(c *Config) { c.Names = []string{"clinic", "later"} }))
	s.wantQueued("clinic", "d")
	s.node.CreateDB("later")
	s.fork("later", "d")
	s.wantQueued("later", "d")
}

func TestARefusedLoginIsTriedOnce(t *testing.T) {
	for _, held := range []int{10, 1} { // with connections, and without
		t.Run(fmt.Sprint(held), func(t *testing.T) {
			s := newSite(t, couchtest.WithAdmin("admin", "right"))
			for i := range 3 {
				s.node.CreateDB(fmt.Sprint("db", i))
			}
			server, err := couch.Open(couch.Config{URL: s.url, Username: "admin", Password: "wrong"})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			f := s.follower(func(c *Config) { c.Server, c.Held = server, held })
			if err := f.Run(t.Context()); couchmend.KindOf(err) != couchmend.KindAuth {
				t.Errorf("%v", err)
			}
			if n := s.requests(""); n != 1 {
				t.Errorf("%d requests with a wrong password, want 1: five lock the account", n)
			}
		})
	}
}

func TestAPasswordThatIsChangedMeanwhileEndsTheFeed(t *testing.T) {
	for _, held := range []int{10, 1} {
		t.Run(fmt.Sprint(held), func(t *testing.T) {
			s := newSite(t)
			for i := range 3 {
				s.node.CreateDB(fmt.Sprint("db", i))
			}
			server, err := couch.Open(couch.Config{URL: s.url, Username: "a", Password: "b"})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			f := s.follower(func(c *Config) { c.Server, c.Held, c.Sweep = server, held, 50*time.Millisecond })
			ended := make(chan error, 1)
			go func() { ended <- f.Run(t.Context()) }()
			s.eventually("it is followed", func() bool { return s.requests("/_changes") > 2 })
			s.node.Inject(&couchtest.Fault{Status: 401, Body: `{"error":"unauthorized","reason":"Name or password is incorrect."}`})
			select {
			case err := <-ended:
				if couchmend.KindOf(err) != couchmend.KindAuth {
					t.Errorf("%v", err)
				}
			case <-time.After(soon):
				t.Fatal("the feed goes on with a refused login")
			}
		})
	}
}

func TestAServerThatIsAwayIsWaitedFor(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.fork("clinic", "d")
	for _, f := range []*couchtest.Fault{
		{DropBefore: true, Times: 1}, {Status: 503, Times: 1}, {Truncate: 5, Times: 1, Match: to("/_changes")},
	} {
		s.node.Inject(f)
	}
	s.running(s.follower(nil))
	s.wantQueued("clinic", "d")
}

func TestWhatCameOfABrokenAnswerCounts(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	for i := range 50 {
		s.fork("clinic", fmt.Sprint("doc", i))
	}
	// Each answer breaks off after a few rows: only in steps is there an end.
	s.node.Inject(&couchtest.Fault{Truncate: 3000, Match: to("/_changes")})
	f := s.follower(nil)
	r, err := f.open(t.Context(), "clinic")
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for before := ""; ; before, broken = r.read, broken+1 {
		if _, err := r.page(t.Context(), couch.ChangesOptions{Limit: pageRows}); err == nil {
			break
		}
		if r.read == before {
			t.Fatalf("no step from %s", before)
		}
	}
	if broken == 0 {
		t.Error("no answer broke off")
	}
	for i := range 50 {
		if !s.waiting("clinic", fmt.Sprint("doc", i)) {
			t.Errorf("doc%d was passed over", i)
		}
	}
}

func TestADatabaseCreatedAnewIsReadFromItsStart(t *testing.T) {
	s := newSite(t)
	db := s.node.CreateDB("clinic")
	for i := range 5 {
		s.fork("clinic", fmt.Sprint("old", i))
	}
	f := s.follower(nil)
	s.work()
	if err := f.Once(t.Context(), []string{db.Name()}); err != nil {
		t.Fatal(err)
	}
	err := s.ledger.PutCases(t.Context(), ledger.Case{DB: "clinic", ID: "old0", Reason: couchmend.ReasonOverlap})
	if err != nil {
		t.Fatal(err)
	}
	s.node.DeleteDB("clinic")
	s.node.CreateDB("clinic")
	s.fork("clinic", "d")
	forgotten := false
	f.Reset = func(string) { forgotten = true }
	before := f.Stats.Queued.Load()
	if err := f.Once(t.Context(), []string{"clinic"}); err != nil {
		t.Fatal(err)
	}
	if n := f.Stats.Queued.Load() - before; n != 2 || !forgotten {
		t.Errorf("%d documents queued, forgotten: %v; want the conflict, and what was in review", n, forgotten)
	}
	f.Reset = func(string) { t.Error("told a second time") }
	if err := f.Once(t.Context(), []string{"clinic"}); err != nil {
		t.Fatal(err)
	}
}

func TestNumbersThatBeginAnewAreAnotherDatabase(t *testing.T) {
	for _, c := range []struct {
		since, last string
		start       string
		anew        bool
	}{
		{"7", "9", "0", false},
		{"7", "3", "0", true},
		{"", "3", "0", false},
		{"7-g1AAA", "3-g1AAA", "0", false}, // CouchDB's say nothing
		{"7-g1AAA", "9-g1AAA", "1700000000", true},
	} {
		before := ledger.Checkpoint{Since: c.since, InstanceStart: "0"}
		if got := createdAnew(before, couch.Info{UpdateSeq: c.last, InstanceStart: c.start}); got != c.anew {
			t.Errorf("since %q, at %q: %v, want %v", c.since, c.last, got, c.anew)
		}
	}
}

func TestADismissedUnreadableDocumentStaysDismissed(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.fork("clinic", "d")
	f := s.follower(nil)
	r, err := f.open(t.Context(), "clinic")
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Case{DB: "clinic", ID: "d", Reason: couchmend.ReasonUnreadable, Leaves: []couchmend.Rev{couchmend.MustRev("2-b")}, Evidence: []string{"0-x"}}
	if err := r.putUnreadable(t.Context(), []ledger.Case{c}); err != nil {
		t.Fatal(err)
	}
	dismissed := c
	dismissed.Dismissed = true
	if err := s.ledger.PutCases(t.Context(), dismissed); err != nil {
		t.Fatal(err)
	}
	if err := r.putUnreadable(t.Context(), []ledger.Case{c}); err != nil {
		t.Fatal(err)
	}
	if now, ok, err := s.ledger.Case(t.Context(), "clinic", "d"); !ok || err != nil || !now.Dismissed {
		t.Errorf("%v %v, dismissed: %v", ok, err, now.Dismissed)
	}
}

func TestTheLogLineOfAnUnreadableDocumentSaysWhatEachLineOfAConflictDoes(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	var log bytes.Buffer
	f := s.follower(func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	r, err := f.open(t.Context(), "clinic")
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Case{DB: "clinic", ID: "d", Reason: couchmend.ReasonUnreadable, Leaves: []couchmend.Rev{couchmend.MustRev("2-b")}, Evidence: []string{"0-x"}, Trace: couch.NewTrace()}
	if err := r.putUnreadable(t.Context(), []ledger.Case{c}); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"msg": "conflict", "resolver_status": "review", "conflict_resolution_latency_ms": 0.0, "failure_class": "", "db": "clinic",
		"doc_id": "d", "seq": "", "winner_rev": "2-b", "trace_id": c.Trace, "reason": "unreadable",
	} {
		if line[key] != want {
			t.Errorf("%s: %v, want %v", key, line[key], want)
		}
	}
	if f.Stats.Unreadable.Load() != 1 {
		t.Error("it is not counted")
	}
}

func TestTwoReadersOfOneFeedTakeTurns(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	first, second := s.follower(nil), s.follower(nil)
	stop := s.running(first)
	s.fork("clinic", "a")
	s.wantQueued("clinic", "a")
	s.running(second)
	impatient := s.follower(func(c *Config) { c.LeaseWait = 50 * time.Millisecond })
	if err := impatient.Once(t.Context(), []string{"clinic"}); couchmend.KindOf(err) != couchmend.KindLocked {
		t.Errorf("%v, want to be told that the database is followed", err)
	}
	if second.Stats.Rows.Load() > 0 {
		t.Error("two read one feed")
	}
	stop()
	s.fork("clinic", "b")
	s.wantQueued("clinic", "b")
}

func TestAReaderThatLostItsLeaseMovesNoCheckpoint(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	f := s.follower(nil)
	slow, err := f.open(t.Context(), "clinic")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(t.Context(), "clinic"); err != nil { // another one begins
		t.Fatal(err)
	}
	s.put("clinic", "plain", "1-a")
	if err := slow.catchUp(t.Context()); !errors.Is(err, ledger.ErrStale) {
		t.Errorf("%v, want it refused", err)
	}
}

func TestTheCheckpointStandsBeforeTheOldestWork(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.put("clinic", "plain", "1-a")
	s.fork("clinic", "d")
	f := s.follower(nil)
	r, err := f.open(t.Context(), "clinic")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at := s.checkpoint("clinic").Since; at == r.read {
			t.Fatalf("the checkpoint %q passed a document that waits", at)
		}
	}
	tasks, err := s.ledger.Fetch(t.Context(), 10, time.Second)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	if err := r.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := s.checkpoint("clinic").Since; at == r.read {
		t.Fatalf("the checkpoint %q passed a document in a worker's hand", at)
	}
	_ = tasks[0].Ack(t.Context())
	s.eventually("the checkpoint is at the end", func() bool { return r.save(t.Context()) == nil && s.checkpoint("clinic").Since == r.read })
}
