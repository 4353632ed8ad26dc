package ledger

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Pause stops all writes to a database (I12).
type Pause struct {
	DB     string    `json:"db"` // "" is all databases
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since"`          // set by Ledger.Pause if zero
	Until  time.Time `json:"until,omitzero"` // zero: until resumed
}

// pauses is this process's copy of the pause switches.
type pauses struct {
	mu   sync.RWMutex
	by   map[string]pauseSwitch // by subject
	told []*func()              // FollowPauses
	stop func()
}

type pauseSwitch struct {
	seq   uint64
	on    bool
	pause Pause
}

// Pause stops writes to p.DB: here at once, in other processes within a moment.
// It replaces an earlier pause of the same database.
func (l *Ledger) Pause(ctx context.Context, p Pause) error {
	if p.Since.IsZero() {
		p.Since = l.cfg.Now()
	}
	data, err := json.Marshal(p)
	if err != nil {
		return wrapDB("pause", p.DB, err)
	}
	m := nats.NewMsg(l.pauseSubject(p.DB))
	m.Data = data
	return l.setPause(ctx, "pause", p.DB, m)
}

// Resume ends the pause of db, or with "" the pause of all databases; pauses of
// single databases stay.
func (l *Ledger) Resume(ctx context.Context, db string) error {
	return l.setPause(ctx, "resume", db, remover(l.pauseSubject(db)))
}

func (l *Ledger) setPause(ctx context.Context, op, db string, m *nats.Msg) error {
	ack, err := l.js.PublishMsg(ctx, m)
	if err != nil {
		return wrapDB(op, db, err)
	}
	l.pauses.apply(m.Subject, ack.Sequence, m.Data)
	return nil
}

func (l *Ledger) pauseSubject(db string) string {
	return l.cfg.Name + "." + control + ".pause." + digest(db, 16)
}

// Pauses returns the pauses that are in force.
func (l *Ledger) Pauses(ctx context.Context) ([]Pause, error) {
	var in []Pause
	now := l.cfg.Now()
	err := l.each(ctx, control, query{Subject: l.cfg.Name + "." + control + ".pause.*"}, func(m message) (bool, error) {
		if len(m.Data) == 0 {
			return true, nil
		}
		var p Pause
		if err := json.Unmarshal(m.Data, &p); err != nil {
			return false, err
		}
		if p.at(now) {
			in = append(in, p)
		}
		return true, nil
	})
	return in, wrap("read pauses", err)
}

func (p Pause) at(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }

// Paused says whether writes to db are stopped. It asks this process's copy:
// cheap enough to be asked before each write.
func (l *Ledger) Paused(db string) bool {
	now := l.cfg.Now()
	l.pauses.mu.RLock()
	defer l.pauses.mu.RUnlock()
	for _, s := range l.pauses.by {
		if s.on && (s.pause.DB == "" || s.pause.DB == db) && s.pause.at(now) {
			return true
		}
	}
	return false
}

// watchPauses reads the switches and follows them until the Ledger closes.
func (l *Ledger) watchPauses(ctx context.Context) (*pauses, error) {
	p := &pauses{by: map[string]pauseSwitch{}}
	filter := l.cfg.Name + "." + control + ".pause.*"
	err := l.each(ctx, control, query{Subject: filter}, func(m message) (bool, error) {
		p.apply(m.Subject, m.Seq, m.Data)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	consumer, err := l.streams[control].OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{filter},
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return nil, err
	}
	following, err := consumer.Consume(func(m jetstream.Msg) {
		if meta, err := m.Metadata(); err == nil {
			p.apply(m.Subject(), meta.Sequence.Stream, m.Data())
		}
	})
	if err != nil {
		return nil, err
	}
	p.stop = func() {
		following.Stop()
		<-following.Closed()
	}
	return p, nil
}

// apply takes a switch as stored at seq; what is older than the copy has is
// late news.
func (p *pauses) apply(subject string, seq uint64, data []byte) {
	s := pauseSwitch{seq: seq}
	if len(data) > 0 {
		// A switch that can't be read pauses everything: better than writing
		// where somebody said not to.
		s.on = true
		if json.Unmarshal(data, &s.pause) != nil {
			s.pause = Pause{}
		}
	}
	p.mu.Lock()
	news := seq > p.by[subject].seq
	if news {
		p.by[subject] = s
	}
	told := slices.Clone(p.told)
	p.mu.Unlock()
	if news {
		for _, f := range told {
			(*f)()
		}
	}
}
