package splitter

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Plan plans a split and writes nothing. Of a document whose split is done the
// plan is about what came late: see Split.Late. The error is of KindConflict
// where a split of the document broke off, else those of collision.Make.
func (s *Splitter) Plan(ctx context.Context, r Request) (*Split, error) {
	plans, err := s.planAll(ctx, []Request{r})
	if err != nil {
		return nil, err
	}
	return plans[0].split, plans[0].err
}

// planned is a plan, or why there is none.
type planned struct {
	split *Split
	err   error
}

// planAll plans splits of documents of one database, which differ in nothing
// but their ids: it looks for what refers to them once for all. Each document
// is looked at before that, to see whether it can be split at all, and again
// after it: that may have taken long (I3).
func (s *Splitter) planAll(ctx context.Context, requests []Request) ([]planned, error) {
	plans := make([]planned, len(requests))
	var ids []string
	var all Request // in the databases of all of them
	for i, r := range requests {
		if plans[i].split, plans[i].err = s.draft(ctx, r); plans[i].err == nil {
			ids = append(ids, r.ID)
			all.DB = r.DB
			all = plans[i].split.request(all)
		}
	}
	if len(ids) == 0 {
		return plans, nil
	}
	found, err := s.search(ctx, ids, all)
	if err != nil {
		return nil, err
	}
	for i, r := range requests {
		if plans[i].err != nil {
			continue
		}
		if plans[i].split, plans[i].err = s.draft(ctx, r); plans[i].err == nil {
			plans[i].split.take(found)
		}
	}
	return plans, nil
}

// draft makes a plan without the references of other documents.
func (s *Splitter) draft(ctx context.Context, r Request) (*Split, error) {
	before, err := s.Find(ctx, r.DB, r.ID)
	if err != nil {
		return nil, err
	}
	if before != nil && before.State.Stage.UnderWay() {
		return nil, fault(r.DB, r.ID, couchmend.KindConflict, "a split of it broke off (%s): say --resume or --rollback", before.State.Stage)
	}
	c, err := s.load(ctx, r.DB, r.ID)
	if err != nil {
		return nil, err
	}
	split := &Split{State: ledger.Split{DB: r.DB, ID: r.ID}, conflict: c}
	if before != nil {
		split.State = before.State.Anew()
		if before.State.Stage == ledger.SplitDone && settled(before.Plan, c) {
			split.Plan, split.State, split.Late = before.Plan, before.State, true
		}
	}
	r = split.request(r)
	split.State.Also, split.State.Substrings = r.Also, r.Substrings
	if split.Late {
		return split, nil
	}
	p, err := collision.Make(ctx, s.rules(r.DB), c, collision.Wish{Keep: r.Keep, Substrings: r.Substrings})
	if err == nil {
		split.Plan, err = s.moved(ctx, p)
	}
	return split, err
}

// request adds to a request what is looked at because the split was made so.
func (split *Split) request(r Request) Request {
	r.Also = append(slices.Clone(r.Also), split.State.Also...)
	slices.Sort(r.Also)
	r.Also = slices.Compact(r.Also)
	r.Substrings = r.Substrings || split.State.Substrings
	return r
}

// take adds to a draft what refers to the document.
func (split *Split) take(f findings) {
	split.State.Since, split.knowledge = f.since, f.knowledge
	found := f.of(split.Plan.ID)
	if !split.Late {
		split.Plan = split.Plan.Assign(found, f.knowledge)
		return
	}
	meanings := split.Plan.Meanings(f.knowledge)
	split.Plan.References, split.Plan.Doubts = nil, nil
	for _, one := range found {
		if one.Err != nil {
			split.Plan.Doubts = append(split.Plan.Doubts, one.Err.Error())
			continue
		}
		all, _ := meanings.Of([]collision.Found{one})
		itself := one.DB == split.Plan.DB && one.Doc == split.Plan.ID
		if !itself && all[0].To != collision.Leave {
			split.Plan.References = append(split.Plan.References, all[0])
		}
	}
}

// settled reports whether what lives under the old id is what the split left
// there: the version that keeps it, and late leaves.
func settled(p collision.Plan, c couchmend.Conflict) bool {
	late := collision.LateLeaves(c)
	return !slices.ContainsFunc(c.Leaves, func(leaf couchmend.Revision) bool {
		return !keeps(p, leaf) && !slices.ContainsFunc(late, func(l collision.Late) bool { return l.Leaf.Rev == leaf.Rev })
	})
}

// Nothing reports whether a late plan has nothing to do.
func (split *Split) Nothing() bool {
	return split.Late && len(split.Plan.References) == 0 && len(collision.LateLeaves(split.conflict)) == 0
}
