package e2e

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/conflictgen"
)

func TestARunThatIsKilledAgainAndAgainEndsAsOneThatIsNot(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"with its state": false, "without its state": true} {
		t.Run(name, func(t *testing.T) {
			onEachServer(t, func(t *testing.T, s server) { killAgainAndAgain(t, s, forget) })
		})
	}
}

// killAgainAndAgain runs couchmend on one database undisturbed. On another one
// like it, couchmend is killed at random moments of its requests' lives and
// started anew, until it is let run to its end. With forget, each starts
// without what the one before it knew.
func killAgainAndAgain(t *testing.T, s server, forget bool) {
	g := generated(t, 1000)
	calm := s.load(t, g)
	s.site(t, conflictgen.PolicyYAML()).once(t, calm)

	db := s.load(t, g)
	watch, k := newWitness(g), &killer{}
	p := through(t, s, func(m moment, x *exchange) {
		watch.hear(m, x)
		k.hear(m, x)
	})
	here := p.site(t, conflictgen.PolicyYAML())
	killed, writes := 0, 0
	kills := number(t, "COUCHMEND_E2E_KILLS", 6)
	for killed < kills {
		if forget {
			_ = os.RemoveAll(here.state())
		}
		before := p.count("POST _bulk_docs")
		if !k.murder(t, here, db, killed%3 == 2) {
			break // it was done
		}
		killed++
		writes += min(1, p.count("POST _bulk_docs")-before)
	}
	if forget {
		_ = os.RemoveAll(here.state())
	}
	here.once(t, db)
	t.Logf("killed %d times, %d of them when it had begun to write", killed, writes)
	if killed < kills/2 || writes < kills/4 {
		t.Error("it was killed too seldom, or too early: give it more documents")
	}
	watch.testify(t)
	s.check(t, db, g, here)
	sameLeaves(t, "killed again and again", s.leaves(t, db), s.leaves(t, calm))
}

// killer kills couchmend at a moment of one of its requests.
type killer struct {
	mu    sync.Mutex
	mine  map[*exchange]bool // of the process that is to be killed: one before it may still be answered
	from  string             // the kind of request with which the count begins; "" is any
	left  int                // moments until then; 0: not this time
	delay time.Duration
	kill  func() error
}

// How many requests a run makes, about, before its first batch is done; and a
// batch, from its first write to the next one's.
const (
	perStart = 12
	perBatch = 5
)

// murder runs couchmend and kills it. It reports whether it came to that:
// couchmend may have been done before. Early is from its first request on, else
// it is from its first write on.
func (k *killer) murder(t *testing.T, at site, db string, early bool) (killed bool) {
	t.Helper()
	k.mu.Lock()
	p := at.launch(t, "run", "--once", "--db", db)
	k.mine = map[*exchange]bool{}
	k.from, k.left = "POST _bulk_docs", 1+rand.IntN(int(moments)*perBatch)
	if early {
		k.from, k.left = "", 1+rand.IntN(int(moments)*perStart)
	}
	k.delay = rand.N(10 * time.Millisecond)
	k.kill = p.cmd.Process.Kill
	k.mu.Unlock()
	<-p.done
	k.mu.Lock()
	k.left = 0
	k.mu.Unlock()
	switch code := p.cmd.ProcessState.ExitCode(); code {
	case -1:
		return true
	case 0, 2:
	default:
		t.Fatalf("exit code %d:\n%s", code, tail(p.log.String()))
	}
	return false
}

func (k *killer) hear(m moment, x *exchange) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m == asked && k.left > 0 {
		k.mine[x] = true
	}
	if k.left == 0 || !k.mine[x] || k.from != "" && k.from != x.kind {
		return
	}
	k.from = ""
	if k.left--; k.left == 0 {
		kill := k.kill
		time.AfterFunc(k.delay, func() { _ = kill() })
	}
}
