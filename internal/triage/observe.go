package triage

import (
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// observation is one conflict: an open one, or one that the journal tells of.
type observation struct {
	db, id string
	leaves []couchmend.Revision // live ones, the winner first
	bases  []couchmend.Revision // that they grew from, where they could be had
	at     time.Time            // when it was seen
	open   bool
	depth  int
}

// DefaultWriters are the fields that say who wrote a revision, in documents
// such as they are: the first that differs between the leaves is taken, else
// the first that is there.
var DefaultWriters = []string{
	"updated_by", "modified_by", "last_modified_by", "edited_by", "changed_by", "saved_by", "writer", "author",
	"device_id", "deviceId", "device", "client_id", "clientId", "client", "source", "origin", "user", "username", "user_id", "reported_by", "created_by",
}

// DefaultClocks are the fields that say when a revision was written.
var DefaultClocks = []string{
	"updated_at", "updatedAt", "modified_at", "modifiedAt", "last_modified", "lastModified", "edited_at", "changed_at", "saved_at",
	"updated", "modified", "timestamp", "ts", "time", "reported_date", "date",
}

// typeFields are the fields that say what kind a document is.
var typeFields = []string{"type", "doc_type", "docType", "kind", "table", "@type"}

func typeOf(r couchmend.Revision) string {
	for _, name := range typeFields {
		if text := jsondoc.Value(r.Body).Get(name).Text(); text != "" {
			return text
		}
	}
	return ""
}

// fields are the places in which the live leaves differ.
func (o *observation) fields() []string {
	sides := make([]document.Side, len(o.leaves))
	for i, leaf := range o.leaves {
		sides[i] = document.Side{Rev: leaf.Rev, Revision: leaf}
	}
	var paths []string
	if len(sides) == 0 {
		return nil
	}
	for _, f := range document.Compare(sides) {
		if f.Differs {
			paths = append(paths, f.Path())
		}
	}
	return paths
}

// telling picks the field by which leaves tell something: the first of names
// whose values differ, else the first that is there; nil where none is.
func telling(leaves []couchmend.Revision, names []merge.Path, fit func(jsondoc.Value) bool) merge.Path {
	var there merge.Path
	for _, name := range names {
		var values []jsondoc.Value
		for _, leaf := range leaves {
			if v := jsondoc.Value(leaf.Body).At(name...); fit(v) {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue
		}
		if there == nil {
			there = name
		}
		if slices.ContainsFunc(values, func(v jsondoc.Value) bool { return !jsondoc.Equal(v, values[0]) }) {
			return name
		}
	}
	return there
}

// isName reports whether a value can be the name of a writer.
func isName(v jsondoc.Value) bool {
	const longest = 200
	return v.Kind() == '"' && len(v) > 2 && len(v) < longest
}

// writers are the writers of the leaves, leaf by leaf, "" where one does not
// tell; and the field that tells.
func (o *observation) writers(names []merge.Path) (field merge.Path, of []string) {
	field = telling(o.leaves, names, isName)
	of = make([]string, len(o.leaves))
	if field == nil {
		return nil, of
	}
	for i, leaf := range o.leaves {
		if v := jsondoc.Value(leaf.Body).At(field...); isName(v) {
			of[i] = v.Text()
		}
	}
	return field, of
}

// forks are, for each leaf but the winner, how many edits of its own it has
// since it parted from the winner, and how many the winner has since.
func (o *observation) forks() (own, winners []int) {
	at := map[couchmend.Rev]int{}
	n := 0
	for _, r := range o.leaves[0].Path {
		at[r] = n
		if !revtree.IsMark(r) {
			n++
		}
	}
	for _, leaf := range o.leaves[1:] {
		edits, since := 0, n
		for _, r := range leaf.Path {
			if place, shared := at[r]; shared {
				since = place
				break
			}
			if !revtree.IsMark(r) {
				edits++
			}
		}
		own, winners = append(own, edits), append(winners, since)
	}
	return own, winners
}

const (
	// manyEdits is how many edits on one branch, or how far behind the winner,
	// say that somebody was away for long.
	manyEdits = 3
	// manyLeaves is how many live leaves make a document a deep one.
	manyLeaves = 4
)

// deep tells of a document with many leaves.
func (o *observation) deep(writers []string, wrongClock bool) Deep {
	d := Deep{DB: o.db, ID: o.id, Leaves: len(o.leaves), Depth: o.depth, Type: typeOf(o.leaves[0])}
	for _, leaf := range o.leaves[:min(8, len(o.leaves))] {
		d.Revs = append(d.Revs, leaf.Rev)
	}
	counts := map[string]int{}
	for _, w := range writers {
		if counts[w]++; w != "" && counts[w] == 1 && len(d.Writers) < 8 {
			d.Writers = append(d.Writers, w)
		}
	}
	own, behind := o.forks()
	d.Behind = slices.Max(append(behind, 0))
	add := func(s Sign, shown bool) {
		if shown {
			d.Signs = append(d.Signs, s)
		}
	}
	siblings := 0
	for i := range own {
		if own[i] <= 1 && behind[i] <= 1 {
			siblings++
		}
	}
	repeats := 0
	for w, n := range counts {
		if w != "" {
			repeats = max(repeats, n)
		}
	}
	add(SignOffline, slices.Max(append(own, 0)) >= manyEdits)
	add(SignStale, d.Behind >= manyEdits)
	add(SignClock, wrongClock)
	add(SignRepeat, 2*repeats > len(o.leaves) && repeats >= manyLeaves-1)
	add(SignBurst, 2*siblings > len(own))
	return d
}
