package mender

import (
	"errors"
	"math/rand/v2"
	"time"
)

// patience is how a database is waited for that failed as a whole, longer each
// time. Others are mended meanwhile.
type patience struct {
	failures int // in a row
	until    time.Time
	err      error // the last one
}

// maxPatience is the longest wait before a database that failed is tried again.
const maxPatience = 30 * time.Second

// tire notes that a database failed.
func (m *Mender) tire(name string, err error) {
	m.mu.Lock()
	p := m.patience[name]
	p.failures++
	wait := min(m.Pace(p.failures), maxPatience)
	p.until, p.err = time.Now().Add(wait), err
	m.patience[name] = p
	m.mu.Unlock()
	m.Log.Warn("mending waits", "db", name, "resolver_status", "error", "error", err, "wait_ms", wait.Milliseconds())
}

// tired returns how much longer a database is waited for.
func (m *Mender) tired(name string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Until(m.patience[name].until)
}

// failures returns how often in a row a database has failed.
func (m *Mender) failures(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.patience[name].failures
}

// lost is how many failures in a row make a database one that is not waited for
// where somebody waits for the end: a minute and a half.
const lost = 8

// Failing returns the error of a database that has failed eight times in a row,
// which is after a minute and a half; nil if there is none.
func (m *Mender) Failing() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.patience {
		if p.failures >= lost {
			return p.err
		}
	}
	return nil
}

// rested notes that a database works.
func (m *Mender) rested(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.patience, name)
}

// release hands jobs back untouched.
func release(jobs []*job, wait time.Duration) error {
	var failed error
	for _, j := range jobs {
		if err := j.task.Release(wait + rand.N(wait/4+1)); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// backoff is 1 s, 2 s, 4 s …, each ± 25 % so that many workers do not come
// back at once.
func backoff(attempt int) time.Duration {
	d := time.Second << min(max(attempt-1, 0), 6)
	return d*3/4 + rand.N(d/2)
}
