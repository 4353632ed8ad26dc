package feed

import (
	"sync"
	"time"
)

// queue holds names of databases to visit, each at most once, in order. One
// that is being visited is not handed out a second time: it may have changed
// behind the visitor's back, and is visited once more afterwards.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	names  []waiting
	state  map[string]visiting
	closed bool
}

// waiting is a database that waits for a visit.
type waiting struct {
	name  string
	since time.Time
}

type visiting int

const (
	waits   visiting = iota + 1
	visited          // somebody is there
	changed          // and it was added meanwhile
)

func newQueue() *queue {
	q := &queue{state: map[string]visiting{}}
	q.wake = sync.NewCond(&q.mu)
	return q
}

func (q *queue) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
	case q.state[name] == 0:
		q.push(name)
	case q.state[name] == visited:
		q.state[name] = changed
	}
}

func (q *queue) push(name string) {
	q.state[name] = waits
	q.names = append(q.names, waiting{name, time.Now()})
	q.wake.Signal()
}

// next waits for a name; false once the queue is closed. The visitor says done
// when it leaves.
func (q *queue) next() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.names) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return "", false
	}
	name := q.names[0].name
	q.names = q.names[1:]
	q.state[name] = visited
	return name, true
}

func (q *queue) done(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.state[name] == changed
	delete(q.state, name)
	if again && !q.closed {
		q.push(name)
	}
}

// length returns how many databases wait for a visit, and since when the first
// of them does.
func (q *queue) length() (n int, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n = len(q.names); n > 0 {
		since = q.names[0].since
	}
	return n, since
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}
