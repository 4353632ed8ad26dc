package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Checkpoint is how far a database's feed is dealt with: everything before
// Since is resolved or in review (I6). The zero Since is the feed's start.
type Checkpoint struct {
	DB    string `json:"db"`
	Since string `json:"since"`
	// InstanceStart is the database's instance_start_time. If the server says
	// another one, the database was created anew and Since means nothing.
	InstanceStart string    `json:"instance_start,omitempty"`
	At            time.Time `json:"at"` // when it was saved

	seq        uint64 // of the message that it was read from: compared when it is saved
	mark       uint64 // the first place in the work queue that was free when it was read
	reconnects uint64 // of the connection to NATS, until it was read
}

// Checkpoint reads a database's checkpoint; its Since is "" if there is none.
// Reading it begins a turn at the feed: Put what is read from there on, see
// OldestWork.
func (l *Ledger) Checkpoint(ctx context.Context, db string) (Checkpoint, error) {
	reconnects := l.conn.Stats().Reconnects
	info, err := l.streams[work].Info(ctx)
	if err != nil {
		return Checkpoint{}, wrapDB("read checkpoint", db, err)
	}
	c := Checkpoint{DB: db}
	subject := l.checkpointSubject(db)
	found, err := l.newest(ctx, checkpoints, []string{subject})
	if err != nil {
		return Checkpoint{}, wrapDB("read checkpoint", db, err)
	}
	if m, ok := found[subject]; ok {
		if err := json.Unmarshal(m.Data, &c); err != nil {
			return Checkpoint{}, wrapDB("read checkpoint", db, err)
		}
		c.seq = m.Seq
	}
	c.mark, c.reconnects = info.State.LastSeq+1, reconnects
	return c, nil
}

// SaveCheckpoint writes c if nobody has written since c was read or saved, and
// errs with ErrStale otherwise: then another process reads this feed.
func (l *Ledger) SaveCheckpoint(ctx context.Context, c *Checkpoint) error {
	if err := l.room("save checkpoint", 0); err != nil {
		return err
	}
	c.At = l.cfg.Now()
	data, err := json.Marshal(c)
	if err != nil {
		return wrapDB("save checkpoint", c.DB, err)
	}
	m := nats.NewMsg(l.checkpointSubject(c.DB))
	m.Data = data
	ack, err := l.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(c.seq))
	switch {
	case isMoved(err):
		return wrapDB("save checkpoint", c.DB, ErrStale)
	case err != nil:
		return wrapDB("save checkpoint", c.DB, err)
	}
	c.seq = ack.Sequence
	return nil
}

func (l *Ledger) checkpointSubject(db string) string {
	return l.cfg.Name + "." + checkpoints + "." + digest(db, 16)
}
