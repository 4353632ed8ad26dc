package ledger

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// Disconnect cuts l off from its server, as if its process had died.
func Disconnect(l *Ledger) { l.conn.Close() }

// PutRaw puts any bytes into the work queue.
func PutRaw(l *Ledger, db, id, data string) error {
	return l.conn.Publish(l.subject(work, db, id), []byte(data))
}

// PurgeWork forgets the work of one database, as a lost stream would.
func PurgeWork(l *Ledger, db string) error {
	return l.streams[work].Purge(context.Background(), jetstream.WithPurgeSubject(l.under(work, db)))
}

const MaxCounted = maxCounted

// ConfigOf returns the Config that l was opened with.
func ConfigOf(l *Ledger) Config { return l.cfg }

// Unread returns a case as it was before it was stored.
func Unread(c Case) Case {
	c.seq = 0
	return c
}
