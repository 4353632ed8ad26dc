package collision

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
	"pgregory.net/rapid"
)

const old = "7FADDF76-55E4-4E50-9444-5E468E61EA83"

// version is a revision with its path, newest first: version(`{}`, "2-b 1-a").
func version(body, path string) couchmend.Revision {
	r := couchmend.Revision{Body: json.RawMessage(body)}
	for word := range strings.FieldsSeq(path) {
		r.Path = append(r.Path, couchmend.MustRev(word))
	}
	r.Rev = r.Path[0]
	return r
}

// dead is the user's deletion of a leaf.
func dead(path string) couchmend.Revision {
	parent := version(`{}`, path)
	id := revtree.Tombstone(parent.Rev)
	return couchmend.Revision{Rev: id, Path: slices.Concat(revtree.Path{id}, parent.Path), Deleted: true, Body: json.RawMessage(`{}`)}
}

func conflict(leaves ...couchmend.Revision) couchmend.Conflict {
	c := couchmend.Conflict{DB: "medic", ID: old, RevsLimit: 1000, Bases: map[couchmend.Rev]couchmend.Revision{}}
	for _, l := range leaves {
		if l.Deleted {
			c.Dead = append(c.Dead, l)
		} else {
			c.Leaves = append(c.Leaves, l)
		}
	}
	return c
}

const (
	person = `{"type":"person","name":"Amina","phone":"+254700","born":12345678901234567891,"reported_date":1700000000000}`
	report = `{"type":"data_record","form":"P","fields":{"x":1.0},"reported_date":1600000000000}`
)

// anyRule selects one rule for all documents.
func anyRule(rule *merge.Rule) decide.Rules {
	return func(string, jsondoc.Value) *merge.Rule { return rule }
}

var plain = anyRule(&merge.Rule{Name: "x"})

func plan(t testing.TB, rules decide.Rules, c couchmend.Conflict, w Wish) Plan {
	t.Helper()
	p, err := Make(context.Background(), rules, c, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryVersionBecomesADocumentOfItsOwn(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-b"), version(report, "3-c 2-b 1-a")), Wish{})
	if len(p.Versions) != 2 || len(p.Waits)+len(p.Doubts) > 0 || p.Judgement.Verdict != decide.Collision {
		t.Fatalf("%+v", p)
	}
	for i, want := range []struct{ name, body, rev, root string }{{"data_record", report, "3-c", "1-a"}, {"person", person, "1-b", "1-b"}} {
		v := p.Versions[i]
		if v.Name != want.name || string(v.Revision.Body) != want.body || v.Revision.Rev.String() != want.rev || v.Root.String() != want.root || v.NewID != NewID(old, v.Root) {
			t.Errorf("%+v", v)
		}
		if g := p.Bury[i]; !g.Deleted || decide.SplitTo == "" || jsondoc.Value(g.Body).Get(decide.SplitTo).Text() != v.NewID {
			t.Errorf("the tombstone does not say where %s went: %s", v.Name, g.Body)
		}
	}
}

func TestAVersionsOwnConflictIsMergedOnTheWay(t *testing.T) {
	c := conflict(version(`{"type":"person","a":2,"b":1}`, "2-w 1-p"), version(`{"type":"person","a":1,"b":2}`, "2-l 1-p"), version(report, "1-r"))
	c.Bases[couchmend.MustRev("1-p")] = version(`{"type":"person","a":1,"b":1}`, "1-p")
	bases, _ := Needs(conflict(c.Leaves...))
	if !slices.Equal(bases, []couchmend.Rev{couchmend.MustRev("1-p")}) {
		t.Errorf("bases asked for: %v", bases)
	}
	p := plan(t, plain, c, Wish{})
	if v := p.Versions[0]; string(v.Revision.Body) != `{"type":"person","a":2,"b":2}` || v.Revision.Rev.Gen != 4 || len(v.Leaves) != 2 {
		t.Errorf("%+v", v.Revision)
	}
	if len(p.Bury) != 3 || p.Versions[1].Revision.Rev.String() != "1-r" {
		t.Errorf("%+v", p)
	}
}

func TestAVersionThatNeedsReviewHoldsUpThePlan(t *testing.T) {
	p := plan(t, plain, conflict(version(`{"a":2}`, "2-w 1-p"), version(`{"a":1}`, "2-l 1-p"), version(report, "1-r")), Wish{})
	if len(p.Waits) != 1 || !strings.Contains(p.Waits[0], "no_base") || !strings.Contains(p.Waits[0], "a differs") {
		t.Errorf("%q", p.Waits)
	}
}

func TestAStemmedHistoryIsForAPersonToSplit(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "9-b 8-a"), version(report, "1-r")), Wish{})
	if len(p.Doubts) != 1 || !strings.Contains(p.Doubts[0], "stemmed") || len(p.Versions) != 2 {
		t.Errorf("%+v", p)
	}
}

func TestOneVersionMayKeepTheID(t *testing.T) {
	c := conflict(version(person, "2-b 1-b"), version(report, "1-a"))
	p := plan(t, plain, c, Wish{Keep: couchmend.MustRev("1-b")})
	if v := p.Versions[0]; !v.Keep || v.NewID != old || v.Revision != nil {
		t.Errorf("%+v", v)
	}
	if len(p.Bury) != 1 || p.Bury[0].Path[2] != couchmend.MustRev("1-a") {
		t.Errorf("%+v", p.Bury)
	}
	if _, err := Make(context.Background(), plain, c, Wish{Keep: couchmend.MustRev("7-z")}); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Error(err)
	}
}

func TestThereIsNothingToSplitInOneHistoryOrADesignDocument(t *testing.T) {
	design := conflict(version(person, "1-b"), version(report, "1-a"))
	design.ID = "_design/medic"
	for _, c := range []couchmend.Conflict{conflict(), conflict(version(person, "2-b 1-a"), version(report, "2-c 1-a")), conflict(dead("1-a"), dead("1-b")), design} {
		if p, err := Make(context.Background(), plain, c, Wish{}); couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("%+v %v", p, err)
		}
	}
}

func TestADeletedVersionLeavesOnlyReferencesInQuestion(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-b"), dead("1-a")), Wish{})
	if len(p.Bury) != 0 || !p.Versions[0].Keep || !p.Versions[1].Deleted {
		t.Fatalf("%+v", p)
	}
	p = p.Assign([]Found{found("r", `{"type":"data_record","contact":{"_id":"`+old+`"}}`, "contact", "_id")}, Knowledge{})
	if len(p.Open()) != 1 {
		t.Errorf("%+v", p.References)
	}
	if _, err := p.Answer(p.Open()[0], p.Versions[1].Name); err == nil {
		t.Error("a reference may mean what was deleted")
	}
}

func TestThreeVersionsAndThoseOfOneTypeAreToldApart(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-c"), version(strings.Replace(person, "Amina", "Beni", 1), "1-b"), version(`{"x":1}`, "1-a")), Wish{})
	var names, ids []string
	for _, v := range p.Versions {
		names, ids = append(names, v.Name), append(ids, v.NewID)
	}
	slices.Sort(ids)
	if fmt.Sprint(names) != "[person 1 person 2 version]" || len(slices.Compact(ids)) != 3 {
		t.Errorf("%v %v", names, ids)
	}
}

func TestAttachmentsOfOneNameGoWithTheirOwnVersion(t *testing.T) {
	a, b := version(person, "1-b"), version(report, "1-a")
	a.Attachments = []couchmend.Attachment{{Name: "photo.jpg", ContentType: "image/jpeg", Digest: "md5-1", Length: 1, RevPos: 1}}
	b.Attachments = []couchmend.Attachment{{Name: "photo.jpg", ContentType: "image/jpeg", Digest: "md5-2", Length: 2, RevPos: 1}}
	for _, v := range plan(t, plain, conflict(a, b), Wish{}).Versions {
		if got := v.Revision.Attachments; len(got) != 1 || got[0].From != v.Leaves[0] || got[0].RevPos != 1 {
			t.Errorf("%s: %+v", v.Name, got)
		}
	}
}

func TestAPlanStandsOnlyForItsLeaves(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-b"), version(report, "1-a"), dead("1-c")), Wish{})
	if err := p.Stands([]couchmend.Rev{p.Leaves[1], p.Leaves[0]}, p.Dead); err != nil {
		t.Error(err)
	}
	err := p.Stands([]couchmend.Rev{p.Leaves[0], couchmend.MustRev("2-x")}, p.Dead)
	if couchmend.KindOf(err) != couchmend.KindConflict || !strings.Contains(err.Error(), "new leaves (2-x), and others are gone (1-a)") {
		t.Error(err)
	}
	if p.Stands(p.Leaves, nil) == nil {
		t.Error("a tombstone is gone")
	}
}

func TestALateEditFollowsItsVersion(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-b"), version(report, "1-a")), Wish{})
	c := conflict(version(person, "2-late 1-b"), p.Bury[0], p.Bury[1], version(person, "1-new"))
	late := LateLeaves(c)
	if len(late) != 1 || late[0].Leaf.Rev.String() != "2-late" || late[0].NewID != NewID(old, couchmend.MustRev("1-b")) {
		t.Errorf("%+v", late)
	}
	// Alone it is moved, not kept, if it is split again.
	again := plan(t, plain, conflict(version(person, "2-late 1-b"), p.Bury[0], p.Bury[1]), Wish{})
	if v := again.Versions[0]; v.Keep || v.NewID != late[0].NewID || v.Revision.Rev.String() != "2-late" || !again.Versions[1].Moved {
		t.Errorf("%+v", again.Versions)
	}
}

// A split that is taken back is one in the other direction.
func TestASplitCanBeTakenBackAndRepeated(t *testing.T) {
	p := plan(t, plain, conflict(version(person, "1-b"), version(report, "1-a")), Wish{})
	moved := p.Versions[0]
	back := decide.SplitBurial(nil, *moved.Revision, old, 1000)
	late := LateLeaves(couchmend.Conflict{ID: moved.NewID, Leaves: []couchmend.Revision{version(person, "2-late 1-b")}, Dead: []couchmend.Revision{back}})
	if len(late) != 1 || late[0].NewID != old {
		t.Errorf("what was written onto it meanwhile goes to %+v", late)
	}
	restored := conflict(decide.Again(version(person, "1-b"), p.Bury[0], 1000), decide.Again(version(report, "1-a"), p.Bury[1], 1000))
	if late := LateLeaves(restored); len(late) != 0 {
		t.Errorf("what was restored is late: %+v", late)
	}
	again := plan(t, plain, restored, Wish{})
	v, ok := again.Version(moved.Name)
	if !ok || v.NewID != moved.NewID || string(v.Revision.Body) != person || v.Revision.Rev == moved.Revision.Rev {
		t.Errorf("%+v", v)
	}
}

// drawn is a document in which several things live.
func drawn(t *rapid.T) couchmend.Conflict {
	c := conflict()
	roots := rapid.IntRange(2, 4).Draw(t, "roots")
	for root := range roots {
		base := fmt.Sprintf(`{"type":"t%d","n":0,"big":123456789012345678901}`, rapid.IntRange(0, 2).Draw(t, "type"))
		first := fmt.Sprintf("1-%d", root)
		c.Bases[couchmend.MustRev(first)] = version(base, first)
		if root > 1 && rapid.Bool().Draw(t, "deleted") {
			c.Dead = append(c.Dead, dead(first))
			continue
		}
		for i := range rapid.IntRange(1, 3).Draw(t, "leaves") {
			body := strings.Replace(base, `"n"`, fmt.Sprintf(`"self":"%s","k%d":%d,"n"`, old, i, i), 1)
			c.Leaves = append(c.Leaves, version(body, fmt.Sprintf("2-%d%d %s", root, i, first)))
		}
	}
	return c
}

func TestAPlanDependsOnNothingButItsLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawn(t)
		make := func(c couchmend.Conflict) []byte {
			p, err := Make(context.Background(), plain, c, Wish{})
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var back Plan
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, text) {
				t.Fatalf("the journal gives back %s\n%s", again, text)
			}
			return text
		}
		one := make(c)
		c.Leaves = rapid.Permutation(c.Leaves).Draw(t, "leaves")
		c.Dead = rapid.Permutation(c.Dead).Draw(t, "dead")
		if other := make(c); !bytes.Equal(one, other) {
			t.Fatalf("%s\n%s", one, other)
		}
	})
}

func TestEveryLeafIsInOneVersionAndIsBuriedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawn(t)
		w := Wish{}
		if rapid.Bool().Draw(t, "keep") {
			w.Keep = rapid.SampledFrom(c.Leaves).Draw(t, "kept").Rev
		}
		p, err := Make(context.Background(), plain, c, w)
		if err != nil {
			t.Fatal(err)
		}
		seen, ids := map[couchmend.Rev]string{}, map[string]bool{}
		for _, v := range p.Versions {
			if ids[v.NewID] || v.NewID == old && !v.Keep {
				t.Fatalf("%s is taken", v.NewID)
			}
			ids[v.NewID] = true
			for _, l := range v.Leaves {
				if seen[l] != "" {
					t.Fatalf("%s is in two versions", l)
				}
				seen[l] = v.Name
			}
			if !v.Deleted && !v.Keep && v.Revision.Path[len(v.Revision.Path)-1] != v.Root {
				t.Fatalf("%s lost its history: %v", v.Name, v.Revision.Path)
			}
		}
		if len(seen) != len(c.Leaves)+len(c.Dead) {
			t.Fatalf("%d of %d leaves are in a version", len(seen), len(c.Leaves)+len(c.Dead))
		}
		for _, g := range p.Bury {
			from, ok := revtree.SplitFrom(g.Path)
			if v, _ := p.Version(seen[from]); !ok || v.Keep || v.Deleted {
				t.Fatalf("%s is buried", from)
			}
			delete(seen, from)
		}
		for l, name := range seen {
			if v, _ := p.Version(name); !v.Keep && !v.Deleted {
				t.Fatalf("%s is not buried", l)
			}
		}
	})
}

// What each site writes under a new id must come to rest as one document,
// though one of them has not seen all leaves.
func TestSitesThatSawDifferentLeavesMakeOneDocument(t *testing.T) {
	c := conflict(version(`{"a":2,"b":1}`, "2-w 1-p"), version(`{"a":1,"b":2}`, "2-l 1-p"), version(report, "1-r"))
	c.Bases[couchmend.MustRev("1-p")] = version(`{"a":1,"b":1}`, "1-p")
	all := plan(t, plain, c, Wish{})
	fewer := c
	fewer.Leaves = c.Leaves[1:]
	some := plan(t, plain, fewer, Wish{})
	here, there := all.Versions[0], some.Versions[0]
	if here.NewID != there.NewID {
		t.Fatalf("%s and %s", here.NewID, there.NewID)
	}
	met := couchmend.Conflict{ID: here.NewID, RevsLimit: 1000, Leaves: []couchmend.Revision{*here.Revision, *there.Revision}}
	if d := decide.Decide(context.Background(), plain, met); d.Outcome != couchmend.Bury {
		t.Errorf("%+v", d)
	}
}
