package couchtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Node is one CouchDB server in memory. It is an http.Handler; NewServer and
// Listen give it a URL. Its methods may be called from any goroutine.
type Node struct {
	clock       func() time.Time
	gzipDigests bool
	copies      int    // what /{db} says under cluster.n
	uuid        string // of the server
	secret      []byte // signs session cookies
	log         *requestLog

	mu        sync.RWMutex
	dbs       map[string]*DB
	created   int64 // the latest instance_start_time given out
	users     map[string]*user
	failures  map[string]*failure // of logins, by account and address
	faults    []*Fault
	observe   func(*http.Request)
	scheduled []Scheduled

	updates events
	closed  chan struct{} // by Close
	closing sync.Once
	client  *http.Client // of _replicate
}

// Option sets up a Node.
type Option func(*Node)

// WithClock gives the node a clock of its own: for instance_start_time, the
// life of cookies and the end of a lockout. Heartbeats and timeouts of feeds
// keep to real time.
func WithClock(now func() time.Time) Option { return func(n *Node) { n.clock = now } }

// WithAdmin makes name a server administrator and asks everybody for a login,
// as an installed CouchDB does. Without it everybody is an administrator.
func WithAdmin(name, password string) Option {
	return func(n *Node) { n.AddUser(name, password, adminRole) }
}

// WithCluster makes the node say that its databases are kept in n copies, with
// quorums to match. It remains one node.
func WithCluster(n int) Option { return func(node *Node) { node.copies = max(1, n) } }

// WithGzipDigests says whether the digest of a compressible attachment is that
// of its gzipped bytes (true, CouchDB's default) or of the bytes themselves, as
// on a server whose administrator turned compression off, and on PouchDB.
func WithGzipDigests(on bool) Option { return func(n *Node) { n.gzipDigests = on } }

// NewNode returns an empty server. Close it when it is no longer needed.
func NewNode(options ...Option) *Node {
	n := &Node{
		clock: time.Now, gzipDigests: true, copies: 1,
		uuid: randomID(), secret: []byte(randomID()),
		dbs: make(map[string]*DB), users: make(map[string]*user), failures: make(map[string]*failure),
		updates: newEvents(), closed: make(chan struct{}),
	}
	n.client = &http.Client{Transport: loopback{node: n, wire: &http.Transport{}}}
	for _, set := range options {
		set(n)
	}
	return n
}

// Close ends every feed and refuses requests from now on. Databases can still
// be read and written from Go.
func (n *Node) Close() {
	n.closing.Do(func() { close(n.closed) })
	n.client.CloseIdleConnections()
}

func randomID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// CreateDB returns the database of that name, created if it is missing. Any
// name will do; CouchDB's rules for names are those of PUT /{db}.
func (n *Node) CreateDB(name string) *DB {
	db, _ := n.createDB(name)
	return db
}

func (n *Node) createDB(name string) (db *DB, created bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if db := n.dbs[name]; db != nil {
		return db, false
	}
	n.created = max(n.created+1, n.clock().Unix()) // never the same twice
	var instance [8]byte
	rand.Read(instance[:])
	db = newDB(n, name, n.created, binary.BigEndian.Uint64(instance[:]))
	n.dbs[name] = db
	n.updates.add("created", name)
	return db, true
}

// DB returns the database of that name, or nil.
func (n *Node) DB(name string) *DB {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.dbs[name]
}

// DeleteDB deletes a database and ends its feeds. It reports whether there was
// one.
func (n *Node) DeleteDB(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	db := n.dbs[name]
	if db == nil {
		return false
	}
	delete(n.dbs, name)
	close(db.gone)
	n.updates.add("deleted", name)
	return true
}

// DBs lists the databases by name, sorted.
func (n *Node) DBs() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Sorted(maps.Keys(n.dbs))
}

// OnRequest has f called with each request before it is answered, also before
// any fault: to count requests by kind, for instance. f must not read the
// body. There is one such function; nil takes it away.
func (n *Node) OnRequest(f func(*http.Request)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.observe = f
}

// opaque is the part of a sequence id after the number. As in CouchDB it says
// of which creation of the database the number is.
func (n *Node) opaque(instance, seq uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], instance)
	binary.BigEndian.PutUint64(b[8:], seq)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// parseSeq reads a since parameter: a sequence id of this or an earlier
// creation, which counts as 0, or a bare number.
func parseSeq(text string, instance uint64) (uint64, *apiError) {
	text = strings.Trim(text, `"`)
	number, opaque, found := strings.Cut(text, "-")
	seq, err := parseUint(number)
	if err != nil {
		return 0, errBadSeq
	}
	if !found {
		return seq, nil
	}
	raw, decodeErr := base64.RawURLEncoding.DecodeString(opaque)
	if decodeErr != nil || len(raw) != 16 {
		return 0, errBadSeq
	}
	if binary.BigEndian.Uint64(raw[:8]) != instance {
		return 0, nil
	}
	return binary.BigEndian.Uint64(raw[8:]), nil
}
