package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
)

// Usage is how full the state is.
type Usage struct {
	Waiting int // documents in the work queue, those in workers' hands included
	// Oldest is when the one was put there that waits for longest; zero where
	// none waits.
	Oldest       time.Time
	JournalBytes int64 // that the journal takes, large bodies included
	JournalLimit int64 // at which it is full, large bodies not included; 0 where only the disk bounds it
	// FreeBytes may be written until the state directory's disk is too full to
	// go on; -1 on a NATS server elsewhere, which knows itself.
	FreeBytes int64
}

// Usage measures the state. It costs four requests to NATS, whatever is stored.
func (l *Ledger) Usage(ctx context.Context) (Usage, error) {
	queue, err := l.streams[work].Info(ctx)
	if err != nil {
		return Usage{}, wrap("measure state", err)
	}
	kept, err := l.streams[journal].Info(ctx)
	if err != nil {
		return Usage{}, wrap("measure state", err)
	}
	large, err := l.large.Status(ctx)
	if err != nil {
		return Usage{}, wrap("measure state", err)
	}
	u := Usage{
		Waiting: int(queue.State.Msgs), JournalBytes: int64(kept.State.Bytes + large.Size()),
		JournalLimit: max(kept.Config.MaxBytes, 0), FreeBytes: -1,
	}
	if free, err := freeBytes(l.cfg.Dir); l.cfg.Dir != "" && err == nil {
		u.FreeBytes = max(free-minFree, 0)
	}
	if u.Waiting > 0 {
		u.Oldest, err = l.oldest(ctx)
	}
	return u, wrap("measure state", err)
}

// oldest returns when the first item of the queue was put there; zero if there
// is none any more.
func (l *Ledger) oldest(ctx context.Context) (time.Time, error) {
	m, found, err := l.first(ctx, work, l.under(work, ""), 0)
	if err != nil || !found {
		return time.Time{}, err
	}
	var item Item
	err = json.Unmarshal(m.Data, &item)
	return item.Enqueued, err
}

// nearlyFull is the room in the journal under which it counts as full: a batch
// of ordinary documents.
const nearlyFull = 1 << 20

// Check errs where the state can't take what must be durable before anything is
// buried (I1): by writing something, and by looking whether the disk and the
// journal have room; then the error's kind is KindFull.
func (l *Ledger) Check(ctx context.Context) error {
	if err := l.room("check state", 0); err != nil {
		return err
	}
	kept, err := l.streams[journal].Info(ctx)
	if err != nil {
		return wrap("check state", err)
	}
	if limit := kept.Config.MaxBytes; limit > 0 && int64(kept.State.Bytes) > max(limit-nearlyFull, limit/2) {
		return fail("check state", couchmend.KindFull, errors.New("the journal is full"))
	}
	m := nats.NewMsg(l.cfg.Name + "." + control + ".check")
	m.Data = fmt.Append(nil, l.cfg.Now().UTC().Format(time.RFC3339))
	if _, err := l.js.PublishMsg(ctx, m); err != nil {
		return l.reason("check state", err)
	}
	return nil
}
