package mender

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
)

var errBehind = errors.New("the winner is another one here: this copy of the database has not caught up")

// carryOut decides on loaded jobs and writes what was decided: journal, merge,
// bury. An error is one of a whole step; jobs that had not ended by then have
// no ending yet.
func (b *batch) carryOut(ctx context.Context, jobs []*job) error {
	b.decideAll(ctx, jobs)
	b.count(ctx, jobs)
	var writing []*job
	for _, j := range jobs {
		switch {
		case j.end != unfinished:
		case j.decision.Outcome == couchmend.Nothing:
			b.quiet(j)
		case j.decision.Outcome == couchmend.Review || j.decision.Outcome == couchmend.Split:
			j.end = inReview
			j.waits = j.decision.Outcome == couchmend.Split && b.Split != nil
		default:
			writing = append(writing, j)
		}
	}
	if len(writing) == 0 {
		return nil
	}
	err := b.write(ctx, writing)
	if errors.Is(err, errPaused) {
		// What was merged and not yet buried is contained in its winner:
		// burying it is all that is left to do when the pause ends (I12).
		for _, j := range writing {
			if j.end == unfinished {
				j.end = paused
			}
		}
		return nil
	}
	return err
}

func (b *batch) decideAll(ctx context.Context, jobs []*job) {
	ctx, end := b.step(ctx, "decide", len(jobs))
	defer end(new(error))
	inParallel(jobs, func(_ int, j *job) {
		b.decide(ctx, j)
		beat(ctx)
	})
}

// decide decides on a job. A custom resolver that fails costs the document an
// attempt; with the last one its decision, a review, stands.
func (b *batch) decide(ctx context.Context, j *job) {
	if j.end != unfinished {
		return
	}
	j.decision = decide.Decide(ctx, b.rules, j.conflict)
	switch {
	case !j.decision.Reason.IsResolvers():
	case ctx.Err() != nil: // couchmend stops, and with it the resolver
		j.end, j.err = away, ctx.Err()
	case j.task.Attempt+1 < MaxAttempts && !j.preview:
		j.end = failed
		j.err = &couchmend.Error{
			Op: "resolve", DB: j.conflict.DB, ID: j.conflict.ID, Kind: couchmend.KindOther,
			Err: fmt.Errorf("%s: %s", j.decision.Reason, strings.Join(j.decision.Evidence, "; ")),
		}
	}
}

// write makes the decisions durable, then writes the merges, then buries (I1).
func (b *batch) write(ctx context.Context, jobs []*job) error {
	if b.Ledger.Paused(b.db.Name()) {
		return errPaused
	}
	jobs, err := b.stillCurrent(ctx, jobs)
	if err != nil || len(jobs) == 0 {
		return err
	}
	if err := b.loadDoomed(ctx, jobs); err != nil {
		return err
	}
	if err := b.journal(ctx, jobs); err != nil {
		return err
	}
	merged, err := b.writeMerges(ctx, jobs)
	if err != nil {
		return err
	}
	if err := b.writeTombstones(ctx, merged); err != nil {
		return err
	}
	for _, j := range merged {
		if j.end == unfinished {
			j.end = resolved
			b.worked["bulk_docs"] = true
		}
	}
	return nil
}

// stillCurrent looks at the winners once more, right before writing: a
// document that someone has saved since it was read is left to its next row, or
// read again where no row will come: where a person put it into the queue, and
// where the winner is no news but an older one, on a copy of the database that
// lags behind. Without this look nothing would be lost either (I3); readers
// would see the merge without that save for a moment.
func (b *batch) stillCurrent(ctx context.Context, jobs []*job) ([]*job, error) {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.conflict.ID
	}
	winners, err := b.db.Winners(ctx, ids)
	if err != nil {
		return nil, err
	}
	b.worked["all_docs"] = true
	return slices.DeleteFunc(jobs, func(j *job) bool {
		w := winners[j.conflict.ID]
		switch {
		case !w.Deleted && w.Rev == j.conflict.Leaves[0].Rev:
			return false
		case !w.Deleted && j.decision.Merge != nil && w.Rev == j.decision.Merge.Rev:
			// The very merge: this process wrote it before it failed, or
			// another worker or site did (I4). The burials are left.
			b.Stats.Overlapping.Add(1)
			return false
		case w.Missing || j.knows(w.Rev):
			j.behind(w.Rev, errBehind)
		case j.task.Since == "" && !j.reread:
			j.end = again
		default:
			j.end = stale
		}
		return true
	}), nil
}

// knows reports whether a revision is among those that were read: a leaf, or
// an ancestor of one.
func (j *job) knows(rev couchmend.Rev) bool {
	inPath := func(leaf couchmend.Revision) bool { return slices.Contains(leaf.Path, rev) }
	return slices.ContainsFunc(j.conflict.Leaves, inPath) || slices.ContainsFunc(j.conflict.Dead, inPath)
}

// loadDoomed reads the attachments of documents that a deletion takes whole: no
// leaf will be left that has them, and an undo needs them (I10).
func (b *batch) loadDoomed(ctx context.Context, jobs []*job) error {
	var doomed []*job
	for _, j := range jobs {
		if j.decision.Outcome != couchmend.Delete {
			continue
		}
		j.contents = nil
		for _, leaf := range j.conflict.Leaves {
			if slices.ContainsFunc(leaf.Attachments, func(a couchmend.Attachment) bool { return a.Data == nil }) {
				j.contents = append(j.contents, leaf.Rev)
			}
		}
		if j.contents != nil {
			doomed = append(doomed, j)
		}
	}
	return b.loadContents(ctx, doomed)
}

// journal makes the losers' bodies and the decisions durable before anything is
// buried (I1).
func (b *batch) journal(ctx context.Context, jobs []*job) (err error) {
	ctx, end := b.step(ctx, "journal", len(jobs))
	defer end(&err)
	entries := make([]ledger.Entry, len(jobs))
	for i, j := range jobs {
		entries[i] = entry(j.conflict, j.decision)
		entries[i].Seq, entries[i].Trace, entries[i].Policy = j.task.Seq, j.task.Trace, b.digest
		entries[i].By = "couchmend"
	}
	if err := b.Ledger.Append(ctx, entries...); err != nil {
		return stateError{err}
	}
	return nil
}

func entry(c couchmend.Conflict, d couchmend.Decision) ledger.Entry {
	e := ledger.Entry{DB: c.DB, ID: c.ID, Kind: string(d.Outcome), Status: "decided", Type: typeOf(c), Leaves: c.Leaves}
	for _, base := range c.Bases {
		e.Bases = append(e.Bases, base)
	}
	slices.SortFunc(e.Bases, func(a, b couchmend.Revision) int { return a.Rev.Compare(b.Rev) })
	d.Merge = withoutData(d.Merge) // the leaves hold the bytes
	e.Decision = d
	return e
}

func withoutData(r *couchmend.Revision) *couchmend.Revision {
	if r == nil {
		return nil
	}
	slim := *r
	slim.Attachments = slices.Clone(r.Attachments)
	for i := range slim.Attachments {
		slim.Attachments[i].Data = nil
	}
	return &slim
}

// writeMerges writes the merges and returns the jobs whose merge is confirmed,
// or that need none.
func (b *batch) writeMerges(ctx context.Context, jobs []*job) (confirmed []*job, err error) {
	var writes []couch.Write
	var owner []*job
	for _, j := range jobs {
		if j.decision.Merge != nil {
			writes = append(writes, couch.Write{ID: j.conflict.ID, Revision: *j.decision.Merge})
			owner = append(owner, j)
		}
	}
	if len(writes) == 0 {
		return jobs, nil
	}
	ctx, end := b.step(ctx, "merge", len(writes))
	defer end(&err)
	written, err := b.gated.Write(ctx, writes)
	if err != nil {
		return nil, err
	}
	if err := serverIll(written.Errs); err != nil {
		return nil, err
	}
	for i, j := range owner {
		if err := written.Errs[i]; err != nil {
			j.refused(couchmend.ReasonRefused, err)
		}
	}
	if written.Accepted { // a quorum is missing (202): not confirmed, so nothing is buried
		return nil, &couchmend.Error{Op: "mend", DB: b.db.Name(), Kind: couchmend.KindUnreachable, Err: errUnconfirmed}
	}
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.end != unfinished }), nil
}

// serverIll returns an error where no revision was written, and the server's
// own failure is why: that is not a refusal of each.
func serverIll(errs []error) error {
	if slices.ContainsFunc(errs, func(err error) bool { return couchmend.KindOf(err) != couchmend.KindServer }) {
		return nil
	}
	return errs[0]
}

// maxBurials bounds the tombstones of one request.
const maxBurials = 1000

// writeTombstones buries the losers of merges that are confirmed. On a cluster
// each burial carries its merge once more, so that every copy that gets the
// tombstone has the merge (I1).
func (b *batch) writeTombstones(ctx context.Context, jobs []*job) error {
	var writes []couch.Write
	var owner []*job
	flush := func() error {
		err := b.bury(ctx, writes, owner)
		writes, owner = nil, nil
		return err
	}
	for _, j := range jobs {
		for piece := range slices.Chunk(j.decision.Bury, maxBurials) {
			if len(writes)+len(piece) > maxBurials {
				if err := flush(); err != nil {
					return err
				}
			}
			if b.db.clustered && j.decision.Merge != nil {
				writes, owner = append(writes, couch.Write{ID: j.conflict.ID, Revision: *j.decision.Merge}), append(owner, j)
			}
			for _, tombstone := range piece {
				writes, owner = append(writes, couch.Write{ID: j.conflict.ID, Revision: tombstone}), append(owner, j)
			}
		}
	}
	return flush()
}

// bury writes one request's worth of tombstones.
func (b *batch) bury(ctx context.Context, writes []couch.Write, owner []*job) (err error) {
	if len(writes) == 0 {
		return nil
	}
	ctx, end := b.step(ctx, "bury", len(writes))
	defer end(&err)
	written, err := b.gated.Write(ctx, writes)
	if err != nil {
		return err
	}
	if err := serverIll(written.Errs); err != nil {
		return err
	}
	for i, j := range owner {
		if err := written.Errs[i]; err != nil && writes[i].Revision.Deleted {
			j.unburied = append(j.unburied, writes[i].Revision.Rev)
			j.refused(couchmend.ReasonNotBuried, err)
		}
	}
	return nil
}

// refused ends a job whose merge or tombstone the server does not take: a
// validation function, or a limit. A person has to look; it is not tried again
// until the document changes. A failure of the server's own, with this document
// and not with its neighbours, is tried again.
func (j *job) refused(reason couchmend.Reason, err error) {
	if j.end != unfinished {
		return
	}
	if j.end, j.err = inReview, err; couchmend.KindOf(err) == couchmend.KindServer {
		j.end = failed
		return
	}
	j.decision.Reason = reason
	j.decision.Evidence = append(j.decision.Evidence, err.Error())
}
