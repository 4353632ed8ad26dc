package cases

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// drawn is one revision of a tree that is written out, revision by revision.
type drawn struct {
	at       *yaml.Node
	rev      couchmend.Rev
	parent   couchmend.Rev
	contains []string // what stands as marks in its path, above its parent
	deleted  bool
	doc      *document // nil: its body could not be had
}

// drawnTree reads the revisions of a case and makes its conflict: the leaves
// are those that no other one grew from.
func (r *reader) drawnTree(n *yaml.Node, id string) couchmend.Conflict {
	c := couchmend.Conflict{ID: id, RevsLimit: defaultRevsLimit, Bases: map[couchmend.Rev]couchmend.Revision{}}
	known := map[couchmend.Rev]couchmend.Revision{}
	inner := map[couchmend.Rev]bool{}
	var all []couchmend.Revision
	for i, item := range r.list(n, "revisions") {
		d := r.drawn(item, fmt.Sprintf("revision %d", i+1))
		grown, ok := r.grown(d, known)
		if !ok {
			continue
		}
		known[grown.Rev], inner[d.parent] = grown, true
		all = append(all, grown)
	}
	for _, revision := range all {
		switch {
		case inner[revision.Rev] && revision.Body != nil:
			c.Bases[revision.Rev] = revision
		case inner[revision.Rev]:
		case revision.Deleted:
			c.Dead = append(c.Dead, revision)
		case revision.Body == nil:
			r.problem(n, "%s is a leaf and has no doc", revision.Rev)
		default:
			c.Leaves = append(c.Leaves, revision)
		}
	}
	return c
}

func (r *reader) drawn(n *yaml.Node, what string) drawn {
	d := drawn{at: n}
	rev := func(at *yaml.Node, what string) couchmend.Rev {
		parsed, err := couchmend.ParseRev(r.text(at, what, "a revision id, such as 2-w"))
		if err != nil && at.Value != "" {
			r.problem(at, "%s: %v", what, err)
		}
		return parsed
	}
	r.section(n, what,
		setting{"rev", func(v *yaml.Node) { d.rev = rev(v, "rev of "+what) }},
		setting{"parent", func(v *yaml.Node) { d.parent = rev(v, "parent of "+what) }},
		setting{"contains", func(v *yaml.Node) {
			d.contains = r.texts(v, "contains of "+what, "a revision id, or incomplete, hold 4-m, release 4-m")
		}},
		setting{"deleted", func(v *yaml.Node) { d.deleted = r.yes(v, "deleted of "+what) }},
		setting{"doc", func(v *yaml.Node) {
			if doc, ok := r.document(v, "doc of "+what); ok {
				d.doc = &doc
			}
		}},
	)
	if d.doc != nil && (d.doc.rev != couchmend.Rev{} || d.doc.path != nil || d.doc.deleted) {
		r.problem(n, "doc of %s has _rev, _revisions or _deleted: here rev, parent and deleted say so", what)
	}
	return d
}

// grown is a drawn revision above its parent's path.
func (r *reader) grown(d drawn, known map[couchmend.Rev]couchmend.Revision) (couchmend.Revision, bool) {
	grown := couchmend.Revision{Rev: d.rev, Deleted: d.deleted}
	var below revtree.Path
	if d.parent != (couchmend.Rev{}) {
		parent, ok := known[d.parent]
		if !ok {
			r.problem(d.at, "the parent %s is none of the revisions above", d.parent)
			return grown, false
		}
		below = parent.Path
	}
	switch {
	case len(d.contains) > 0 && below == nil:
		r.problem(d.at, "a first revision contains nothing: give it a parent")
		return grown, false
	case len(d.contains) > 0:
		marks := make([]revtree.Mark, len(d.contains))
		for i, words := range d.contains {
			marks[i] = revtree.WordMark(words)
		}
		below = slices.Concat(revtree.Placed(below[0], marks...), below)
	}
	if d.deleted && d.rev == (couchmend.Rev{}) && below != nil {
		grown.Rev = revtree.Tombstone(below[0])
	}
	_, twice := known[grown.Rev]
	switch {
	case grown.Rev == (couchmend.Rev{}):
		r.problem(d.at, "a revision has no rev, such as 2-w")
		return grown, false
	case twice:
		r.problem(d.at, "%s stands twice in revisions", grown.Rev)
		return grown, false
	case below != nil && grown.Rev.Gen != below[0].Gen+1:
		r.problem(d.at, "%s is of generation %d: one above its parent, and one for each revision that it contains", grown.Rev, below[0].Gen+1)
		return grown, false
	}
	grown.Path = slices.Concat([]couchmend.Rev{grown.Rev}, below)
	switch {
	case d.doc != nil:
		grown.Body, grown.Attachments = json.RawMessage(d.doc.body), d.doc.attachments
	case d.deleted:
		grown.Body = json.RawMessage(jsondoc.Object(nil))
	}
	return grown, true
}
