package board

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Topic is a part of the board.
type Topic string

// The topics.
const (
	Cases  Topic = "cases"  // what waits for a person
	Work   Topic = "work"   // what was done
	Pauses Topic = "pauses" // whether mending is paused
)

// Event says what on the board has changed, and for which databases, sorted:
// look again. A pause that was begun or ended has the database "".
type Event map[Topic][]string

const (
	// eventsEvery is how long changes are gathered into one event.
	eventsEvery = 500 * time.Millisecond
	// maxEvent bounds the databases of a topic; of what comes beyond, a later
	// change will tell.
	maxEvent = 10_000
)

// audience is who is told of changes.
type audience struct {
	mu      sync.Mutex
	all     map[*subscriber]bool
	changes uint64
	running sync.WaitGroup
}

type subscriber struct {
	changed map[Topic]map[string]bool
	news    chan struct{} // has room for one
}

// Subscribe returns events until ctx ends or the board closes; then the channel
// is closed. What changes while an event waits to be received joins the next
// one.
func (b *Board) Subscribe(ctx context.Context) <-chan Event {
	s := &subscriber{changed: map[Topic]map[string]bool{}, news: make(chan struct{}, 1)}
	events := make(chan Event)
	a := &b.audience
	a.mu.Lock()
	if a.all == nil {
		a.all = map[*subscriber]bool{}
	}
	a.all[s] = true
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(b.closing, cancel)
	a.running.Go(func() {
		defer cancel()
		defer detach()
		defer close(events)
		defer a.dismiss(s)
		a.serve(ctx, s, events)
	})
	return events
}

// Changes counts the changes so far. Who subscribes and finds another number
// than when it last looked has missed some.
func (b *Board) Changes() uint64 {
	b.audience.mu.Lock()
	defer b.audience.mu.Unlock()
	return b.audience.changes
}

func (a *audience) serve(ctx context.Context, s *subscriber, events chan<- Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(eventsEvery):
		}
		select {
		case <-ctx.Done():
			return
		case events <- a.take(s):
		}
	}
}

func (a *audience) dismiss(s *subscriber) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, s)
}

// tell notes a change for everybody.
func (a *audience) tell(topic Topic, db string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	for s := range a.all {
		if s.changed[topic] == nil {
			s.changed[topic] = map[string]bool{}
		}
		if len(s.changed[topic]) < maxEvent {
			s.changed[topic][db] = true
		}
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

// take returns what a subscriber has not been told yet.
func (a *audience) take(s *subscriber) Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := Event{}
	for topic, databases := range s.changed {
		e[topic] = slices.Sorted(maps.Keys(databases))
	}
	clear(s.changed)
	return e
}
