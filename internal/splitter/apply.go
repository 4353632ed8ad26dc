package splitter

import (
	"context"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Apply carries a plan out. It is refused where a question is open or a version
// waits for a decision (KindUsage), and where the document's leaves are not
// those of the plan any more (KindConflict, I3); nothing was written then. A
// pause does not stop it: it is a person's word.
//
// After any other error Resume goes on, and Rollback takes back.
func (s *Splitter) Apply(ctx context.Context, split *Split) (Report, error) {
	p := split.Plan
	split.meanings = nil // somebody may have answered
	switch open := p.Open(); {
	case len(open) > 0:
		return Report{}, fault(p.DB, p.ID, couchmend.KindUsage, "it is not known what %d references mean, such as %s in %s: say so in a plan's file", len(open), open[0].Place, open[0].Doc)
	case len(p.Waits) > 0:
		return Report{}, fault(p.DB, p.ID, couchmend.KindUsage, "%s", p.Waits[0])
	}
	if split.Late {
		return s.applyLate(ctx, split)
	}
	live, dead, err := s.leaves(ctx, p.DB, p.ID)
	if err != nil {
		return Report{}, err
	}
	if err := p.Stands(revsOf(live), revsOf(dead)); err != nil {
		return Report{}, err
	}
	split.State.By = s.By
	entry := ledger.Entry{
		DB: p.DB, ID: p.ID, Kind: "split", Status: "decided", By: s.By, Note: s.Note, Leaves: split.conflict.Leaves,
		Decision: couchmend.Decision{Outcome: couchmend.Split, Bury: p.Bury, Evidence: append(p.Judgement.Evidence(), left(p)...)},
	}
	if err := s.Mender.Ledger.Append(ctx, entry); err != nil {
		return Report{}, err
	}
	if err := s.save(ctx, split, ledger.SplitPlanned); err != nil {
		return Report{}, err
	}
	return s.carry(ctx, split)
}

// maxLeft is how many references an entry of the journal tells of that are left.
const maxLeft = 20

// left says which references are left as they are: in design documents, in
// other documents' ids, or by a person's word.
func left(p collision.Plan) []string {
	var words []string
	for _, r := range p.References {
		if r.To == collision.Leave && len(words) < maxLeft {
			words = append(words, fmt.Sprintf("%s in %s/%s is left as it is: %s", r.Place, r.DB, r.Doc, r.Reason))
		}
	}
	return words
}

// applyLate carries out what came after the split: the old plan's references
// stay known, for a rollback.
func (s *Splitter) applyLate(ctx context.Context, split *Split) (Report, error) {
	before, err := s.Find(ctx, split.Plan.DB, split.Plan.ID)
	if err != nil {
		return Report{}, err
	}
	for _, r := range before.Plan.References {
		if !slices.ContainsFunc(split.Plan.References, func(new collision.Repoint) bool {
			return new.DB == r.DB && new.Doc == r.Doc && new.Kind == r.Kind && slices.Equal(new.Place, r.Place) && new.Old == r.Old
		}) {
			split.Plan.References = append(split.Plan.References, r)
		}
	}
	if err := s.save(ctx, split, ledger.SplitCreated); err != nil {
		return Report{}, err
	}
	return s.carry(ctx, split)
}

func revsOf(leaves []couchmend.Revision) []couchmend.Rev {
	var revs []couchmend.Rev
	for _, leaf := range leaves {
		revs = append(revs, leaf.Rev)
	}
	return revs
}

// Resume goes on with a split, or a rollback, that broke off. The error is of
// KindNotFound where none did.
func (s *Splitter) Resume(ctx context.Context, db, id string) (Report, error) {
	split, err := s.Find(ctx, db, id)
	switch {
	case err != nil:
		return Report{}, err
	case split == nil || !split.State.Stage.UnderWay():
		return Report{}, fault(db, id, couchmend.KindNotFound, "no split of it broke off")
	case split.State.Stage == ledger.SplitRollingBack:
		return s.takeBack(ctx, split)
	}
	return s.carry(ctx, split)
}

// carry takes the steps that are left.
func (s *Splitter) carry(ctx context.Context, split *Split) (Report, error) {
	var report Report
	steps := map[ledger.SplitStage]struct {
		do   func(context.Context, *Split, *Report) error
		next ledger.SplitStage
	}{
		ledger.SplitPlanned:   {s.create, ledger.SplitCreated},
		ledger.SplitCreated:   {s.repoint, ledger.SplitRepointed},
		ledger.SplitRepointed: {s.bury, ledger.SplitDone},
	}
	for {
		report.Stage = split.State.Stage
		step, ok := steps[split.State.Stage]
		if !ok {
			return report, s.settle(ctx, split, report)
		}
		s.watch(report)
		if err := step.do(ctx, split, &report); err != nil {
			return report, err
		}
		if err := s.save(ctx, split, step.next); err != nil {
			return report, err
		}
	}
}

// settle ends what waited for a split: its document's case, and those of
// documents that refer, unless something is left open. Where nobody watches,
// whoever has it carried out does that.
func (s *Splitter) settle(ctx context.Context, split *Split, report Report) error {
	if s.Gate != nil {
		return nil
	}
	waited := map[string][]string{split.Plan.DB: {split.Plan.ID}}
	for _, r := range split.Plan.References {
		waited[r.DB] = append(waited[r.DB], r.Doc)
	}
	for db, ids := range waited {
		slices.Sort(ids)
		cases, err := s.Mender.Ledger.CasesOf(ctx, db, slices.Compact(ids)...)
		if err != nil {
			return err
		}
		for id, c := range cases {
			late := c.Reason == couchmend.ReasonLate || c.Reason == couchmend.ReasonSplitting
			if !late && (db != split.Plan.DB || id != split.Plan.ID) {
				continue
			}
			if _, err := s.Mender.Ledger.EndCase(ctx, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// create writes each version under its new id and reads it back.
func (s *Splitter) create(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	limit, err := s.db(p.DB).RevsLimit(ctx)
	if err != nil {
		return err
	}
	var writes []couch.Write
	for _, v := range p.Versions {
		if v.Revision == nil {
			continue
		}
		live, dead, err := s.leaves(ctx, p.DB, v.NewID)
		if err != nil {
			return err
		}
		revision, err := birth(p, v, live, dead, limit)
		if err != nil {
			return err
		}
		if revision == nil {
			continue
		}
		if err := s.fill(ctx, p.DB, p.ID, revision); err != nil {
			return err
		}
		writes = append(writes, couch.Write{ID: v.NewID, Revision: *revision})
		report.Created = append(report.Created, v.NewID)
	}
	if err := s.writeAll(ctx, p.DB, writes); err != nil {
		return err
	}
	return s.verify(ctx, p.DB, writes)
}

// birth returns what is to be written so that a version is there under its new
// id; nil where it is there, by an earlier try or another site. What a rollback
// deleted is shown once more.
func birth(p collision.Plan, v collision.Version, live, dead []couchmend.Revision, revsLimit int) (*couchmend.Revision, error) {
	grownFrom := func(leaf couchmend.Revision) bool { return slices.Contains(leaf.Path, v.Revision.Rev) }
	origin := v.Revision.Path[len(v.Revision.Path)-1]
	for _, leaf := range live {
		switch {
		case grownFrom(leaf):
			return nil, nil
		case !slices.Contains(leaf.Path, origin):
			return nil, fault(p.DB, v.NewID, couchmend.KindConflict, "another document has the id that %s would get", v.Name)
		}
	}
	one := *v.Revision
	for _, leaf := range dead {
		if !grownFrom(leaf) {
			continue
		}
		if _, ok := revtree.SplitFrom(leaf.Path); !ok || jsondoc.Value(leaf.Body).Get(decide.SplitTo).Text() != p.ID {
			return nil, fault(p.DB, v.NewID, couchmend.KindConflict, "somebody deleted what %s became", v.Name)
		}
		one.Attachments = slices.Clone(one.Attachments)
		again := decide.Again(one, leaf, revsLimit)
		return &again, nil
	}
	return &one, nil
}

// verify reads back what was written, and compares it: nothing may be buried
// for what is not there.
func (s *Splitter) verify(ctx context.Context, db string, writes []couch.Write) error {
	want := make([]couch.Want, len(writes))
	for i, w := range writes {
		want[i] = couch.Want{ID: w.ID, Rev: w.Revision.Rev}
	}
	i := 0
	for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return err
		}
		w := writes[i].Revision
		i++
		if got.Revision == nil || !jsondoc.Equal(jsondoc.Value(got.Revision.Body), jsondoc.Value(w.Body)) || !sameFiles(got.Revision.Attachments, w.Attachments) {
			return fault(db, got.ID, couchmend.KindServer, "what was written does not read back as it was")
		}
	}
	return nil
}

// sameFiles compares attachments by what every server says of them alike.
func sameFiles(a, b []couchmend.Attachment) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(one couchmend.Attachment) bool {
		return !slices.ContainsFunc(b, func(other couchmend.Attachment) bool {
			return one.Name == other.Name && (one.Length == other.Length || int(one.Length) == len(other.Data))
		})
	})
}

// bury buries the leaves that went elsewhere, and has follow what was written
// onto them meanwhile.
func (s *Splitter) bury(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	live, dead, err := s.leaves(ctx, p.DB, p.ID)
	if err != nil {
		return err
	}
	if err := s.present(ctx, p); err != nil {
		return err
	}
	var writes []couch.Write
	for _, tombstone := range p.Bury {
		if slices.ContainsFunc(slices.Concat(live, dead), func(leaf couchmend.Revision) bool { return slices.Contains(leaf.Path, tombstone.Rev) }) {
			continue
		}
		writes = append(writes, couch.Write{ID: p.ID, Revision: tombstone})
		leaf, _ := revtree.SplitFrom(tombstone.Path)
		report.Buried = append(report.Buried, leaf)
	}
	if err := s.writeAll(ctx, p.DB, writes); err != nil {
		return err
	}
	return s.follow(ctx, split, report)
}

// present checks that each version has its document, right before what it came
// from is buried.
func (s *Splitter) present(ctx context.Context, p collision.Plan) error {
	var ids []string
	for _, v := range p.Versions {
		if v.Revision != nil {
			ids = append(ids, v.NewID)
		}
	}
	live, err := s.db(p.DB).LiveLeaves(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if len(live[id]) == 0 {
			return fault(p.DB, id, couchmend.KindConflict, "it was deleted: nothing is buried for it; say --rollback")
		}
	}
	return nil
}

// follow writes late leaves under the ids of their versions and buries them:
// what somebody wrote onto the old document while it was split, or before they
// saw that it was. They say the old id: so that is looked for in them, too.
func (s *Splitter) follow(ctx context.Context, split *Split, report *Report) error {
	p := split.Plan
	live, dead, err := s.leaves(ctx, p.DB, p.ID)
	if err != nil {
		return err
	}
	limit, err := s.db(p.DB).RevsLimit(ctx)
	if err != nil {
		return err
	}
	late := collision.LateLeaves(couchmend.Conflict{DB: p.DB, ID: p.ID, Leaves: live, Dead: dead, RevsLimit: limit})
	var moves, graves []couch.Write
	var ids []string
	for _, l := range late {
		if err := s.fill(ctx, p.DB, p.ID, &l.Leaf); err != nil {
			return err
		}
		moves = append(moves, couch.Write{ID: l.NewID, Revision: l.Leaf})
		graves = append(graves, couch.Write{ID: p.ID, Revision: decide.SplitBurial(s.rules(p.DB)(p.ID, jsondoc.Value(l.Leaf.Body)), l.Leaf, l.NewID, limit)})
		ids = append(ids, l.NewID)
		report.Followed = append(report.Followed, l.Leaf.Rev)
	}
	if len(late) == 0 {
		return nil
	}
	journaled := ledger.Entry{DB: p.DB, ID: p.ID, Kind: "follow", Status: "decided", By: s.By, Decision: couchmend.Decision{Outcome: couchmend.Split}}
	for _, l := range late {
		journaled.Leaves = append(journaled.Leaves, l.Leaf)
	}
	if err := s.Mender.Ledger.Append(ctx, journaled); err != nil {
		return err
	}
	if err := s.writeAll(ctx, p.DB, moves); err != nil {
		return err
	}
	if err := s.verify(ctx, p.DB, moves); err != nil {
		return err
	}
	if err := s.repointAll(ctx, split, p.DB, ids, report); err != nil {
		return err
	}
	if err := s.mend(ctx, p.DB, ids, report); err != nil {
		return err
	}
	return s.writeAll(ctx, p.DB, graves)
}
