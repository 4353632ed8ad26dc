package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// window is how many unacknowledged messages are on their way at most:
	// the client stalls where the server syncs each of many.
	window = 256
	// commitMessages and commitBytes bound one atomic batch. The server takes
	// 1,000 messages.
	commitMessages = 500
	commitBytes    = 8 << 20
	// minFree is left on the state directory's disk. A JetStream that met a
	// full disk refuses every write until it is restarted, so it must not.
	minFree = 32 << 20
)

// room errs with KindFull if the disk of the state directory can't take size
// more bytes.
func (l *Ledger) room(op string, size int) error {
	if l.cfg.Dir == "" {
		return nil
	}
	free, err := freeBytes(l.cfg.Dir)
	if err == nil && free < minFree+int64(size) { // where the disk can't be asked, the write itself will tell
		return fail(op, couchmend.KindFull, fmt.Errorf("%d MB free under %s: %d MB are kept in reserve", free>>20, l.cfg.Dir, minFree>>20))
	}
	return nil
}

// reason is wrap for writes: an embedded server whose disk is full does not
// answer, and won't before it is opened again.
func (l *Ledger) reason(op string, err error) error {
	if kindOf(err) == couchmend.KindUnreachable {
		if full := l.room(op, 0); full != nil {
			return full
		}
	}
	return wrap(op, err)
}

// diskKind classes an error of the file system.
func diskKind(err error) couchmend.Kind {
	switch {
	case isDiskFull(err):
		return couchmend.KindFull
	case os.IsPermission(err), os.IsExist(err):
		return couchmend.KindUsage
	default:
		return couchmend.KindOther
	}
}

// send publishes each message by itself and waits for all: it returns how many
// of the first were stored, and the error of the one after.
func (l *Ledger) send(ctx context.Context, msgs []*nats.Msg) (int, error) {
	acks := make([]jetstream.PubAckFuture, 0, len(msgs))
	stored := 0
	wait := func() error {
		select {
		case <-acks[stored].Ok():
		case err := <-acks[stored].Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closing.Done():
			return nats.ErrConnectionClosed
		}
		stored++
		return nil
	}
	for i, m := range msgs {
		if i-stored == window {
			if err := wait(); err != nil {
				return stored, err
			}
		}
		ack, err := l.js.PublishMsgAsync(m)
		if err != nil {
			return stored, err
		}
		acks = append(acks, ack)
	}
	for stored < len(msgs) {
		if err := wait(); err != nil {
			return stored, err
		}
	}
	return stored, nil
}

// commit stores the messages of one stream in atomic batches, in order: each
// is there whole or not at all, and costs one sync.
func (l *Ledger) commit(ctx context.Context, msgs []*nats.Msg) error {
	for len(msgs) > 0 {
		n, size := 0, 0
		for n < len(msgs) && n < commitMessages && (n == 0 || size+len(msgs[n].Data) <= commitBytes) {
			size += len(msgs[n].Data)
			n++
		}
		if err := l.commitBatch(ctx, msgs[:n]); err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

func (l *Ledger) commitBatch(ctx context.Context, msgs []*nats.Msg) error {
	last := msgs[len(msgs)-1]
	if len(msgs) == 1 {
		_, err := l.js.PublishMsg(ctx, last)
		return err
	}
	batch := rand.Text()
	for i, m := range msgs {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header.Set("Nats-Batch-Id", batch)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if m == last {
			break
		}
		if err := l.conn.PublishMsg(m); err != nil {
			return err
		}
	}
	last.Header.Set("Nats-Batch-Commit", "1")
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := l.conn.RequestMsgWithContext(ctx, last)
	if err != nil {
		return err
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		Count int                 `json:"count"`
	}
	switch err := json.Unmarshal(answer.Data, &ack); {
	case err != nil:
		return fmt.Errorf("answer to a batch: %w", err)
	case ack.Error != nil:
		return ack.Error
	case ack.Count != len(msgs):
		return fmt.Errorf("batch of %d: the server stored %d", len(msgs), ack.Count)
	}
	return nil
}

// remover is the message that takes away the one at subject, and goes itself
// after a while.
func remover(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set(jetstream.MsgTTLHeader, markerAge.String())
	return m
}
