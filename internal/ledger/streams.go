package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The kinds of state. Each is a stream "<name>-<kind>" of the subjects
// "<name>.<kind>.<hash of the database>.<hash of the document>".
const (
	work        = "work"
	leases      = "leases"
	checkpoints = "checkpoints"
	journal     = "journal"
	review      = "review"
	control     = "control"
	attempts    = "attempts"
	warm        = "warm"
	bodies      = "bodies" // of warm documents: a subject has the revision's hash, too
	splits      = "splits"
)

const (
	// handOut is how long a fetched item is somebody's, unless they say
	// Working, before it is handed out again.
	handOut = 30 * time.Second
	// attemptsAge is how long a document's failures are remembered.
	attemptsAge = 24 * time.Hour
	// markerAge is how long the marker of a deletion stays, for watchers that
	// were cut off.
	markerAge = time.Hour
	// largeGrace is how much longer a large body is kept than the journal's
	// message that names it.
	largeGrace = 24 * time.Hour
)

func (l *Ledger) stream(kind string) string { return l.cfg.Name + "-" + kind }

// subject is a document's place among those of one kind. 64 bits tell
// databases apart, 128 the documents of one.
func (l *Ledger) subject(kind, db, id string) string {
	return l.cfg.Name + "." + kind + "." + digest(db, 16) + "." + digest(id, 32)
}

// under covers the places of all documents of db; of all databases if db is "".
func (l *Ledger) under(kind, db string) string {
	if db == "" {
		return l.cfg.Name + "." + kind + ".>"
	}
	return l.cfg.Name + "." + kind + "." + digest(db, 16) + ".*"
}

func digest(s string, digits int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:digits]
}

// layout is what each stream is. The embedded server syncs every write; there,
// what CouchDB can tell again opts out (PersistMode), and dies with the process
// that knew better. A server elsewhere may die alone: it flushes every write.
func (l *Ledger) layout() []jetstream.StreamConfig {
	c := l.cfg
	newest := func(kind string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:              l.stream(kind),
			Subjects:          []string{c.Name + "." + kind + ".>"},
			MaxMsgsPerSubject: 1,
			Replicas:          c.Replicas,
			AllowDirect:       true,
			AllowMsgTTL:       true,
		}
	}
	unsynced := func(s jetstream.StreamConfig) jetstream.StreamConfig {
		if l.home != nil {
			s.PersistMode = jetstream.AsyncPersistMode
		}
		return s
	}
	passing := func(s jetstream.StreamConfig) jetstream.StreamConfig {
		if l.home != nil { // a server elsewhere forgets a memory stream altogether when it restarts
			s.Storage = jetstream.MemoryStorage
		}
		return s
	}
	w := unsynced(newest(work))
	w.Retention = jetstream.WorkQueuePolicy
	w.Discard = jetstream.DiscardNew // of a new document: a newer message of one that waits replaces it even then
	w.MaxMsgs = int64(c.QueueLimit)

	held := passing(newest(leases))
	failures := passing(newest(attempts))
	failures.MaxMsgs = int64(c.QueueLimit)
	failures.MaxAge = attemptsAge

	j := newest(journal)
	j.MaxMsgsPerSubject = -1
	j.MaxAge = c.UndoHorizon
	j.MaxBytes = limit(c.JournalBytes)
	j.Discard = jetstream.DiscardNew // full means full: history within the horizon is never dropped
	j.AllowAtomicPublish = true
	j.Compression = jetstream.S2Compression

	counted := unsynced(newest(warm))
	counted.MaxMsgs = maxCounted

	kept := unsynced(newest(bodies))
	kept.MaxMsgs, kept.MaxBytes = maxKept, maxKeptBytes
	kept.MaxAge = c.UndoHorizon
	kept.Compression = jetstream.S2Compression

	r := newest(review)
	r.AllowAtomicPublish = true

	apart := newest(splits)
	apart.MaxAge = c.UndoHorizon

	return []jetstream.StreamConfig{w, held, failures, unsynced(newest(checkpoints)), j, r, newest(control), counted, kept, apart}
}

func limit(bytes int64) int64 {
	if bytes <= 0 {
		return -1
	}
	return bytes
}

// prepare finds the streams, or makes them. With setBounds those that are there
// get this Config's bounds.
func (l *Ledger) prepare(ctx context.Context, setBounds bool) error {
	for _, s := range l.layout() {
		kind := s.Name[len(l.cfg.Name)+1:]
		found, err := l.js.Stream(ctx, s.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && setBounds && !sameBounds(found, s) {
			found, err = l.js.CreateOrUpdateStream(ctx, s)
		}
		if err != nil {
			return err
		}
		l.streams[kind] = found
	}
	if err := l.prepareWorkers(ctx); err != nil {
		return err
	}
	return l.prepareLarge(ctx, setBounds)
}

// sameBounds spares the embedded server a dozen synced writes at each start.
func sameBounds(found jetstream.Stream, want jetstream.StreamConfig) bool {
	have := found.CachedInfo().Config
	return have.MaxAge == want.MaxAge && have.MaxBytes == limit(want.MaxBytes) && have.Replicas == want.Replicas &&
		(want.MaxMsgs == 0 || have.MaxMsgs == want.MaxMsgs)
}

// prepareWorkers finds or makes the one consumer that all workers share. The
// holder of a directory makes it anew: whoever had items in hand is gone, so
// they are handed out at once.
func (l *Ledger) prepareWorkers(ctx context.Context) error {
	const name = "workers"
	stream := l.streams[work]
	if l.home != nil {
		if err := stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	var err error
	if l.workers, err = stream.Consumer(ctx, name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	l.workers, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:   name,
		AckPolicy: jetstream.AckExplicitPolicy,
		AckWait:   handOut,
		// Without end: an item whose deliveries are used up would block its
		// document. Failures are counted by Task.Retry.
		MaxDeliver:    -1,
		MaxAckPending: -1,
	})
	return err
}

// prepareLarge finds or makes the object store for large bodies.
func (l *Ledger) prepareLarge(ctx context.Context, setBounds bool) error {
	want := jetstream.ObjectStoreConfig{
		Bucket:   l.stream("large"),
		TTL:      l.cfg.UndoHorizon + largeGrace,
		MaxBytes: limit(l.cfg.JournalBytes),
		Replicas: l.cfg.Replicas,
	}
	behind := jetstream.StreamConfig{MaxAge: want.TTL, MaxBytes: want.MaxBytes, Replicas: want.Replicas}
	stream, err := l.js.Stream(ctx, "OBJ_"+want.Bucket)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && setBounds && !sameBounds(stream, behind):
		l.large, err = l.js.CreateOrUpdateObjectStore(ctx, want)
	case err == nil:
		l.large, err = l.js.ObjectStore(ctx, want.Bucket)
	}
	return err
}
