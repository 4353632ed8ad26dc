package feed

import (
	"fmt"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
)

// Lag is how far one database's feed is behind.
type Lag struct {
	DB string
	// Changes are those that are not in the work queue yet: CouchDB's count of
	// what it has not sent, where it says, and what was read and waits for room.
	Changes int64
	// Oldest is when the oldest change was read that is neither resolved nor in
	// review; zero if there is none. A feed's rows bear no time, so what was
	// not read yet has no age.
	Oldest time.Time
}

// lag is how far a reader is behind. What it knows of the queue is as old as the
// last look for the checkpoint: three seconds.
type lag struct {
	mu      sync.Mutex
	behind  int64     // changes that the server has not sent
	waiting int       // items of a page that are on their way into the queue
	since   time.Time // when that page was read
	oldest  time.Time // when the oldest work in the queue was put there
}

func (l *lag) pending(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = max(n, 0) // PouchDB does not say
}

func (l *lag) reading(items int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.since = items, time.Now()
}

func (l *lag) read() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = 0
}

func (l *lag) working(oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.oldest = oldest
}

func (l *lag) of(db string) Lag {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := Lag{DB: db, Changes: l.behind + int64(l.waiting), Oldest: l.oldest}
	if now.Oldest.IsZero() && l.waiting > 0 {
		now.Oldest = l.since
	}
	return now
}

// Lags returns how far the feeds are behind that are being read right now: those
// that are held, or the few that are being visited. The databases that wait for
// a visit are counted by State.
func (f *Follower) Lags() []Lag {
	f.mu.Lock()
	defer f.mu.Unlock()
	lags := make([]Lag, 0, len(f.readers))
	for r := range f.readers {
		lags = append(lags, r.lag.of(r.name))
	}
	return lags
}

// State is what a Follower is doing.
type State struct {
	Running  bool
	Followed int       // databases, as last listed; -1 until they were
	Attached int       // feeds that this process reads now
	Waiting  int       // databases that wait for a visit, where there are too many to hold
	Since    time.Time // since when the first of them waits
	Failing  int       // databases whose feed could not be read when it was last tried
}

// unlisted stands for the number of databases until they were listed.
const unlisted = -1

// State returns what the Follower is doing.
func (f *Follower) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := State{Running: f.turned.Load() != 0, Followed: f.followed, Attached: len(f.readers)}
	for _, err := range f.known {
		if couchmend.KindOf(err) != couchmend.KindNotFound { // gone is not failing
			s.Failing++
		}
	}
	if f.queue != nil {
		s.Waiting, s.Since = f.queue.length()
	}
	return s
}

// Failing returns the databases whose feeds could not be read when that was last
// tried, and why. Those that were deleted are not among them.
func (f *Follower) Failing() map[string]error {
	f.mu.Lock()
	defer f.mu.Unlock()
	failing := map[string]error{}
	for db, err := range f.known {
		if couchmend.KindOf(err) != couchmend.KindNotFound {
			failing[db] = err
		}
	}
	return failing
}

// Stuck returns an error where the loop of a running Follower has not turned for
// far longer than it ever should.
func (f *Follower) Stuck() error {
	at := f.turned.Load()
	if at == 0 {
		return nil
	}
	limit := 5*time.Minute + max(f.Refresh, f.Sweep)
	if still := time.Since(time.Unix(0, at)); still > limit {
		return fmt.Errorf("the feeds' loop has not turned for %v", still.Round(time.Second))
	}
	return nil
}

// turn notes that the loop turns.
func (f *Follower) turn() { f.turned.Store(time.Now().UnixNano()) }

func (f *Follower) attach(r *reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[r] = true
}

func (f *Follower) detach(r *reader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.readers, r)
}

// visiting notes where databases wait for a visit; nil where they no longer do.
func (f *Follower) visiting(q *queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = q
}
