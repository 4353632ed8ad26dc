package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Reads go by JetStream's direct get: one request answers with many messages
// and leaves nothing behind on the server. The client library has no call for
// more than one message.

// query is one direct get. Either Last or Subject is set.
type query struct {
	Last    []string   `json:"multi_last,omitempty"`   // the newest message of each of these subjects, which may hold wildcards
	Subject string     `json:"next_by_subj,omitempty"` // the messages of this subject, oldest first
	From    uint64     `json:"seq,omitempty"`          // not before this sequence
	Since   *time.Time `json:"start_time,omitempty"`   // not before this time
	Batch   int        `json:"batch,omitempty"`        // messages of Subject; 0 is one
	Bytes   int        `json:"max_bytes,omitempty"`    // bounds what is on its way at once
}

const (
	// lastAtOnce keeps one query under the server's bound of 1,024 results.
	lastAtOnce = 500
	pageSize   = 500
	pageBytes  = 4 << 20
)

// message is one stored message.
type message struct {
	Subject string
	Seq     uint64
	Header  nats.Header
	Data    []byte
}

// each hands the messages of a subject, which may hold wildcards, to f, oldest
// first, page by page: f sees what was stored when its page was asked for.
func (l *Ledger) each(ctx context.Context, kind string, q query, f func(message) (more bool, err error)) error {
	q.Batch, q.Bytes = pageSize, pageBytes
	for {
		page, done, err := l.ask(ctx, kind, q)
		if err != nil {
			return err
		}
		for _, m := range page {
			if more, err := f(m); err != nil || !more {
				return err
			}
		}
		if done {
			return nil
		}
		q.Since, q.From = nil, page[len(page)-1].Seq+1
	}
}

// first returns the oldest message of a subject, which may hold wildcards, at
// or after a sequence. Unlike each it does not have the server count what
// follows, which takes it long where much waits.
func (l *Ledger) first(ctx context.Context, kind, subject string, from uint64) (message, bool, error) {
	page, _, err := l.ask(ctx, kind, query{Subject: subject, From: from})
	if err != nil || len(page) == 0 {
		return message{}, false, err
	}
	return page[0], true, nil
}

// newest returns the newest message of each subject that has one, by subject.
// The subjects hold no wildcards.
func (l *Ledger) newest(ctx context.Context, kind string, subjects []string) (map[string]message, error) {
	found := make(map[string]message, len(subjects))
	for len(subjects) > 0 {
		n := min(len(subjects), lastAtOnce)
		q := query{Last: subjects[:n], Bytes: pageBytes}
		for {
			page, done, err := l.ask(ctx, kind, q)
			if err != nil {
				return nil, err
			}
			for _, m := range page {
				found[m.Subject] = m
			}
			if done {
				break
			}
			q.From = page[len(page)-1].Seq + 1
		}
		subjects = subjects[n:]
	}
	return found, nil
}

// ask sends one query and gathers its answers. done says that there are no
// more beyond them; if not, there is at least one message.
func (l *Ledger) ask(ctx context.Context, kind string, q query) (page []message, done bool, err error) {
	text, err := json.Marshal(q)
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	inbox := l.conn.NewInbox()
	sub, err := l.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()             // fails with the connection only
	if err := sub.SetPendingLimits(-1, -1); err != nil { // bounded by the query
		return nil, false, err
	}
	if err := l.conn.PublishRequest("$JS.API.DIRECT.GET."+l.stream(kind), inbox, text); err != nil {
		return nil, false, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, false, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
			if err != nil {
				return nil, false, fmt.Errorf("direct get: sequence: %w", err)
			}
			page = append(page, message{Subject: m.Header.Get(jetstream.SubjectHeader), Seq: seq, Header: m.Header, Data: m.Data})
			if q.Batch == 0 && q.Last == nil { // the one and only: no end is announced
				return page, true, nil
			}
		case "204": // end of the batch
			return page, len(page) == 0 || m.Header.Get("Nats-Num-Pending") == "0", nil
		case "404":
			if len(page) > 0 { // a message that was announced could not be read
				return nil, false, fmt.Errorf("direct get: %s", m.Header.Get("Description"))
			}
			return nil, true, nil
		case "503":
			return nil, false, nats.ErrNoResponders
		default:
			return nil, false, fmt.Errorf("direct get: %s %s", status, m.Header.Get("Description"))
		}
	}
}
