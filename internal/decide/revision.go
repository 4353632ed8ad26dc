package decide

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// newRevision makes the revision that contains all of open, of which the first
// is the winner. words are a person's words: releases.
func newRevision(tree *revtree.Tree, c couchmend.Conflict, open []couchmend.Revision, body jsondoc.Value, attachments []couchmend.Attachment, words ...revtree.Mark) couchmend.Revision {
	winner := open[0]
	marks := tree.MarksFor(winner.Rev, revs(open[1:]), c.RevsLimit, words...)
	return onTop(winner, marks, body, attachments, c.RevsLimit)
}

// onTop makes a revision with the given body above parent's path and marks.
// Attachments that parent has travel as stubs with parent's own revpos; all
// others inline, with the new revision's generation.
//
// The id is ours, not CouchDB's formula, which differs between servers and
// with their settings: md5 of the parent, the marks in order, the canonical
// body, and of each attachment its name, type and the leaf that it came from.
// It leaves out the rest of the path, which stemming cuts differently.
func onTop(parent couchmend.Revision, marks revtree.Path, body jsondoc.Value, attachments []couchmend.Attachment, revsLimit int) couchmend.Revision {
	h := md5.New()
	write := func(text string) { h.Write([]byte(text)); h.Write([]byte{'\n'}) }
	write(parent.Rev.String())
	for _, m := range marks {
		write(m.String())
	}
	h.Write(jsondoc.Canonical(body))
	h.Write([]byte{'\n'})
	for _, a := range attachments {
		text, _ := json.Marshal([]string{a.Name, a.ContentType, a.From.String()}) // strings alone: no error
		write(string(text))
	}
	path := revtree.MergePath(hex.EncodeToString(h.Sum(nil)), marks, parent.Path, revsLimit)
	attachments = slices.Clone(attachments)
	for i := range attachments {
		if attachments[i].From == parent.Rev {
			attachments[i].Data = nil
		} else {
			attachments[i].RevPos = path[0].Gen
		}
	}
	return couchmend.Revision{Rev: path[0], Path: path, Body: json.RawMessage(body), Attachments: attachments}
}

// burials makes the tombstones of losers, as the rule wants them: bare, or with
// fields of the revision that stands, or with the loser's own body.
func burials(rule *merge.Rule, losers []couchmend.Revision, stands couchmend.Revision) []couchmend.Revision {
	graves := make([]couchmend.Revision, len(losers))
	for i, loser := range losers {
		id := revtree.Tombstone(loser.Rev)
		graves[i] = couchmend.Revision{
			Rev:     id,
			Path:    slices.Concat([]couchmend.Rev{id}, loser.Path),
			Deleted: true,
			Body:    json.RawMessage(epitaph(rule, loser, stands)),
		}
	}
	return graves
}

func epitaph(rule *merge.Rule, loser, stands couchmend.Revision) jsondoc.Value {
	if rule == nil {
		return jsondoc.Value("{}")
	}
	if rule.Tombstone.KeepAll {
		return jsondoc.Value(loser.Body)
	}
	return pick(jsondoc.Value(stands.Body), rule.Tombstone.Keep)
}

// pick returns an object with just the fields at paths, in the body's order.
func pick(body jsondoc.Value, paths []merge.Path) jsondoc.Value {
	var members []jsondoc.Member
	for _, m := range body.Members() {
		var below []merge.Path
		whole := false
		for _, p := range paths {
			if len(p) > 0 && p[0] == m.Name {
				whole = whole || len(p) == 1
				below = append(below, p[1:])
			}
		}
		switch {
		case whole:
			members = append(members, m)
		case below != nil && m.Value.Kind() == '{':
			members = append(members, jsondoc.Member{Name: m.Name, Value: pick(m.Value, below)})
		}
	}
	return jsondoc.Object(members)
}

// Child makes the revision that follows a leaf with another body: an edit whose
// id follows from the two, so that two sites that make it make one (I4).
func Child(leaf couchmend.Revision, body json.RawMessage, revsLimit int) couchmend.Revision {
	return onTop(leaf, nil, jsondoc.Value(body), from(leaf.Rev, leaf.Attachments), revsLimit)
}

// SplitTo is the member of a tombstone's body that names the document which a
// split gave an id of its own.
const SplitTo = "split_to"

// SplitBurial makes the tombstone of a leaf whose document was given the id to.
// Its path says that it is no user's deletion (revtree.SplitFrom), and its body,
// beside what the rule keeps of the leaf, where the leaf went: so it is known on
// every site, as long as the database stands (I9).
func SplitBurial(rule *merge.Rule, leaf couchmend.Revision, to string, revsLimit int) couchmend.Revision {
	kept := slices.DeleteFunc(epitaph(rule, leaf, leaf).Members(), func(m jsondoc.Member) bool { return m.Name == SplitTo })
	body := jsondoc.Object(append(kept, jsondoc.Member{Name: SplitTo, Value: jsondoc.String(to)}))
	grave := onTop(leaf, revtree.Placed(leaf.Rev, revtree.SplitMark(leaf.Rev)), body, nil, revsLimit)
	grave.Deleted = true
	return grave
}

// Again makes the revision that shows once more what r shows, right above a
// tombstone: how a split is taken back, since a revision that was buried can't
// be written again. Attachments travel with their bytes.
func Again(r, tombstone couchmend.Revision, revsLimit int) couchmend.Revision {
	return onTop(tombstone, nil, jsondoc.Value(r.Body), r.Attachments, revsLimit)
}
