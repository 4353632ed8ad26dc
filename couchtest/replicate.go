package couchtest

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
)

// ReplicationStats counts what a replication did, in CouchDB's words.
type ReplicationStats struct {
	MissingChecked   int `json:"missing_checked"` // leaves looked for in the target
	MissingFound     int `json:"missing_found"`   // those it lacked
	DocsRead         int `json:"docs_read"`       // revisions read
	DocsWritten      int `json:"docs_written"`
	DocWriteFailures int `json:"doc_write_failures"` // refused by the target's validation function
}

// ReplicateOption narrows what Replicate copies.
type ReplicateOption func(*replication)

type replication struct {
	ids  map[string]bool
	keep func(id string, leaf couchmend.Revision) bool
}

// OnlyIDs replicates the named documents alone.
func OnlyIDs(ids ...string) ReplicateOption {
	return func(r *replication) {
		r.ids = make(map[string]bool)
		for _, id := range ids {
			r.ids[id] = true
		}
	}
}

// OnlyLeaves replicates the leaves that keep wants: a replication that was cut
// off in the midst of a document, or that a filter thinned out. keep must not
// call the databases' methods.
func OnlyLeaves(keep func(id string, leaf couchmend.Revision) bool) ReplicateOption {
	return func(r *replication) { r.keep = keep }
}

// replicationBatch is how many documents are looked at in one go.
const replicationBatch = 200

// Replicate copies to to every leaf of from that to has never heard of, with
// its path and without HTTP, as CouchDB's replicator does: the bodies of
// leaves only, tombstones included, written with new_edits=false. It keeps no
// checkpoint: it compares everything. It stops early only when ctx ends.
func Replicate(ctx context.Context, from, to *DB, options ...ReplicateOption) (ReplicationStats, error) {
	var r replication
	for _, set := range options {
		set(&r)
	}
	var stats ReplicationStats
	ids := from.allIDs()
	if r.ids != nil {
		ids = slices.DeleteFunc(ids, func(id string) bool { return !r.ids[id] })
	}
	for batch := range slices.Chunk(ids, replicationBatch) {
		if err := ctx.Err(); err != nil {
			return stats, err
		}
		edits := r.missing(from, to, batch, &stats)
		for _, o := range to.replicate(edits) {
			if o.err != nil {
				stats.DocWriteFailures++
			} else {
				stats.DocsWritten++
			}
		}
	}
	return stats, nil
}

// allIDs lists all documents in the order of their last change.
func (db *DB) allIDs() []string {
	db.mu.RLock()
	defer db.mu.RUnlock()
	ids := make([]string, 0, len(db.docs))
	for _, e := range db.log {
		if e.doc != nil {
			ids = append(ids, e.doc.id)
		}
	}
	return ids
}

// missing makes edits of the leaves of the named documents that to lacks.
func (r *replication) missing(from, to *DB, ids []string, stats *ReplicationStats) []*edit {
	var edits []*edit
	for _, leaves := range from.outgoing(ids) {
		for _, e := range to.unknown(leaves) {
			stats.MissingFound++
			if r.keep != nil && !r.keep(e.id, e.revision()) {
				continue
			}
			stats.DocsRead++
			edits = append(edits, e)
		}
		stats.MissingChecked += len(leaves)
	}
	return edits
}

// outgoing returns the leaves of the named documents as edits.
func (db *DB) outgoing(ids []string) [][]*edit {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var docs [][]*edit
	for _, id := range ids {
		d := db.docs[id]
		if d == nil {
			continue
		}
		var edits []*edit
		for _, n := range d.leaves {
			edits = append(edits, db.outgoingEdit(d.id, n))
		}
		docs = append(docs, edits)
	}
	return docs
}

func (db *DB) outgoingEdit(id string, n *node) *edit {
	e := &edit{id: id, path: n.path(db.revsLimit), deleted: n.rev.deleted, text: n.rev.body}
	for _, a := range n.rev.atts {
		e.atts = append(e.atts, upload{attachment: *a, hasRevpos: true})
	}
	return e
}

// unknown returns those of one document's edits whose revision db has never
// heard of.
func (db *DB) unknown(edits []*edit) []*edit {
	db.mu.RLock()
	defer db.mu.RUnlock()
	d := db.docs[edits[0].id]
	if d == nil {
		return edits
	}
	return slices.DeleteFunc(edits, func(e *edit) bool { return d.tree.get(e.path.gen, e.path.hashes[0]) != nil })
}

// revision shows e to a filter.
func (e *edit) revision() couchmend.Revision {
	_, n := chain(e.path, e.path.oldest(), nil)
	n.rev = &revision{deleted: e.deleted, body: e.text}
	return n.revision()
}
