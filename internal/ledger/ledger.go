// Package ledger is couchmend's durable state, kept on NATS JetStream: in this
// process on a directory by default, on a NATS server elsewhere by URL. The
// code is the same either way.
//
// Each kind of state is one stream, and a document's place in it is a subject
// made of two hashes, since names of databases and documents may hold anything:
//
//	work         what is to be mended: one message per document, the newest
//	leases       who reads which feed (expires)
//	checkpoints  how far each feed is dealt with
//	journal      what was decided, with the bodies it was decided from
//	review       what waits for a person
//	control      pause switches
//	attempts     failures of a document so far (expires)
//	warm         how often a document was in conflict lately (expires)
//	bodies       winners of documents that conflict often; the oldest go first
//	splits       how far the split of a document has got
//
// CouchDB is the truth (I9): all of this may be deleted, and only local history
// is gone. So journal, review, control and splits are synced to disk before a
// call returns; the others need not be.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config says where the state is and what bounds it. Dir or URL is required.
type Config struct {
	// Dir is the state directory of an embedded server; it is made, readable
	// by its owner only, if there is none.
	Dir string
	// URL names a NATS server (2.12 or later) with JetStream, or several of
	// one cluster, separated by commas; Dir is then unused.
	URL string
	// Name sets couchmends apart that share a NATS and must not share state:
	// letters, digits, "-" and "_". Default "couchmend".
	Name string
	// Replicas is how many servers of a cluster keep each stream. Default 1.
	// What must be durable there is as durable as the cluster makes it: with 1
	// replica, set sync_interval: always on the server.
	Replicas int
	// CredsFile, TokenFile, CAFile, CertFile and KeyFile authenticate to URL
	// and the server to us. A user and password may also stand in URL.
	CredsFile, TokenFile, CAFile, CertFile, KeyFile string

	UndoHorizon  time.Duration // age at which the journal forgets. Default 30 days
	QueueLimit   int           // documents that wait at most. Default 100,000
	JournalBytes int64         // size at which the journal is full; as much again for large bodies. 0: the disk's
	LeaseTTL     time.Duration // how long a lease outlives its holder, at least 1 s. Default 15 s
	Now          func() time.Time
	Logger       *slog.Logger // the NATS server's and client's words, at debug. Default: none
}

const (
	defaultName        = "couchmend"
	defaultUndoHorizon = 30 * 24 * time.Hour
	defaultQueueLimit  = 100_000
	defaultLeaseTTL    = 15 * time.Second
	// requestTimeout bounds one request to NATS where the context has no
	// earlier deadline: a server that lost its disk does not answer at all.
	requestTimeout = 20 * time.Second
	// openFree is what a JetStream needs to start, in bytes: it writes a little,
	// and does not get over a disk without any room.
	openFree = 1 << 20
)

func (c *Config) setDefaults() error {
	if (c.Dir == "") == (c.URL == "") {
		return fail("open state", couchmend.KindUsage, errors.New("want a state directory or a NATS URL, not both"))
	}
	if c.Name == "" {
		c.Name = defaultName
	}
	if strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return fail("open state", couchmend.KindUsage, fmt.Errorf("name %q: want letters, digits, - and _", c.Name))
	}
	if c.LeaseTTL != 0 && c.LeaseTTL < time.Second {
		return fail("open state", couchmend.KindUsage, fmt.Errorf("lease time %v: want 1s at least", c.LeaseTTL))
	}
	if c.UndoHorizon <= 0 {
		c.UndoHorizon = defaultUndoHorizon
	}
	if c.QueueLimit <= 0 {
		c.QueueLimit = defaultQueueLimit
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = defaultLeaseTTL
	}
	if c.Replicas <= 0 || c.Dir != "" {
		c.Replicas = 1
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Ledger is open state. Its methods may be called from many goroutines, and
// from many processes on one NATS.
type Ledger struct {
	cfg     Config
	home    *home // the directory, where this process holds it; else nil
	conn    *nats.Conn
	js      jetstream.JetStream
	streams map[string]jetstream.Stream // by kind
	workers jetstream.Consumer
	large   jetstream.ObjectStore
	pauses  *pauses
	lost    chan struct{}         // Lost
	apart   atomic.Pointer[Apart] // nil until FollowSplits

	closing context.Context // ends when Close begins
	stop    context.CancelFunc
	running sync.WaitGroup // renewals of leases, and what follows warm documents and splits
	close   func() error
}

// Open opens the state for a process that mends. On a directory it becomes the
// holder: it runs the NATS server, and others reach it by Connect. If another
// process holds the directory the error's kind is KindLocked and its words name
// that process; one that is about to leave (see Connect) is waited for. On a
// URL it makes the streams, or sets their bounds to those of c.
func Open(ctx context.Context, c Config) (*Ledger, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	if c.URL != "" {
		conn, err := dial(c)
		if err != nil {
			return nil, err
		}
		return start(ctx, c, nil, conn, true)
	}
	h, err := hold(ctx, c, false)
	if err != nil {
		return nil, err
	}
	return startHome(ctx, c, h)
}

// Connect opens the state for a command that looks or changes something and
// leaves: through the process that holds the directory, or as its holder for
// that moment if there is none. On a URL the streams' bounds are left as they are.
func Connect(ctx context.Context, c Config) (*Ledger, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	if c.URL != "" {
		conn, err := dial(c)
		if err != nil {
			return nil, err
		}
		return start(ctx, c, nil, conn, false)
	}
	h, conn, err := holdOrDial(ctx, c, false)
	switch {
	case err != nil:
		return nil, err
	case h != nil:
		return startHome(ctx, c, h)
	default:
		return start(ctx, c, nil, conn, false)
	}
}

func startHome(ctx context.Context, c Config, h *home) (*Ledger, error) {
	if free, err := freeBytes(c.Dir); err == nil && free < openFree {
		h.leave()
		return nil, fail("open state", couchmend.KindFull, fmt.Errorf("there is no room under %s", c.Dir))
	}
	conn, err := nats.Connect("", append(clientOptions(c), nats.InProcessServer(h.server), nats.Token(h.token))...)
	if err != nil {
		h.leave()
		return nil, fail("open state", couchmend.KindOther, err)
	}
	l, err := start(ctx, c, h, conn, true)
	if err != nil {
		return nil, err
	}
	if err := h.open(); err != nil {
		return nil, errors.Join(fail("open state", diskKind(err), err), l.Close())
	}
	return l, nil
}

// start makes a Ledger of a connection; it owns conn and h from here on.
func start(ctx context.Context, c Config, h *home, conn *nats.Conn, setBounds bool) (*Ledger, error) {
	l := &Ledger{cfg: c, home: h, conn: conn, streams: map[string]jetstream.Stream{}, lost: make(chan struct{})}
	l.closing, l.stop = context.WithCancel(context.Background())
	l.close = sync.OnceValue(l.shut)
	var err error
	l.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(requestTimeout), jetstream.WithPublishAsyncTimeout(requestTimeout))
	if err == nil {
		err = l.prepare(ctx, setBounds)
	}
	if err == nil {
		l.pauses, err = l.watchPauses(ctx)
	}
	if err != nil {
		return nil, errors.Join(wrap("open state", err), l.Close())
	}
	return l, nil
}

// Close ends what the Ledger started, leases and server included, and waits
// for it. Further calls do nothing.
func (l *Ledger) Close() error { return l.close() }

func (l *Ledger) shut() error {
	l.stop()
	l.running.Wait()
	if l.pauses != nil {
		l.pauses.stop()
	}
	var err error
	if l.conn.IsConnected() {
		// Acknowledgements are sent without waiting: let them arrive. If the
		// server goes meanwhile, their items are handed out again.
		err = l.conn.FlushTimeout(requestTimeout)
		if !l.conn.IsConnected() {
			err = nil
		}
	}
	l.conn.Close()
	if l.home != nil {
		l.home.leave()
	}
	if err != nil {
		return wrap("close state", err)
	}
	return nil
}

func clientOptions(c Config) []nats.Option {
	log := c.Logger
	return []nats.Option{
		nats.Name(c.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Debug("nats: disconnected", "error", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Debug("nats", "error", err) }),
	}
}

// dial connects to c.URL. Errors do not show the URL, which may hold a password.
func dial(c Config) (*nats.Conn, error) {
	for u := range strings.SplitSeq(c.URL, ",") {
		if _, err := url.Parse(strings.TrimSpace(u)); err != nil {
			return nil, fail("connect to NATS", couchmend.KindUsage, errors.New("not a URL: want nats://host:port"))
		}
	}
	opts := clientOptions(c)
	if c.CredsFile != "" {
		opts = append(opts, nats.UserCredentials(c.CredsFile))
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fail("connect to NATS", couchmend.KindUsage, err)
		}
		opts = append(opts, nats.Token(strings.TrimSpace(string(token))))
	}
	if c.CAFile != "" {
		opts = append(opts, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		opts = append(opts, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	conn, err := nats.Connect(c.URL, opts...)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fail("connect to NATS", couchmend.KindAuth, err)
	default:
		return nil, fail("connect to NATS", couchmend.KindUnreachable, err)
	}
}
