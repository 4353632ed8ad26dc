package cases

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/policy"
)

// draft is a case while it is read.
type draft struct {
	Case
	star
	at        *yaml.Node
	policy    *yaml.Node // nil: none is named
	db        *yaml.Node
	drawn     *yaml.Node // revisions
	listed    bool       // leaves, base or bases
	anyWinner *yaml.Node
	revsLimit int
	wants     []*yaml.Node // each key that says what is expected
	merged    document
}

// cases reads a whole file.
func (r *reader) cases(top *yaml.Node) []Case {
	var named, db, list *yaml.Node
	r.section(top, "the file of cases",
		setting{"policy", func(v *yaml.Node) { named = v }},
		setting{"db", func(v *yaml.Node) { db = v }},
		setting{"cases", func(v *yaml.Node) { list = v }},
	)
	if list == nil {
		if top.Kind == yaml.MappingNode {
			r.problem(top, "cases is missing: a list of them")
		}
		return nil
	}
	var all []Case
	lines := map[string]int{}
	for i, item := range r.list(list, "cases") {
		d := r.draft(item, fmt.Sprintf("case %d", i+1))
		if d.policy == nil && d.db == nil {
			d.policy, d.db = named, db
		}
		if line, twice := lines[d.Name]; twice && d.Name != "" {
			r.problem(item, "two cases are called %q: line %d has the other", d.Name, line)
		}
		lines[d.Name] = item.Line
		all = append(all, r.finished(d))
	}
	return all
}

// draft reads the keys of one case.
func (r *reader) draft(n *yaml.Node, what string) *draft {
	d := &draft{at: n, revsLimit: defaultRevsLimit}
	d.File, d.Line, d.Column = r.file, n.Line, n.Column
	want := func(key string, read func(*yaml.Node)) setting {
		return setting{key, func(v *yaml.Node) { d.wants = append(d.wants, v); read(v) }}
	}
	r.section(n, what,
		setting{"name", func(v *yaml.Node) { d.Name = r.text(v, "name of "+what, "what the case is about") }},
		setting{"policy", func(v *yaml.Node) { d.policy = v }},
		setting{"db", func(v *yaml.Node) { d.db = v }},
		setting{"id", func(v *yaml.Node) { d.id = r.text(v, "id of "+what, "a document's id") }},
		setting{"revs_limit", func(v *yaml.Node) { d.revsLimit = r.number(v, "revs_limit of "+what) }},
		setting{"base", func(v *yaml.Node) { d.bases = append(d.bases, r.documents([]*yaml.Node{v}, "base")...) }},
		setting{"bases", func(v *yaml.Node) { d.bases = append(d.bases, r.documents(r.list(v, "bases"), "base")...) }},
		setting{"leaves", func(v *yaml.Node) { d.listed, d.leaves = true, r.documents(r.list(v, "leaves"), "leaf") }},
		setting{"roots", func(v *yaml.Node) { d.apart = r.apart(v) }},
		setting{"revisions", func(v *yaml.Node) { d.drawn = v }},
		setting{"any_winner", func(v *yaml.Node) {
			if r.yes(v, "any_winner of "+what) {
				d.anyWinner = v
			}
		}},
		want("merge", func(v *yaml.Node) { d.Want.Outcome, d.merged = couchmend.Merge, r.merged(v) }),
		want("review", func(v *yaml.Node) { r.wantReview(&d.Want, v) }),
		want("outcome", func(v *yaml.Node) { d.Want.Outcome = r.outcome(v) }),
		setting{"exact", func(v *yaml.Node) { d.Want.Exact = r.yes(v, "exact of "+what) }},
		setting{"attachments", func(v *yaml.Node) {
			d.Want.Attachments, d.Want.NamesOnly = r.attachmentsOf(v, "attachments of "+what), true
		}},
		setting{"rule", func(v *yaml.Node) { d.Want.Rule = r.text(v, "rule of "+what, "a rule's name") }},
		setting{"fields", func(v *yaml.Node) { d.Want.Fields = r.fields(v, "fields of "+what) }},
	)
	return d
}

// documents reads documents, and leaves out those that are none.
func (r *reader) documents(items []*yaml.Node, what string) []document {
	var all []document
	for i, item := range items {
		if d, ok := r.document(item, fmt.Sprintf("%s %d", what, i+1)); ok {
			all = append(all, d)
		}
	}
	return all
}

func (r *reader) apart(n *yaml.Node) bool {
	if n.Value != "one" && n.Value != "apart" {
		r.problem(n, "roots is %s: want one (the leaves grew from one revision) or apart (each is a first revision)", kindOf(n))
	}
	return n.Value == "apart"
}

// finished makes the case of a draft.
func (r *reader) finished(d *draft) Case {
	if d.at.Kind != yaml.MappingNode {
		return d.Case // a problem already
	}
	if d.Name == "" {
		r.problem(d.at, "the case has no name")
	}
	switch {
	case len(d.wants) == 0:
		r.problem(d.at, "the case expects nothing: add merge, review or outcome")
	case len(d.wants) > 1:
		r.problem(d.wants[1], "the case expects two things: want one of merge, review and outcome")
	}
	if d.Want.NamesOnly && len(d.merged.attachments) > 0 {
		r.problem(d.merged.at, "merge has _attachments, and the case has attachments: want one of them")
	}
	if d.Want.Body = d.merged.body; !d.Want.NamesOnly {
		d.Want.Attachments = d.merged.attachments
	}
	d.Policy = r.policyOf(d)
	d.star.id = r.idOf(d)
	switch {
	case d.drawn != nil && (d.listed || len(d.bases) > 0 || d.apart || d.anyWinner != nil):
		r.problem(d.drawn, "revisions are a whole tree: leave out leaves, base, bases, roots and any_winner")
	case d.drawn != nil:
		c := r.drawnTree(d.drawn, d.id)
		sound(r, d.drawn, c)
		d.conflicts, d.names = []couchmend.Conflict{c}, []map[couchmend.Rev]string{nil}
	case len(d.leaves) == 0:
		r.problem(d.at, "the case has no leaves: add them, the winner first")
	default:
		r.growStar(d)
	}
	for i := range d.conflicts {
		d.conflicts[i].RevsLimit = d.revsLimit
	}
	return d.Case
}

// growStar makes the conflicts of a case whose leaves are given.
func (r *reader) growStar(d *draft) {
	before := len(r.problems)
	if d.star.check(r, d.at); len(r.problems) > before {
		return
	}
	winners := []int{max(0, slices.IndexFunc(d.leaves, func(l document) bool { return !l.deleted }))}
	if d.anyWinner != nil {
		if d.leaves[winners[0]].deleted {
			r.problem(d.anyWinner, "any_winner goes with a leaf that is alive")
			return
		}
		winners = nil
		for i, leaf := range d.leaves {
			if leaf.rev != (couchmend.Rev{}) {
				r.problem(d.anyWinner, "any_winner goes with leaves that have no _rev: theirs says which one wins")
				return
			}
			if !leaf.deleted {
				winners = append(winners, i)
			}
		}
	}
	for _, winner := range winners {
		c, names := d.star.grow(winner)
		d.conflicts, d.winners, d.names = append(d.conflicts, c), append(d.winners, winner), append(d.names, names)
		sound(r, d.at, c)
	}
}

// idOf is the document's id: as it is said, or as a document has it, or the
// case's name.
func (r *reader) idOf(d *draft) string {
	for _, doc := range slices.Concat(d.leaves, d.bases) {
		if doc.id != "" && d.star.id != "" && doc.id != d.star.id {
			r.problem(doc.at, "its _id is %q, and the case is about %q", doc.id, d.star.id)
		}
		d.star.id = cmp.Or(d.star.id, doc.id)
	}
	return cmp.Or(d.star.id, d.Name)
}

// policyOf is the policy that a case names, by itself or by a database, or the
// only one.
func (r *reader) policyOf(d *draft) *policy.Policy {
	known := slices.Sorted(maps.Keys(r.policies.Policies))
	switch {
	case d.policy != nil:
		name := r.text(d.policy, "policy", "a policy's name")
		if p := r.policies.Policies[name]; p != nil || name == "" {
			return p
		}
		r.problem(d.policy, "policy %q does not exist: the policies are %s", name, strings.Join(known, ", "))
	case d.db != nil:
		name := r.text(d.db, "db", "a database's name")
		if p := r.policies.For(name); p != nil || name == "" {
			return p
		}
		r.problem(d.db, "the policy file names no database %q", name)
	case len(known) == 1:
		return r.policies.Policies[known[0]]
	default:
		r.problem(d.at, "the case names no policy: add policy, one of %s; it may also stand above cases, for all of them", strings.Join(known, ", "))
	}
	return nil
}

// merged reads the merge that is expected.
func (r *reader) merged(n *yaml.Node) document {
	d, _ := r.document(n, "merge")
	if d.deleted || d.rev != (couchmend.Rev{}) {
		r.problem(n, "merge has _rev or _deleted: what is deleted is outcome: delete")
	}
	return d
}

// wantReview reads a reason, or {reason, says, violations}.
func (r *reader) wantReview(w *Want, n *yaml.Node) {
	w.Outcome = couchmend.Review
	if n.Kind == yaml.ScalarNode {
		w.Reason = r.reason(n)
		return
	}
	r.section(n, "review",
		setting{"reason", func(v *yaml.Node) { w.Reason = r.reason(v) }},
		setting{"says", func(v *yaml.Node) { w.Says = r.texts(v, "says", "words of the evidence") }},
		setting{"violations", func(v *yaml.Node) {
			w.Violations = []string{}
			for _, item := range r.list(v, "violations") {
				w.Violations = append(w.Violations, item.Value) // "" is the whole document
			}
		}},
	)
	if n.Kind == yaml.MappingNode && w.Reason == "" {
		r.problem(n, "review has no reason, such as overlap")
	}
}

// reasons are those that a decision may have.
var reasons = []couchmend.Reason{
	couchmend.ReasonOverlap, couchmend.ReasonNoBase, couchmend.ReasonStrategy, couchmend.ReasonNoRule, couchmend.ReasonRulesDiffer,
	couchmend.ReasonTwoRoots, couchmend.ReasonLate, couchmend.ReasonHeld, couchmend.ReasonDeleted, couchmend.ReasonSoftDeleted, couchmend.ReasonAnnihilated,
	couchmend.ReasonAttachment, couchmend.ReasonRevsLimit, couchmend.ReasonDesignDoc, couchmend.ReasonSchema, couchmend.ReasonResolver,
	couchmend.ReasonResolverError, couchmend.ReasonResolverTimeout, couchmend.ReasonResolverMemory, couchmend.ReasonResolverCrashed,
	couchmend.ReasonResolverOutput, couchmend.ReasonResolverPrinted, couchmend.ReasonResolverIdentity, couchmend.ReasonResolverUnstable,
}

func (r *reader) reason(n *yaml.Node) couchmend.Reason {
	reason := couchmend.Reason(r.text(n, "the reason for review", "a word such as overlap"))
	if reason != "" && !slices.Contains(reasons, reason) {
		words := make([]string, len(reasons))
		for i, known := range reasons {
			words[i] = string(known)
		}
		r.problem(n, "no decision has the reason %q: the reasons are %s", reason, strings.Join(words, ", "))
	}
	return reason
}

func (r *reader) outcome(n *yaml.Node) couchmend.Outcome {
	outcome := couchmend.Outcome(r.text(n, "outcome", "keep, bury, delete, split or nothing"))
	switch outcome {
	case couchmend.Keep, couchmend.Bury, couchmend.Delete, couchmend.Split, couchmend.Nothing, "":
		return outcome
	}
	r.problem(n, "outcome is %q: want keep, bury, delete, split or nothing; merge and review have keys of their own", outcome)
	return ""
}

// fields reads why fields are what they are.
func (r *reader) fields(n *yaml.Node, what string) []Field {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a mapping from paths to words, such as {visits: sum}", what, kindOf(n))
		return nil
	}
	var fields []Field
	for _, e := range r.entries(n, what) {
		fields = append(fields, Field{Path: e.key.Value, Why: r.text(e.value, e.key.Value+" in "+what, "the words of show, such as sum")})
	}
	return fields
}
