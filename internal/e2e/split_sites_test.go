package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// apart are two places that are cut off from each other and hold the same
// collision.
func apart(t *testing.T, s server, policy string, referring int) [2]branch {
	t.Helper()
	var both [2]branch
	for i := range both {
		at := s
		if !s.real && i > 0 {
			at = newServer(t)
		}
		db := at.newDB(t)
		at.collide(t, db, referring)
		both[i] = branch{at, db, at.site(t, policy)}
	}
	return both
}

func TestTwoSitesThatSplitTheSameCollisionApartHaveTheSameDocuments(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		both := apart(t, s, splitting, 20)
		for _, b := range both {
			b.once(t)
		}
		alone := both[0].leaves(t)
		sameLeaves(t, "apart", both[1].leaves(t), alone)
		exchangeAll(t, both)
		for _, b := range both {
			sameLeaves(t, "together", b.leaves(t), alone)
			b.once(t)
			sameLeaves(t, "mended once more", b.leaves(t), alone)
			b.server.wantSplit(t, b.db, 20)
		}
	})
}

// Each site follows its node, and the nodes replicate all the while: what one
// site has half done reaches the other.
func TestTwoRunsOnReplicatingNodesSplitTheSameCollisionAtTheSameTime(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		both := apart(t, s, splitting, 20)
		exchangeAll(t, both)
		var group sync.WaitGroup
		for _, b := range both {
			group.Go(func() { b.site.start(t, "run", "--db", b.db) })
		}
		group.Wait()
		phone := 0
		quiet := func() bool {
			if phone < 5 { // a phone comes to one of them meanwhile
				both[phone%2].server.write(t, both[phone%2].db, refer(fmt.Sprintf("phone-%d", phone), drawn))
				phone++
			}
			exchangeAll(t, both)
			here, there := both[0].leaves(t), both[1].leaves(t)
			if !maps.EqualFunc(here, there, slices.Equal) || phone < 5 {
				return false
			}
			for i := range 5 {
				if strings.Contains(plain(s.shown(t, both[0].db, fmt.Sprintf("phone-%d", i))), drawn) {
					return false
				}
			}
			return s.shown(t, both[0].db, drawn) == nil
		}
		eventually(t, time.Minute, "both are at rest", quiet)
		for _, b := range both {
			b.server.wantSplit(t, b.db, 20)
			if left := b.site.reviews(t, b.db); len(left) > 0 {
				t.Errorf("in review: %v", left)
			}
		}
	})
}

func TestAnUnattendedSplitThatIsKilledAgainAndAgainEndsAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		calm := s.newDB(t)
		s.collide(t, calm, 50)
		s.site(t, splitting).once(t, calm)
		db := s.newDB(t)
		s.collide(t, db, 50)
		k := &killer{}
		p := through(t, s, k.hear)
		here := p.site(t, splitting)
		killed := 0
		for killed < number(t, "COUCHMEND_E2E_KILLS", 6) && k.murder(t, here, db, killed%2 == 0) {
			killed++
		}
		here.once(t, db)
		t.Logf("killed %d times", killed)
		if killed < 2 {
			t.Error("it was killed too seldom")
		}
		s.wantSplit(t, db, 50)
		sameLeaves(t, "killed again and again", s.leaves(t, db), s.leaves(t, calm))
		if left := here.reviews(t, db); len(left) > 0 {
			t.Errorf("in review: %v", left)
		}
	})
}

// Somebody saves documents that refer at each moment of the split's life.
func TestWhatIsSavedDuringAnUnattendedSplitIsNotLost(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		const n = 10
		s.collide(t, db, n)
		saved := 0
		p := through(t, s, func(m moment, x *exchange) {
			if m == answered || !strings.HasPrefix(x.kind, "POST") || saved == 4*n {
				return
			}
			id := fmt.Sprintf("ref-%04d", saved%n)
			var doc map[string]any
			s.must(t, http.MethodGet, "/"+db+"/"+id, nil, &doc)
			doc[fmt.Sprintf("note%d", saved)] = true
			if s.ask(t, http.MethodPut, "/"+db+"/"+id, doc, nil) < 300 {
				saved++
			}
		})
		at := p.site(t, splitting)
		at.once(t, db)
		at.once(t, db)
		if saved < 10 {
			t.Errorf("only %d documents were saved meanwhile", saved)
		}
		for i := range saved {
			id := fmt.Sprintf("ref-%04d", i%n)
			doc := s.shown(t, db, id)
			if doc[fmt.Sprintf("note%d", i)] != true || doc["_conflicts"] != nil || strings.Contains(plain(doc), drawn) {
				t.Errorf("%s has lost note%d, or refers to the old id: %v", id, i, doc)
			}
		}
		if left := at.reviews(t, db); len(left) > 0 {
			t.Errorf("in review: %v", left)
		}
	})
}

func TestAPauseInTheMidstOfASplitHoldsIt(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		s.collide(t, db, 5)
		var mu sync.Mutex
		var pause func()
		paused, after := false, 0
		p := through(t, s, func(m moment, x *exchange) {
			mu.Lock()
			defer mu.Unlock()
			if x.kind != "POST _bulk_docs" || m != done {
				return
			}
			if paused {
				after++
				return
			}
			pause()
			paused = true
		})
		at := p.site(t, splitting)
		pause = func() {
			if end := at.run(t, "pause", db, "--reason", "test"); end.code != 0 {
				t.Errorf("%s %s", end.out, end.log)
			}
		}
		at.start(t, "run", "--db", db)
		eventually(t, 20*time.Second, "it has begun, and was paused", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return paused
		})
		time.Sleep(3 * time.Second)
		mu.Lock()
		if after > 0 {
			t.Errorf("%d writes in the pause", after)
		}
		mu.Unlock()
		if reasons := at.reviews(t, db); reasons[drawn] != couchmend.ReasonSplitting {
			t.Errorf("%v", reasons)
		}
		if end := at.run(t, "resume", db, "--yes"); end.code != 0 {
			t.Fatalf("%s %s", end.out, end.log)
		}
		eventually(t, 20*time.Second, "it goes on", func() bool { return s.shown(t, db, drawn) == nil })
		eventually(t, 20*time.Second, "nothing waits", func() bool { return len(at.reviews(t, db)) == 0 })
		s.wantSplit(t, db, 5)
	})
}
