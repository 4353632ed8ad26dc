package triage

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/revtree"
)

const (
	// feedRows is how many rows of a feed are read at a time.
	feedRows = 5000
	// asked is how many documents are asked about in one request.
	asked = 500
	// batchLeaves is about how many leaves are read at a time.
	batchLeaves = 200
	// maxSampleDeep is how many deep documents of a database are looked into,
	// beside the sample.
	maxSampleDeep = 100
)

// surveyAll looks into the conflicts of databases, until MaxTime is over.
func (g *Gatherer) surveyAll(ctx context.Context, databases []string) error {
	end := g.o.Now().Add(g.o.MaxTime)
	for i, name := range databases {
		if !g.o.Visible(name) {
			continue
		}
		if g.o.Now().After(end) {
			g.note("", fmt.Sprintf("The time was up: %d of %d databases were not surveyed.", len(databases)-i, len(databases)), nil)
			break
		}
		f := finder{g: g, db: g.server.DB(name), facts: Database{Name: name}}
		err := f.find(ctx, func() bool { return g.o.Now().After(end) })
		switch couchmend.KindOf(err) {
		case "":
		case couchmend.KindUnreachable, couchmend.KindAuth:
			return err
		default:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f.facts.Skipped = true
			g.note(name, "The database was not surveyed.", err)
		}
		g.report.Databases = append(g.report.Databases, f.facts)
	}
	return nil
}

// finder looks for conflicts in one database.
type finder struct {
	g     *Gatherer
	db    *couch.DB
	facts Database

	leaves spread
	sample picks // a fair one: those whose ids have the smallest hashes
	deep   picks // those with the most leaves
}

// pick is a document in conflict that may be looked into; what has the largest
// rank goes first where there are too many.
type pick struct {
	rank uint64
	id   string
	live []couchmend.Rev
}

type picks []pick

func (p picks) Len() int           { return len(p) }
func (p picks) Less(i, j int) bool { return p[i].rank > p[j].rank }
func (p picks) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *picks) Push(x any)        { *p = append(*p, x.(pick)) }
func (p *picks) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

func (p *picks) keep(one pick, most int) {
	if len(*p) == most && one.rank >= (*p)[0].rank {
		return
	}
	heap.Push(p, one)
	if len(*p) > most {
		heap.Pop(p)
	}
}

// find counts the database's conflicts and looks into some of them. late says
// that it is time to come to an end.
func (f *finder) find(ctx context.Context, late func() bool) error {
	info, err := f.db.Info(ctx)
	if err != nil {
		return err
	}
	f.facts.Documents = info.DocCount
	for since, more, done := "", true, int64(0); more; {
		if late() {
			f.facts.Partly = true
			f.g.note(f.db.Name(), "The time was up: the rest of the database's feed was not read.", nil)
			break
		}
		if since, more, err = f.page(ctx, since, &done); err != nil {
			return err
		}
	}
	f.facts.Leaves = f.leaves.most()
	return f.lookInto(ctx)
}

// page reads the next rows of the feed.
func (f *finder) page(ctx context.Context, since string, done *int64) (next string, more bool, err error) {
	var several []string // documents with several leaves, dead ones among them
	rows, pending := 0, int64(0)
	for row, err := range f.db.Changes(ctx, couch.ChangesOptions{Since: since, Limit: feedRows, SeqInterval: feedRows}) {
		switch {
		case err != nil:
			return "", false, err
		case row.ID == "":
			next, pending = row.Seq, max(row.Pending, 0)
		default:
			rows++
			if len(row.Leaves) > 1 && !row.Deleted {
				several = append(several, row.ID)
			}
		}
	}
	for ids := range slices.Chunk(several, asked) {
		live, err := f.db.LiveLeaves(ctx, ids)
		if err != nil {
			return "", false, err
		}
		for _, id := range ids {
			f.count(id, live[id])
		}
	}
	*done += int64(rows)
	f.g.o.Progress(f.db.Name(), *done, *done+pending)
	return next, rows == feedRows, nil
}

func (f *finder) count(id string, live []couchmend.Rev) {
	if len(live) < 2 {
		return
	}
	f.facts.Conflicts++
	f.leaves.add(len(live))
	sum := sha256.Sum256([]byte(id))
	f.sample.keep(pick{binary.BigEndian.Uint64(sum[:]), id, live}, f.g.o.Sample)
	if len(live) >= manyLeaves {
		f.facts.Deep++
		f.deep.keep(pick{^uint64(len(live)), id, live}, maxSampleDeep)
	}
}

// lookInto reads what was picked.
func (f *finder) lookInto(ctx context.Context) error {
	all := slices.Clone(f.sample)
	in := map[string]bool{}
	for _, p := range all {
		in[p.id] = true
	}
	for _, p := range f.deep {
		if !in[p.id] {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b pick) int { return cmp.Compare(a.id, b.id) })
	for len(all) > 0 {
		n, leaves := 0, 0
		for n < len(all) && (n == 0 || leaves < batchLeaves) {
			leaves += len(all[n].live)
			n++
		}
		if err := f.read(ctx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// maxRead is how many leaves of one document are read: what many thousands of
// them have in common, these show.
const maxRead = 200

// read reads the leaves of documents, then the bases, and hands what it sees to
// the survey.
func (f *finder) read(ctx context.Context, batch []pick) error {
	seen := map[string]*observation{}
	var wants []couch.Want
	for _, p := range batch {
		seen[p.id] = &observation{db: f.db.Name(), id: p.id, at: f.g.o.Now(), open: true}
		for _, rev := range p.live[:min(len(p.live), maxRead)] {
			wants = append(wants, couch.Want{ID: p.id, Rev: rev})
		}
	}
	err := f.get(ctx, wants, func(id string, r couchmend.Revision) { seen[id].leaves = append(seen[id].leaves, r) })
	if err != nil {
		return err
	}
	wants = wants[:0]
	for _, p := range batch {
		revtree.WinnerFirst(seen[p.id].leaves)
		for _, rev := range seen[p.id].parted() {
			wants = append(wants, couch.Want{ID: p.id, Rev: rev})
		}
	}
	err = f.get(ctx, wants, func(id string, r couchmend.Revision) { seen[id].bases = append(seen[id].bases, r) })
	if err != nil {
		return err
	}
	for _, p := range batch {
		if o := seen[p.id]; len(o.leaves) > 1 {
			f.facts.Looked++
			f.g.survey.add(*o)
		}
	}
	return nil
}

// get reads revisions; those that are not there any more are passed over.
func (f *finder) get(ctx context.Context, wants []couch.Want, take func(id string, r couchmend.Revision)) error {
	for got, err := range f.db.BulkGet(ctx, wants, couch.Get{}) {
		if err != nil {
			return err
		}
		if got.Revision != nil {
			take(got.ID, *got.Revision)
		}
	}
	return nil
}

// parted are the revisions where the leaves parted from the winner.
func (o *observation) parted() []couchmend.Rev {
	if len(o.leaves) < 2 {
		return nil
	}
	mine := map[couchmend.Rev]bool{}
	for _, r := range o.leaves[0].Path {
		mine[r] = !revtree.IsMark(r)
	}
	var found []couchmend.Rev
	for _, leaf := range o.leaves[1:] {
		if i := slices.IndexFunc(leaf.Path, func(r couchmend.Rev) bool { return mine[r] }); i >= 0 && !slices.Contains(found, leaf.Path[i]) {
			found = append(found, leaf.Path[i])
		}
	}
	return found
}
