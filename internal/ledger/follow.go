package ledger

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// EntryLine is an Entry in short, without bodies: a day of them is cheap to
// follow.
type EntryLine struct {
	Time    time.Time         `json:"time"`
	DB      string            `json:"db"`
	ID      string            `json:"id"`
	Kind    string            `json:"kind"`
	By      string            `json:"by,omitempty"`
	Type    string            `json:"type,omitempty"`
	Outcome couchmend.Outcome `json:"outcome,omitempty"`
	Rule    string            `json:"rule,omitempty"`
	Reason  couchmend.Reason  `json:"reason,omitempty"`
	Fields  []string          `json:"fields,omitempty"` // that differed, at most 8
}

// CaseLine is a Case in short.
type CaseLine struct {
	DB        string           `json:"db"`
	ID        string           `json:"id"`
	Reason    couchmend.Reason `json:"reason"`
	Type      string           `json:"type,omitempty"`
	Rule      string           `json:"rule,omitempty"`
	Fields    []string         `json:"fields,omitempty"`
	Live      int              `json:"live"` // live leaves
	First     time.Time        `json:"first"`
	Last      time.Time        `json:"last"`
	Deep      bool             `json:"deep,omitempty"`
	Dismissed bool             `json:"dismissed,omitempty"`
}

const (
	// lineHeader holds an EntryLine or a CaseLine as JSON, so that a follower
	// does without the message itself.
	lineHeader = "Couchmend-Line"
	// maxLine bounds it, in bytes: a message's headers have 64 KB.
	maxLine = 16 << 10
	// lineFields is how many fields an EntryLine names.
	lineFields = 8
	// followTimeout bounds the reading of what there is when a follower begins.
	followTimeout = 2 * time.Minute
)

func entryLine(e Entry) EntryLine {
	line := EntryLine{
		Time: e.Time, DB: e.DB, ID: e.ID, Kind: e.Kind, By: e.By, Type: e.Type,
		Outcome: e.Decision.Outcome, Rule: e.Decision.Rule, Reason: e.Decision.Reason,
	}
	for _, f := range e.Decision.Fields[:min(len(e.Decision.Fields), lineFields)] {
		if f.Path != "" { // which is the whole document, a person's decision say
			line.Fields = append(line.Fields, f.Path)
		}
	}
	return line
}

func caseLine(c Case) CaseLine {
	line := CaseLine{
		DB: c.DB, ID: c.ID, Reason: c.Reason, Type: c.Type, Rule: c.Rule, Fields: c.Fields,
		Live: c.Live, First: c.First, Last: c.Last, Deep: c.Deep, Dismissed: c.Dismissed,
	}
	if line.Live == 0 {
		line.Live = len(c.Leaves)
	}
	return line
}

// setLine puts a line into a message's header; one that is too long is left
// out, and followers read the message.
func setLine(m *nats.Msg, line any) {
	if text, err := encode(line); err == nil && len(text) <= maxLine {
		m.Header.Set(lineHeader, string(text))
	}
}

// FollowJournal hands f what was added to the journal at since or later, oldest
// first, and what is added from then on by any process, until ctx ends or the
// Ledger closes. It returns when f has had what there was. f is called by one
// goroutine at a time, and must not wait for the Ledger.
func (l *Ledger) FollowJournal(ctx context.Context, since time.Time, f func(EntryLine)) error {
	from := jetstream.OrderedConsumerConfig{HeadersOnly: true, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since}
	err := l.follow(ctx, journal, from, func(m jetstream.Msg) {
		var line EntryLine
		if l.line(ctx, journal, m, &line, func(whole message) error {
			e, err := l.entry(ctx, whole)
			line = entryLine(e)
			return err
		}) {
			f(line)
		}
	})
	return wrap("follow journal", err)
}

// FollowCases hands f the cases in review, in the order in which they were last
// written, and from then on each that any process writes, or takes away: then
// line is nil. key names the case among all others. It returns as FollowJournal
// does.
func (l *Ledger) FollowCases(ctx context.Context, f func(key string, line *CaseLine)) error {
	from := jetstream.OrderedConsumerConfig{HeadersOnly: true, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
	under := l.cfg.Name + "." + review + "."
	err := l.follow(ctx, review, from, func(m jetstream.Msg) {
		key := strings.TrimPrefix(m.Subject(), under)
		if m.Headers().Get(jetstream.MsgTTLHeader) != "" { // a remover
			f(key, nil)
			return
		}
		var line CaseLine
		if l.line(ctx, review, m, &line, func(whole message) error {
			var c Case
			err := json.Unmarshal(whole.Data, &c)
			line = caseLine(c)
			return err
		}) {
			f(key, &line)
		}
	})
	return wrap("follow review", err)
}

// line reads a message's line into to, and reports whether it could. whole is
// given the message where it has none: it is of an earlier version.
func (l *Ledger) line(ctx context.Context, kind string, m jetstream.Msg, to any, whole func(message) error) bool {
	if text := m.Headers().Get(lineHeader); text != "" {
		return json.Unmarshal([]byte(text), to) == nil
	}
	meta, err := m.Metadata()
	if err != nil {
		return false
	}
	stored, ok, err := l.first(ctx, kind, m.Subject(), meta.Sequence.Stream)
	return err == nil && ok && stored.Seq == meta.Sequence.Stream && len(stored.Data) > 0 && whole(stored) == nil
}

// FollowPauses calls f whenever a switch was turned, by any process, until ctx
// ends. f must not wait for the Ledger.
func (l *Ledger) FollowPauses(ctx context.Context, f func()) {
	l.pauses.mu.Lock()
	defer l.pauses.mu.Unlock()
	told := &f
	l.pauses.told = append(l.pauses.told, told)
	context.AfterFunc(ctx, func() {
		l.pauses.mu.Lock()
		defer l.pauses.mu.Unlock()
		l.pauses.told = slices.DeleteFunc(l.pauses.told, func(other *func()) bool { return other == told })
	})
}

// follow hands f the messages of a stream, those that come later too, until ctx
// ends or the Ledger closes. It returns when f has had what there was.
func (l *Ledger) follow(ctx context.Context, kind string, from jetstream.OrderedConsumerConfig, f func(jetstream.Msg)) error {
	starting, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	consumer, err := l.streams[kind].OrderedConsumer(starting, from)
	if err != nil {
		return err
	}
	info, err := consumer.Info(starting)
	if err != nil {
		return err
	}
	caught := make(chan struct{})
	done := sync.OnceFunc(func() { close(caught) })
	if info.NumPending == 0 {
		done()
	}
	following, err := consumer.Consume(func(m jetstream.Msg) {
		f(m)
		if meta, err := m.Metadata(); err == nil && meta.NumPending == 0 {
			done()
		}
	})
	if err != nil {
		return err
	}
	l.running.Go(func() {
		select {
		case <-ctx.Done():
		case <-l.closing.Done():
		}
		following.Stop()
		<-following.Closed()
	})
	select {
	case <-caught:
		return nil
	case <-starting.Done():
		return starting.Err()
	case <-l.closing.Done():
		return nats.ErrConnectionClosed
	}
}
