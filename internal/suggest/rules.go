package suggest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/merge"
)

const (
	// maxOpen is how many places that stay in review a rule lists.
	maxOpen = 20
	// maxSplit is how many rules of their own the subkinds of one kind get.
	maxSplit = 10
	// maxRules is how many rules are proposed; kinds with fewer conflicts fall
	// to `otherwise`.
	maxRules = 60
	// manyMembers is from how many members of an object on their names may be
	// data.
	manyMembers = 8
	// tooManyMembers is from how many members of one type on they are not listed
	// one by one.
	tooManyMembers = 24
	// clockDepth is how deep a document's clock and its mark of deletion are
	// looked for.
	clockDepth = 3
)

// proposed is a rule in the making, with how each place stands.
type proposed struct {
	Rule
	stands map[string]standing // by pattern, as text
	files  int                 // conflicts in which attachments differ
	stamp  merge.Path          // a moment that rises with each edit, if any
	// doubted may be a vector clock, if it is there.
	doubted merge.Path
}

// proposeRule makes a rule of what the conflicts of one kind showed.
func proposeRule(p *profile, when []Condition) proposed {
	r := proposed{
		Rule: Rule{
			When: when, Conflicts: p.conflicts, Based: p.based, Blind: p.blind, TwoRoots: p.twoRoots,
			Fields: []Field{}, Open: []Field{}, Choices: []Choice{},
		},
		stands: map[string]standing{}, files: p.files, stamp: p.stamp(),
	}
	r.Clock = p.clock()
	r.SoftDelete = p.softDelete()
	v := &visit{profile: p, rule: &r}
	v.members(&p.root, nil, true)
	most := func(a, b Field) int {
		return cmp.Or((b.Contested+b.Alike+b.Blind)-(a.Contested+a.Alike+a.Blind), strings.Compare(a.Pattern.String(), b.Pattern.String()))
	}
	slices.SortFunc(r.Fields, most)
	slices.SortFunc(r.Open, most)
	if len(r.Open) > maxOpen {
		r.Open, r.More = r.Open[:maxOpen], len(r.Open)-maxOpen
	}
	return r
}

// visit goes through the places of a profile and fills a rule.
type visit struct {
	*profile
	rule *proposed
}

// members judges what lies below a place. Plain says that its path has no "*":
// only then can a clock beside a value be named.
func (v *visit) members(at *place, path merge.Path, plain bool) {
	names := slices.Sorted(maps.Keys(at.members))
	clocks := map[string]bool{}
	if plain {
		for _, name := range names { // a clock beside a value needs no word of its own
			if f, stands := at.members[name].judge(name); stands == settled && f.Strategy.Kind == merge.Latest && !isItself(f.Strategy) {
				clocks[f.Strategy.Beside[0]] = true
			}
		}
	}
	if len(path) > 0 && !at.wild && v.alike(at, path) {
		return
	}
	for _, name := range names {
		if !clocks[name] {
			v.place(at.members[name], append(slices.Clone(path), name), plain && !at.wild)
		}
	}
}

// alike takes all members of an object for one place where their names seem to
// be data: there are many, none shows enough by itself, all hold values of one
// type, and together they show enough, or are too many to be listed.
func (v *visit) alike(at *place, path merge.Path) bool {
	if len(at.members) < manyMembers {
		return false
	}
	for name, sub := range at.members {
		if _, stands := sub.judge(name); stands == settled || stands == refuted || len(sub.members) > 0 {
			return false
		}
	}
	all := at.anyMember(&room{})
	if _, stands := all.judge(nameOf(append(slices.Clone(path), anyName))); stands != settled && (len(at.members) < tooManyMembers || !all.oneType()) {
		return false
	}
	v.place(all, append(slices.Clone(path), anyName), false)
	return true
}

// nameOf is the name that says what stands at a path: where it ends in any
// name, that of the object.
func nameOf(path merge.Path) string {
	for _, name := range slices.Backward(path) {
		if name != anyName {
			return name
		}
	}
	return ""
}

// place judges one place and what lies below it.
func (v *visit) place(at *place, path merge.Path, plain bool) {
	if c := v.rule.Clock; c != nil && slices.Equal(c.Path, path) {
		return
	}
	if plain && (v.mayBeVector(at) || v.namedVector(at, path)) {
		v.doubt(at, path)
		return
	}
	f, stands := at.judge(nameOf(path))
	f.Pattern = path
	// Members that were put together may differ in one conflict each.
	f.Contested, f.Alike, f.Blind = min(f.Contested, v.conflicts), min(f.Alike, v.conflicts), min(f.Blind, v.conflicts)
	f, stands = placed(f, stands, plain)
	if f.Contested+f.Alike+f.Blind > 0 {
		v.add(f, stands)
	}
	switch {
	case stands == settled && f.Strategy.Kind == merge.ByKey && at.keyed[f.Strategy.Key] != nil:
		v.members(at.keyed[f.Strategy.Key], append(slices.Clone(path), anyName), false)
	case stands != settled:
		v.members(at, path, plain)
	}
}

func (v *visit) add(f Field, stands standing) {
	if !nameable(f.Pattern) {
		f.Strategy, f.Maybe = merge.Strategy{Kind: merge.ReviewIt}, nil
		f.Why += " No pattern can name it."
		stands = unknown
	}
	v.rule.stands[f.Pattern.String()] = stands
	if stands == settled {
		v.rule.Fields = append(v.rule.Fields, f)
	} else if f.Contested+f.Blind > 0 {
		v.rule.Open = append(v.rule.Open, f)
	}
}

// isItself reports whether a strategy takes the value for its own clock.
func isItself(s merge.Strategy) bool { return slices.Equal(s.Beside, itself) }

// placed gives the strategies of a field the paths that they mean: a clock is
// named from the top of the document, which is not possible in an element or a
// member of any name.
func placed(f Field, stands standing, plain bool) (Field, standing) {
	var maybe []merge.Strategy
	for _, s := range f.Maybe {
		if s = beside(s, f.Pattern); plain || len(s.Beside) == 0 {
			maybe = append(maybe, s)
		}
	}
	f.Maybe = maybe
	f.Strategy = beside(f.Strategy, f.Pattern)
	if len(f.Strategy.Beside) > 0 && !plain {
		f.Strategy, stands = merge.Strategy{Kind: merge.ReviewIt}, unknown
		f.Why += " A clock can't be named here."
	}
	return f, stands
}

func beside(s merge.Strategy, path merge.Path) merge.Strategy {
	switch {
	case len(s.Beside) == 0:
	case isItself(s):
		s.Beside = path
	default:
		s.Beside = append(slices.Clone(path[:len(path)-1]), s.Beside[0])
	}
	return s
}

// nameable reports whether the policy file can name a place: see policy's
// patterns.
func nameable(path merge.Path) bool {
	for _, name := range path {
		if name == "" || name == "**" {
			return false
		}
	}
	return !strings.HasPrefix(path[0], "_")
}

// clock looks for the document's own clock: what rises with every edit.
func (p *profile) clock() *Clock {
	if p.sides < minChanges {
		return nil
	}
	var best *Clock
	rank := func(c *Clock) int {
		switch {
		case c.Kind == merge.Vector:
			return 0
		case namesClock(c.Path[len(c.Path)-1]):
			return 1
		}
		return 2
	}
	p.root.each(nil, clockDepth, func(at *place, path merge.Path) {
		c := p.vectorAt(at, path)
		if c == nil {
			c = p.counterAt(at, path)
		}
		if c != nil && nameable(path) && (best == nil || rank(c) < rank(best)) {
			best = c
		}
	})
	return best
}

// each calls f with the places below p, in the order of their names; wildcards
// and elements of arrays are left out.
func (p *place) each(path merge.Path, depth int, f func(*place, merge.Path)) {
	if depth == 0 || p.wild {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.members)) {
		if name == anyName {
			continue
		}
		at := append(slices.Clone(path), name)
		f(p.members[name], at)
		p.members[name].each(at, depth-1, f)
	}
}

// mayBeVector reports whether a place holds counters of which one rises with
// each edit.
func (p *profile) mayBeVector(at *place) bool {
	v := at.vector
	return v.sides >= minChanges && nearly(v.sides, p.sides) && nearly(v.rose, v.sides)
}

// namedVector reports whether a place holds counters under the name of a vector
// clock, of which no base tells how they change.
func (p *profile) namedVector(at *place, path merge.Path) bool {
	return p.sides == 0 && at.vector.pairs >= minChanges && namesVector(nameOf(path))
}

// doubt leaves what may be a vector clock, and is not sure to be one, to a
// person.
func (v *visit) doubt(at *place, path merge.Path) {
	n := at.vector
	v.rule.doubted = path
	v.rule.stands[path.String()] = unknown
	why := "An object of counters of which one rises with each edit, as those of a vector clock do."
	switch {
	case n.sides == 0:
		why = "An object of counters, by its name a vector clock. No conflict with a base shows how it changes."
	case n.against > 0:
		why += fmt.Sprintf(" But of %s in which one leaf's has all that the other's has, that leaf lacks changes of the other in %s.", plural(n.ahead, "conflict"), count(n.against))
	default:
		why += " But its name does not say so, and the counters do not count edits."
	}
	f := Field{Pattern: path, Strategy: merge.Strategy{Kind: merge.ReviewIt}, Why: why, Example: at.example.Example}
	if n.sides == 0 {
		f.Blind = min(n.pairs, v.conflicts)
	} else {
		f.Contested = min(n.pairs, v.conflicts)
	}
	v.rule.Open = append(v.rule.Open, f)
}

func (p *profile) vectorAt(at *place, path merge.Path) *Clock {
	v := at.vector
	if !p.mayBeVector(at) || v.against > 0 {
		return nil
	}
	if !namesVector(path[len(path)-1]) && !nearly(v.edits, v.sides) {
		return nil
	}
	return &Clock{Kind: merge.Vector, Path: path, Why: fmt.Sprintf(
		"An object of counters of which one rises with each edit, and none falls, on %s. In %s one leaf's has all that the other's has: that leaf stands whole. Otherwise they merge field by field.",
		of(v.rose, v.sides, "side"), of(v.ahead, v.pairs, "conflict"))}
}

func (p *profile) counterAt(at *place, path merge.Path) *Clock {
	s := at.scale
	name := path[len(path)-1]
	whole := nearly(s.whole+at.added, at.changes) && s.moments == 0
	if at.changes < minChanges || !nearly(at.changes, p.sides) || !nearly(s.rose+at.added, at.changes) || !whole {
		return nil
	}
	if !namesClock(name) && (!nearly(s.edits, s.whole) || namesCounter(name)) {
		return nil
	}
	c := &Clock{Kind: merge.Lamport, Path: path}
	if namesSequence(name) {
		c.Kind = merge.Sequence
	}
	c.Why = fmt.Sprintf("A number that rises with each edit, on %s; on %s by the number of edits. It merges by its maximum, and orders edits where a field says latest. None does: that is for a person to say.",
		of(s.rose+at.added, p.sides, "side"), count(s.edits))
	return c
}

// softDelete looks for the field by which documents are deleted and yet kept.
func (p *profile) softDelete() *Field {
	var best *Field
	most := 0
	p.root.each(nil, clockDepth, func(at *place, path merge.Path) {
		if at.toggled < max(minToggles, most+1) || !namesDeletion(path[len(path)-1]) || !nameable(path) {
			return
		}
		most = at.toggled
		best = &Field{
			Pattern: path, Contested: at.contested, Alike: at.alike, Blind: at.blind, Example: at.example.Example,
			Why: fmt.Sprintf("Set on one side, while the other was edited without it, in %s. Which of them stands is for a person to say: delete, edit, or review each.", plural(at.toggled, "conflict")),
		}
	})
	return best
}

// stamp returns a moment that rises with each edit, which could serve as the
// clock of last resort; nil where there is none.
func (p *profile) stamp() merge.Path {
	var best merge.Path
	p.root.each(nil, clockDepth, func(at *place, path merge.Path) {
		s := at.scale
		if best == nil && at.changes >= minChanges && s.moments > 0 && nearly(at.changes, p.sides) && nearly(s.rose+at.added, at.changes) {
			best = path
		}
	})
	return best
}

// differs reports whether a subkind's evidence asks for another rule than that
// of its whole kind.
func (r proposed) differs(whole proposed) bool {
	fields := map[string]merge.Strategy{}
	for _, f := range whole.Fields {
		fields[f.Pattern.String()] = f.Strategy
	}
	for _, f := range r.Fields {
		if s, ok := fields[f.Pattern.String()]; !ok || !sameStrategy(s, f.Strategy) {
			return true
		}
	}
	for pattern, stands := range r.stands {
		if _, ok := fields[pattern]; ok && stands == refuted {
			return true
		}
	}
	return false
}

func sameStrategy(a, b merge.Strategy) bool {
	return a.Kind == b.Kind && a.Key == b.Key && slices.Equal(a.Beside, b.Beside)
}
