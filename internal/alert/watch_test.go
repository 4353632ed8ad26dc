package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbox is a receiver that keeps what it is sent.
type inbox struct {
	url    string
	got    chan Message
	status atomic.Int32
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{got: make(chan Message, 100)}
	in.status.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m Message
		if status := int(in.status.Load()); status != http.StatusOK {
			w.WriteHeader(status)
		} else if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		} else {
			in.got <- m
		}
	}))
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

func (in *inbox) next(t *testing.T) Message {
	t.Helper()
	select {
	case m := <-in.got:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		return Message{}
	}
}

// quiet checks that nothing is told for a while: several looks.
func (in *inbox) quiet(t *testing.T) {
	t.Helper()
	select {
	case m := <-in.got:
		t.Errorf("told %+v", m)
	case <-time.After(300 * time.Millisecond):
	}
}

// state is a ledger with a board, both open.
type state struct {
	ledger *ledger.Ledger
	board  *board.Board
}

func open(t *testing.T, dir string, share bool) state {
	t.Helper()
	open := ledger.Open
	if share {
		open = ledger.Connect
	}
	l, err := open(t.Context(), ledger.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	b, err := board.Open(t.Context(), l, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state{l, b}
}

func (s state) close(t *testing.T) {
	t.Helper()
	s.board.Close()
	if err := s.ledger.Close(); err != nil {
		t.Error(err)
	}
}

// watch runs a Watch until it is stopped.
func (s state) watch(t *testing.T, hooks ...policy.Webhook) (stop func()) {
	t.Helper()
	w, err := New(Config{Alerts: policy.Alerts{Webhooks: hooks}, Ledger: s.ledger, Board: s.board, Every: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// hookOf tells an inbox of review that is a minute old, at once.
func hookOf(t *testing.T, in *inbox) policy.Webhook {
	w := hookTo(t, in.url, policy.WebhookJSON)
	w.When = policy.AlertWhen{ReviewOlderThan: time.Minute, PausedLongerThan: time.Minute}
	w.Group = 50 * time.Millisecond
	return w
}

func (s state) put(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		c := ledger.Case{DB: "medic", ID: id, Reason: couchmend.ReasonOverlap, First: time.Now().Add(-time.Hour)}
		if err := s.ledger.PutCases(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWaitsIsToldOnceAndSoIsItsEndAlsoAfterARestart(t *testing.T) {
	in, dir := newInbox(t), t.TempDir()
	hook := hookOf(t, in)
	s := open(t, dir, false)
	stop := s.watch(t, hook)
	s.put(t, "a", "b")
	if m := in.next(t); words(m) != "+review_older_than/medic/overlap" {
		t.Errorf("told %+v", m)
	}
	s.put(t, "c") // the same thing, a little larger
	in.quiet(t)
	stop()
	s.close(t)

	s = open(t, dir, false)
	defer func() { s.close(t) }()
	stop = s.watch(t, hook)
	defer func() { stop() }()
	in.quiet(t)
	if err := s.ledger.DropCases(t.Context(), "medic", "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if m := in.next(t); words(m) != "-review_older_than/medic/overlap" {
		t.Errorf("told %+v", m)
	}
}

func TestOfSeveralProcessesOneTellsAndAnotherGoesOn(t *testing.T) {
	in, dir := newInbox(t), t.TempDir()
	hook := hookOf(t, in)
	first := open(t, dir, false)
	defer first.close(t)
	second := open(t, dir, true)
	defer second.close(t)
	stopFirst, stopSecond := first.watch(t, hook), second.watch(t, hook)
	defer stopSecond()
	first.put(t, "a")
	in.next(t)
	in.quiet(t)
	stopFirst()
	in.quiet(t) // it was told
	if err := first.ledger.Pause(t.Context(), ledger.Pause{DB: "medic", Reason: "x", Since: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if m := in.next(t); words(m) != "+paused_longer_than/medic others 1" {
		t.Errorf("told %+v", m)
	}
}

func TestAReceiverThatIsAwayHearsLaterAndHoldsNobodyUp(t *testing.T) {
	away, well := newInbox(t), newInbox(t)
	away.status.Store(http.StatusServiceUnavailable)
	s := open(t, t.TempDir(), false)
	defer s.close(t)
	hooks := []policy.Webhook{hookOf(t, away), hookOf(t, well)}
	hooks[0].Name, hooks[1].Name = "away", "well"
	stop := s.watch(t, hooks...)
	defer stop()
	s.put(t, "a")
	well.next(t)
	away.quiet(t)
	away.status.Store(http.StatusOK)
	away.next(t)
}

func TestAListShowsWhatFiresAndWhatWasTold(t *testing.T) {
	in := newInbox(t)
	s := open(t, t.TempDir(), false)
	defer s.close(t)
	hook := hookOf(t, in)
	cfg := Config{Alerts: policy.Alerts{Webhooks: []policy.Webhook{hook}}, Ledger: s.ledger, Board: s.board}
	s.put(t, "a")
	firing := func() []Firing {
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			all, err := List(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) > 0 || time.Now().After(end) {
				return all
			}
		}
	}
	if all := firing(); len(all) != 1 || !all[0].Sent.IsZero() || all[0].Alert.Count != 1 {
		t.Errorf("%+v", all)
	}
	stop := s.watch(t, hook)
	in.next(t)
	in.quiet(t) // the note is written
	stop()
	if all := firing(); len(all) != 1 || all[0].Sent.IsZero() {
		t.Errorf("%+v", all)
	}
}
