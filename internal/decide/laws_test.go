package decide

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/revtree"
)

// generated yields conflicts of every scenario with what was decided on them.
// rules select by the generator's own policy.
func generated(t testing.TB, seed uint64, docs int) (rules Rules, conflicts iter.Seq2[couchmend.Conflict, couchmend.Decision]) {
	t.Helper()
	file, err := policy.Parse("generated.yaml", []byte(conflictgen.PolicyYAML()), t.TempDir(), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := file.For("any")
	rules = func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
	return rules, func(yield func(couchmend.Conflict, couchmend.Decision) bool) {
		for c := range conflictgen.New(seed, conflictgen.Options{Docs: docs}).Docs() {
			conflict := c.Conflict("db")
			if !yield(conflict, Decide(context.Background(), rules, conflict)) {
				return
			}
		}
	}
}

// same compares decisions to the last byte.
func same(a, b couchmend.Decision) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestTheOrderOfLeavesDoesNotMatter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	rules, conflicts := generated(t, 11, 600)
	for c, d := range conflicts {
		rnd.Shuffle(len(c.Leaves), func(i, j int) { c.Leaves[i], c.Leaves[j] = c.Leaves[j], c.Leaves[i] })
		rnd.Shuffle(len(c.Dead), func(i, j int) { c.Dead[i], c.Dead[j] = c.Dead[j], c.Dead[i] })
		if again := Decide(context.Background(), rules, c); !same(d, again) {
			t.Fatalf("%s: %+v\nshuffled: %+v", c.ID, d, again)
		}
	}
}

func TestTheWinnerIsNeverBuriedButByDeleteOrSplit(t *testing.T) {
	_, conflicts := generated(t, 12, 600)
	for c, d := range conflicts {
		if d.Outcome == couchmend.Delete || d.Outcome == couchmend.Split {
			continue
		}
		for _, tombstone := range d.Bury {
			if tombstone.Path[1] == c.Leaves[0].Rev {
				t.Fatalf("%s: %+v", c.ID, d)
			}
		}
	}
}

func TestAMergeIsADescendantOfTheWinnerAndContainsEveryLeaf(t *testing.T) {
	_, conflicts := generated(t, 13, 600)
	for c, d := range conflicts {
		if d.Merge == nil {
			continue
		}
		m := *d.Merge
		for i, r := range m.Path {
			if r.Gen != m.Rev.Gen-i || i == 0 && r != m.Rev {
				t.Fatalf("%s: path %v of %s", c.ID, m.Path, m.Rev)
			}
		}
		if !slices.Contains(m.Path, c.Leaves[0].Rev) {
			t.Fatalf("%s: %s is no descendant of the winner %s", c.ID, m.Rev, c.Leaves[0].Rev)
		}
		contents := revtree.New(m.Path).Contains(m.Rev)
		for _, leaf := range c.Leaves {
			for _, r := range leaf.Path {
				if !revtree.IsMark(r) && !contents.Has(revtree.MarkOf(r)) {
					t.Fatalf("%s: %s does not contain %s", c.ID, m.Rev, r)
				}
			}
		}
		if d.Outcome != couchmend.Delete && len(d.Bury) != len(c.Leaves)-1 {
			t.Fatalf("%s: %d leaves, %d tombstones", c.ID, len(c.Leaves), len(d.Bury))
		}
	}
}

func TestMergingAMergeChangesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	rules, conflicts := generated(t, 14, 600)
	for c, d := range conflicts {
		if d.Merge == nil {
			continue
		}
		// The merge is there; of the losers some, or all, are not buried yet.
		left := slices.Clone(c.Leaves[1:])
		rnd.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		left = left[:1+rnd.IntN(len(left))]
		next := c
		next.Leaves = append([]couchmend.Revision{*d.Merge}, left...)
		again := Decide(context.Background(), rules, next)
		if again.Outcome != couchmend.Bury || again.Merge != nil || len(again.Bury) != len(left) {
			t.Fatalf("%s: the merge beside %d of its leaves: %+v", c.ID, len(left), again)
		}
		for _, tombstone := range again.Bury {
			if !slices.ContainsFunc(d.Bury, func(b couchmend.Revision) bool { return b.Rev == tombstone.Rev }) {
				t.Fatalf("%s: another tombstone: %s", c.ID, tombstone.Rev)
			}
		}
		// And all are buried.
		next.Leaves, next.Dead = []couchmend.Revision{*d.Merge}, append(slices.Clone(c.Dead), d.Bury...)
		if again := Decide(context.Background(), rules, next); again.Outcome != couchmend.Nothing && again.Reason != couchmend.ReasonDeleted {
			t.Fatalf("%s: the merge alone: %+v", c.ID, again)
		}
	}
}

func TestADecisionIsTheSameBytesEveryTime(t *testing.T) {
	rules, conflicts := generated(t, 15, 400)
	for c, d := range conflicts {
		if again := Decide(context.Background(), rules, c); !same(d, again) {
			t.Fatalf("%s: %+v, then %+v", c.ID, d, again)
		}
	}
}

// TestAnIDDoesNotDependOnHowAPathWasStemmed: one id under two paths would never
// replicate, and servers cut paths differently.
func TestAnIDDoesNotDependOnHowAPathWasStemmed(t *testing.T) {
	root, base := couchmend.MustRev("1-a"), couchmend.MustRev("2-b")
	w, l := couchmend.MustRev("3-w"), couchmend.MustRev("3-l")
	conflict := func(below ...couchmend.Rev) couchmend.Conflict {
		leaf := func(r couchmend.Rev, body string) couchmend.Revision {
			return couchmend.Revision{Rev: r, Path: slices.Concat([]couchmend.Rev{r, base}, below), Body: json.RawMessage(body)}
		}
		return couchmend.Conflict{ID: "d", RevsLimit: 1000, Leaves: []couchmend.Revision{leaf(w, `{"a":1,"b":2}`), leaf(l, `{"a":2,"b":1}`)},
			Bases: map[couchmend.Rev]couchmend.Revision{base: {Rev: base, Body: json.RawMessage(`{"a":1,"b":1}`)}}}
	}
	rules := func(string, jsondoc.Value) *merge.Rule { return anyRule }
	whole, stemmed := Decide(context.Background(), rules, conflict(root)), Decide(context.Background(), rules, conflict())
	if whole.Merge == nil || stemmed.Merge == nil || whole.Merge.Rev != stemmed.Merge.Rev {
		t.Errorf("%+v\n%+v", whole, stemmed)
	}
}

var anyRule = &merge.Rule{Name: "any"}

func TestAnUndoneMergeIsHeldOnEverySite(t *testing.T) {
	rules, conflicts := generated(t, 16, 400)
	for c, d := range conflicts {
		if d.Merge == nil || len(d.Bury) == 0 {
			continue
		}
		restored := Undo(d, c.Leaves, c.RevsLimit)
		if len(restored) != len(c.Leaves) {
			t.Fatalf("%s: %d of %d leaves restored", c.ID, len(restored), len(c.Leaves))
		}
		for i, r := range restored {
			if !bytes.Equal(r.Body, c.Leaves[i].Body) || len(r.Attachments) != len(c.Leaves[i].Attachments) || r.Deleted {
				t.Fatalf("%s: %s restored as %s", c.ID, c.Leaves[i].Body, r.Body)
			}
		}
		// Everywhere: where the merge was made, and where it never came.
		for _, others := range [][]couchmend.Revision{nil, c.Leaves[1:]} {
			next := couchmend.Conflict{ID: c.ID, RevsLimit: c.RevsLimit, Leaves: append(slices.Clone(restored), withoutChildren(others, restored)...)}
			if again := Decide(context.Background(), rules, next); again.Reason != couchmend.ReasonHeld {
				t.Fatalf("%s: undone, then %+v", c.ID, again)
			}
		}
		// A person's word ends it.
		next := couchmend.Conflict{ID: c.ID, RevsLimit: c.RevsLimit, Leaves: restored}
		choice, err := Choose(rules, next, Choice{Body: restored[0].Body, By: "somebody"})
		if err != nil {
			t.Fatal(err)
		}
		next.Leaves = append([]couchmend.Revision{*choice.Merge}, restored[1:]...)
		if again := Decide(context.Background(), rules, next); again.Outcome != couchmend.Bury {
			t.Fatalf("%s: decided by a person, then %+v", c.ID, again)
		}
	}
}

func withoutChildren(leaves, below []couchmend.Revision) []couchmend.Revision {
	return slices.DeleteFunc(slices.Clone(leaves), func(l couchmend.Revision) bool {
		return slices.ContainsFunc(below, func(r couchmend.Revision) bool { return slices.Contains(r.Path, l.Rev) })
	})
}

func TestAttachmentsTravelAsStubsOrWithTheirBytes(t *testing.T) {
	_, conflicts := generated(t, 17, 600)
	for c, d := range conflicts {
		if d.Merge == nil {
			continue
		}
		for _, a := range d.Merge.Attachments {
			switch {
			case a.From == c.Leaves[0].Rev:
				own := c.Leaves[0].Attachments
				i := slices.IndexFunc(own, func(o couchmend.Attachment) bool { return o.Name == a.Name })
				if i < 0 || a.Data != nil || a.RevPos != own[i].RevPos {
					t.Fatalf("%s: the winner's %q is no stub of its own: %+v", c.ID, a.Name, a)
				}
			case a.Data == nil || a.RevPos != d.Merge.Rev.Gen:
				t.Fatalf("%s: the loser's %q does not bring its bytes: %+v", c.ID, a.Name, a)
			}
		}
	}
}

// FuzzDecide throws any leaves at Decide: bodies, paths, marks and orders that
// no server would send. It must answer, twice alike, and never bury a winner.
func FuzzDecide(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":2}`), []byte(`{"a":0}`), "3-c 2-b 1-a|3-d 2-b 1-a|2-b")
	f.Add([]byte(`{"t":[1]}`), []byte(`[]`), []byte(`{`), "2-b|3-c0a1e5ce00000000000000000000000a 2-b|1-a")
	f.Add([]byte(`{"n":1e999}`), []byte(`{"n":-0}`), []byte(`{"n":{}}`), "1-a|1-b|1-a")
	rule := &merge.Rule{Name: "fuzz", Deletes: merge.DeleteWins, NoBase: merge.NoBaseStrategies, Clock: merge.Clock{Kind: merge.Lamport, Path: merge.Path{"n"}},
		SoftDelete: &merge.SoftDelete{Field: merge.Path{"gone"}, Wins: merge.SoftDeleteStands},
		Fields: []merge.Field{
			{Pattern: merge.Path{"a"}, Strategy: merge.Strategy{Kind: merge.Sum}}, {Pattern: merge.Path{"t"}, Strategy: merge.Strategy{Kind: merge.Union}},
			{Pattern: merge.Path{"r"}, Strategy: merge.Strategy{Kind: merge.ByKey, Key: "k"}}, {Pattern: merge.Path{"l"}, Strategy: merge.Strategy{Kind: merge.Append}},
			{Pattern: merge.Path{"x"}, Strategy: merge.Strategy{Kind: merge.Text}}, {Pattern: merge.Path{"**"}, Strategy: merge.Strategy{Kind: merge.Latest}},
		}}
	rules := func(string, jsondoc.Value) *merge.Rule { return rule }
	f.Fuzz(func(t *testing.T, a, b, base []byte, paths string) {
		var lines []revtree.Path
		for _, line := range strings.Split(paths, "|") {
			var p revtree.Path
			for _, word := range strings.Fields(line) {
				if r, err := couchmend.ParseRev(word); err == nil {
					p = append(p, r)
				}
			}
			lines = append(lines, p)
		}
		c := couchmend.Conflict{ID: "d", RevsLimit: 1000, Bases: map[couchmend.Rev]couchmend.Revision{}}
		for i, body := range [][]byte{a, b, base} {
			v, err := jsondoc.Parse(body)
			if err != nil || v.Kind() != '{' || i >= len(lines) || len(lines[i]) == 0 {
				return
			}
			r := couchmend.Revision{Rev: lines[i][0], Path: lines[i], Body: json.RawMessage(v)}
			switch {
			case i < 2:
				c.Leaves = append(c.Leaves, r)
			case bytes.Contains(body, []byte("gone")):
				r.Deleted = true
				c.Dead = append(c.Dead, r)
			default:
				c.Bases[r.Rev] = r
			}
		}
		d := Decide(context.Background(), rules, c)
		if again := Decide(context.Background(), rules, c); !same(d, again) {
			t.Fatalf("%+v, then %+v", d, again)
		}
		if d.Merge != nil && !json.Valid(d.Merge.Body) {
			t.Fatalf("merged to %q", d.Merge.Body)
		}
		read, _ := grown(c)
		for _, tombstone := range d.Bury {
			if winner := read.Leaves[0]; d.Outcome != couchmend.Delete && tombstone.Path[1] == winner.Rev {
				t.Fatalf("the winner is buried: %+v", d)
			}
		}
		Contents(c)
		Bases(c)
	})
}
