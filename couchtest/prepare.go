package couchtest

import (
	"errors"
	"slices"
)

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
func (w writing) prepare(edits []*edit, indexes []int, outcomes []outcome) (prepared, *apiError) {
	id := edits[indexes[0]].id
	d := w.db.docs[id]
	if d == nil {
		d = &document{id: id}
	}
	p := prepared{doc: d}
	find := w.finder(d, edits, indexes)
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

// finder finds the stored revision that an edit builds on. skip says that there
// is nothing to write.
type finder func(e *edit) (previous *node, skip bool, err *apiError)

func (w writing) finder(d *document, edits []*edit, indexes []int) finder {
	switch {
	case w.looksUp && w.replicated && len(d.leaves) > 0:
		return d.ancestors(edits, indexes)
	case w.looksUp && !w.replicated:
		return d.replaced
	default:
		return func(*edit) (*node, bool, *apiError) { return nil, false, nil }
	}
}

// mustLookUp reports whether revisions are looked up before they are written.
// Where there is nothing to validate and no attachment's bytes to be found,
// they are not, and conflicts come to light on merging: then a new document may
// name a revision that it replaces. Of a shard that was not written to yet,
// CouchDB does not know that there is nothing to validate.
func (w writing) mustLookUp(edits []*edit, indexes []int) bool {
	return !*w.warm || w.db.validate != nil || slices.ContainsFunc(indexes, func(i int) bool {
		return len(edits[i].atts) > 0 || edits[i].isDesign()
	})
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
	slices.SortStableFunc(paths, oldestFirst)
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
	n := &node{}
	if len(e.path.hashes) > 0 {
		_, n = chain(e.path, e.path.oldest(), nil)
	}
	n.rev = rev
	return appendDoc(nil, e.id, n, showing{revs: len(e.path.hashes) > 0})
}
