package mender

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

var (
	errMissingLeaf = errors.New("a leaf that the feed named is not there")
	errUnconfirmed = errors.New("too few copies of the database confirmed the merge")
)

// carryOut writes what was decided: journal, merge, bury. An error is one of a
// whole step; jobs that had not ended by then have no ending yet.
func (m *Mender) carryOut(ctx context.Context, db *database, digest string, jobs []*job) error {
	var writing []*job
	for _, j := range jobs {
		switch {
		case j.end != unfinished:
		case j.decision.Outcome == couchmend.Nothing:
			j.end = resolved
		case j.decision.Outcome == couchmend.Review || j.decision.Outcome == couchmend.Split:
			j.end = inReview
		default:
			writing = append(writing, j)
		}
	}
	writing, err := m.stillCurrent(ctx, db, writing)
	if err != nil || len(writing) == 0 {
		return err
	}
	if m.stopIfPaused(db, writing) {
		return nil
	}
	if err := m.journal(ctx, digest, writing); err != nil {
		return err
	}
	if m.stopIfPaused(db, writing) {
		return nil
	}
	merged, err := m.writeMerges(ctx, db, writing)
	if err != nil || len(merged) == 0 || m.stopIfPaused(db, merged) {
		return err
	}
	return m.writeTombstones(ctx, db, merged)
}

// stopIfPaused ends jobs whose database was paused (I12). What was merged and
// not yet buried is contained in its winner: burying it is all that is left to
// do afterwards.
func (m *Mender) stopIfPaused(db *database, jobs []*job) bool {
	if !m.Ledger.Paused(db.Name()) {
		return false
	}
	for _, j := range jobs {
		j.end = paused
	}
	return true
}

// stillCurrent looks at the winners once more, right before writing: a
// document that someone has saved since it was read is left to its next row.
// Without this look nothing would be lost either (I3); readers would see the
// merge without that save for a moment.
func (m *Mender) stillCurrent(ctx context.Context, db *database, jobs []*job) ([]*job, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.conflict.ID
	}
	winners, err := db.Winners(ctx, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(jobs, func(j *job) bool {
		if w := winners[j.conflict.ID]; w.Rev == j.conflict.Leaves[0].Rev && !w.Deleted {
			return false
		}
		j.end = stale
		return true
	}), nil
}

// journal makes the losers' bodies and the decisions durable before anything is
// buried (I1).
func (m *Mender) journal(ctx context.Context, digest string, jobs []*job) error {
	entries := make([]ledger.Entry, len(jobs))
	for i, j := range jobs {
		entries[i] = entry(j.conflict, j.decision)
		entries[i].Seq, entries[i].Trace, entries[i].Policy = j.task.Seq, j.task.Trace, digest
		entries[i].By = "couchmend"
	}
	return m.Ledger.Append(ctx, entries...)
}

func entry(c couchmend.Conflict, d couchmend.Decision) ledger.Entry {
	e := ledger.Entry{DB: c.DB, ID: c.ID, Kind: string(d.Outcome), Status: "decided", Leaves: c.Leaves}
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
func (m *Mender) writeMerges(ctx context.Context, db *database, jobs []*job) ([]*job, error) {
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
	written, err := db.Write(ctx, writes)
	if err != nil {
		return nil, err
	}
	var unknown error
	for i, j := range owner {
		switch err := written.Errs[i]; {
		case err == nil && written.Accepted: // a quorum is missing (202): not confirmed, so nothing is buried
			j.end, j.err = away, m.wrap(j, errUnconfirmed)
			unknown = j.err
		case err == nil:
		case endingOf(err) == away:
			j.end, j.err, unknown = away, err, err
		default:
			j.refused(couchmend.ReasonRefused, err)
		}
	}
	confirmed := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.end != unfinished })
	if len(confirmed) == 0 {
		return nil, unknown
	}
	return confirmed, nil
}

// maxBurials bounds the tombstones of one request.
const maxBurials = 1000

// writeTombstones buries the losers of merges that are confirmed. On a cluster
// each burial carries its merge once more, so that every copy that gets the
// tombstone has the merge (I1).
func (m *Mender) writeTombstones(ctx context.Context, db *database, jobs []*job) error {
	var writes []couch.Write
	var owner []*job
	flush := func() error {
		written, err := db.Write(ctx, writes)
		if err != nil {
			return err
		}
		for i, j := range owner {
			switch err := written.Errs[i]; {
			case err == nil || j.end != unfinished:
			case endingOf(err) == away:
				j.end, j.err = away, err
			case writes[i].Revision.Deleted:
				j.refused(couchmend.ReasonNotBuried, err)
			}
		}
		writes, owner = nil, nil
		return nil
	}
	add := func(j *job, r couchmend.Revision) {
		writes = append(writes, couch.Write{ID: j.conflict.ID, Revision: r})
		owner = append(owner, j)
	}
	for _, j := range jobs {
		for piece := range slices.Chunk(j.decision.Bury, maxBurials) {
			if len(writes) > 0 && len(writes)+len(piece) > maxBurials {
				if err := flush(); err != nil {
					return err
				}
			}
			if db.clustered && j.decision.Merge != nil {
				add(j, *j.decision.Merge)
			}
			for _, tombstone := range piece {
				add(j, tombstone)
			}
		}
	}
	if len(writes) == 0 {
		return nil
	}
	return flush()
}

// refused ends a job whose merge or tombstone the server does not take: a
// validation function, or a limit. A person has to look; it is not tried again
// until the document changes.
func (j *job) refused(reason couchmend.Reason, err error) {
	j.end, j.err = inReview, err
	j.decision.Reason = reason
	j.decision.Evidence = append(j.decision.Evidence, err.Error())
}

func (m *Mender) wrap(j *job, err error) error {
	return &couchmend.Error{Op: "mend", DB: j.conflict.DB, ID: j.conflict.ID, Kind: couchmend.KindUnreachable, Err: fmt.Errorf("%w", err)}
}
