package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/ledger"
)

// warm follows the warm documents of a ledger; one conflict makes a document so.
func (s *site) warm(l *ledger.Ledger, db string, ids ...string) *ledger.Warm {
	s.Helper()
	w, err := l.FollowWarm(s.Context(), ledger.WarmConfig{After: 1})
	if err != nil {
		s.Fatal(err)
	}
	for _, id := range ids {
		if err := w.Count(s.Context(), db, ledger.Met{ID: id, Leaves: []couchmend.Rev{couchmend.MustRev("2-x"), couchmend.MustRev("2-y")}}); err != nil {
			s.Fatal(err)
		}
	}
	return w
}

// kept returns a body that was kept, "" if it was not.
func (s *site) kept(db, id, rev string) string {
	s.Helper()
	r := couchmend.MustRev(rev)
	found, err := s.ledger.Kept(s.Context(), db, map[string][]couchmend.Rev{id: {r}})
	if err != nil {
		s.Fatal(err)
	}
	return string(found[id][r].Body)
}

// fetch takes what is in the queue.
func (s *site) fetch() []ledger.Task {
	s.Helper()
	tasks, err := s.ledger.Fetch(s.Context(), 10, time.Second)
	if err != nil {
		s.Fatal(err)
	}
	return tasks
}

// save writes a revision with a body, named with its path.
func (s *site) save(db, id, body string, path ...string) {
	s.Helper()
	r := couchmend.Revision{Body: json.RawMessage(body)}
	for _, rev := range path {
		r.Path = append(r.Path, couchmend.MustRev(rev))
	}
	r.Rev = r.Path[0]
	if err := s.node.DB(db).Put(r, id); err != nil {
		s.Fatal(err)
	}
}

func TestEachWinnerOfAWarmDocumentIsKeptAsTheFeedPassesIt(t *testing.T) {
	s := newSite(t)
	db := s.node.CreateDB("clinic")
	s.save("clinic", "hot", `{"n":1}`, "1-a")
	s.save("clinic", "cold", `{"n":1}`, "1-a")
	w := s.warm(s.ledger, "clinic", "hot")
	s.running(s.follower(func(c *Config) { c.Warm = w }))
	passes := func(id, rev, body string) {
		t.Helper()
		s.eventually(id+" "+rev+" is kept", func() bool { return s.kept("clinic", id, rev) == body })
	}
	passes("hot", "1-a", `{"n":1}`)
	s.save("clinic", "hot", `{"n":1.0,"big":12345678901234567891}`, "2-b", "1-a")
	passes("hot", "2-b", `{"n":1.0,"big":12345678901234567891}`)
	s.save("clinic", "hot", `{"n":3}`, "3-c", "2-b", "1-a")
	s.save("clinic", "hot", `{"n":4}`, "3-b", "2-b", "1-a") // a loser: the mender has it
	passes("hot", "3-c", `{"n":3}`)
	s.wantQueued("clinic", "hot")
	db.Compact()
	if got := s.kept("clinic", "hot", "2-b"); got == "" {
		t.Error("compaction took what was kept")
	}
	if got := s.kept("clinic", "cold", "1-a") + s.kept("clinic", "hot", "3-b"); got != "" {
		t.Errorf("kept, and nobody asked for it: %s", got)
	}
	s.warm(s.ledger, "clinic", "cold") // as another process does that shares the state
	s.eventually("this one hears of it", func() bool { return w.Has("clinic", "cold") })
	s.save("clinic", "cold", `{"n":2}`, "2-b", "1-a")
	passes("cold", "2-b", `{"n":2}`)
}

func TestAPageOfWarmDocumentsTakesOneRead(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprint("hot", i))
		s.save("clinic", ids[i], `{}`, "2-b", "1-a")
		s.save("clinic", fmt.Sprint("cold", i), `{}`, "2-b", "1-a")
	}
	s.save("clinic", "dead", `{}`, "2-b", "1-a")
	tombstone := couchmend.Revision{Rev: couchmend.MustRev("3-c"), Deleted: true, Body: []byte(`{}`)}
	tombstone.Path = []couchmend.Rev{tombstone.Rev, couchmend.MustRev("2-b"), couchmend.MustRev("1-a")}
	if err := s.node.DB("clinic").Put(tombstone, "dead"); err != nil {
		t.Fatal(err)
	}
	w := s.warm(s.ledger, "clinic", append(ids, "dead")...)
	once := func() {
		t.Helper()
		if err := s.follower(func(c *Config) { c.Warm = w }).Once(t.Context(), []string{"clinic"}); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if n := s.requests("/_bulk_get"); n != 1 {
		t.Errorf("%d reads for 300 warm documents in a page, want 1", n)
	}
	for _, id := range ids {
		if s.kept("clinic", id, "2-b") == "" {
			t.Fatalf("%s was not kept", id)
		}
	}
	if got := fmt.Sprint(w.Attrs()); got != "[warm_documents 301 warm_bodies 300]" {
		t.Errorf("counted: %s", got)
	}
	s.save("clinic", "cold1", `{}`, "3-c", "2-b", "1-a")
	once()
	if n := s.requests("/_bulk_get"); n != 1 {
		t.Errorf("%d more reads where no warm document changed", n-1)
	}
}

// I6: what can't be kept is not kept.
func TestTheFeedGoesOnWhereBodiesCannotBeKept(t *testing.T) {
	for name, breaks := range map[string]func(s *site, other *ledger.Ledger){
		"the state takes nothing": func(s *site, other *ledger.Ledger) {
			if err := other.Close(); err != nil {
				s.Fatal(err)
			}
		},
		"CouchDB fails": func(s *site, _ *ledger.Ledger) {
			s.node.Inject(&couchtest.Fault{Status: 500, Match: to("/_bulk_get")})
		},
		"the answer breaks off": func(s *site, _ *ledger.Ledger) {
			s.node.Inject(&couchtest.Fault{Truncate: 30, Match: to("/_bulk_get")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.node.CreateDB("clinic")
			s.fork("clinic", "hot")
			other := s.open(t.TempDir())
			w := s.warm(other, "clinic", "hot")
			breaks(s, other)
			log := &lines{}
			s.running(s.follower(func(c *Config) { c.Warm, c.Log = w, slog.New(slog.NewJSONHandler(log, nil)) }))
			path := []string{"2-b", "1-a"}
			for gen := 3; gen < 6; gen++ {
				s.wantQueued("clinic", "hot")
				for _, task := range s.fetch() {
					_ = task.Ack(t.Context())
				}
				path = append([]string{fmt.Sprint(gen, "-b")}, path...)
				s.save("clinic", "hot", `{}`, path...)
			}
			s.wantQueued("clinic", "hot")
			if n := log.count("can't be kept"); n != 1 {
				t.Errorf("it was said %d times, want once", n)
			}
		})
	}
}

func TestBodiesOfADatabaseThatIsNoMoreAreForgotten(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.save("clinic", "hot", `{"of":"the first"}`, "1-a")
	w := s.warm(s.ledger, "clinic", "hot")
	once := func() {
		t.Helper()
		if err := s.follower(func(c *Config) { c.Warm = w }).Once(t.Context(), []string{"clinic"}); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if got := s.kept("clinic", "hot", "1-a"); got != `{"of":"the first"}` {
		t.Errorf("kept %s", got)
	}
	s.node.DeleteDB("clinic")
	time.Sleep(time.Second) // instance_start_time counts seconds
	s.node.CreateDB("clinic")
	s.save("clinic", "hot", `{"of":"the second"}`, "1-a")
	once()
	if got := s.kept("clinic", "hot", "1-a"); strings.Contains(got, "first") {
		t.Errorf("of the database that is no more, this was kept: %s", got)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}
