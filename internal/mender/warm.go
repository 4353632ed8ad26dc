package mender

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// A document that conflicts often is warm: its revisions' bodies are kept, and a
// conflict of it finds its base among them. Nothing depends on that: what is not
// kept is read as ever.

// loadKept takes the bases of warm documents from what was kept, and returns
// those that are still needed, by job.
func (b *batch) loadKept(ctx context.Context, jobs []*job, needs [][]couchmend.Rev) [][]couchmend.Rev {
	want := map[string][]couchmend.Rev{}
	for i, j := range jobs {
		j.warm = warmth{}
		if len(needs[i]) > 0 && b.Warm.Has(j.conflict.DB, j.conflict.ID) {
			want[j.conflict.ID] = needs[i]
			j.warm.misses = len(needs[i])
		}
	}
	if len(want) == 0 {
		return needs
	}
	kept, err := b.Ledger.Kept(ctx, b.db.Name(), want)
	if err != nil {
		b.Log.Warn("bodies of documents that conflict often can't be read", "db", b.db.Name(), "error", err)
		return needs
	}
	left := slices.Clone(needs)
	for i, j := range jobs {
		left[i] = nil
		for _, rev := range needs[i] {
			base, ok := kept[j.conflict.ID][rev]
			if !ok {
				left[i] = append(left[i], rev)
				continue
			}
			j.base(base)
			j.warm.hits++
			j.warm.misses--
		}
	}
	return left
}

// warmth is how a warm document's bases were found: kept, or not.
type warmth struct{ hits, misses int }

// count counts the conflicts that were decided on. Of documents that are warm
// by now it keeps the bodies that later conflicts may grow from: the merge, which
// is about to be written, and the losers, on which somebody may still work.
func (b *batch) count(ctx context.Context, jobs []*job) {
	if b.Warm == nil {
		return
	}
	var conflicts []ledger.Met
	for _, j := range jobs {
		if j.end != unfinished || len(j.conflict.Leaves) < 2 || j.decision.Outcome == couchmend.Bury {
			continue // a burial ends a conflict that was counted
		}
		met := ledger.Met{ID: j.conflict.ID}
		for _, leaf := range j.conflict.Leaves {
			met.Leaves = append(met.Leaves, leaf.Rev)
		}
		conflicts = append(conflicts, met)
	}
	err := b.Warm.Count(ctx, b.db.Name(), conflicts...)
	if err == nil {
		err = b.Warm.Keep(ctx, b.db.Name(), b.successors(jobs)...)
	}
	if err != nil && ctx.Err() == nil {
		b.Log.Warn("bodies of documents that conflict often can't be kept", "db", b.db.Name(), "error", err)
	}
}

// successors are the revisions of warm documents that are kept here: their
// winners are as the feed passes them.
func (b *batch) successors(jobs []*job) []ledger.Body {
	var all []ledger.Body
	for _, j := range jobs {
		if j.end != unfinished || len(j.conflict.Leaves) < 2 || !b.Warm.Has(j.conflict.DB, j.conflict.ID) {
			continue
		}
		if j.decision.Merge != nil {
			all = append(all, ledger.Body{ID: j.conflict.ID, Revision: *j.decision.Merge})
		}
		for _, loser := range j.conflict.Leaves[1:] {
			all = append(all, ledger.Body{ID: j.conflict.ID, Revision: loser})
		}
	}
	return all
}

// pathTo returns the path of an ancestor, as the leaves show it.
func (j *job) pathTo(rev couchmend.Rev) []couchmend.Rev {
	for _, leaf := range slices.Concat(j.conflict.Leaves, j.conflict.Dead) {
		if at := slices.Index(leaf.Path, rev); at >= 0 {
			return leaf.Path[at:]
		}
	}
	return nil
}
