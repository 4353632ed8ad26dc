package feed

import (
	"fmt"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

// until waits for something to become true.
func (s *site) until(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(soon); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("it never came to this: %s", what)
		}
	}
}

func TestAFeedLagsUntilItsWorkIsDone(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("medic")
	s.fork("medic", "a")
	f := s.follower(nil)
	began := time.Now()
	s.running(f)
	lag := func() Lag {
		if lags := f.Lags(); len(lags) == 1 {
			return lags[0]
		}
		return Lag{}
	}
	s.until("the document in the queue is the oldest change", func() bool { return !lag().Oldest.IsZero() && lag().Changes == 0 })
	if got := lag(); got.DB != "medic" || got.Oldest.Before(began.Add(-time.Second)) || got.Changes != 0 {
		t.Errorf("the lag is %+v", got)
	}
	tasks, err := s.ledger.Fetch(t.Context(), 10, soon)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%d tasks, %v", len(tasks), err)
	}
	if err := tasks[0].Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.until("nothing is left", func() bool { return lag() == Lag{DB: "medic"} })
}

func TestAFullQueueIsALag(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("medic")
	for i := range 5 {
		s.fork("medic", fmt.Sprint("doc-", i))
	}
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir(), QueueLimit: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f := s.follower(func(c *Config) { c.Ledger = l })
	s.running(f)
	s.until("changes wait for room", func() bool {
		lags := f.Lags()
		return len(lags) == 1 && lags[0].Changes > 0 && !lags[0].Oldest.IsZero()
	})
}

func TestLagsOfManyDatabasesAreThoseOfTheFewThatAreBeingRead(t *testing.T) {
	s := newSite(t)
	const databases = 60
	for i := range databases {
		db := fmt.Sprint("user-", i)
		s.node.CreateDB(db)
		s.fork(db, "a") // which nobody mends: a visit waits for it
	}
	f := s.follower(func(c *Config) { c.Held = 10 })
	s.running(f)
	s.until("some are being read and the others wait", func() bool {
		state := f.State()
		return state.Running && state.Followed == databases && state.Attached > 0 && state.Waiting > 0 && !state.Since.IsZero()
	})
	if n := len(f.Lags()); n > woken {
		t.Errorf("%d lags of at most %d visits", n, woken)
	}
}

func TestAFollowerWhoseLoopStandsStillIsStuck(t *testing.T) {
	f := New(Config{Sweep: time.Minute})
	if err := f.Stuck(); err != nil {
		t.Errorf("before it runs: %v", err)
	}
	f.turn()
	if err := f.Stuck(); err != nil {
		t.Errorf("after a turn: %v", err)
	}
	f.turned.Store(time.Now().Add(-7 * time.Minute).UnixNano())
	if f.Stuck() == nil {
		t.Error("a loop that stood still for seven minutes counts as turning")
	}
}
