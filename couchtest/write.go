package couchtest

import (
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend"
)

// writing is one request's worth of edits on their way into a database.
type writing struct {
	db         *DB
	user       UserContext
	replicated bool // new_edits=false: the edits bring their own revision ids
	rowError   func(id string, rev couchmend.Rev) (name, reason string)

	// Of the shard that is being written to:
	warm    *bool // whether it knows which validation functions it has
	looksUp bool  // whether revisions are looked up before they are written
}

// outcome is what became of one edit.
type outcome struct {
	gen  int
	hash string
	err  *apiError
}

// shards is the number of parts a database has, CouchDB's q. A stub that
// misses its attachment refuses the whole request; what lies in other parts is
// written all the same.
const shards = 2

func shardOf(id string) uint32 { return crc32.ChecksumIEEE([]byte(id)) >> 31 }

// apply writes edits and says of each what became of it. Nothing is atomic: a
// row succeeds or fails alone, except that all revisions of one document are
// applied in one update of it, and that an error beside the outcomes refuses a
// shard's part of the request.
func (w writing) apply(edits []*edit) ([]outcome, *apiError) {
	outcomes := make([]outcome, len(edits))
	parts := make([][]int, shards)
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	before := w.db.seq
	for i, e := range edits {
		switch {
		case w.injected(e, &outcomes[i]):
		case e.isLocal():
			outcomes[i] = w.db.writeLocal(e)
		default:
			part := shardOf(e.id)
			parts[part] = append(parts[part], i)
		}
	}
	var failed *apiError
	for i, part := range parts {
		if err := w.applyPart(edits, part, outcomes, &w.db.warm[i]); err != nil {
			failed = err
		}
	}
	if w.db.seq != before {
		w.db.announce()
	}
	return outcomes, failed
}

// injected asks the fault of this request, if it has one for rows.
func (w writing) injected(e *edit, o *outcome) bool {
	if w.rowError == nil {
		return false
	}
	name, reason := w.rowError(e.id, e.rev())
	if name == "" {
		return false
	}
	o.err = &apiError{name: name, reason: reason}
	return true
}

// applyPart writes the edits whose indexes are given, document by document.
func (w writing) applyPart(edits []*edit, indexes []int, outcomes []outcome, warm *bool) *apiError {
	slices.SortStableFunc(indexes, func(i, j int) int { return strings.Compare(edits[i].id, edits[j].id) })
	var parts []prepared
	w.warm = warm
	w.looksUp = w.mustLookUp(edits, indexes)
	for len(indexes) > 0 {
		n := 1
		for n < len(indexes) && edits[indexes[n]].id == edits[indexes[0]].id {
			n++
		}
		p, err := w.prepare(edits, indexes[:n], outcomes)
		if err != nil {
			return err
		}
		parts = append(parts, p)
		indexes = indexes[n:]
	}
	for _, p := range parts {
		w.commit(p, outcomes)
	}
	return nil
}

// commit merges what was prepared into the document's tree.
func (w writing) commit(p prepared, outcomes []outcome) {
	if len(p.revisions) == 0 {
		return
	}
	d := p.doc
	roots := slices.Clone(d.tree.roots)
	changed := false
	for _, r := range p.revisions {
		if w.replicated {
			_, isNew := d.tree.merge(r.edit.path, r.rev)
			changed = changed || isNew
			continue
		}
		outcomes[r.index] = d.extend(r)
		changed = changed || outcomes[r.index].err == nil
	}
	if len(d.tree.roots) == 0 {
		return
	}
	d.tree.stem(w.db.revsLimit)
	if changed || !slices.Equal(roots, d.tree.roots) {
		w.db.record(d)
	}
}

// extend writes an ordinary edit: it must extend a leaf. A document whose
// leaves are all dead is written again below its winning tombstone, by an edit
// that names no revision.
func (d *document) extend(r ready) outcome {
	e := r.edit
	for i := range e.atts {
		if !e.atts[i].stub {
			r.rev.atts[i].revpos = e.path.gen + 1
		}
	}
	parent, atts := e.path, r.rev.atts
	if tombstone := d.tombstone(); tombstone != nil {
		if len(parent.hashes) > 0 || e.deleted {
			return outcome{err: errConflict}
		}
		parent = path{gen: tombstone.gen, hashes: []string{tombstone.hash}}
		atts = make([]*attachment, len(atts)) // the id then says only how many there are
	}
	parentHash := ""
	if len(parent.hashes) > 0 {
		parentHash = parent.hashes[0]
	}
	hash := newHash(e.deleted, parent.gen, parentHash, &e.body, atts)
	p := path{gen: parent.gen + 1, hashes: append([]string{hash}, parent.hashes...)}
	if d.tree.try(p) != newLeaf {
		return outcome{err: errConflict}
	}
	d.tree.merge(p, r.rev)
	return outcome{gen: p.gen, hash: hash}
}

// tombstone is the winner if it is dead, as the tree is now; else nil.
func (d *document) tombstone() *node {
	leaves := d.tree.leaves()
	byWinner(leaves)
	if len(leaves) == 0 || !leaves[0].deleted() {
		return nil
	}
	return leaves[0]
}

// writeLocal stores a _local document: whatever was there is overwritten.
func (db *DB) writeLocal(e *edit) outcome {
	if e.deleted {
		delete(db.locals, e.id)
		return outcome{hash: "0"}
	}
	rev := 1
	if len(e.path.hashes) > 0 {
		previous, err := strconv.Atoi(e.path.hashes[0])
		if err != nil || e.path.gen != 0 {
			return outcome{err: errBadRev}
		}
		rev = previous + 1
	}
	db.locals[e.id] = &local{rev: rev, body: e.stored()}
	return outcome{hash: strconv.Itoa(rev)}
}
