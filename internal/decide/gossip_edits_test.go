package decide

import (
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// edit is what a user does at a site: a change of the winner, a deletion, a
// re-creation, or an undo.
func (s *site) edit() {
	w := s.w
	c := s.conflict()
	switch {
	case len(c.Leaves) == 0 && w.deletes > 0:
		s.recreate(c.Dead[0])
	case len(c.Leaves) == 0: // a tombstone came before its merge: wait for the rest
	case w.chance(w.deletes):
		w.deleted = true
		s.delete(c.Leaves[0])
	case w.chance(w.undo):
		s.undoOne(c)
	default:
		leaf := c.Leaves[0]
		for range 1 + w.rnd.IntN(max(1, w.burst)) {
			leaf = s.change(leaf)
		}
	}
}

// change writes a child of a leaf in which one field is other.
func (s *site) change(leaf couchmend.Revision) couchmend.Revision {
	w := s.w
	now, e := contentOf(leaf.Body), edit{counts: map[string]int{}, clocks: map[string]write{}}
	if w.chance(w.softDeletes) {
		now.gone = !now.gone
	}
	kinds, most := 6, 4
	if w.plain {
		kinds, most = 4, 1
	}
	i := w.rnd.IntN(kinds)
	if w.joins {
		i = 2 + w.rnd.IntN(3)
	}
	switch i {
	case 0, 1:
		e.counts[fmt.Sprintf("c%d", i)] = w.rnd.IntN(2*most+1) - most
	case 2, 3:
		highest := 0
		for _, reading := range now.clocks {
			highest = max(highest, reading.clock)
		}
		e.clocks[fmt.Sprintf("f%d", i-2)] = write{clock: highest + 1, value: fmt.Sprint("v", w.count)}
	case 4:
		e.tags = []string{fmt.Sprint("t", w.count)}
	default:
		e.counts[fmt.Sprint("log e", w.count)] = 1
	}
	now.add(e)
	return s.save(leaf, now, e)
}

// save writes a user's revision on top of a leaf.
func (s *site) save(leaf couchmend.Revision, now content, e edit) couchmend.Revision {
	rev := s.w.newRev(leaf.Rev)
	s.w.edits[revtree.MarkOf(rev)] = e
	path := slices.Concat([]couchmend.Rev{rev}, leaf.Path)
	r := couchmend.Revision{Rev: rev, Path: path[:min(len(path), s.w.revsLimit)], Body: now.body()}
	s.put(r)
	return r
}

// recreate brings a deleted document back with what it held, and one change.
func (s *site) recreate(tombstone couchmend.Revision) {
	buried, ok := s.w.journal[tombstone.Path[1]]
	if !ok {
		return
	}
	now := contentOf(buried.Body)
	tag := fmt.Sprint("again", s.w.count)
	now.tags[tag] = true
	e := edit{counts: now.counts, clocks: now.clocks}
	for known := range now.tags {
		e.tags = append(e.tags, known)
	}
	s.save(tombstone, now, e)
}

// undoOne takes back a merge that the winner grew from.
func (s *site) undoOne(c couchmend.Conflict) {
	i := slices.IndexFunc(s.done, func(d taken) bool { return slices.Contains(c.Leaves[0].Path, d.decision.Merge.Rev) })
	if i < 0 {
		return
	}
	done := s.done[i]
	s.done = slices.Delete(s.done, i, i+1)
	u := undone{}
	for _, r := range Undo(done.decision, done.leaves, s.w.revsLimit) {
		u.held = append(u.held, r.Path[2])
		u.restored = append(u.restored, r.Rev)
		s.put(r)
	}
	s.w.undone = append(s.w.undone, u)
}

// person decides a conflict at a site, for the winner's body.
func (s *site) person() {
	c := s.conflict()
	if len(c.Leaves) < 2 {
		return
	}
	d, err := Choose(func(string, jsondoc.Value) *merge.Rule { return s.w.rule }, c, Choice{Body: c.Leaves[0].Body, By: "somebody"})
	if err != nil {
		s.w.t.Fatal(err)
	}
	if d.Merge != nil {
		s.put(*d.Merge)
	}
	for _, tombstone := range d.Bury {
		s.put(tombstone)
	}
}
