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

var errMissingLeaf = errors.New("a leaf is not there: this copy of the database has not caught up")

// load reads the leaves that the feed's rows named, then the bases, then the
// attachments that differ: three requests at most. It stops early when
// BatchBytes are in memory, or would be with the attachments, and returns how
// many of the jobs are loaded, at least one. Those after are as they were.
func (b *batch) load(ctx context.Context, jobs []*job) (n int, err error) {
	ctx, end := b.step(ctx, "load", len(jobs))
	defer end(&err)
	read := b.loadNamed
	if !jobs[0].named() {
		read = b.loadUnnamed
	}
	if n, err = read(ctx, jobs); err != nil {
		return 0, err
	}
	for _, j := range jobs[:n] {
		revtree.WinnerFirst(j.conflict.Leaves)
		revtree.WinnerFirst(j.conflict.Dead)
	}
	n = b.fitting(jobs[:n])
	for _, j := range jobs[n:] {
		j.unload() // read again with the next piece
	}
	if err := b.loadBases(ctx, jobs[:n]); err != nil {
		return 0, err
	}
	if err := b.loadContents(ctx, jobs[:n]); err != nil {
		return 0, err
	}
	b.worked["bulk_get"] = true
	return n, nil
}

// loadNamed reads the leaves of jobs whose tasks name them, as far as such jobs
// go.
func (b *batch) loadNamed(ctx context.Context, jobs []*job) (int, error) {
	if unnamed := slices.IndexFunc(jobs, func(j *job) bool { return !j.named() }); unnamed > 0 {
		jobs = jobs[:unnamed]
	}
	var want []couch.Want
	var owner []int
	for at, j := range jobs {
		j.conflict.RevsLimit = b.db.revsLimit
		for _, rev := range j.task.Leaves {
			if grave, ok := b.graves.find(j.conflict, rev); ok {
				j.conflict.Dead = append(j.conflict.Dead, grave)
				continue
			}
			want = append(want, couch.Want{ID: j.conflict.ID, Rev: rev})
			owner = append(owner, at)
		}
	}
	i, bytes := 0, int64(0)
	for got, err := range b.db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return 0, err
		}
		if bytes > b.BatchBytes && owner[i] != owner[i-1] {
			return owner[i], nil
		}
		j := jobs[owner[i]]
		j.add(got)
		if got.Revision != nil {
			b.graves.keep(j.conflict, *got.Revision)
			bytes += int64(len(got.Revision.Body))
		}
		i++
	}
	return len(jobs), nil
}

// loadUnnamed reads the leaves that documents have now: of those that have very
// many, that a person asked for, or whose row has been overtaken.
func (b *batch) loadUnnamed(ctx context.Context, jobs []*job) (int, error) {
	bytes := int64(0)
	for i, j := range jobs {
		if j.named() || bytes > b.BatchBytes {
			return i, nil
		}
		leaves, err := b.db.Leaves(ctx, j.conflict.ID)
		if couchmend.KindOf(err) == couchmend.KindNotFound {
			if _, err := b.db.Info(ctx); err != nil {
				return 0, err
			}
			j.end = resolved // the document is gone
			continue
		}
		if err != nil {
			return 0, err
		}
		b.worked["open_revs"] = true
		j.conflict.RevsLimit, j.reread = b.db.revsLimit, true
		for at := range leaves {
			j.add(couch.Got{ID: j.conflict.ID, Rev: leaves[at].Rev, Revision: &leaves[at]})
			bytes += int64(len(leaves[at].Body))
		}
	}
	return len(jobs), nil
}

// manyLeaves is how many leaves are read by name: CouchDB opens the whole tree
// again for each. Of 2,000 it needs 8.5 s, and 0.25 s where all are asked for.
const manyLeaves = 100

// named reports whether a job's leaves are read as its task names them.
func (j *job) named() bool {
	return len(j.task.Leaves) > 0 && len(j.task.Leaves) <= manyLeaves && !j.reread
}

// add takes one leaf in. One that is missing is no leaf any more, and
// compaction took its body, or this copy of the database has not caught up with
// the feed.
func (j *job) add(got couch.Got) {
	switch {
	case j.end != unfinished:
	case got.Err != nil:
		j.end, j.err = failed, got.Err
	case got.Revision == nil:
		j.behind(got.Rev, errMissingLeaf)
	case got.Revision.Deleted:
		j.conflict.Dead = append(j.conflict.Dead, *got.Revision)
	default:
		j.conflict.Leaves = append(j.conflict.Leaves, *got.Revision)
	}
}

// behind ends a job whose leaves can't be as it knows them: it is read again,
// but once.
func (j *job) behind(rev couchmend.Rev, err error) {
	if j.end = again; j.reread {
		j.end = failed
		j.err = &couchmend.Error{Op: "load", DB: j.conflict.DB, ID: j.conflict.ID, Rev: rev, Kind: couchmend.KindConflict, Err: err}
	}
}

// fitting returns how many of jobs fit into memory with the attachments that
// their decisions need; at least one.
func (b *batch) fitting(jobs []*job) int {
	bytes := int64(0)
	for i, j := range jobs {
		if j.end != unfinished {
			continue
		}
		guarded(j, func() { j.contents = decide.Contents(j.conflict) })
		for _, leaf := range j.conflict.Leaves {
			if slices.Contains(j.contents, leaf.Rev) {
				for _, a := range leaf.Attachments {
					bytes += a.Length
				}
			}
		}
		if bytes > b.BatchBytes && i > 0 {
			return i
		}
	}
	return len(jobs)
}

// loadBases reads the ancestors that decisions need: of warm documents from what
// was kept, else from CouchDB, and where it no longer has the body, from the
// journal.
func (b *batch) loadBases(ctx context.Context, jobs []*job) error {
	needs := make([][]couchmend.Rev, len(jobs))
	inParallel(jobs, func(i int, j *job) {
		if j.end == unfinished {
			needs[i] = j.ancestors()
		}
	})
	var want []couch.Want
	var owner []*job
	for i, left := range b.loadKept(ctx, jobs, needs) {
		for _, rev := range left {
			want = append(want, couch.Want{ID: jobs[i].conflict.ID, Rev: rev})
			owner = append(owner, jobs[i])
		}
	}
	missing := map[string][]couchmend.Rev{}
	byID := map[string]*job{}
	i := 0
	for got, err := range b.db.BulkGet(ctx, want, couch.Get{}) {
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
	kept, err := b.Ledger.BodiesOf(ctx, b.db.Name(), missing)
	if err != nil {
		return stateError{err}
	}
	lost := 0
	for id, revs := range missing {
		lost += len(revs) - len(kept[id])
		for _, revision := range kept[id] {
			b.Stats.BodyHits.Add(1)
			byID[id].base(revision)
		}
	}
	b.Stats.BodyMisses.Add(int64(lost))
	return nil
}

// ancestors returns the revisions that are to be read; a leaf may be the base of
// others.
func (j *job) ancestors() []couchmend.Rev {
	return slices.DeleteFunc(decide.Bases(j.conflict), func(rev couchmend.Rev) bool {
		at := slices.IndexFunc(j.conflict.Leaves, func(l couchmend.Revision) bool { return l.Rev == rev })
		if at >= 0 {
			j.base(j.conflict.Leaves[at])
		}
		return at >= 0
	})
}

// base takes an ancestor in. What was kept of a warm document has no path.
func (j *job) base(revision couchmend.Revision) {
	if revision.Path == nil {
		revision.Path = j.pathTo(revision.Rev)
	}
	if j.conflict.Bases == nil {
		j.conflict.Bases = map[couchmend.Rev]couchmend.Revision{}
	}
	j.conflict.Bases[revision.Rev] = revision
}

// loadContents reads the bytes of attachments that not all leaves share.
func (b *batch) loadContents(ctx context.Context, jobs []*job) error {
	var want []couch.Want
	var owner []*job
	for _, j := range jobs {
		if j.end != unfinished {
			continue
		}
		for _, rev := range j.contents {
			want = append(want, couch.Want{ID: j.conflict.ID, Rev: rev})
			owner = append(owner, j)
		}
	}
	i := 0
	for got, err := range b.db.BulkGet(ctx, want, couch.Get{Attachments: true}) {
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
