package mender

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// The feed shows a merge before its losers are buried, and another worker takes
// the document up.
func TestADocumentThatIsBeingMendedIsNotBuriedByAnotherWorkerToo(t *testing.T) {
	s := newSite(t)
	s.fork("a", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	s.offer("a")
	first, err := s.ledger.Fetch(s.ctx, 1, time.Second)
	if err != nil || len(first) != 1 {
		t.Fatalf("%v %v", first, err)
	}
	merged, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.answering(func(r *http.Request, body string) (int, string) {
		if strings.Contains(body, `"_deleted":true`) { // the merge is written, the burial under way
			once.Do(func() { close(merged); <-goOn })
		}
		return 0, ""
	})
	var workers sync.WaitGroup
	workers.Go(func() {
		if err := s.Mend(s.ctx, first); err != nil {
			t.Error(err)
		}
	})
	<-merged
	s.offer("a") // as the feed does when it reads our own merge
	second, err := s.ledger.Fetch(s.ctx, 1, time.Second)
	if err != nil || len(second) != 1 {
		t.Fatalf("%v %v", second, err)
	}
	workers.Go(func() {
		if err := s.Mend(s.ctx, second); err != nil {
			t.Error(err)
		}
	})
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) })
	workers.Wait()
	s.wantBody("a", `{"n":4}`)
	if n := s.Stats.Buried.Load(); n != 0 {
		t.Errorf("%d documents were buried once more", n)
	}
	if history, err := s.ledger.History(s.ctx, "clinic", "a"); err != nil || len(history) != 1 {
		t.Errorf("the journal has %d entries, want the merge alone: %v", len(history), err)
	}
}

func TestADocumentThatAnotherWorkerHasForLongIsNotWaitedForForEver(t *testing.T) {
	s := newSite(t)
	s.fork("a", `{"n":1}`, `{"n":2}`, `{"n":3}`)
	s.offer("a")
	tasks, err := s.ledger.Fetch(s.ctx, 1, time.Second)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%v %v", tasks, err)
	}
	_, _, _, leave := s.hands.take(tasks)
	defer leave()
	if err := s.Mend(s.ctx, tasks); err != nil {
		t.Error(err)
	}
	s.wantBody("a", `{"n":4}`)
}
