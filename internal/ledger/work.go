package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Item is a document to be mended, as a feed's row told of it.
type Item struct {
	DB string `json:"db"`
	ID string `json:"id"`
	// Seq is the row's own; Since is the feed's place right before it, from
	// which the row would be read again. A row that no feed read (a retry that
	// a person asked for) has neither.
	Seq   string `json:"seq,omitempty"`
	Since string `json:"since,omitempty"`
	// Leaves are the row's, winner first, dead ones included. Empty: not
	// known, or too many to be worth a message; ask CouchDB.
	Leaves   []couchmend.Rev `json:"leaves,omitempty"`
	Deleted  bool            `json:"deleted,omitempty"` // no leaf is alive
	Enqueued time.Time       `json:"enqueued"`          // set by Put if zero
	// Trace is the id of the trace that the document's way through couchmend
	// belongs to, and Span the span in it that put the document here: 32 and 16
	// hexadecimal digits. Without tracing there is no Span.
	Trace string `json:"trace,omitempty"`
	Span  string `json:"span,omitempty"`
	// Attempt counts the failures so far (Task.Retry), whatever row told of
	// them. Put ignores it.
	Attempt int `json:"-"`
}

// maxItem bounds an Item's message; a NATS message has at most 1 MB.
const maxItem = 512 << 10

// Put adds work, in order. An item takes the place of the one that waits for
// the same document, also of one that a worker has in hand; but an item without
// Since never displaces one that has it, so the checkpoint's place is kept.
//
// It returns how many of the first items are in the queue. With fewer than all
// comes an error: ErrFull when QueueLimit documents wait. Put the rest again,
// from the first that was not taken, before the checkpoint is moved.
func (l *Ledger) Put(ctx context.Context, items ...Item) (int, error) {
	msgs := make([]*nats.Msg, 0, len(items))
	for _, item := range items {
		m, err := l.itemMessage(item)
		if err != nil {
			return 0, wrap("put work", err)
		}
		msgs = append(msgs, m)
	}
	if err := l.room("put work", 0); err != nil {
		return 0, err
	}
	taken := 0
	for taken < len(msgs) {
		n, err := l.send(ctx, msgs[taken:])
		taken += n
		switch {
		case err == nil:
		case isMoved(err): // one without Since: the document waits already
			taken++
		case isQueueFull(err):
			return taken, fail("put work", couchmend.KindOther, ErrFull)
		default:
			return taken, l.reason("put work", err)
		}
	}
	return taken, nil
}

func (l *Ledger) itemMessage(item Item) (*nats.Msg, error) {
	if item.Enqueued.IsZero() {
		item.Enqueued = l.cfg.Now()
	}
	data, err := json.Marshal(item)
	if err == nil && len(data) > maxItem {
		item.Leaves = nil
		data, err = json.Marshal(item)
	}
	m := nats.NewMsg(l.subject(work, item.DB, item.ID))
	m.Data = data
	if item.Since == "" {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
	}
	return m, err
}

// Task is an Item in a worker's hand: for 30 seconds, again from each Working.
// Then, or when its process dies, it is handed out again; two workers on one
// document are harmless (I3, I4).
type Task struct {
	Item
	Delivered int // how often it was handed out, this time included
	msg       jetstream.Msg
	ledger    *Ledger
}

// Fetch takes at most max items in hand, oldest first. It returns as soon as
// there is one, and none after wait.
func (l *Ledger) Fetch(ctx context.Context, max int, wait time.Duration) ([]Task, error) {
	batch, err := l.workers.FetchNoWait(max)
	if err != nil {
		return nil, wrap("fetch work", err)
	}
	tasks, err := l.take(ctx, nil, batch)
	if err != nil || len(tasks) > 0 || wait <= 0 {
		return l.countAttempts(ctx, tasks, err)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err = l.workers.Fetch(1, jetstream.FetchContext(waiting))
	switch {
	case err == nil:
	case waiting.Err() != nil && ctx.Err() == nil: // the wait was over before it began
		return nil, nil
	default:
		return nil, wrap("fetch work", err)
	}
	if tasks, err = l.take(ctx, tasks, batch); err == nil && len(tasks) > 0 && max > 1 {
		if batch, err = l.workers.FetchNoWait(max - 1); err == nil {
			tasks, err = l.take(ctx, tasks, batch)
		}
	}
	return l.countAttempts(ctx, tasks, err)
}

func (l *Ledger) take(ctx context.Context, tasks []Task, batch jetstream.MessageBatch) ([]Task, error) {
	for m := range batch.Messages() {
		t := Task{msg: m, ledger: l}
		if err := json.Unmarshal(m.Data(), &t.Item); err != nil {
			// Not ours, or another version's: it must not block its subject.
			l.cfg.Logger.Warn("unreadable work item dropped", "subject", m.Subject(), "error", err)
			_ = m.Term()
			continue
		}
		if meta, err := m.Metadata(); err == nil {
			t.Delivered = int(meta.NumDelivered)
		}
		tasks = append(tasks, t)
	}
	err := batch.Error()
	if errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil
	}
	return tasks, err
}

func (l *Ledger) countAttempts(ctx context.Context, tasks []Task, err error) ([]Task, error) {
	if err != nil || len(tasks) == 0 {
		return tasks, wrap("fetch work", err)
	}
	subjects := make([]string, len(tasks))
	for i, t := range tasks {
		subjects[i] = l.subject(attempts, t.DB, t.ID)
	}
	counts, err := l.newest(ctx, attempts, subjects)
	if err != nil {
		return nil, wrap("fetch work", err)
	}
	for i := range tasks {
		if m, ok := counts[subjects[i]]; ok && len(m.Data) > 0 {
			tasks[i].Attempt, _ = strconv.Atoi(string(m.Data)) // written by Retry alone
		}
	}
	return tasks, nil
}

// Ack takes the item out of the queue and forgets its failures: the document is
// resolved or in review. The acknowledgement is not waited for; one that is
// lost means that the item is handed out once more. If a newer one has taken
// its place, that one stays.
func (t Task) Ack(ctx context.Context) error {
	if t.Attempt > 0 {
		if err := t.count(ctx, remover(t.ledger.subject(attempts, t.DB, t.ID))); err != nil {
			return t.wrap("acknowledge work", err)
		}
	}
	return t.wrap("acknowledge work", t.msg.Ack())
}

// Retry counts a failure of the document's own and hands the item out again
// after delay.
func (t Task) Retry(delay time.Duration) error {
	m := nats.NewMsg(t.ledger.subject(attempts, t.DB, t.ID))
	m.Data = []byte(strconv.Itoa(t.Attempt + 1))
	if err := t.count(t.ledger.closing, m); err != nil {
		return t.wrap("retry work", err)
	}
	return t.wrap("retry work", t.msg.NakWithDelay(delay))
}

// count writes a document's count of failures, and waits: whoever is handed the
// document next reads it.
func (t Task) count(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := t.ledger.js.PublishMsg(ctx, m)
	return err
}

// Release hands the item out again after delay without counting a failure: it
// was a neighbour's, the server's, or there was none.
func (t Task) Release(delay time.Duration) error {
	return t.wrap("release work", t.msg.NakWithDelay(delay))
}

// Working keeps the item in hand for another 30 seconds.
func (t Task) Working() error { return t.wrap("keep work", t.msg.InProgress()) }

func (t Task) wrap(op string, err error) error { return wrapDoc(op, t.DB, t.ID, err) }

// Pending counts the documents in the queue, those in workers' hands included.
func (l *Ledger) Pending(ctx context.Context) (int, error) {
	info, err := l.streams[work].Info(ctx)
	if err != nil {
		return 0, wrap("count work", err)
	}
	return int(info.State.Msgs), nil
}

// OldestWork returns the oldest item of the checkpoint's database that was put
// since the checkpoint was read and is neither resolved nor in review: its
// Since is where the checkpoint belongs (I6). If there is none, the checkpoint
// belongs where the feed has read to and put all.
//
// Older items, put before the checkpoint was read, do not count: a feed that
// goes on from the checkpoint meets their documents again, at the newest row of
// each, and puts them again in its own order. For the same reason it errs once
// the connection to NATS was lost since: the server may have restarted without
// its latest work. Read the checkpoint again.
func (l *Ledger) OldestWork(ctx context.Context, from Checkpoint) (Item, bool, error) {
	var item Item
	look := func(m message) (more bool, err error) {
		item = Item{}
		err = json.Unmarshal(m.Data, &item)
		return item.Since == "", err
	}
	subject := l.under(work, from.DB)
	m, found, err := l.first(ctx, work, subject, from.mark)
	if err == nil && found {
		var more bool
		if more, err = look(m); more && err == nil { // asked for by a person: there may be many
			err = l.each(ctx, work, query{Subject: subject, From: m.Seq + 1}, look)
		}
	}
	if err == nil && l.conn.Stats().Reconnects != from.reconnects {
		err = errInterrupted
	}
	return item, err == nil && item.Since != "", wrapDB("find oldest work", from.DB, err)
}
