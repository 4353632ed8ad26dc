package collision

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Found is a reference with the body of the leaf in which it stands.
type Found struct {
	Reference
	Body json.RawMessage
}

// Knowledge is what is known beside the references themselves.
type Knowledge struct {
	// Rules picks the rule of a document that refers; nil: there are none.
	Rules  func(db, id string, body jsondoc.Value) *merge.Rule
	Census Census
}

// Assign adds references to the plan, each with the version that it means, or as
// an open question where that is not known: nothing is guessed. References of
// the old document itself are left out: the plan has them, in the versions that
// they move with. What could not be read becomes one of the plan's Doubts.
// The order of found does not matter.
func (p Plan) Assign(found []Found, k Knowledge) Plan {
	p.References, p.Doubts = slices.Clone(p.References), slices.Clone(p.Doubts)
	a := assigner{plan: p, rules: k.Rules, census: k.Census}
	has := map[spotInDoc]bool{}
	for _, r := range p.References {
		has[p.spot(r.Reference, r.Self && r.Doc != p.ID)] = true
	}
	for _, f := range found {
		switch {
		case f.Err != nil:
			p.Doubts = append(p.Doubts, fmt.Sprintf("%s in %s could not be read, and may refer to it: %v", f.Doc, f.DB, f.Err))
		case f.ID != p.ID || f.DB == p.DB && f.Doc == p.ID && !p.keeps(f):
		case has[p.spot(f.Reference, false)], has[p.spot(f.Reference, true)]:
		default:
			p.References = append(p.References, a.assign(f))
			has[p.spot(f.Reference, false)] = true
		}
	}
	slices.SortFunc(p.References, func(a, b Repoint) int { return a.compare(b.Reference) })
	slices.Sort(p.Doubts)
	p.Doubts = slices.Compact(p.Doubts)
	return p.weighReferences()
}

// keeps reports whether a reference of the old document stands in the version
// that keeps its id.
func (p Plan) keeps(f Found) bool {
	return f.Kind != DocID && slices.ContainsFunc(p.Versions, func(v Version) bool { return v.Keep && slices.Contains(v.Leaves, f.Rev) })
}

// spot is a place of a leaf, or of any leaf: references that the plan found
// itself stand in documents that may exist by now, and have been edited.
func (p Plan) spot(r Reference, anyRev bool) spotInDoc {
	rev := r.Rev.String()
	if anyRev {
		rev = ""
	}
	return spotOf(r, rev)
}

func (r Repoint) compare(o Reference) int {
	return cmp.Or(cmp.Compare(r.DB, o.DB), cmp.Compare(r.Doc, o.Doc), r.Rev.Compare(o.Rev), slices.CompareFunc(r.Place, o.Place, Step.compare), cmp.Compare(r.Kind, o.Kind))
}

// compare orders elements before members.
func (s Step) compare(o Step) int {
	if s.Element != o.Element {
		if s.Element {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(s.Index, o.Index), cmp.Compare(s.Name, o.Name))
}

// referencesMean begins the sign that the references themselves are.
const referencesMean = "references mean "

// weighReferences adds to the judgement what the references tell: where some
// mean one version and some another, these are two things.
func (p Plan) weighReferences() Plan {
	count := map[string]int{}
	for _, r := range p.References {
		if r.To != "" && r.To != Leave && r.Confidence != Unclear {
			count[r.To]++
		}
	}
	signs := slices.DeleteFunc(slices.Clone(p.Judgement.Signs), func(s decide.Sign) bool { return strings.HasPrefix(s.Says, referencesMean) })
	if len(count) > 1 {
		var each []string
		for _, v := range p.Versions {
			if n := count[v.Name]; n > 0 {
				each = append(each, fmt.Sprintf("%s (%d)", v.Name, n))
			}
		}
		signs = append(signs, decide.Sign{Says: referencesMean + strings.Join(each, " and "), For: decide.Collision, Weight: 4})
	}
	p.Judgement = decide.Judged(signs)
	return p
}

// assigner works out what references mean.
type assigner struct {
	plan   Plan
	rules  func(db, id string, body jsondoc.Value) *merge.Rule
	census Census
}

// sign is one piece of evidence of what a reference means: one of some versions.
type sign struct {
	means  []bool // by version
	weight int
	says   string
}

// Weights of signs. What adds up to sure is taken for sure, to likely for likely.
const (
	weightRule = 100
	weightSure = 4
	weightSome = 2
	weightHint = 1
)

func (a *assigner) assign(f Found) Repoint {
	r := Repoint{Reference: f.Reference, Old: standsAt(f)}
	switch {
	case f.Design:
		r.To, r.Confidence, r.Reason = Leave, Unclear, "a design document: it is reported, never edited"
		return r
	case f.Kind == DocID:
		r.To, r.Confidence, r.Reason = Leave, Unclear, "it is part of a document's own id: it is reported, no document is renamed for it"
		return r
	}
	var signs []sign
	for _, look := range []func(Found) *sign{a.byRule, a.byCensus, a.byNeighbours, a.byOwner, a.byTime} {
		if s := look(f); s != nil {
			signs = append(signs, *s)
		}
	}
	means, confidence, reason := a.weigh(signs)
	if f.Part && confidence == Sure {
		confidence = Likely
	}
	r.Confidence, r.Reason = confidence, reason
	if confidence == Unclear {
		return r
	}
	v := a.plan.Versions[means]
	if v.Deleted {
		r.Confidence, r.Reason = Unclear, fmt.Sprintf("it seems to mean %s, which was deleted: %s", v.Name, reason)
		return r
	}
	return r.meaning(v)
}

// meaning makes a reference mean a version.
func (r Repoint) meaning(v Version) Repoint {
	r.To, r.New = v.Name, v.NewID
	if r.Part {
		r.New = replaceWord(r.Old, r.ID, v.NewID)
	}
	return r
}

// weigh returns the version that signs mean.
func (a *assigner) weigh(signs []sign) (version int, c Confidence, reason string) {
	left := make([]bool, len(a.plan.Versions))
	for i := range left {
		left[i] = true
	}
	var says []string
	for _, s := range signs {
		says = append(says, s.says)
		for i := range left {
			left[i] = left[i] && s.means[i]
		}
		if s.weight == weightRule && count(left) <= 1 {
			break // the policy's word: no other sign is asked
		}
	}
	reason = strings.Join(says, "; ")
	switch {
	case len(signs) == 0:
		return 0, Unclear, "nothing tells what it means"
	case signs[0].weight == weightRule && count(signs[0].means) == 0:
		return 0, Unclear, "no version is what the rules ask for: " + signs[0].says
	case count(left) == 0:
		return 0, Unclear, "what tells what it means does not agree: " + reason
	case count(left) > 1:
		return 0, Unclear, "it may mean " + a.list(left) + ": " + reason
	}
	version = slices.Index(left, true)
	switch weight := against(signs, version, len(left)); {
	case weight >= weightSure:
		return version, Sure, reason
	case weight >= weightSome:
		return version, Likely, reason
	}
	return 0, Unclear, "too little tells what it means: " + reason
}

// against returns the weight of what tells a version from the other that is
// hardest to tell from it.
func against(signs []sign, version, versions int) int {
	least := weightRule
	for other := range versions {
		weight := 0
		for _, s := range signs {
			if s.means[version] && !s.means[other] {
				weight += s.weight
			}
		}
		if other != version {
			least = min(least, weight)
		}
	}
	return least
}

func count(set []bool) int {
	n := 0
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

func (a *assigner) list(set []bool) string {
	var names []string
	for i, in := range set {
		if in {
			names = append(names, a.plan.Versions[i].Name)
		}
	}
	return strings.Join(names, " or ")
}
