package couchtest

import (
	"bytes"
	"cmp"
	"errors"
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
	warm       *bool // of the shard that is being written to
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
// warm says whether the shard knows which validation functions it has.
func (w writing) applyPart(edits []*edit, indexes []int, outcomes []outcome, warm *bool) *apiError {
	slices.SortStableFunc(indexes, func(i, j int) int { return strings.Compare(edits[i].id, edits[j].id) })
	var parts []prepared
	find := w.finder(edits, indexes, *warm)
	w.warm = warm
	for len(indexes) > 0 {
		n := 1
		for n < len(indexes) && edits[indexes[n]].id == edits[indexes[0]].id {
			n++
		}
		p, err := w.prepare(edits, indexes[:n], outcomes, find)
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

// finder finds the stored revision that an edit of d builds on. skip says that
// there is nothing to write.
type finder func(e *edit) (previous *node, skip bool, err *apiError)

// finder returns how the revisions before the given edits are found. Where
// nothing is to be validated and no attachment's bytes to be looked for, they
// are not, and conflicts come to light on merging: then a new document may
// name a revision that it replaces. Of a shard that was not written to yet,
// CouchDB does not know that there is nothing to validate.
func (w writing) finder(edits []*edit, indexes []int, warm bool) func(d *document, edits []*edit, indexes []int) finder {
	needed := !warm || w.db.validate != nil || slices.ContainsFunc(indexes, func(i int) bool {
		return len(edits[i].atts) > 0 || edits[i].isDesign()
	})
	return func(d *document, edits []*edit, indexes []int) finder {
		switch {
		case needed && w.replicated && len(d.leaves) > 0:
			return d.ancestors(edits, indexes)
		case needed && !w.replicated:
			return d.replaced
		default:
			return func(*edit) (*node, bool, *apiError) { return nil, false, nil }
		}
	}
}

// prepared are the revisions of one document that passed validation.
type prepared struct {
	doc       *document // a new one if there is none yet
	revisions []ready
}

// ready is an edit with what will be stored of it.
type ready struct {
	edit  *edit
	index int
	rev   *revision
}

// prepare checks the edits of one document: stubs against the revision that
// each builds on, then the validation function.
func (w writing) prepare(edits []*edit, indexes []int, outcomes []outcome,
	finders func(*document, []*edit, []int) finder) (prepared, *apiError) {
	id := edits[indexes[0]].id
	d := w.db.docs[id]
	if d == nil {
		d = &document{id: id}
	}
	p := prepared{doc: d}
	find := finders(d, edits, indexes)
	for _, i := range indexes {
		e := edits[i]
		previous, skip, err := find(e)
		if skip || err != nil {
			outcomes[i].err = err
			continue
		}
		atts, err := e.settle(previous.stored(), w.db.node.gzipDigests)
		if err != nil {
			return p, err
		}
		rev := &revision{deleted: e.deleted, body: e.stored(), atts: atts}
		if err := w.validated(e, rev, previous); err != nil {
			outcomes[i].err = err
			continue
		}
		p.revisions = append(p.revisions, ready{edit: e, index: i, rev: rev})
	}
	return p, nil
}

// replaced finds the leaf that an ordinary edit replaces.
func (d *document) replaced(e *edit) (previous *node, skip bool, err *apiError) {
	if len(d.leaves) == 0 && e.hasStubs() { // before anything else is looked at
		return nil, false, nil
	}
	if len(e.path.hashes) == 0 {
		if len(d.leaves) > 0 && !d.deleted() {
			return nil, false, errConflict
		}
		return nil, false, nil
	}
	previous = d.leaf(e.path.gen, e.path.hashes[0])
	if previous == nil {
		return nil, false, errConflict
	}
	return previous, false, nil
}

// ancestors finds, for edits that bring their own ids, the newest stored
// revision on the way to each. An edit that would not be a new leaf is skipped
// and counts as written.
func (d *document) ancestors(edits []*edit, indexes []int) finder {
	paths := make([]path, 0, len(indexes))
	for _, i := range indexes {
		paths = append(paths, edits[i].path)
	}
	slices.SortStableFunc(paths, func(a, b path) int { return cmp.Compare(a.oldest(), b.oldest()) })
	after := d.tree.clone()
	for _, p := range paths {
		after.merge(p, nil)
	}
	leaves := after.leaves()
	return func(e *edit) (*node, bool, *apiError) {
		gen, hash := e.path.gen, e.path.hashes[0]
		i := slices.IndexFunc(leaves, func(n *node) bool { return n.gen == gen && n.hash == hash })
		if i < 0 || d.leaf(gen, hash) != nil {
			return nil, true, nil
		}
		n := leaves[i]
		for n != nil && n.rev == nil {
			n = n.parent
		}
		return n, false, nil
	}
}

// validated asks the validation function.
func (w writing) validated(e *edit, rev *revision, previous *node) *apiError {
	if e.isDesign() {
		if !w.db.isAdmin(w.user) {
			return w.user.refused("You are not a db or server admin.")
		}
		return nil
	}
	*w.warm = true
	if w.db.validate == nil {
		return nil
	}
	oldDoc := []byte("null")
	if previous != nil {
		oldDoc = appendDoc(nil, e.id, previous, showing{revs: true})
	}
	user := w.user
	user.DB = w.db.name
	err := w.db.validate(e.draft(rev), oldDoc, user)
	var login *Unauthorized
	switch {
	case err == nil:
		return nil
	case errors.As(err, &login):
		return unauthorized(login.Reason)
	default:
		return forbidden(err.Error())
	}
}

// draft is e as a validation function sees it, under the revision that it names.
func (e *edit) draft(rev *revision) []byte {
	if len(e.path.hashes) > 0 {
		_, n := chain(e.path, e.path.oldest(), nil)
		n.rev = rev
		return appendDoc(nil, e.id, n, showing{revs: true})
	}
	text := appendDoc(nil, e.id, &node{rev: rev}, showing{})
	return bytes.Replace(text, []byte(`,"_rev":"0-"`), nil, 1)
}

// commit merges what was prepared into the document's tree.
func (w writing) commit(p prepared, outcomes []outcome) {
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
