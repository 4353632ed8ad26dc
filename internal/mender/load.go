package mender

import (
	"context"
	"errors"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/revtree"
)

// load reads the leaves that the feed's rows named, then the bases, then the
// attachments that differ: three requests at most. It stops early when
// BatchBytes are in memory and returns how many of the jobs are loaded, at
// least one.
func (m *Mender) load(ctx context.Context, db *database, jobs []*job) (int, error) {
	n, err := m.loadLeaves(ctx, db, jobs)
	if err != nil {
		return 0, err
	}
	jobs = jobs[:n]
	if err := m.loadBases(ctx, db, jobs); err != nil {
		return 0, err
	}
	return n, m.loadContents(ctx, db, jobs)
}

func (m *Mender) loadLeaves(ctx context.Context, db *database, jobs []*job) (int, error) {
	var want []couch.Want
	var owner []*job
	for _, j := range jobs {
		j.conflict.RevsLimit = db.revsLimit
		if len(j.task.Leaves) == 0 { // too many for a message
			if err := m.loadAll(ctx, db, j); err != nil {
				return 0, err
			}
		}
		for _, rev := range j.task.Leaves {
			if grave, ok := m.graves.find(j.conflict, rev); ok {
				j.conflict.Dead = append(j.conflict.Dead, grave)
				continue
			}
			want = append(want, couch.Want{ID: j.conflict.ID, Rev: rev})
			owner = append(owner, j)
		}
	}
	i, loaded, bytes := 0, 0, int64(0)
	for got, err := range db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return 0, err
		}
		if i > 0 && owner[i] != owner[i-1] {
			loaded++
			if bytes > m.BatchBytes {
				break
			}
		}
		owner[i].add(got)
		if got.Revision != nil {
			m.graves.keep(owner[i].conflict, *got.Revision)
			bytes += int64(len(got.Revision.Body))
		}
		i++
	}
	if i == len(want) {
		loaded = len(jobs)
	}
	for _, j := range jobs[:loaded] {
		if errors.Is(j.err, errMissingLeaf) {
			if err := m.loadAll(ctx, db, j); err != nil {
				return 0, err
			}
		}
		revtree.WinnerFirst(j.conflict.Leaves)
		revtree.WinnerFirst(j.conflict.Dead)
	}
	for _, j := range jobs[loaded:] { // read again with the next piece
		j.conflict.Leaves, j.conflict.Dead, j.end = nil, nil, unfinished
	}
	return loaded, nil
}

// loadAll reads the leaves that a document has now: where the feed's row named
// none, or one that is no leaf any more and whose body compaction has taken.
func (m *Mender) loadAll(ctx context.Context, db *database, j *job) error {
	j.conflict.Leaves, j.conflict.Dead, j.end, j.err = nil, nil, unfinished, nil
	leaves, err := db.Leaves(ctx, j.conflict.ID)
	switch endingOf(err) {
	case away:
		if err != nil {
			return err
		}
	case stale:
		j.end = stale // the document is gone
		return nil
	case failed:
		j.end, j.err = failed, err
		return nil
	}
	for i := range leaves {
		j.add(couch.Got{ID: j.conflict.ID, Rev: leaves[i].Rev, Revision: &leaves[i]})
	}
	return nil
}

// add takes one leaf in. One that is missing is no leaf any more, or this copy
// of the database has not caught up with the feed.
func (j *job) add(got couch.Got) {
	switch {
	case got.Err != nil:
		j.end, j.err = failed, got.Err
	case got.Revision == nil:
		j.end = failed
		j.err = &couchmend.Error{Op: "load", DB: j.conflict.DB, ID: j.conflict.ID, Rev: got.Rev, Kind: couchmend.KindConflict, Err: errMissingLeaf}
	case got.Revision.Deleted:
		j.conflict.Dead = append(j.conflict.Dead, *got.Revision)
	default:
		j.conflict.Leaves = append(j.conflict.Leaves, *got.Revision)
	}
}

// loadBases reads the ancestors that decisions need: from CouchDB, and where it
// no longer has the body, from the journal.
func (m *Mender) loadBases(ctx context.Context, db *database, jobs []*job) error {
	needs := make([][]couchmend.Rev, len(jobs))
	inParallel(jobs, func(i int, j *job) {
		if j.end == unfinished {
			needs[i] = decide.Bases(j.conflict)
		}
	})
	var want []couch.Want
	var owner []*job
	for i, j := range jobs {
		for _, rev := range needs[i] {
			if at := slices.IndexFunc(j.conflict.Leaves, func(l couchmend.Revision) bool { return l.Rev == rev }); at >= 0 {
				j.base(j.conflict.Leaves[at]) // a leaf may be the base of others
				continue
			}
			want = append(want, couch.Want{ID: j.conflict.ID, Rev: rev})
			owner = append(owner, j)
		}
	}
	missing := map[string][]couchmend.Rev{}
	byID := map[string]*job{}
	i := 0
	for got, err := range db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return err
		}
		if got.Revision != nil {
			owner[i].base(*got.Revision)
		} else {
			id := owner[i].conflict.ID
			missing[id] = append(missing[id], want[i].Rev)
			byID[id] = owner[i]
		}
		i++
	}
	if len(missing) == 0 {
		return nil
	}
	kept, err := m.Ledger.BodiesOf(ctx, db.Name(), missing)
	for id, revisions := range kept {
		for _, revision := range revisions {
			byID[id].base(revision)
		}
	}
	return err
}

func (j *job) base(revision couchmend.Revision) {
	if j.conflict.Bases == nil {
		j.conflict.Bases = map[couchmend.Rev]couchmend.Revision{}
	}
	j.conflict.Bases[revision.Rev] = revision
}

// loadContents reads the bytes of attachments that not all leaves share.
func (m *Mender) loadContents(ctx context.Context, db *database, jobs []*job) error {
	var want []couch.Want
	var owner []*job
	for _, j := range jobs {
		if j.end != unfinished {
			continue
		}
		j.contents = decide.Contents(j.conflict)
		for _, rev := range j.contents {
			want = append(want, couch.Want{ID: j.conflict.ID, Rev: rev})
			owner = append(owner, j)
		}
	}
	i := 0
	for got, err := range db.BulkGet(ctx, want, couch.Get{Attachments: true}) {
		if err != nil {
			return err
		}
		j := owner[i]
		i++
		if got.Revision == nil {
			j.add(got)
			continue
		}
		for k, leaf := range j.conflict.Leaves {
			if leaf.Rev == got.Revision.Rev {
				j.conflict.Leaves[k].Attachments = withDigests(got.Revision.Attachments, leaf.Attachments)
			}
		}
	}
	return nil
}

// withDigests keeps what only the stub says (length, digest) beside the bytes.
func withDigests(full, stubs []couchmend.Attachment) []couchmend.Attachment {
	for i := range full {
		for _, stub := range stubs {
			if stub.Name == full[i].Name {
				full[i].Digest, full[i].Length, full[i].RevPos = stub.Digest, stub.Length, stub.RevPos
			}
		}
	}
	return full
}
