package alert

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/feed"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

// Config says what is watched, and who is told.
type Config struct {
	Alerts policy.Alerts
	Ledger *ledger.Ledger
	Board  *board.Board
	Server *couch.Server  // for its replications. May be nil
	Feed   *feed.Follower // of this process. May be nil
	Log    *slog.Logger
	// Every is how often one looks. Default 15 s, or the shortest time that a
	// receiver groups by.
	Every time.Duration
	Now   func() time.Time // default time.Now
}

// Watch looks and tells.
type Watch struct {
	Config
	eye  observer
	told []*telling
}

// telling is one receiver, with what it knows.
type telling struct {
	to       *receiver
	memory   Memory
	failures int
	wait     time.Time // not before
}

// New prepares a Watch and makes no request. An error says which webhook's
// address is missing.
func New(cfg Config) (*Watch, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Every == 0 {
		cfg.Every = 15 * time.Second
		for _, hook := range cfg.Alerts.Webhooks {
			cfg.Every = min(cfg.Every, hook.Group)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	w := &Watch{Config: cfg, eye: observer{
		board: cfg.Board, ledger: cfg.Ledger, feed: cfg.Feed, log: cfg.Log, failing: map[string]time.Time{}, written: map[string]growth{},
	}}
	for _, hook := range cfg.Alerts.Webhooks {
		if hook.When.ReplicationFailing {
			w.eye.server = cfg.Server
		}
		to, err := newReceiver(hook)
		if err != nil {
			return nil, err
		}
		w.told = append(w.told, &telling{to: to})
	}
	return w, nil
}

// leaseName is the lease of the one process that tells.
const leaseName = "alerts"

// Run looks and tells until ctx ends. Of the processes that share the state one
// does; the others wait for it to go.
func (w *Watch) Run(ctx context.Context) {
	defer func() {
		for _, t := range w.told {
			t.to.close()
		}
	}()
	host, _ := os.Hostname()
	owner := host + " " + strconv.Itoa(os.Getpid())
	for ctx.Err() == nil {
		lease, err := w.Ledger.Lease(ctx, leaseName, owner)
		switch {
		case err == nil:
			w.hold(ctx, lease)
		case !errors.Is(err, ledger.ErrHeld) && ctx.Err() == nil:
			w.Log.Warn("alerts: no lease", "error", err)
		}
		w.sleep(ctx)
	}
}

func (w *Watch) sleep(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(w.Every):
	}
}

// hold looks and tells while the lease lasts.
func (w *Watch) hold(outer context.Context, lease *ledger.Lease) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	waiting.Go(func() {
		select {
		case <-lease.Lost():
			cancel()
		case <-ctx.Done():
		}
	})
	defer func() { _ = lease.Release(context.WithoutCancel(outer)) }() // it expires by itself
	for _, t := range w.told {
		if err := w.remember(ctx, t); err != nil {
			w.Log.Warn("alerts: what was told can't be read", "webhook", t.to.Name, "error", err)
			return
		}
	}
	for ctx.Err() == nil {
		w.turn(ctx)
		w.sleep(ctx)
	}
}

// turn looks once, and tells each receiver what is due. They do not wait for
// each other longer than for one delivery.
func (w *Watch) turn(ctx context.Context) {
	now := w.Now()
	sight := w.eye.look(ctx, now)
	if ctx.Err() != nil { // what was seen then is not how things stand
		return
	}
	var group sync.WaitGroup
	for _, t := range w.told {
		group.Go(func() { w.tell(ctx, t, sight) })
	}
	group.Wait()
}

func (w *Watch) tell(ctx context.Context, t *telling, s Sight) {
	t.memory.Take(s.At, Evaluate(s, t.to.Webhook, w.Alerts.Console))
	message, due := t.memory.Due(s.At, t.to.Group, t.to.Repeat)
	if !due || s.At.Before(t.wait) {
		return
	}
	message.Console = w.Alerts.Console
	answer, err := t.to.post(ctx, message)
	if err != nil {
		if ctx.Err() == nil {
			t.failed(s.At, answer)
			w.Log.Warn("an alert was not delivered, and is tried again", "webhook", t.to.Name, "error", err, "again", t.wait)
		}
		return
	}
	t.failures, t.wait = 0, time.Time{}
	t.memory.Deliver(s.At, message)
	w.Log.Info("alert", "webhook", t.to.Name, "firing", len(message.Firing), "resolved", len(message.Resolved))
	if err := w.note(ctx, t); err != nil {
		w.Log.Warn("alerts: what was told can't be stored: after a restart it is told again", "webhook", t.to.Name, "error", err)
	}
}

// failed puts the next delivery off.
func (t *telling) failed(now time.Time, a Answer) {
	pause := min(firstWait<<min(t.failures, 10), lastWait)
	t.failures++
	t.wait = now.Add(max(pause, a.wait))
}

func noteName(webhook string) string { return "alerts " + webhook }

// remember reads what a receiver was told, by any process.
func (w *Watch) remember(ctx context.Context, t *telling) error {
	data, err := w.Ledger.Note(ctx, noteName(t.to.Name))
	if err != nil {
		return err
	}
	t.memory, err = recall(data)
	return err
}

func recall(data []byte) (m Memory, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

func (w *Watch) note(ctx context.Context, t *telling) error {
	data, err := json.Marshal(t.memory)
	if err != nil {
		return err
	}
	return w.Ledger.PutNote(context.WithoutCancel(ctx), noteName(t.to.Name), data)
}

// Firing is what fires now for one webhook, and what it was told of it.
type Firing struct {
	Webhook string `json:"webhook"`
	Told
}

// List looks once, and returns what fires, without telling anybody. What only
// a process that follows feeds can see is as that one told it last.
func List(ctx context.Context, cfg Config) ([]Firing, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	eye := observer{board: cfg.Board, ledger: cfg.Ledger, server: cfg.Server, log: cfg.Log, written: map[string]growth{}}
	now := cfg.Now()
	sight := eye.look(ctx, now)
	var all []Firing
	for _, hook := range cfg.Alerts.Webhooks {
		data, err := cfg.Ledger.Note(ctx, noteName(hook.Name))
		if err != nil {
			return nil, err
		}
		memory, err := recall(data)
		if err != nil {
			return nil, &couchmend.Error{Op: "read alerts", Kind: couchmend.KindOther, Err: err}
		}
		firing := Evaluate(sight, hook, cfg.Alerts.Console)
		for _, t := range memory.Known {
			if t.Alert.Kind == Feed && t.Alert.DB != "" {
				firing = append(firing, t.Alert)
			}
		}
		memory.Take(now, firing)
		for _, t := range memory.List() {
			if t.Gone.IsZero() {
				all = append(all, Firing{Webhook: hook.Name, Told: t})
			}
		}
	}
	return all, nil
}

// Test sends a message that says it is one, and returns what came back.
func Test(ctx context.Context, hook policy.Webhook, console string) (Answer, error) {
	to, err := newReceiver(hook)
	if err != nil {
		return Answer{}, err
	}
	defer to.close()
	return to.post(ctx, trial(console, time.Now()))
}

// Preview is the body that Test would send.
func Preview(hook policy.Webhook, console string) ([]byte, error) {
	return payload(trial(console, time.Now()), hook.Format)
}

func trial(console string, now time.Time) Message {
	a := Alert{Key: key(Trial), Kind: Trial, Summary: "nothing is wrong: somebody tries whether this arrives"}
	if console != "" {
		a.Link = link(console, a)
	}
	return Message{At: now, Test: true, Firing: []Alert{a}, Resolved: []Alert{}, Console: console}
}
