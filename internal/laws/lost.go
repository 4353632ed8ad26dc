package laws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// nothingLost holds a decision against I2, and its merge against what the sides
// say: what none or one of them changed.
func (t *trial) nothingLost(ctx context.Context, q Question) *breach {
	b := t.lost(ctx, q)
	if b != nil && b.status == Failed {
		return b
	}
	if with := t.probed(q); !with.equal(q) {
		if worst := t.lost(ctx, with); worst != nil && worst.status == Failed {
			worst.asked = &with
			return worst
		}
	}
	return b
}

func (t *trial) lost(ctx context.Context, q Question) *breach {
	p := plant(q, upward(len(q.Leaves)))
	s := p.site(t.rules, q.ID, indices(q)...)
	c := s.conflict()
	d := decide.Decide(ctx, t.rules, c)
	t.decisions++
	a := answerOf(d, letters(indices(q)...))
	if words := winnerLost(c, d); words != "" {
		return &breach{status: Failed, answers: []Answer{a}, means: words}
	}
	if d.Merge == nil {
		return nil
	}
	base := jsondoc.Value(p.base.Body)
	untouched, oneSided := t.dropped(nil, base, q.Leaves, jsondoc.Value(d.Merge.Body))
	if len(untouched) > 0 {
		return &breach{status: Failed, answers: []Answer{a}, differs: untouched,
			means: fmt.Sprintf("%s: all sides have it alike, and the merge has not: every document loses it at its first conflict, on every site.", list(untouched, "it"))}
	}
	if len(oneSided) == 0 || t.wholeSide() {
		return nil
	}
	broken := &breach{status: Failed, answers: []Answer{a}, differs: oneSided,
		means: fmt.Sprintf("%s: changed by one side alone, nobody disputes it, and yet the merge does not have the change: that person's work is gone.", list(oneSided, "it"))}
	if t.rule.Resolver != nil {
		broken.status = Warning
		broken.why = []Explanation{{oneSided, "the resolver leaves out a change that one side alone made. It may have its reasons: see that it does"}}
	}
	return broken
}

// wholeSide reports whether the rule may let one side stand whole.
func (t *trial) wholeSide() bool {
	return t.rule.SoftDelete != nil || t.rule.Clock.Kind == merge.Vector
}

// winnerLost says how a decision breaks I2; "" where it does not.
func winnerLost(c couchmend.Conflict, d couchmend.Decision) string {
	if d.Outcome == couchmend.Delete {
		return "" // by the rule's word
	}
	if d.Merge != nil && !slices.Contains(d.Merge.Path, c.Leaves[0].Rev) {
		return "The merge is no descendant of the winner: two sites may bury each other's merges."
	}
	for _, grave := range d.Bury {
		if grave.Path[1] == c.Leaves[0].Rev {
			return "The winner is buried: two sites may bury every leaf between them."
		}
	}
	return ""
}

// dropped lists the places at which a merge lacks what all sides have alike, and
// those at which it lacks what one side alone changed.
func (t *trial) dropped(path merge.Path, base jsondoc.Value, leaves []jsondoc.Value, merged jsondoc.Value) (untouched, oneSided []string) {
	values := leaves
	if base != nil {
		values = append([]jsondoc.Value{base}, leaves...)
	}
	if t.opens(path) && merged.Kind() == '{' && !slices.ContainsFunc(values, func(v jsondoc.Value) bool { return v.Kind() != '{' }) {
		for _, name := range memberNames(append([]jsondoc.Value{merged}, values...)...) {
			at := append(slices.Clone(path), name)
			u, o := t.droppedMember(at, base, leaves, merged, name)
			untouched, oneSided = append(untouched, u...), append(oneSided, o...)
		}
		return untouched, oneSided
	}
	if base == nil { // an absent base value counts as one that is known, below the top
		return nil, nil
	}
	return judged(path, base, leaves, merged)
}

// opens reports whether an object at path is merged member by member.
func (t *trial) opens(path merge.Path) bool {
	_, opens := t.rule.StrategyAt(path)
	return opens || t.rule.Resolver != nil
}

func (t *trial) droppedMember(at merge.Path, base jsondoc.Value, leaves []jsondoc.Value, merged jsondoc.Value, name string) (untouched, oneSided []string) {
	below := make([]jsondoc.Value, len(leaves))
	same := true
	for i, leaf := range leaves {
		below[i] = leaf.Get(name)
		same = same && jsondoc.Equal(below[i], below[0])
	}
	if base == nil {
		if same && below[0] != nil && merged.Get(name) == nil {
			return []string{at.String()}, nil
		}
		return nil, nil
	}
	was, now := base.Get(name), merged.Get(name)
	if was != nil && now != nil {
		return t.dropped(at, was, below, now)
	}
	return judged(at, was, below, now)
}

// judged says of one value, absent ones included, whether the merge dropped it.
func judged(at merge.Path, was jsondoc.Value, leaves []jsondoc.Value, now jsondoc.Value) (untouched, oneSided []string) {
	var changed []jsondoc.Value
	for _, v := range leaves {
		if !jsondoc.Equal(v, was) {
			changed = append(changed, v)
		}
	}
	switch {
	case len(changed) == 0 && !jsondoc.Equal(now, was) && was != nil && now == nil:
		return []string{at.String()}, nil
	case len(changed) == 1 && !jsondoc.Equal(now, changed[0]):
		return nil, []string{at.String()}
	}
	return nil, nil
}

// probes are members that no rule speaks of, in what a careless resolver
// spoils: digits, a fraction, order, a name in another script.
var probes = jsondoc.MustParse(`{"zz_integer":12345678901234567891,"zz_fraction":1.0,"zz_nested":{"z":[1,{"ü":null}],"a":1e2}}`)

// exact sends fields through a merge that no side has changed, and looks at the
// answer's form.
func (t *trial) exact(ctx context.Context, q Question) *breach {
	probed := t.probed(q)
	p := plant(probed, upward(len(q.Leaves)))
	d := decide.Decide(ctx, t.rules, p.site(t.rules, q.ID, indices(q)...).conflict())
	t.decisions++
	a := answerOf(d, letters(indices(q)...))
	switch a.Reason {
	case couchmend.ReasonResolverIdentity, couchmend.ReasonResolverOutput, couchmend.ReasonResolverPrinted, couchmend.ReasonResolverCrashed:
		return &breach{status: Failed, answers: []Answer{a}, means: "Every conflict that looks like this one goes to review: the resolver's answer is no document that could be written."}
	}
	if d.Merge == nil {
		return nil
	}
	var spoiled []string
	for _, m := range probed.Leaves[0].Members() {
		v := jsondoc.Value(d.Merge.Body).Get(m.Name)
		if v != nil && t.untouchable(probed, m) && !bytes.Equal(v, m.Value) {
			spoiled = append(spoiled, m.Name)
		}
	}
	if len(spoiled) == 0 {
		return nil
	}
	return &breach{status: Failed, answers: []Answer{a}, differs: spoiled, asked: &probed,
		means: fmt.Sprintf("%s: no side has changed it, and the merge has: it is spoiled in every document that is ever in conflict.", list(spoiled, "it"))}
}

// untouchable reports whether a member is the same on all sides, and none that
// a resolver may have its own ideas about.
func (t *trial) untouchable(q Question, m jsondoc.Member) bool {
	if t.rule.Resolver != nil && probes.Get(m.Name) == nil {
		return false
	}
	differs := func(leaf jsondoc.Value) bool { return !bytes.Equal(leaf.Get(m.Name), m.Value) }
	return !slices.ContainsFunc(q.Leaves, differs) && (q.Base == nil || !differs(q.Base))
}

// probed is a question with the probes in it, where the rule's schema and
// selector let them be.
func (t *trial) probed(q Question) Question {
	with := q
	with.Leaves = nil
	add := func(v jsondoc.Value) jsondoc.Value {
		if v == nil {
			return nil
		}
		return jsondoc.Object(append(v.Members(), probes.Members()...))
	}
	with.Base = add(q.Base)
	for _, leaf := range q.Leaves {
		if strings.Contains(string(leaf), `"zz_`) {
			return q // it has them already: a counterexample that is being shrunk
		}
		with.Leaves = append(with.Leaves, add(leaf))
	}
	if !t.admits(with) {
		return q
	}
	return with
}

// admits reports whether the rule takes every document of a question.
func (t *trial) admits(q Question) bool {
	all := q.Leaves
	if q.Base != nil {
		all = append([]jsondoc.Value{q.Base}, all...)
	}
	return !slices.ContainsFunc(all, func(v jsondoc.Value) bool { return !t.takes(q.ID, v) })
}

func (t *trial) takes(id string, v jsondoc.Value) bool {
	return v.Kind() == '{' && t.rules(id, v) == t.rule && (t.rule.Leaves == nil || len(t.rule.Leaves(id, v)) == 0)
}

// list names places in a sentence.
func list(where []string, otherwise string) string {
	switch n := len(where); {
	case n == 0, n == 1 && where[0] == "":
		return otherwise
	case n > 3:
		return fmt.Sprintf("%s and %d more", strings.Join(where[:3], ", "), n-3)
	case n > 1:
		return strings.Join(where[:n-1], ", ") + " and " + where[n-1]
	default:
		return where[0]
	}
}

// plural is the s of a verb whose subject is one place.
func plural(where []string) string {
	if len(where) > 1 {
		return ""
	}
	return "s"
}

// raw is a body as it is shown.
func raw(v jsondoc.Value) json.RawMessage {
	if v == nil {
		return json.RawMessage("null")
	}
	return json.RawMessage(v)
}
