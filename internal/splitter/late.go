package splitter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/revtree"
)

// A reference that comes late says an id that was split: a phone wrote it that
// had not seen the split. The feed finds the documents that may hold one
// (Seeker), the mender says which do (Late), and a turn mends them.

// seekerOf is a Seeker for the splits of a database that were known at a time;
// nil where none was.
type seekerOf struct {
	seeker  *collision.Seeker
	version uint64
	at      time.Time
}

// seekerAge is how long a Seeker is used: splits are forgotten in time.
const seekerAge = time.Minute

// Seeker looks for the ids that were split in a database, or in one that is
// looked at with it; nil where none was. It is cheap enough to be asked for with
// each page of a feed and each document.
func (u *Unattended) Seeker(db string) *collision.Seeker {
	version := u.apart.Version()
	if version == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.seekers[db]
	if !ok || s.version != version || time.Since(s.at) > seekerAge {
		s = seekerOf{u.newSeeker(db), version, time.Now()}
		if len(u.seekers) >= maxSeekers {
			clear(u.seekers)
		}
		u.seekers[db] = s
	}
	return s.seeker
}

// maxSeekers bounds how many databases' are kept (I11).
const maxSeekers = 1000

func (u *Unattended) newSeeker(db string) *collision.Seeker {
	var ids []string
	for _, k := range u.apart.In(db) {
		ids = append(ids, k.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	// References in longer strings are told apart by meant, once one is found.
	seeker, err := collision.Seek(ids, collision.Options{Substrings: true})
	if err != nil {
		return nil // CouchDB has no such id: nothing refers to it
	}
	return seeker
}

// Late says what in a document refers to an id that was split, a sentence each.
func (u *Unattended) Late(c couchmend.Conflict) []string {
	seeker := u.Seeker(c.DB)
	if seeker == nil {
		return nil
	}
	var words []string
	for _, leaf := range c.Leaves {
		found, err := seeker.In(c.DB, c.ID, leaf)
		if err != nil {
			continue // it is no JSON: it refers to nothing
		}
		for _, f := range found {
			if len(u.meant(f)) > 0 {
				words = append(words, fmt.Sprintf("%s names %s, which was split", f.Place, f.ID))
			}
		}
	}
	return words
}

// meant returns the splits that a reference may be to.
func (u *Unattended) meant(f collision.Found) []ledger.KnownSplit {
	return slices.DeleteFunc(u.apart.In(f.DB), func(k ledger.KnownSplit) bool {
		itself := f.DB == k.DB && f.Doc == k.ID
		return k.ID != f.ID || itself || f.Part && !k.Substrings
	})
}

// referring are documents that refer to one id that was split.
type referring struct {
	ids      []string
	found    []collision.Found
	restored map[string]bool // those that an undo has put back
}

// late mends documents that refer to ids that were split: whole, or not at all.
func (t *turn) late(ctx context.Context, cases []ledger.Case) error {
	referring, err := t.referring(ctx, cases)
	if err != nil {
		return t.failedAll(ctx, cases, err)
	}
	done := outcomes{map[string][]string{}, map[string]bool{}, map[string]bool{}}
	for _, k := range t.apart.In(t.db) {
		to := referring[k.DB+"/"+k.ID]
		if to == nil {
			continue
		}
		split, err := t.splitter.Find(ctx, k.DB, k.ID)
		switch {
		case err != nil:
			return err
		case split == nil || split.State.Stage != ledger.SplitDone:
			for _, id := range to.ids {
				done.wait[id] = split != nil && split.State.Stage.UnderWay()
			}
		default:
			if err := t.lateOf(ctx, split, to, done); err != nil {
				return t.failedAll(ctx, cases, err)
			}
		}
	}
	for _, c := range cases {
		if err := t.endLate(ctx, c, done); err != nil {
			return err
		}
	}
	return nil
}

// outcomes are what became of documents with late references.
type outcomes struct {
	open   map[string][]string // for a person, and why
	wait   map[string]bool     // for a split to be done
	mended map[string]bool
}

func (t *turn) endLate(ctx context.Context, c ledger.Case, done outcomes) error {
	switch {
	case done.open[c.ID] != nil:
		return t.review(ctx, c, couchmend.ReasonLate, done.open[c.ID]...)
	case done.wait[c.ID]:
		t.later(t.db, maxWait)
		return nil
	case done.mended[c.ID]:
		t.Stats.Late.Add(1)
	}
	t.ended++
	_, err := t.mender.Ledger.EndCase(ctx, c)
	return err
}

// referring returns the documents of cases that refer to ids that were split,
// by db/id of the split.
func (t *turn) referring(ctx context.Context, cases []ledger.Case) (map[string]*referring, error) {
	seeker := t.Seeker(t.db)
	if seeker == nil {
		return nil, nil
	}
	ids := make([]string, len(cases))
	for i, c := range cases {
		ids[i] = c.ID
	}
	db := t.splitter.db(t.db)
	live, err := db.LiveLeaves(ctx, ids)
	if err != nil {
		return nil, err
	}
	var want []couch.Want
	for _, id := range ids {
		for _, rev := range live[id] {
			want = append(want, couch.Want{ID: id, Rev: rev})
		}
	}
	all := map[string]*referring{}
	for got, err := range db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		if got.Revision == nil {
			continue // saved over: a newer row of the feed brings it back
		}
		found, err := seeker.In(t.db, got.ID, *got.Revision)
		if err != nil {
			continue // it is no JSON: it refers to nothing
		}
		for _, f := range found {
			for _, k := range t.meant(f) {
				name := k.DB + "/" + k.ID
				if all[name] == nil {
					all[name] = &referring{restored: map[string]bool{}}
				}
				all[name].add(f, revtree.Restored(got.Revision.Path))
			}
		}
	}
	return all, nil
}

func (r *referring) add(f collision.Found, restored bool) {
	if r.found = append(r.found, f); !slices.Contains(r.ids, f.Doc) {
		r.ids = append(r.ids, f.Doc)
	}
	r.restored[f.Doc] = r.restored[f.Doc] || restored
}

// lateOf mends documents that refer to one id that was split.
func (t *turn) lateOf(ctx context.Context, split *Split, to *referring, done outcomes) error {
	p := split.Plan
	live, dead, err := t.splitter.leaves(ctx, p.DB, p.ID)
	if err != nil {
		return err
	}
	taken := !settled(p, couchmend.Conflict{DB: p.DB, ID: p.ID, Leaves: live, Dead: dead})
	run := command(p.DB, p.ID)
	var ids []string
	for _, id := range to.ids {
		switch {
		case taken:
			done.open[id] = append(done.open[id], fmt.Sprintf("it names %s, which was split, and something else lives under that id by now", p.ID), run)
		case to.restored[id]:
			done.open[id] = append(done.open[id], fmt.Sprintf("it names %s, which was split, and an undo put it back so", p.ID), run)
		default:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if split.knowledge, err = t.known(ctx, p, to.found); err != nil {
		return err
	}
	var report Report
	if err := t.splitter.repointAll(ctx, split, t.db, ids, &report); err != nil {
		return err
	}
	for _, q := range report.asked {
		done.open[q.id] = append(done.open[q.id], q.words, run)
	}
	for _, r := range report.refused {
		done.open[r.id] = append(done.open[r.id], r.err.Error(), run)
	}
	for _, id := range ids {
		done.mended[id] = true
	}
	if report.Documents > 0 {
		t.mender.Log.Info("late references", "resolver_status", "ok", "db", t.db, "split", p.ID, "documents", report.Documents)
	}
	return nil
}

// censuses keep what a spot's ids name in other documents, for a while: phones
// bring their documents one by one.
type censuses struct {
	since time.Time
	by    map[collision.Spot]map[string]int
}

// censusAge is how long that is kept.
const censusAge = 10 * time.Minute

// known is what can be known about what references mean.
func (t *turn) known(ctx context.Context, p collision.Plan, found []collision.Found) (collision.Knowledge, error) {
	if time.Since(t.censuses.since) > censusAge {
		t.censuses = censuses{time.Now(), map[collision.Spot]map[string]int{}}
	}
	spots := collision.Spots(found)
	unknown := slices.DeleteFunc(slices.Clone(spots), func(s collision.Spot) bool { return t.censuses.by[s] != nil })
	k := t.splitter.knowledge()
	counted, err := t.splitter.census(ctx, p.DB, []string{p.ID}, unknown)
	if err != nil {
		return k, err
	}
	maps.Copy(t.censuses.by, counted)
	k.Census = collision.Census{}
	for _, spot := range spots {
		k.Census[spot] = t.censuses.by[spot]
	}
	return k, nil
}
