package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Recording says how a case is made of a live conflict.
type Recording struct {
	Name   string // of the case; "": the document's id
	Redact bool
	Keep   []merge.Path // fields that Redact leaves as they are
}

// Record writes a case of a conflict and what its policy, one of f, makes of it:
// an item of cases, in YAML, with a comment above it. live is the decision on
// the conflict as it is. The case is read back and run before it is returned:
// an error says that it would not decide as live does. What is redacted decides
// alike in kind: the same outcome, by the same rule, for the same reason, each
// field from the same leaves.
func Record(ctx context.Context, f *policy.File, p *policy.Policy, c couchmend.Conflict, live couchmend.Decision, o Recording) ([]byte, error) {
	failed := func(err error) error {
		return &couchmend.Error{Op: "record", DB: c.DB, ID: c.ID, Kind: couchmend.KindOther, Err: err}
	}
	rules := (&Case{Policy: p}).rules()
	c, live = sorted(c), asRecorded(live)
	recorded := withStubs(c)
	if short := trimmed(recorded); decides(ctx, rules, short, live) {
		recorded = short
	}
	w := writer{policy: p, name: o.Name, comment: fmt.Sprintf("Recorded from %s, %s.", c.DB, c.ID)}
	if o.Redact {
		veil := newVeil(recorded, p, o.Keep)
		recorded = veil.conflict(recorded)
		w.comment = "A recorded conflict. Its values were replaced."
		was, is := live, asRecorded(decide.Decide(ctx, rules, recorded))
		if difference := veil.otherKind(was, is); difference != "" {
			return nil, failed(fmt.Errorf("once redacted the document is decided otherwise: %s. Keep the fields that this hangs on (--keep FIELD), or record it as it is", difference))
		}
		live = is
	}
	text, err := w.write(recorded, live)
	if err != nil {
		return nil, failed(err)
	}
	if err := readsBack(ctx, f, text, live); err != nil {
		return nil, failed(err)
	}
	return text, nil
}

// readsBack checks that a written case passes, with the decision that it was
// written from.
func readsBack(ctx context.Context, f *policy.File, text []byte, live couchmend.Decision) error {
	all, err := Parse("the recorded case", slices.Concat([]byte(Head), text), f)
	if err != nil {
		return fmt.Errorf("the case cannot be read back: %w", err)
	}
	r := all[0].Run(ctx)
	if !r.Passed() {
		return errors.New("the case does not hold:\n" + r.String())
	}
	if !sameDecision(live, asRecorded(r.Decision)) {
		return errors.New("the case would be decided otherwise than the document")
	}
	return nil
}

// Head begins a new file of cases.
const Head = "cases:\n"

// sorted lists the leaves as CouchDB does, whatever order they were read in, and
// of the bases those that count.
func sorted(c couchmend.Conflict) couchmend.Conflict {
	c.Leaves, c.Dead = slices.Clone(c.Leaves), slices.Clone(c.Dead)
	revtree.WinnerFirst(c.Leaves)
	revtree.WinnerFirst(c.Dead)
	return mapped(needed(c), func(r couchmend.Revision) couchmend.Revision {
		if len(r.Path) == 0 { // a base from the journal
			r.Path = []couchmend.Rev{r.Rev}
		}
		return r
	})
}

func decides(ctx context.Context, rules decide.Rules, c couchmend.Conflict, live couchmend.Decision) bool {
	return sameDecision(live, asRecorded(decide.Decide(ctx, rules, c)))
}

// asRecorded leaves out of a decision what a case does not hold: the bytes of
// attachments, and what lies in the paths below the revisions that are written.
func asRecorded(d couchmend.Decision) couchmend.Decision {
	short := func(r couchmend.Revision) couchmend.Revision {
		r.Path = r.Path[:min(2, len(r.Path))]
		r.Attachments = slices.Clone(r.Attachments)
		for i := range r.Attachments {
			r.Attachments[i].Data = nil
		}
		return r
	}
	if d.Merge != nil {
		merged := short(*d.Merge)
		d.Merge = &merged
	}
	d.Bury = slices.Clone(d.Bury)
	for i := range d.Bury {
		d.Bury[i] = short(d.Bury[i])
	}
	return d
}

// sameDecision compares what asRecorded leaves.
func sameDecision(a, b couchmend.Decision) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// withStubs takes the bytes out of attachments: length and digest say as much,
// but where one content has two digests.
func withStubs(c couchmend.Conflict) couchmend.Conflict {
	var all []couchmend.Attachment
	for _, r := range revisionsOf(c) {
		all = append(all, r.Attachments...)
	}
	stub := func(a couchmend.Attachment) couchmend.Attachment {
		if a.Digest == "" {
			a.Digest = digest(a.Data)
		}
		twin := func(b couchmend.Attachment) bool {
			return a.Digest != b.Digest && a.Data != nil && b.Data != nil && bytes.Equal(a.Data, b.Data)
		}
		if !slices.ContainsFunc(all, twin) {
			a.Data = nil
		}
		return a
	}
	return mapped(c, func(r couchmend.Revision) couchmend.Revision {
		r.Attachments = slices.Clone(r.Attachments)
		for i := range r.Attachments {
			r.Attachments[i] = stub(r.Attachments[i])
		}
		return r
	})
}

// maxTail is how many ids below what all leaves share a recorded path has.
const maxTail = 4

// trimmed cuts what all paths share down to its newest revision, where it is
// long: a document that was edited a thousand times has a thousand ids in each
// path.
func trimmed(c couchmend.Conflict) couchmend.Conflict {
	all := slices.Concat(c.Leaves, c.Dead)
	if len(all) < 2 {
		return c
	}
	shared := all[0].Path
	for _, r := range all[1:] {
		n := 0
		for n < len(shared) && n < len(r.Path) && shared[len(shared)-1-n] == r.Path[len(r.Path)-1-n] {
			n++
		}
		shared = shared[len(shared)-n:]
	}
	newest := slices.IndexFunc(shared, func(r couchmend.Rev) bool { return !revtree.IsMark(r) })
	if newest < 0 || len(shared)-newest-1 <= maxTail {
		return c
	}
	cut := len(shared) - newest - 1
	return mapped(c, func(r couchmend.Revision) couchmend.Revision {
		if slices.Contains(r.Path, shared[newest]) {
			r.Path = r.Path[:len(r.Path)-cut]
		}
		return r
	})
}

// revisionsOf are all revisions of a conflict that have bodies, in an order that
// is always the same.
func revisionsOf(c couchmend.Conflict) []couchmend.Revision {
	return slices.Concat(c.Leaves, c.Dead, basesOf(c))
}

func basesOf(c couchmend.Conflict) []couchmend.Revision {
	var bases []couchmend.Revision
	for _, base := range c.Bases {
		bases = append(bases, base)
	}
	revtree.WinnerFirst(bases)
	return bases
}

// mapped changes each revision of a conflict.
func mapped(c couchmend.Conflict, change func(couchmend.Revision) couchmend.Revision) couchmend.Conflict {
	list := func(revisions []couchmend.Revision) []couchmend.Revision {
		var out []couchmend.Revision
		for _, r := range revisions {
			out = append(out, change(r))
		}
		return out
	}
	bases := list(basesOf(c))
	c.Leaves, c.Dead, c.Bases = list(c.Leaves), list(c.Dead), nil
	for _, base := range bases {
		if c.Bases == nil {
			c.Bases = map[couchmend.Rev]couchmend.Revision{}
		}
		c.Bases[base.Rev] = base
	}
	return c
}
