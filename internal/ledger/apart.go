package ledger

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// maxApart is how many splits a process keeps in mind; the oldest are forgotten
// first (I11).
const maxApart = 20_000

// Apart knows which ids were split, here or in another process that shares the
// state: what refers to them, and comes late, is looked for in each feed. It
// holds no plans. Its methods may be called from many goroutines; a nil Apart
// knows of none.
type Apart struct {
	ledger *Ledger

	mu      sync.Mutex
	by      map[string]KnownSplit // by subject
	version uint64                // grows with each change
}

// KnownSplit is what is known of a split without its plan.
type KnownSplit struct {
	DB         string     `json:"db"`
	ID         string     `json:"id"`
	Stage      SplitStage `json:"stage"`
	By         string     `json:"by,omitempty"`
	Also       []string   `json:"also,omitempty"`
	Substrings bool       `json:"substrings,omitempty"`

	at  time.Time // it was stored
	seq uint64    // of its message
}

func (s Split) known() KnownSplit {
	return KnownSplit{DB: s.DB, ID: s.ID, Stage: s.Stage, By: s.By, Also: s.Also, Substrings: s.Substrings}
}

// FollowSplits learns which ids were split, and follows what becomes of them,
// until the Ledger closes. It returns when it has what there is now.
func (l *Ledger) FollowSplits(ctx context.Context) (*Apart, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := &Apart{ledger: l, by: map[string]KnownSplit{}}
	info, err := l.streams[splits].Info(ctx)
	if err != nil {
		return nil, wrap("read splits", err)
	}
	consumer, err := l.streams[splits].OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return nil, wrap("read splits", err)
	}
	restored := make(chan struct{})
	done := sync.OnceFunc(func() { close(restored) })
	if info.State.Msgs == 0 {
		done()
	}
	following, err := consumer.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		a.learn(m.Subject(), meta.Sequence.Stream, []byte(m.Headers().Get(splitHeader)), meta.Timestamp)
		if meta.NumPending == 0 {
			done()
		}
	})
	if err != nil {
		return nil, wrap("read splits", err)
	}
	l.running.Go(func() {
		<-l.closing.Done()
		following.Stop()
		<-following.Closed()
	})
	l.apart.Store(a)
	select {
	case <-restored:
		return a, nil
	case <-ctx.Done():
		return nil, wrap("read splits", ctx.Err())
	}
}

// learnSplit makes a split known that this process has stored, at once.
func (l *Ledger) learnSplit(subject string, seq uint64, header []byte) {
	if a := l.apart.Load(); a != nil {
		a.learn(subject, seq, header, l.cfg.Now())
	}
}

func (a *Apart) learn(subject string, seq uint64, header []byte, at time.Time) {
	var s KnownSplit
	if json.Unmarshal(header, &s) != nil { // another version's
		return
	}
	s.at, s.seq = at, seq
	a.mu.Lock()
	defer a.mu.Unlock()
	if seq < a.by[subject].seq { // late news
		return
	}
	a.version++
	if a.by[subject] = s; len(a.by) > maxApart {
		a.forget()
	}
}

// forget drops what is past the horizon, or else the oldest; a.mu is held.
func (a *Apart) forget() {
	oldest := ""
	for subject, s := range a.by {
		if a.old(s) {
			delete(a.by, subject)
		} else if oldest == "" || s.at.Before(a.by[oldest].at) {
			oldest = subject
		}
	}
	if len(a.by) > maxApart {
		delete(a.by, oldest)
	}
}

func (a *Apart) old(s KnownSplit) bool {
	return a.ledger.cfg.Now().Sub(s.at) > a.ledger.cfg.UndoHorizon
}

// In returns the splits whose old ids may stand in documents of a database:
// those under way and done, not those that were taken back.
func (a *Apart) In(db string) []KnownSplit {
	return a.pick(func(s KnownSplit) bool {
		return (s.DB == db || slices.Contains(s.Also, db)) && s.Stage != SplitRollingBack && s.Stage != SplitRolledBack
	})
}

// Version grows with each split that becomes known, and with each stage of one:
// what was made of In holds as long as it is the same.
func (a *Apart) Version() uint64 {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.version
}

// UnderWay returns the splits that somebody began and nobody ended.
func (a *Apart) UnderWay(by string) []KnownSplit {
	return a.pick(func(s KnownSplit) bool { return s.By == by && s.Stage.UnderWay() })
}

func (a *Apart) pick(which func(KnownSplit) bool) []KnownSplit {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var picked []KnownSplit
	for _, s := range a.by {
		if !a.old(s) && which(s) {
			picked = append(picked, s)
		}
	}
	slices.SortFunc(picked, func(x, y KnownSplit) int {
		return strings.Compare(x.DB+"\n"+x.ID, y.DB+"\n"+y.ID)
	})
	return picked
}
