package feed

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
)

func many(s *site) {
	for i := range 6 {
		s.node.CreateDB(fmt.Sprintf("user-%d", i))
	}
}

func TestManyDatabasesAreWokenByTheServersFeed(t *testing.T) {
	s := newSite(t)
	many(s)
	s.fork("user-2", "before")
	s.running(s.follower(func(c *Config) { c.Held, c.Sweep = 2, time.Hour }))
	s.wantQueued("user-2", "before")
	s.eventually("the feed of updates is open", func() bool { return s.requests("/_db_updates") > 1 })
	time.Sleep(50 * time.Millisecond)
	s.fork("user-4", "after")
	s.wantQueued("user-4", "after")
	s.node.CreateDB("user-new")
	s.fork("user-new", "d")
	s.wantQueued("user-new", "d")
	if n := s.requests("feed=longpoll"); n > 0 {
		t.Errorf("%d connections are held", n)
	}
}

func TestWithoutUpdatesSweepsFindWhatChanged(t *testing.T) {
	for name, fault := range map[string]*couchtest.Fault{
		"forbidden": {Status: 403, Body: `{"error":"forbidden","reason":"You are not a server admin."}`},
		"none":      {Status: 404, Body: `{"error":"not_found","reason":"missing"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			fault.Match = to("/_db_updates")
			s.node.Inject(fault)
			many(s)
			s.running(s.follower(func(c *Config) { c.Held, c.Sweep = 2, 100*time.Millisecond }))
			s.eventually("all were read", func() bool { return s.requests("user-5/_changes") > 0 })
			s.fork("user-4", "after")
			s.wantQueued("user-4", "after")
			if n := s.requests("/_db_updates"); n != 1 {
				t.Errorf("the feed of updates was asked for %d times", n)
			}
		})
	}
}

func TestAVisitMovesTheCheckpointBehindItsOwnWork(t *testing.T) {
	s := newSite(t)
	many(s)
	s.fork("user-2", "d")
	s.work()
	s.running(s.follower(func(c *Config) { c.Held, c.Sweep = 2, 3*time.Second }))
	end, err := s.follower(nil).Server.DB("user-2").Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("the checkpoint is at the end", func() bool { return s.checkpoint("user-2").Since == end.UpdateSeq })
}

func TestTheWayFromFewDatabasesToManyAndBackLosesNone(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("user-x")
	s.running(s.follower(func(c *Config) { c.Held, c.Sweep = 2, 100*time.Millisecond }))
	s.fork("user-x", "few")
	s.wantQueued("user-x", "few")
	many(s)
	s.fork("user-3", "many")
	s.wantQueued("user-3", "many")
	for i := range 6 {
		s.node.DeleteDB(fmt.Sprintf("user-%d", i))
	}
	s.fork("user-x", "few again")
	s.wantQueued("user-x", "few again")
}

func TestAChangeDuringAVisitIsVisitedAfterwards(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.add("a")
	q.add("b")
	q.add("a")
	first, _ := q.next()
	q.add("a") // while somebody is there
	q.add("a")
	second, _ := q.next()
	q.done("b")
	q.done("a")
	third, _ := q.next()
	q.done("a")
	if got := []string{first, second, third}; !slices.Equal(got, []string{"a", "b", "a"}) || len(q.names) > 0 || len(q.state) > 0 {
		t.Errorf("visited %v; %v are left", got, q.names)
	}
	q.close()
	if _, ok := q.next(); ok {
		t.Error("a closed queue hands names out")
	}
}

// TestAChangeWhileItsDatabaseIsReadIsNotMissed holds a visit up between its
// reading of the feed and its end.
func TestAChangeWhileItsDatabaseIsReadIsNotMissed(t *testing.T) {
	s := newSite(t)
	many(s)
	s.fork("user-1", "before") // nobody works the queue: the visit waits for it
	s.running(s.follower(func(c *Config) { c.Held, c.Sweep = 2, time.Hour }))
	s.eventually("the feed of updates is open", func() bool { return s.requests("/_db_updates") > 1 })
	s.wantQueued("user-1", "before")
	s.fork("user-1", "meanwhile")
	s.wantQueued("user-1", "meanwhile")
}
