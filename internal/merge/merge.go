package merge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Result is a merged document.
type Result struct {
	Body        jsondoc.Value
	Attachments []couchmend.Attachment // From names the leaf that each came from
	Fields      []couchmend.Origin     // sorted by path
	Deleted     bool                   // a resolver deletes the document; all else is empty
}

// Refusal says why leaves were not merged.
type Refusal struct {
	Reason   couchmend.Reason
	Evidence []string // one sentence for each place that stands in the way
}

// Merge folds the leaves of the document called id into one by a rule. The fold
// is the plan that revtree made from their paths; revisions holds the bodies of
// its heads, and those of its bases that could be had. The result depends on
// nothing else, if the rule's resolvers do not; ctx is for these.
//
// A step without an exact base, or whose base's body is missing, is taken only
// by strategies that need none (Rule.NoBase).
func Merge(ctx context.Context, rule *Rule, id string, fold revtree.Fold, revisions map[couchmend.Rev]couchmend.Revision) (Result, *Refusal) {
	m := merger{ctx: ctx, rule: rule, id: id, revisions: revisions}
	merged, ok := m.fold(fold)
	if !ok || len(m.problems) > 0 {
		return Result{}, m.refusal()
	}
	winner := revisions[fold.Heads[0]]
	if merged.deleted {
		return Result{Deleted: true}, nil
	}
	result := Result{
		Body:        inOrderOf(jsondoc.Value(winner.Body), merged.body),
		Attachments: preferring(winner, merged.attachments),
		Fields:      slices.Collect(maps.Values(merged.origins)),
	}
	slices.SortFunc(result.Fields, func(a, b couchmend.Origin) int { return strings.Compare(a.Path, b.Path) })
	if refusal := m.tooLarge(result.Attachments, winner.Rev); refusal != nil {
		return Result{}, refusal
	}
	return result, nil
}

// merger carries one fold out.
type merger struct {
	ctx       context.Context // for resolvers, for the length of one Merge
	id        string
	rule      *Rule
	revisions map[couchmend.Rev]couchmend.Revision
	problems  []problem
	baseless  bool // a step had no exact base
}

type problem struct {
	reason couchmend.Reason
	text   string
}

// maxEvidence is how many sentences a refusal has.
const maxEvidence = 20

func (m *merger) refusal() *Refusal {
	r := &Refusal{Reason: m.problems[0].reason}
	for _, p := range m.problems[:min(len(m.problems), maxEvidence)] {
		r.Evidence = append(r.Evidence, p.text)
	}
	if more := len(m.problems) - maxEvidence; more > 0 {
		r.Evidence = append(r.Evidence, fmt.Sprintf("and %d more", more))
	}
	return r
}

// side is a document in the making: one leaf, or several folded into one.
type side struct {
	body        jsondoc.Value
	deleted     bool // by a resolver's word
	attachments []couchmend.Attachment
	heads       []couchmend.Rev // the leaves that it is made of
	origins     map[string]couchmend.Origin
}

func (m *merger) side(rev couchmend.Rev) (side, bool) {
	r, ok := m.revisions[rev]
	if !ok || r.Body == nil {
		return side{}, false
	}
	s := side{
		body:        jsondoc.Value(r.Body),
		attachments: slices.Clone(r.Attachments),
		heads:       []couchmend.Rev{rev},
		origins:     map[string]couchmend.Origin{},
	}
	for i := range s.attachments {
		s.attachments[i].From = rev
	}
	return s, true
}

// head is the side that one head makes by itself; false, with a problem noted,
// where its body is missing.
func (m *merger) head(rev couchmend.Rev) (side, bool) {
	d, ok := m.side(rev)
	if !ok {
		m.problems = append(m.problems, problem{couchmend.ReasonNoBase, fmt.Sprintf("the body of %s could not be had", rev)})
	}
	return d, ok
}

// fold reports false where a head's body is missing.
func (m *merger) fold(f revtree.Fold) (side, bool) {
	acc, ok := m.head(f.Heads[0])
	if !ok {
		return acc, false
	}
	if m.asksTogether(f) {
		return m.together(acc, f)
	}
	for _, step := range f.Steps {
		if step.How == revtree.Contained {
			continue
		}
		head, ok := m.head(step.Head)
		if !ok {
			return acc, false
		}
		acc = m.join(acc, head, step)
	}
	return acc, true
}

// join is one step of a fold.
func (m *merger) join(acc, head side, s revtree.Step) side {
	if s.How == revtree.Ahead {
		return taken(acc, head, "contains the others")
	}
	if m.rule.Clock.Kind == Vector {
		mine, other := acc.body.At(m.rule.Clock.Path...), head.body.At(m.rule.Clock.Path...)
		switch {
		case dominates(mine, other):
			return taken(head, acc, "its vector clock has seen the other")
		case dominates(other, mine):
			return taken(acc, head, "its vector clock has seen the others")
		}
	}
	st := step{merger: m, a: acc, b: head}
	st.base, st.exact = m.base(s)
	m.baseless = m.baseless || !st.exact
	if m.rule.SoftDelete != nil {
		if whole, ok := st.softDelete(); ok {
			return whole
		}
	}
	if m.rule.Resolver != nil {
		return st.resolve()
	}
	return st.merge()
}

// base merges what both sides of a step grew from. Where that is itself in
// dispute, or was merged without a base, there is none: a site that has the
// older bodies makes another one of it, and the two would never agree.
func (m *merger) base(s revtree.Step) (side, bool) {
	if s.How != revtree.ThreeWay {
		return side{}, false
	}
	sub := merger{ctx: m.ctx, id: m.id, rule: m.rule, revisions: m.revisions}
	base, ok := sub.fold(s.Base)
	for _, p := range sub.problems {
		if p.reason.IsResolvers() { // another attempt may end otherwise: that must not make another merge of it
			m.problems = append(m.problems, p)
		}
	}
	return base, ok && len(sub.problems) == 0 && !sub.baseless
}

// taken returns the side that stands whole, as the merge of both.
func taken(other, stands side, why string) side {
	joined := stands.with(other)
	joined.origins = map[string]couchmend.Origin{"": {From: stands.heads, Why: why}}
	return joined
}

// with returns a side that is also made of another's leaves.
func (d side) with(other side) side {
	d.heads = slices.Concat(d.heads, other.heads)
	return d
}

// step joins b to a: a holds the winner, or what was folded before b.
type step struct {
	*merger
	a, b    side
	base    side
	exact   bool // base is the exact one
	origins map[string]couchmend.Origin
}

func (s *step) merge() side {
	s.origins = maps.Clone(s.a.origins)
	joined := s.a.with(s.b)
	joined.body = s.value(nil, s.base.body, s.a.body, s.b.body)
	joined.attachments = s.attachments()
	joined.origins = s.origins
	return joined
}

// softDelete decides the whole document where one side, and only one, was
// soft-deleted since the base, and the other was edited.
func (s *step) softDelete() (side, bool) {
	soft := s.rule.SoftDelete
	deleted := func(d side) bool { return truthy(d.body.At(soft.Field...)) }
	if deleted(s.a) == deleted(s.b) || s.exact && deleted(s.base) {
		return side{}, false // both, neither, or one of them was restored: an ordinary change
	}
	gone, edited := s.a, s.b
	if deleted(s.b) {
		gone, edited = s.b, s.a
	}
	if s.exact && jsondoc.Unchanged(s.base.body, edited.body) && sameFiles(s.base, edited) {
		return side{}, false
	}
	if !s.exact && soft.Wins != SoftReview {
		s.problem(couchmend.ReasonNoBase, fmt.Sprintf("%s: soft-deleted in %s, not in %s; what they grew from is not known, so one may have been restored",
			soft.Field, couchmend.ListRevs(gone.heads), couchmend.ListRevs(edited.heads)))
		return s.a, true
	}
	switch soft.Wins {
	case SoftEditStands:
		return taken(gone, edited, "an edit stands over a soft deletion"), true
	case SoftReview:
		s.problem(couchmend.ReasonSoftDeleted, fmt.Sprintf("%s: soft-deleted in %s, edited in %s", soft.Field, couchmend.ListRevs(gone.heads), couchmend.ListRevs(edited.heads)))
		return s.a, true
	}
	return taken(edited, gone, "a soft deletion stands over an edit"), true
}

func truthy(v jsondoc.Value) bool {
	switch v.Kind() {
	case 0, 'n', 'f':
		return false
	case '"':
		return v.Text() != ""
	case '0':
		n, ok := jsondoc.Number(v)
		return !ok || n.Sign() != 0
	}
	return true
}

func (s *step) problem(reason couchmend.Reason, text string) {
	s.problems = append(s.problems, problem{reason, text})
}
