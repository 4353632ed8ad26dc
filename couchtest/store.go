package couchtest

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/couchmend/couchmend"
)

// defaultRevsLimit is CouchDB's _revs_limit of a new database.
const defaultRevsLimit = 1000

// DB is one database of a Node. Its methods may be called at any time from any
// goroutine; those of a deleted database go on with what it held.
type DB struct {
	name     string
	node     *Node
	created  int64  // instance_start_time, in seconds
	instance uint64 // tells sequence ids of one creation from another's

	mu        sync.RWMutex
	docs      map[string]*document
	locals    map[string]*local
	log       []logEntry // by sequence number; superseded entries have no document
	stale     int        // how many those are
	seq       uint64
	live      int // documents with a live leaf
	revsLimit int
	warm      [shards]bool // which shards were written to
	validate  func(newDoc, oldDoc json.RawMessage, user UserContext) error
	security  security
	sorted    []string      // ids of docs, sorted; nil when it must be made anew
	changed   chan struct{} // closed at the next change
	gone      chan struct{} // closed when the database is deleted
}

// document is one document with all its revisions.
type document struct {
	id     string
	tree   tree
	leaves []*node // of tree, winner first
	seq    uint64  // of its last change
}

// local is a _local document: one body, no tree, never replicated.
type local struct {
	rev  int
	body []byte
}

// logEntry is one line of the changes feed.
type logEntry struct {
	seq uint64
	doc *document
}

func newDB(node *Node, name string, created int64, instance uint64) *DB {
	return &DB{
		name: name, node: node, created: created, instance: instance,
		docs: make(map[string]*document), locals: make(map[string]*local),
		revsLimit: defaultRevsLimit, security: newSecurity(),
		changed: make(chan struct{}), gone: make(chan struct{}),
	}
}

func (d *document) deleted() bool { return d.leaves[0].deleted() }

// leaf returns the leaf with that id, or nil.
func (d *document) leaf(gen int, hash string) *node {
	for _, n := range d.leaves {
		if n.gen == gen && n.hash == hash {
			return n
		}
	}
	return nil
}

// record gives a changed document its new place in the feed.
func (db *DB) record(d *document) {
	wasLive := len(d.leaves) > 0 && !d.deleted()
	d.leaves = d.tree.leaves()
	byWinner(d.leaves)
	if isLive := !d.deleted(); isLive != wasLive {
		if isLive {
			db.live++
		} else {
			db.live--
		}
	}
	if d.seq == 0 {
		db.docs[d.id] = d
		db.sorted = nil
	} else {
		i := db.logIndex(d.seq)
		db.log[i].doc = nil
		db.stale++
	}
	db.seq++
	d.seq = db.seq
	db.log = append(db.log, logEntry{seq: d.seq, doc: d})
	if db.stale > 1000 && db.stale > len(db.log)/2 {
		db.log = slices.DeleteFunc(db.log, func(e logEntry) bool { return e.doc == nil })
		db.stale = 0
	}
}

// logIndex returns the index of the first entry with seq or a later one.
func (db *DB) logIndex(seq uint64) int {
	i, _ := slices.BinarySearchFunc(db.log, seq, func(e logEntry, seq uint64) int { return cmp.Compare(e.seq, seq) })
	return i
}

// announce wakes whoever follows the database.
func (db *DB) announce() {
	close(db.changed)
	db.changed = make(chan struct{})
	db.node.updates.add("updated", db.name)
}

// ids returns the ids of all documents, deleted ones too, in byte order. The
// caller holds the lock for writing, or keeps no other reader out for long.
func (db *DB) ids() []string {
	if db.sorted == nil {
		db.sorted = slices.Sorted(maps.Keys(db.docs))
	}
	return db.sorted
}

// Name is the database's name.
func (db *DB) Name() string { return db.name }

// IDs lists the documents with a live winner, in byte order.
func (db *DB) IDs() []string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(db.ids()), func(id string) bool { return db.docs[id].deleted() })
}

// Conflicts lists the documents with more than one live leaf, in byte order.
func (db *DB) Conflicts() []string {
	db.mu.Lock()
	defer db.mu.Unlock()
	var ids []string
	for _, id := range db.ids() {
		if leaves := db.docs[id].leaves; len(leaves) > 1 && !leaves[1].deleted() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Leaves returns every leaf of a document as CouchDB orders them, winner
// first, tombstones last, with bodies, whole paths and attachments with their
// content; nil if there is no such document.
func (db *DB) Leaves(id string) []couchmend.Revision {
	db.mu.RLock()
	defer db.mu.RUnlock()
	d := db.docs[id]
	if d == nil {
		return nil
	}
	revisions := make([]couchmend.Revision, len(d.leaves))
	for i, n := range d.leaves {
		revisions[i] = n.revision()
	}
	return revisions
}

// revision puts n into the words of package couchmend.
func (n *node) revision() couchmend.Revision {
	r := couchmend.Revision{
		Rev:     couchmend.Rev{Gen: n.gen, Hash: hashText(n.hash)},
		Path:    n.path(math.MaxInt).revs(),
		Deleted: n.rev.deleted,
		Body:    slices.Concat([]byte{'{'}, n.rev.body, []byte{'}'}),
	}
	for _, a := range n.rev.atts {
		r.Attachments = append(r.Attachments, couchmend.Attachment{
			Name: a.name, ContentType: a.contentType, Digest: a.digest(),
			Length: int64(len(a.data)), RevPos: a.revpos, From: r.Rev, Data: a.data,
		})
	}
	return r
}

// Compact drops the body of every revision that is not a leaf, as CouchDB's
// compaction does. Ids, leaves and the bodies of tombstones stay.
func (db *DB) Compact() {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, d := range db.docs {
		d.tree.walk(func(n *node) {
			if len(n.children) > 0 {
				n.rev = nil
			}
		})
	}
}

// SetRevsLimit sets how many ids of a path are kept; it is at least 1. As in
// CouchDB, a document is stemmed when it is next written.
func (db *DB) SetRevsLimit(limit int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.revsLimit = max(1, limit)
}

// SetValidate makes f the database's validate_doc_update function: it sees
// each document before it is written (members as CouchDB sends them, with
// _revisions; oldDoc is null for a new document) and refuses it by an error.
// The document's row then says forbidden, or unauthorized if the error is an
// *Unauthorized. Design and _local documents are not shown to it. f must not
// call the database's methods.
func (db *DB) SetValidate(f func(newDoc, oldDoc json.RawMessage, user UserContext) error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.validate = f
}

// seqID is a sequence number as clients see it.
func (db *DB) seqID(seq uint64) string {
	return strconv.FormatUint(seq, 10) + "-" + db.node.opaque(db.instance, seq)
}
