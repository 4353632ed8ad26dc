package mender

import (
	"net/http"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/ledger"
)

// keepWarm lets a document be warm after so many conflicts.
func (s *site) keepWarm(after int) {
	s.Helper()
	w, err := s.ledger.FollowWarm(s.ctx, ledger.WarmConfig{After: after})
	if err != nil {
		s.Fatal(err)
	}
	s.Warm = w
}

// mend offers documents as they are now, and works.
func (s *site) mend(ids ...string) {
	s.Helper()
	s.offer(ids...)
	if err := s.work(); err != nil {
		s.Fatal(err)
	}
}

// winner is the path of a document's winner.
func (s *site) winner(id string) []couchmend.Rev { return s.db.Leaves(id)[0].Path }

func (s *site) wantWarmth(hits, misses int64) {
	s.Helper()
	if h, m := s.Stats.WarmHits.Load(), s.Stats.WarmMisses.Load(); h != hits || m != misses {
		s.Errorf("%d hits and %d misses, want %d and %d", h, m, hits, misses)
	}
}

// reads counts the reads of revisions since the last call of asked.
func (s *site) reads() int {
	n := 0
	for _, r := range s.asked() {
		if r == "POST /_bulk_get" {
			n++
		}
	}
	return n
}

func TestAConflictOfAWarmDocumentNeedsNoReadOfItsBase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.keepWarm(1)
	s.fork("hot", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.mend("hot")
	s.wantBody("hot", `{"n":5}`)
	s.wantWarmth(0, 0) // it was not warm before
	merge := s.winner("hot")
	s.put("hot", merge, `{"n":6}`)
	s.put("hot", merge, `{"n":8}`)
	s.db.Compact()
	s.asked()
	s.mend("hot")
	s.wantBody("hot", `{"n":9}`)
	s.wantWarmth(1, 0)
	if n := s.reads(); n != 1 {
		t.Errorf("%d reads, want that of the leaves alone", n)
	}
}

func TestAPhoneThatGoesOnFromALoserOfAWarmDocumentFindsItsBase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.keepWarm(1)
	s.fork("hot", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	loser := s.db.Leaves("hot")[1]
	s.mend("hot")
	s.wantBody("hot", `{"n":5}`)
	s.db.Compact()
	s.put("hot", loser.Path, `{"n":100}`)
	s.asked()
	s.mend("hot")
	s.wantBody("hot", map[string]string{`{"n":2}`: `{"n":103}`, `{"n":4}`: `{"n":101}`}[string(loser.Body)])
	s.wantWarmth(1, 0)
	if n := s.reads(); n != 1 {
		t.Errorf("%d reads, want that of the leaves alone", n)
	}
}

func TestABaseThatWasNotKeptIsReadAndCountedAsMissed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.keepWarm(1)
	s.fork("there", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.fork("gone", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.mend("there", "gone")
	for _, id := range []string{"there", "gone"} {
		edit := s.put(id, s.winner(id), `{"n":10}`) // the feed did not pass it
		s.put(id, edit, `{"n":11}`)
		if id == "gone" {
			s.db.Compact()
		}
		s.put(id, edit, `{"n":12}`)
		s.mend(id)
		s.wantWarmth(0, map[string]int64{"there": 1, "gone": 2}[id])
	}
	s.wantBody("there", `{"n":13}`)
	s.wantCase("gone", couchmend.ReasonNoBase)
	s.mend("gone")
	s.wantWarmth(0, 2) // it waits for a person, and was counted
}

func TestAConflictIsCountedOnceWhateverBecomesOfIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.keepWarm(2)
	s.node.Inject(&couchtest.Fault{Status: 500, Times: 3, Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }})
	s.fork("retried", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.mend("retried")
	s.workUntil("it is merged", s.emptied)
	s.wantBody("retried", `{"n":5}`)
	s.fork("reviewed", `{"n":1}`, `{"n":"two"}`, `{"n":4}`)
	s.fork("single", `{"n":1}`, `{"n":2}`)
	for range 3 {
		s.mend("retried", "reviewed", "single") // a burial of ours, and what is known, are no conflicts
	}
	s.wantCase("reviewed", couchmend.ReasonStrategy)
	if n := s.Warm.Documents(); n != 0 {
		t.Errorf("%d documents are warm after a conflict each", n)
	}
	for _, id := range []string{"retried", "reviewed", "single"} {
		s.put(id, s.winner(id), `{"n":6}`)
		s.mend(id)
	}
	if !s.Warm.Has("clinic", "reviewed") || s.Warm.Documents() != 1 {
		t.Errorf("%d are warm: an edit of what is in review is a new conflict, the other edits are none", s.Warm.Documents())
	}
}

func TestAnAttemptThatFailedIsNoHit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.keepWarm(1)
	s.fork("hot", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.mend("hot")
	merge := s.winner("hot")
	s.put("hot", merge, `{"n":6}`)
	s.put("hot", merge, `{"n":8}`)
	s.node.Inject(&couchtest.Fault{Status: 500, Times: 2, Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }})
	s.mend("hot")
	s.workUntil("it is merged", s.emptied)
	s.wantBody("hot", `{"n":9}`)
	s.wantWarmth(1, 0)
}

func TestAMenderWhoseWarmSetIsBrokenMendsAsEver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other, err := ledger.Open(s.ctx, ledger.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if s.Warm, err = other.FollowWarm(s.ctx, ledger.WarmConfig{After: 1}); err != nil {
		t.Fatal(err)
	}
	s.fork("hot", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.mend("hot")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	merge := s.winner("hot")
	s.put("hot", merge, `{"n":6}`)
	s.put("hot", merge, `{"n":8}`)
	s.mend("hot")
	s.wantBody("hot", `{"n":9}`)
	s.wantWarmth(0, 1)
}
