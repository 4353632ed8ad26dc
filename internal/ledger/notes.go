package ledger

import (
	"context"

	"github.com/nats-io/nats.go"
)

// PutNote stores a few bytes under a name, in place of what was there, and
// returns when they are on disk: what a task that only one process at a time
// does must know when another one goes on with it.
func (l *Ledger) PutNote(ctx context.Context, name string, data []byte) error {
	m := nats.NewMsg(l.noteSubject(name))
	m.Data = data
	if err := l.room("store note", len(data)); err != nil {
		return err
	}
	if _, err := l.js.PublishMsg(ctx, m); err != nil {
		return l.reason("store note", err)
	}
	return nil
}

// Note returns what is stored under a name; nil if nothing is.
func (l *Ledger) Note(ctx context.Context, name string) ([]byte, error) {
	subject := l.noteSubject(name)
	latest, err := l.newest(ctx, control, []string{subject})
	return latest[subject].Data, wrap("read note", err)
}

func (l *Ledger) noteSubject(name string) string {
	return l.cfg.Name + "." + control + ".note." + digest(name, 16)
}
