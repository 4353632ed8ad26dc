package conflictgen

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

func collect(seed uint64, opts Options) []Case {
	return slices.Collect(New(seed, opts).Docs())
}

func TestSameSeedMakesTheSameDocuments(t *testing.T) {
	for seed := range uint64(3) {
		a, _ := json.Marshal(collect(seed, Options{Docs: 300}))
		b, _ := json.Marshal(collect(seed, Options{Docs: 300}))
		other, _ := json.Marshal(collect(seed+1, Options{Docs: 300}))
		if !bytes.Equal(a, b) {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if bytes.Equal(a, other) {
			t.Errorf("seeds %d and %d make the same documents", seed, seed+1)
		}
	}
}

func TestADocumentDoesNotDependOnHowManyThereAre(t *testing.T) {
	few, many := collect(7, Options{Docs: 50}), collect(7, Options{Docs: 200})
	a, _ := json.Marshal(few)
	b, _ := json.Marshal(many[:50])
	if !bytes.Equal(a, b) {
		t.Error("the first 50 of 200 documents are not the 50")
	}
}

func TestEveryScenarioAndEveryOutcomeIsProduced(t *testing.T) {
	scenarios := map[string]int{}
	outcomes := map[couchmend.Outcome]int{}
	reasons := map[couchmend.Reason]int{}
	leaves := map[int]int{}
	for _, c := range collect(1, Options{Docs: 1000}) {
		scenarios[c.Scenario]++
		outcomes[c.Want.Outcome]++
		reasons[c.Want.Reason]++
		leaves[len(c.Want.Leaves)]++
	}
	for _, name := range Scenarios() {
		if scenarios[name] == 0 {
			t.Errorf("no document of scenario %s", name)
		}
	}
	for _, o := range []couchmend.Outcome{couchmend.Nothing, couchmend.Keep, couchmend.Merge, couchmend.Delete, couchmend.Review} {
		if outcomes[o] == 0 {
			t.Errorf("no document ends in %s", o)
		}
	}
	for _, r := range []couchmend.Reason{
		couchmend.ReasonOverlap, couchmend.ReasonNoBase, couchmend.ReasonStrategy, couchmend.ReasonNoRule, couchmend.ReasonRulesDiffer,
		couchmend.ReasonTwoRoots, couchmend.ReasonDeleted, couchmend.ReasonSoftDeleted, couchmend.ReasonAttachment,
	} {
		if reasons[r] == 0 {
			t.Errorf("no document goes to review for %s", r)
		}
	}
	for n := 1; n <= 9; n++ {
		if leaves[n] == 0 {
			t.Errorf("no document has %d live leaves", n)
		}
	}
	t.Log(outcomes, leaves)
}

func TestOptionsLeaveScenariosOut(t *testing.T) {
	for _, c := range collect(1, Options{Docs: 1000, NoBigNumbers: true, NoAttachments: true}) {
		for _, step := range c.Steps {
			for _, r := range step {
				if len(r.Attachments) > 0 {
					t.Errorf("%s: attachments", c.ID)
				}
				if v := bigNumber(jsondoc.Value(r.Body)); v != nil {
					t.Errorf("%s: number %s", c.ID, v)
				}
			}
		}
	}
	for _, c := range collect(1, Options{Docs: 50, Shares: map[string]int{"sum": 1, "union": 1}}) {
		if c.Scenario != "sum" && c.Scenario != "union" {
			t.Errorf("%s was not asked for", c.Scenario)
		}
	}
}

// bigNumber is some number in v that JavaScript would write differently.
func bigNumber(v jsondoc.Value) jsondoc.Value {
	if v.Kind() == '0' && !bytes.Equal(roundTrip(v), v) {
		return v
	}
	for _, m := range v.Members() {
		if big := bigNumber(m.Value); big != nil {
			return big
		}
	}
	for _, e := range v.Elements() {
		if big := bigNumber(e); big != nil {
			return big
		}
	}
	return nil
}

func TestRevisionsAreWellFormed(t *testing.T) {
	for _, c := range collect(2, Options{Docs: 1000}) {
		seen := map[couchmend.Rev]couchmend.Revision{}
		for _, step := range c.Steps {
			for _, r := range step {
				if _, twice := seen[r.Rev]; twice {
					t.Fatalf("%s: %s is written twice", c.ID, r.Rev)
				}
				seen[r.Rev] = r
				if len(r.Path) != r.Rev.Gen || r.Path[0] != r.Rev || len(r.Rev.Hash) != 32 {
					t.Fatalf("%s: path of %s: %v", c.ID, r.Rev, r.Path)
				}
				if _, err := jsondoc.Parse(r.Body); err != nil {
					t.Fatalf("%s@%s: %v: %s", c.ID, r.Rev, err, r.Body)
				}
				if strings.Contains(string(r.Body), `"_`) {
					t.Fatalf("%s@%s: a name beginning with _: %s", c.ID, r.Rev, r.Body)
				}
			}
		}
		for _, leaf := range c.Want.Leaves {
			if r, ok := seen[leaf]; !ok || r.Deleted {
				t.Fatalf("%s: live leaf %s is not written", c.ID, leaf)
			}
		}
	}
}

func TestLeavesAreThoseThatNothingFollows(t *testing.T) {
	for _, c := range collect(3, Options{Docs: 500}) {
		inner := map[couchmend.Rev]bool{}
		for _, step := range c.Steps {
			for _, r := range step {
				for _, ancestor := range r.Path[1:] {
					inner[ancestor] = true
				}
			}
		}
		for i, step := range c.Steps {
			for _, r := range step {
				if last := i == len(c.Steps)-1; inner[r.Rev] == last {
					t.Fatalf("%s: %s is in step %d of %d", c.ID, r.Rev, i+1, len(c.Steps))
				}
			}
		}
		conflict := c.Conflict("db")
		var revs []couchmend.Rev
		for i, leaf := range conflict.Leaves {
			revs = append(revs, leaf.Rev)
			if i > 0 && conflict.Leaves[i-1].Rev.Compare(leaf.Rev) <= 0 {
				t.Fatalf("%s: leaves are not in winner order", c.ID)
			}
		}
		if !slices.Equal(revs, c.Want.Leaves) {
			t.Fatalf("%s: leaves %v, want %v", c.ID, revs, c.Want.Leaves)
		}
	}
}

func TestBareTombstonesHaveCouchDBsID(t *testing.T) {
	// From a real CouchDB 3.5: the id depends on the parent alone.
	for parent, want := range map[string]string{
		"1-967a00dff5e02add41819138abb3284d": "2-eec205a9d413992850a6e32678485900",
		"1-0785e9eb543380151003dc452c3a001a": "2-d0ae140c7f7cdb92dd85a3e31ae18f0c",
		"2-8c49edca19d786e747fb5bea32c4cb91": "3-fb567087695adb203ba116e130794a84",
	} {
		rev := couchmend.MustRev(parent)
		if got := (couchmend.Rev{Gen: rev.Gen + 1, Hash: bareTombstone(rev)}).String(); got != want {
			t.Errorf("tombstone of %s is %s, want %s", parent, got, want)
		}
	}
}

// The oracle beside what can be said by looking at leaves alone: where all of
// them agree and nothing was counted, the merge agrees too.
func TestWhatAllLeavesAgreeOnIsInTheMerge(t *testing.T) {
	counted := map[string]bool{"visits": true, "totals": true, "tasks": true, "journal": true, "barcode": true, "series": true, "scale": true, "vitals": true, "high": true, "colour": true}
	for _, c := range collect(4, Options{Docs: 2000}) {
		if c.Want.Body == nil || strings.HasPrefix(c.Scenario, "soft-") {
			continue
		}
		conflict := c.Conflict("db")
		for _, m := range jsondoc.Value(conflict.Leaves[0].Body).Members() {
			alike := !slices.ContainsFunc(conflict.Leaves, func(r couchmend.Revision) bool {
				return !bytes.Equal(jsondoc.Value(r.Body).Get(m.Name), m.Value)
			})
			if got := c.Want.Body.Get(m.Name); alike && !counted[m.Name] && !bytes.Equal(got, m.Value) {
				t.Errorf("%s: every leaf says %s: %s, the oracle %s", c.ID, m.Name, m.Value, got)
			}
		}
	}
}

func TestDifferenceTellsNumbersKeysAndOrderApart(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{`{"a":1}`, `{"a": 1}`, ""},
		{`{"a":1}`, `{"a":1.0}`, "a: want 1, got 1.0"},
		{`{"a":1.50}`, `{"a":1.5}`, ""},
		{`12345678901234567890`, `12345678901234567891`, ": want 12345678901234567890, got 12345678901234567891"},
		{`"\u00e9"`, `"é"`, ""},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"c":2,"b":1}}`, "a: order of keys: want b,c, got c,b"},
		{`{"a":[1,2]}`, `{"a":[1]}`, "a[1]: want 2, got nothing"},
		{`{}`, `{"a":null}`, "a: want nothing, got null"},
	} {
		if got := Difference(jsondoc.MustParse(tt.a), jsondoc.MustParse(tt.b)); got != tt.want {
			t.Errorf("%s and %s: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestJavaScriptRoundsWhatADoubleCannotHold(t *testing.T) {
	for in, want := range map[string]string{
		"12345678901234567891": "12345678901234567000", "1.0": "1", "-9007199254740993": "-9007199254740992", "1.5": "1.5",
	} {
		if got := string(roundTrip(jsondoc.Value(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
