package collision

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// Wish is what a person or a policy wants of a plan.
type Wish struct {
	// Keep is a revision whose version keeps the old id: a live leaf, or one
	// in the history of a live leaf. Of the zero one, none does.
	Keep couchmend.Rev
	// Substrings counts ids within longer strings of the versions themselves
	// as references, as Options.Substrings does for other documents.
	Substrings bool
}

// Make plans how a document is taken apart. What refers to it is added by
// Assign; what the versions say of the old id themselves is in the plan already.
//
// A version moves with its history: it is written under its new id by the
// revision ids that it has. So it is the same document on every site, whatever
// that site has seen of it, and what a phone wrote onto the old one can follow
// later, with its base (see Late). Where only one version is live, it keeps the
// id, and all that may be wrong are references to the others.
//
// c needs the bodies that Needs asks for. The error is of KindUsage for a design
// document and where there is nothing to take apart, of KindNotFound where
// nothing live has w.Keep in its history.
func Make(ctx context.Context, rules decide.Rules, c couchmend.Conflict, w Wish) (Plan, error) {
	p := Plan{DB: c.DB, ID: c.ID}
	if strings.HasPrefix(c.ID, "_design/") {
		return Plan{}, p.fault(couchmend.KindUsage, "design documents are code: they are reported, never split")
	}
	groups := group(c)
	p.Leaves, p.Dead = leaves(groups)
	if len(groups) < 2 || groups[0].deleted() {
		return Plan{}, p.fault(couchmend.KindUsage, "it has %d histories and %d live leaves: there is nothing to split", len(groups), len(p.Leaves))
	}
	kept, err := p.kept(groups, w.Keep)
	if err != nil {
		return Plan{}, err
	}
	for i, g := range groups {
		p.add(ctx, rules, g, i == kept)
	}
	p.name()
	p.judge(rules)
	p.bury(rules, groups, c.RevsLimit)
	return p.ownReferences(rules, w.Substrings), nil
}

// Needs returns what Make needs of a document beside its leaves: ancestors,
// and leaves with the bytes of their attachments.
func Needs(c couchmend.Conflict) (bases, contents []couchmend.Rev) {
	for _, g := range group(c) {
		bases = append(bases, decide.Bases(g.conflict)...)
		contents = append(contents, decide.Contents(g.conflict)...)
	}
	return bases, contents
}

// histories are the leaves of one version.
type histories struct {
	root     revtree.Root
	conflict couchmend.Conflict // its leaves alone
}

func (g histories) deleted() bool { return len(g.conflict.Leaves) == 0 }

// group tells the leaves of c apart by their roots: versions with live leaves
// in the order of their winners, then the others.
func group(c couchmend.Conflict) []histories {
	live, dead := slices.Clone(c.Leaves), slices.Clone(c.Dead)
	revtree.WinnerFirst(live)
	revtree.WinnerFirst(dead)
	all := slices.Concat(live, dead)
	paths := make([]revtree.Path, len(all))
	for i, leaf := range all {
		paths[i] = leaf.Path
	}
	tree := revtree.New(paths...)
	all = slices.DeleteFunc(all, func(l couchmend.Revision) bool { return tree.Outgrown(l.Rev) })
	known := map[couchmend.Rev]couchmend.Revision{}
	var revs []couchmend.Rev
	for _, leaf := range all {
		if _, twice := known[leaf.Rev]; !twice {
			known[leaf.Rev] = leaf
			revs = append(revs, leaf.Rev)
		}
	}
	var groups []histories
	for _, root := range tree.Roots(revs) {
		g := histories{root, couchmend.Conflict{DB: c.DB, ID: c.ID, Bases: c.Bases, RevsLimit: c.RevsLimit}}
		for _, r := range root.Leaves {
			if leaf := known[r]; leaf.Deleted {
				g.conflict.Dead = append(g.conflict.Dead, leaf)
			} else {
				g.conflict.Leaves = append(g.conflict.Leaves, leaf)
			}
		}
		groups = append(groups, g)
	}
	return groups
}

// leaves returns all live and all dead leaves of groups, winner first.
func leaves(groups []histories) (live, dead []couchmend.Rev) {
	for _, g := range groups {
		live = append(live, revsOf(g.conflict.Leaves)...)
		dead = append(dead, revsOf(g.conflict.Dead)...)
	}
	newest := func(a, b couchmend.Rev) int { return b.Compare(a) }
	slices.SortFunc(live, newest)
	slices.SortFunc(dead, newest)
	return live, dead
}

func revsOf(revisions []couchmend.Revision) []couchmend.Rev {
	var revs []couchmend.Rev
	for _, r := range revisions {
		revs = append(revs, r.Rev)
	}
	return revs
}

// kept returns which group keeps the old id; -1: none. Unasked, it is the one
// that lives there alone, or beside late leaves of such as were moved.
func (p *Plan) kept(groups []histories, keep couchmend.Rev) (int, error) {
	if keep == (couchmend.Rev{}) {
		var settled []int
		for i, g := range groups {
			if !g.deleted() && !slices.ContainsFunc(g.conflict.Dead, isMoved) {
				settled = append(settled, i)
			}
		}
		if len(settled) == 1 {
			return settled[0], nil
		}
		return -1, nil
	}
	for i, g := range groups {
		for _, leaf := range g.conflict.Leaves {
			if slices.Contains(leaf.Path, keep) {
				return i, nil
			}
		}
	}
	return -1, p.fault(couchmend.KindNotFound, "no live leaf has %s in its history: want one of %s", keep, couchmend.ListRevs(p.Leaves))
}

// add makes a group a version.
func (p *Plan) add(ctx context.Context, rules decide.Rules, g histories, keep bool) {
	v := Version{Root: g.root.First, Keep: keep, NewID: NewID(p.ID, g.root.First)}
	v.Leaves = revsOf(g.conflict.Leaves)
	shown := slices.Concat(g.conflict.Leaves, g.conflict.Dead)[0]
	switch {
	case g.deleted():
		v.Leaves = revsOf(g.conflict.Dead)
		if id, ok := movedTo(p.ID, g); ok {
			v.NewID, v.Moved = id, true
		}
		v.Deleted = !v.Moved
	case keep:
		v.NewID = p.ID
	default:
		one, waits := reduce(ctx, rules, g.conflict)
		if waits != "" {
			p.Waits = append(p.Waits, waits)
		} else if one == nil {
			v.Deleted = true
		} else {
			v.Revision, shown = one, *one
		}
	}
	if g.root.Doubt != "" && !g.deleted() {
		p.Doubts = append(p.Doubts, fmt.Sprintf("%s goes back to %s, and nothing tells that it is of another origin than the rest: its history is %s",
			v.Leaves[0], g.root.First, g.root.Doubt))
	}
	if !shown.Deleted || v.Deleted && len(jsondoc.Value(shown.Body).Members()) > 0 { // a tombstone may say what it was
		v.Body = shown.Body
	}
	if rule := rules(p.ID, jsondoc.Value(v.Body)); rule != nil && len(v.Body) > 0 {
		v.Rule = rule.Name
	}
	v.Type, v.Summary = decide.TypeOf(jsondoc.Value(v.Body)), summary(jsondoc.Value(v.Body))
	p.Versions = append(p.Versions, v)
}

// isMoved reports whether a tombstone buries what an earlier split gave an id
// of its own.
func isMoved(tombstone couchmend.Revision) bool {
	_, ok := revtree.SplitFrom(tombstone.Path)
	return ok
}

// reduce makes one revision of a version's leaves, as if no other version were
// there; nil where its rule has them deleted.
func reduce(ctx context.Context, rules decide.Rules, c couchmend.Conflict) (one *couchmend.Revision, waits string) {
	d := decide.Decide(ctx, rules, c)
	var r couchmend.Revision
	switch {
	case d.Outcome == couchmend.Review || d.Outcome == couchmend.Split:
		return nil, fmt.Sprintf("the version of %s is in conflict itself, and for review (%s): %s",
			couchmend.ListRevs(revsOf(c.Leaves)), d.Reason, strings.Join(d.Evidence, "; "))
	case d.Outcome == couchmend.Delete:
		return nil, ""
	case d.Merge != nil:
		r = *d.Merge
	default:
		r = c.Leaves[0]
	}
	r.Attachments = slices.Clone(r.Attachments)
	for i, a := range r.Attachments {
		if a.From == (couchmend.Rev{}) {
			r.Attachments[i].From = r.Rev
		}
	}
	return &r, ""
}

// name gives the versions the names by which the plan calls them.
func (p *Plan) name() {
	wish := func(v Version) string { return cmp.Or(v.Type, "version") }
	count, taken := map[string]int{}, map[string]bool{Leave: true, ask: true}
	for _, v := range p.Versions {
		count[wish(v)]++
	}
	for i, v := range p.Versions {
		name := wish(v)
		for n := 1; count[wish(v)] > 1 && name == wish(v) || taken[name]; n++ {
			name = fmt.Sprintf("%s %d", wish(v), n)
		}
		taken[name], p.Versions[i].Name = true, name
	}
}

// judge judges the live versions.
func (p *Plan) judge(rules decide.Rules) {
	var sides []decide.Side
	for _, v := range p.Versions {
		if len(v.Body) > 0 && !slices.Contains(p.Dead, v.Leaves[0]) {
			body := jsondoc.Value(v.Body)
			sides = append(sides, decide.Side{Rev: v.Leaves[0], Rule: rules(p.ID, body), Body: body})
		}
	}
	p.Judgement = decide.Judge(sides)
}

// bury makes the tombstones of the leaves that go elsewhere. Leaves of a version
// that its rule has deleted get them too: they say which id it would have had.
func (p *Plan) bury(rules decide.Rules, groups []histories, revsLimit int) {
	for i, g := range groups {
		for _, leaf := range g.conflict.Leaves {
			if v := p.Versions[i]; !v.Keep {
				p.Bury = append(p.Bury, decide.SplitBurial(rules(p.ID, jsondoc.Value(leaf.Body)), leaf, v.NewID, revsLimit))
			}
		}
	}
}

// ownReferences adds what the versions say of the old id. It will stand in their
// new documents, and is assigned as all else is.
func (p Plan) ownReferences(rules decide.Rules, substrings bool) Plan {
	s, err := newSearch([]string{p.ID})
	if err != nil {
		return p // CouchDB has no empty ids, nor any that are not valid UTF-8
	}
	var own []Found
	for _, v := range p.Versions {
		if v.Revision == nil && !v.Keep {
			continue
		}
		leaf := Reference{DB: p.DB, Doc: v.NewID, Rev: v.Leaves[0]}
		if v.Revision != nil {
			leaf.Rev = v.Revision.Rev
		}
		w := walk{search: s, substrings: substrings}
		if err := w.body(v.Body, leaf); err != nil {
			continue // the server sent it: it is JSON
		}
		for _, ref := range w.found {
			if ref.Kind != DocID {
				ref.Self = true
				own = append(own, Found{Reference: ref, Body: v.Body})
			}
		}
	}
	return p.Assign(own, Knowledge{Rules: func(_, id string, body jsondoc.Value) *merge.Rule { return rules(id, body) }})
}

// summaryFields and summaryWidth bound a version's summary.
const (
	summaryFields = 6
	summaryWidth  = 40
)

// summary shows a few of a body's plain fields.
func summary(body jsondoc.Value) string {
	var says []string
	for _, m := range body.Members() {
		if k := m.Value.Kind(); k == '{' || k == '[' || len(says) == summaryFields {
			continue
		}
		text := []rune(string(m.Value))
		if len(text) > summaryWidth {
			text = append(text[:summaryWidth], '…')
		}
		says = append(says, m.Name+": "+string(text))
	}
	return strings.Join(says, ", ")
}
