package laws

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// resolverFunc is a resolver in Go, for what no policy file can do.
type resolverFunc func(revisions []couchmend.Revision) string

func (f resolverFunc) Resolve(_ context.Context, _ *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return json.RawMessage(f(revisions)), nil
}

func trialOf(f resolverFunc) *trial {
	rule := &merge.Rule{Name: "r", Resolver: f, ResolverName: "go r"}
	return &trial{rules: func(string, jsondoc.Value) *merge.Rule { return rule }, rule: rule}
}

var threeEdits = Question{ID: "doc", Base: jsondoc.MustParse(`{"n":0}`), Leaves: []jsondoc.Value{
	jsondoc.MustParse(`{"n":1}`), jsondoc.MustParse(`{"n":2}`), jsondoc.MustParse(`{"n":3}`),
}}

func TestSitesThatNeverRestAreFound(t *testing.T) {
	var asked atomic.Int64
	tr := trialOf(func([]couchmend.Revision) string { return fmt.Sprintf(`{"n":%d}`, asked.Add(1)) })
	b := tr.agreement(t.Context(), threeEdits)
	if b == nil || b.status != Failed || !strings.Contains(b.means, "do not come to rest") || len(b.answers) != worldSites {
		t.Errorf("%+v", b)
	}
}

func TestAResolverThatDeletesIsTakenAtItsWord(t *testing.T) {
	tr := trialOf(func([]couchmend.Revision) string { return `{"_deleted":true}` })
	for _, law := range []Law{Commutative, NothingLost} {
		if b := tr.try(t.Context(), law, threeEdits); b != nil {
			t.Errorf("%s: %+v: the rule's word is to delete", law, b)
		}
	}
	b := tr.try(t.Context(), Agreement, threeEdits)
	if b == nil || b.status != Failed {
		t.Errorf("%+v: a leaf that comes after the deletion lives", b)
	}
}

func TestADocumentThatNobodyDeletedAndThatIsGoneIsAFailure(t *testing.T) {
	p := plant(threeEdits, upward(3))
	s := p.site(func(string, jsondoc.Value) *merge.Rule { return nil }, "doc", 0)
	id := revtree.Tombstone(p.leaves[0].Rev)
	s.put(couchmend.Revision{Rev: id, Path: append([]couchmend.Rev{id}, p.leaves[0].Path...), Deleted: true, Body: json.RawMessage(`{}`)})
	if b := annihilated(Answer{Outcome: couchmend.Delete}, []*site{s}); b == nil || b.status != Failed {
		t.Errorf("%+v", b)
	}
	s.deleted = true
	if b := annihilated(Answer{Outcome: couchmend.Delete}, []*site{s}); b != nil {
		t.Errorf("by the rule's word: %+v", b)
	}
}

func TestAMergeThatIsNoDescendantOfTheWinnerIsFound(t *testing.T) {
	p := plant(threeEdits, upward(3))
	c := couchmend.Conflict{Leaves: []couchmend.Revision{p.leaves[2], p.leaves[0]}}
	astray := child(p.leaves[0].Path, threeEdits.Base, 1, "merge")
	grave := couchmend.Revision{Path: []couchmend.Rev{{Gen: 3, Hash: "x"}, p.leaves[2].Rev}}
	for _, d := range []couchmend.Decision{
		{Outcome: couchmend.Merge, Merge: &astray},
		{Outcome: couchmend.Bury, Bury: []couchmend.Revision{grave}},
	} {
		if winnerLost(c, d) == "" {
			t.Errorf("%+v is fine", d)
		}
	}
	if words := winnerLost(c, couchmend.Decision{Outcome: couchmend.Delete, Bury: []couchmend.Revision{grave}}); words != "" {
		t.Errorf("a deletion by the rule's word: %s", words)
	}
}

func TestWhatOneSideAloneChangedMustBeInTheMerge(t *testing.T) {
	rule := &merge.Rule{}
	tr := &trial{rule: rule}
	base := jsondoc.MustParse(`{"a":1,"b":{"c":1,"d":1},"e":[1],"f":1}`)
	leaves := []jsondoc.Value{
		jsondoc.MustParse(`{"a":2,"b":{"c":1,"d":2},"e":[1],"f":1}`),
		jsondoc.MustParse(`{"a":1,"b":{"c":1,"d":3},"e":[1],"g":1}`),
	}
	for merged, want := range map[string]string{
		`{"a":2,"b":{"c":1,"d":3},"e":[1],"g":1}`:       "[] []",
		`{"a":1,"b":{"c":1,"d":9},"e":[1],"g":1}`:       "[] [a]",
		`{"a":2,"b":{"d":3},"g":1}`:                     "[b.c e] []",
		`{"a":2,"b":{"c":1,"d":3},"e":[1],"f":1,"g":1}`: "[] [f]",
		`{"a":2,"b":{"c":1,"d":3},"e":[1]}`:             "[] [g]",
	} {
		untouched, oneSided := tr.dropped(nil, base, leaves, jsondoc.MustParse(merged))
		if got := fmt.Sprint(untouched, oneSided); got != want {
			t.Errorf("%s: %s, want %s", merged, got, want)
		}
	}
}

func TestMadeUpDocumentsSatisfyTheSelector(t *testing.T) {
	for _, when := range []string{
		`{ type: visit }`,
		`{ type: { $in: [visit, call] }, n: { $gt: 3 } }`,
		`{ $and: [{ a.b: 1 }, { c: { $exists: true } }] }`,
		`{ $or: [{ a: 1 }, { b: { $type: array } }] }`,
		`{ _id: { $beginsWith: "visit:" } }`,
		`{ gone: { $exists: false }, n: { $lte: 2 }, s: { $gte: x } }`,
		`{ tags: { $all: [a, b] }, tasks: { $elemMatch: { state: due } } }`,
	} {
		rule := &ruledWhen(t, when, "fields: { read: union }").Policy.Rules[0]
		m := &maker{trial: &trial{rule: &rule.Rule}, rule: rule}
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			if id, doc, _ := m.document(rnd); !m.rule.When.Match(doc, id) {
				t.Errorf("%s does not select %s (%s)", when, doc, id)
				break
			}
		}
	}
}

func TestConflictsOfADatabaseBecomeQuestions(t *testing.T) {
	p := plant(threeEdits, upward(3))
	c := couchmend.Conflict{ID: "doc", Leaves: p.leaves, Bases: map[couchmend.Rev]couchmend.Revision{p.base.Rev: p.base}}
	q, ok := OfConflict(c, "db/doc")
	if !ok || string(q.Base) != `{"n":0}` || len(q.Leaves) != 3 || string(q.Leaves[0]) != `{"n":3}` {
		t.Errorf("%v %+v", ok, q)
	}
	c.Bases = nil
	if q, _ := OfConflict(c, ""); q.Base != nil {
		t.Error("a base that can't be had is there")
	}
	c.Leaves = c.Leaves[:1]
	if _, ok := OfConflict(c, ""); ok {
		t.Error("one leaf is a conflict")
	}
}
