package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxCounted is how many documents' conflicts are remembered; the ones that
	// conflicted longest ago are forgotten first (I11).
	maxCounted = 20_000

	defaultWarmAfter  = 3
	defaultWarmWindow = 24 * time.Hour
)

// WarmConfig says which documents are kept warm. All processes that share the
// state have the same one.
type WarmConfig struct {
	After  int           // conflicts within Window that make a document warm. Default 3; negative: none is
	Window time.Duration // as long after its last conflict a document stays warm. Default 24 h
}

// Warm knows which documents conflict often, and keeps bodies of theirs: their
// next conflict finds its base here, also where CouchDB has compacted it away.
// All processes that share the state have the same set. It is lost with the
// state, and grows again (I9).
//
// Its methods may be called from many goroutines. A nil Warm keeps nothing.
type Warm struct {
	ledger *Ledger
	WarmConfig

	mu     sync.Mutex
	heats  *recent[string, heat]     // by the document's subject
	kept   *recent[string, struct{}] // by the revision's subject: what this process has kept
	bodies atomic.Int64
}

// heat is how often a document was in conflict lately.
type heat struct {
	Conflicts []met `json:"conflicts"` // the last WarmConfig.After, oldest first
	Warm      bool  `json:"warm,omitempty"`
}

// met is a conflict that was met: its live leaves, as a digest, and when.
type met struct {
	Leaves string    `json:"leaves"`
	At     time.Time `json:"at"`
}

// FollowWarm restores the set of warm documents and follows what other
// processes add to it, until the Ledger closes. It returns nil where none is to
// be kept warm.
func (l *Ledger) FollowWarm(ctx context.Context, c WarmConfig) (*Warm, error) {
	if c.After < 0 {
		return nil, nil
	}
	if c.After == 0 {
		c.After = defaultWarmAfter
	}
	if c.Window <= 0 {
		c.Window = defaultWarmWindow
	}
	w := &Warm{ledger: l, WarmConfig: c, heats: newRecent[string, heat](maxCounted), kept: newRecent[string, struct{}](maxKnown)}
	if err := w.follow(ctx); err != nil {
		return nil, wrap("read warm documents", err)
	}
	return w, nil
}

// follow learns what is counted, here or elsewhere, until the Ledger closes. It
// returns when it has what there is now.
func (w *Warm) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream := w.ledger.streams[warm]
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	restored := make(chan struct{})
	done := sync.OnceFunc(func() { close(restored) })
	if info.State.Msgs == 0 {
		done()
	}
	following, err := consumer.Consume(func(m jetstream.Msg) {
		w.learn(m.Subject(), m.Data())
		if meta, err := m.Metadata(); err == nil && meta.NumPending == 0 {
			done()
		}
	})
	if err != nil {
		return err
	}
	w.ledger.running.Go(func() {
		<-w.ledger.closing.Done()
		following.Stop()
		<-following.Closed()
	})
	select {
	case <-restored:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// learn takes in what is stored of a document. Both sides' conflicts are joined,
// so it does not matter who counted first, nor how late this is.
func (w *Warm) learn(subject string, data []byte) {
	var h heat
	if json.Unmarshal(data, &h) != nil || w.cold(h) { // late news, or another version's
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.heat(subject)
	for _, c := range h.Conflicts {
		known.add(c, w.WarmConfig)
	}
	known.Warm = known.Warm || h.Warm
	w.heats.put(subject, known)
}

// heat returns what is known of a document that has conflicted within the
// window; w.mu is held.
func (w *Warm) heat(subject string) heat {
	h, _ := w.heats.get(subject)
	if w.cold(h) {
		return heat{}
	}
	h.Conflicts = slices.Clone(h.Conflicts)
	return h
}

// cold reports whether the last conflict is longer ago than the window.
func (w *Warm) cold(h heat) bool {
	n := len(h.Conflicts)
	return n == 0 || w.ledger.cfg.Now().Sub(h.Conflicts[n-1].At) > w.Window
}

// add counts a conflict, unless one with the same leaves was counted.
func (h *heat) add(c met, limits WarmConfig) bool {
	if slices.ContainsFunc(h.Conflicts, func(known met) bool { return known.Leaves == c.Leaves }) {
		return false
	}
	h.Conflicts = append(h.Conflicts, c)
	slices.SortFunc(h.Conflicts, func(a, b met) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Leaves, b.Leaves)) })
	h.Conflicts = h.Conflicts[max(0, len(h.Conflicts)-limits.After):]
	n := len(h.Conflicts)
	h.Warm = h.Warm || n == limits.After && h.Conflicts[n-1].At.Sub(h.Conflicts[0].At) <= limits.Window
	return true
}

// Met is a conflict that was met.
type Met struct {
	ID     string
	Leaves []couchmend.Rev // the live ones
}

// Count counts conflicts of a database's documents, each once as long as its
// leaves are the same. Where two processes count conflicts of one document in the
// same moment, one may be lost: it gets warm a conflict later.
func (w *Warm) Count(ctx context.Context, db string, conflicts ...Met) error {
	if w == nil || len(conflicts) == 0 {
		return nil
	}
	msgs, err := w.count(db, conflicts)
	if err == nil {
		err = w.ledger.room("count conflicts", 0)
	}
	if err == nil {
		_, err = w.ledger.send(ctx, msgs)
	}
	return wrapDB("count conflicts", db, err)
}

// count returns what is to be stored.
func (w *Warm) count(db string, conflicts []Met) ([]*nats.Msg, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.ledger.cfg.Now()
	var msgs []*nats.Msg
	for _, c := range conflicts {
		subject := w.ledger.subject(warm, db, c.ID)
		h := w.heat(subject)
		if !h.add(met{Leaves: digestOf(c.Leaves), At: now}, w.WarmConfig) {
			continue
		}
		w.heats.put(subject, h)
		data, err := json.Marshal(h)
		if err != nil {
			return nil, err
		}
		m := nats.NewMsg(subject)
		m.Data = data
		m.Header.Set(jetstream.MsgTTLHeader, max(w.Window, time.Second).String())
		msgs = append(msgs, m)
	}
	return msgs, nil
}

// digestOf is the same for the same revisions in any order.
func digestOf(revs []couchmend.Rev) string {
	texts := make([]string, len(revs))
	for i, r := range revs {
		texts[i] = r.String()
	}
	slices.Sort(texts)
	return digest(strings.Join(texts, " "), 16)
}

// Has reports whether a document is warm. It asks this process's copy: cheap
// enough to be asked of each row of a feed.
func (w *Warm) Has(db, id string) bool {
	if w == nil {
		return false
	}
	subject := w.ledger.subject(warm, db, id)
	w.mu.Lock()
	defer w.mu.Unlock()
	h, _ := w.heats.get(subject)
	return h.Warm && !w.cold(h)
}

// Documents counts the warm ones.
func (w *Warm) Documents() int {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heats.count(func(h heat) bool { return h.Warm && !w.cold(h) })
}

// Attrs are the counts for a line of the log: documents that are warm now, and
// bodies that this process has kept.
func (w *Warm) Attrs() []any {
	bodies := int64(0)
	if w != nil {
		bodies = w.bodies.Load()
	}
	return []any{"warm_documents", w.Documents(), "warm_bodies", bodies}
}

// Forget drops what is known and kept of a database that was created anew: the
// same revision ids may stand for other bodies there. Other processes take its
// documents for warm until they cool.
func (w *Warm) Forget(ctx context.Context, db string) error {
	if w == nil {
		return nil
	}
	of := func(kind string) string { return w.ledger.cfg.Name + "." + kind + "." + digest(db, 16) + "." }
	w.mu.Lock()
	w.heats.drop(func(subject string, _ heat) bool { return strings.HasPrefix(subject, of(warm)) })
	w.kept.drop(func(subject string, _ struct{}) bool { return strings.HasPrefix(subject, of(bodies)) })
	w.mu.Unlock()
	for _, kind := range []string{warm, bodies} {
		if err := w.ledger.streams[kind].Purge(ctx, jetstream.WithPurgeSubject(of(kind)+">")); err != nil {
			return wrapDB("forget warm documents", db, err)
		}
	}
	return nil
}
