package suggest

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/suggest/clinic"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

// comesTo is the rule that a profile comes to.
func comesTo(p *profile) proposed { return proposeRule(p, nil) }

// look takes conflicts into a new profile.
func look(conflicts []couchmend.Conflict) *profile {
	p := newProfile(newRoom())
	for i, c := range conflicts {
		p.conflicts++
		pairs, _ := pairsOf(c)
		for _, pair := range pairs {
			p.look(seen{pair: pair, doc: i + 1, id: c.ID, rank: rankOf(c.ID)})
		}
	}
	return p
}

func TestTwoProfilesAddUpToThatOfAllTheirConflicts(t *testing.T) {
	all := slices.Collect(clinic.Conflicts(clinic.Options{Docs: 150, Seed: 1, NoBase: 20}))
	want := comesTo(look(all))
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(all)).Draw(t, "at")
		one, other := look(all[:at]), look(all[at:])
		if rapid.Bool().Draw(t, "the other way round") {
			one, other = other, one
		}
		one.merge(other)
		if got := comesTo(one); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nwant %+v", got, want)
		}
	})
}

func TestNamesThatAreDataAreOnePlace(t *testing.T) {
	var all []couchmend.Conflict
	for i := range 3 * maxMembers {
		all = append(all, twoLeaves(i, `{"votes":{}}`, fmt.Sprintf(`{"votes":{"user-%d":1}}`, i), `{"votes":{"both":1}}`))
	}
	p := look(all)
	votes := p.root.members["votes"]
	if !votes.wild || len(votes.members) != 1 {
		t.Errorf("%d places for the members of an object whose names are data", len(votes.members))
	}
	if p.room.left < maxPlaces-10 {
		t.Errorf("%d of %d places are left", p.room.left, maxPlaces)
	}
}

func TestMemoryDoesNotGrowWithConflicts(t *testing.T) {
	heap := func(n int) int64 {
		space := newRoom()
		all := profiles{}
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for c := range clinic.Conflicts(clinic.Options{Docs: n, Seed: 1}) {
			p := all.at("all", subkind{}, space)
			pairs, _ := pairsOf(c)
			for _, pair := range pairs {
				p.look(seen{pair: pair, doc: n, id: c.ID, rank: rankOf(c.ID)})
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(all)
		return int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	small, large := heap(300), heap(2000)
	if large > 2*small+1<<19 {
		t.Errorf("a profile of 300 conflicts takes %d bytes, of 2,000 %d", small, large)
	}
}

func TestDocumentsOfAnyShapeStayWithinTheirPlaces(t *testing.T) {
	space := &room{left: 300}
	p := newProfile(space)
	for i := range 200 {
		body := func(n int) string {
			return fmt.Sprintf(`{"a%d":{"b%d":{"c%d":%d}},"x":[{"id":%d,"y%d":%d}]}`, i, i, i, n, i, i, n)
		}
		pairs, _ := pairsOf(twoLeaves(i, body(0), body(1), body(2)))
		for _, pair := range pairs {
			p.look(seen{pair: pair, doc: i + 1, id: "x"})
		}
	}
	if !space.full || space.left < 0 {
		t.Errorf("room for 300 places, %d left", space.left)
	}
	proposeRule(p, nil)
}

// twoLeaves is a document that grew from base into two leaves.
func twoLeaves(i int, base, a, b string) couchmend.Conflict {
	rev := func(gen int, digit string) couchmend.Rev {
		return couchmend.Rev{Gen: gen, Hash: strings.Repeat(digit, 32)}
	}
	root := rev(1, "0")
	leaf := func(digit, body string) couchmend.Revision {
		return couchmend.Revision{Rev: rev(2, digit), Path: []couchmend.Rev{rev(2, digit), root}, Body: []byte(body)}
	}
	return couchmend.Conflict{
		DB: "medic", ID: fmt.Sprintf("doc-%d", i), RevsLimit: 1000, Leaves: []couchmend.Revision{leaf("b", a), leaf("a", b)},
		Bases: map[couchmend.Rev]couchmend.Revision{root: {Rev: root, Path: []couchmend.Rev{root}, Body: []byte(base)}},
	}
}

func TestWhatIsProposedIsReadBack(t *testing.T) {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z_]{0,8}`), rapid.String(),
		rapid.SampledFrom([]string{"no", "true", "null", "a.b", `a\b`, "a*", "# x", "x: y", "1e3", "~", " lead", "trail ", "\u2028", "\x07", "日本"}),
	).Filter(func(s string) bool { return s != "" && s != "**" && s != "*" && utf8.ValidString(s) })
	path := rapid.SliceOfN(name, 1, 3).Filter(func(p []string) bool { return !strings.HasPrefix(p[0], "_") })
	strategy := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]merge.StrategyKind{merge.Union, merge.Append, merge.Max, merge.Min, merge.Sum, merge.Text}), func(k merge.StrategyKind) merge.Strategy { return merge.Strategy{Kind: k} }),
		rapid.Map(name, func(key string) merge.Strategy { return merge.Strategy{Kind: merge.ByKey, Key: key} }),
		rapid.Map(path, func(p []string) merge.Strategy { return merge.Strategy{Kind: merge.Latest, Beside: p} }),
	)
	rapid.Check(t, func(t *rapid.T) {
		db := rapid.StringMatching(`[a-z][a-z0-9_$()+/-]{0,20}`).Draw(t, "db")
		value := name.Draw(t, "value")
		rule := Rule{When: []Condition{{Field: "type", Value: value}}}
		if rapid.Bool().Draw(t, "several") {
			rule.When = append(rule.When, Condition{Field: "form", Value: name.Draw(t, "form"), Or: rapid.SliceOfN(name, 1, 3).Draw(t, "or")})
		}
		if rapid.Bool().Draw(t, "clocked") {
			rule.Clock = &Clock{Kind: rapid.SampledFrom([]merge.ClockKind{merge.Vector, merge.Lamport, merge.Sequence}).Draw(t, "kind"), Path: path.Draw(t, "clock"), Why: name.Draw(t, "why")}
		}
		if rapid.Bool().Draw(t, "softly") {
			rule.SoftDelete = &Field{Pattern: path.Draw(t, "deleted")}
		}
		seen := map[string]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "fields") {
			f := Field{Pattern: path.Draw(t, "pattern"), Strategy: strategy.Draw(t, "strategy"), Why: name.Draw(t, "why"), Contested: 1, Example: Example{ID: name.Draw(t, "id")}}
			if !seen[f.Pattern.String()] {
				seen[f.Pattern.String()] = true
				rule.Fields = append(rule.Fields, f)
				rule.Open = append(rule.Open, f)
			}
		}
		p := Proposal{DB: db, Policy: policyName(db), Conflicts: 1, By: []string{name.Draw(t, "by")}, Rules: []Rule{rule}}
		rules := []proposed{{Rule: rule}}
		nameRules(rules)
		p.Rules[0] = rules[0].Rule
		text := p.render()
		f, err := policy.Parse("x", []byte(text), ".", policy.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		read := f.For(db)
		if read == nil || len(read.Rules) != 2 || read.Name != p.Policy {
			t.Fatalf("database %q: %+v\n%s", db, read, text)
		}
		same(t, p.Rules[0], read.Rules[0], text)
	})
}

// same compares a rule with what was read back of it.
func same(t *rapid.T, want Rule, got policy.Rule, text string) {
	if _, name, _ := strings.Cut(got.Name, "/"); name != want.Name {
		t.Errorf("name %q, want %q\n%s", name, want.Name, text)
	}
	body := []jsondoc.Member{}
	for _, c := range want.When {
		body = append(body, jsondoc.Member{Name: c.Field, Value: jsondoc.String(c.Value)})
	}
	if !got.When.Match(jsondoc.Object(body), "x") || got.When.Match(jsondoc.MustParse(`{"type":true,"form":1}`), "x") {
		t.Errorf("when %s does not select %s alone\n%s", got.When, jsondoc.Object(body), text)
	}
	clock := merge.Clock{}
	if want.Clock != nil {
		clock = merge.Clock{Kind: want.Clock.Kind, Path: want.Clock.Path}
	}
	if !reflect.DeepEqual(got.Clock, clock) {
		t.Errorf("clock %v, want %v\n%s", got.Clock, clock, text)
	}
	if (got.SoftDelete == nil) != (want.SoftDelete == nil) || got.SoftDelete != nil && !slices.Equal(got.SoftDelete.Field, want.SoftDelete.Pattern) {
		t.Errorf("soft_delete %v, want %v\n%s", got.SoftDelete, want.SoftDelete, text)
	}
	if len(got.Fields) != len(want.Fields) {
		t.Fatalf("%d fields, want %d\n%s", len(got.Fields), len(want.Fields), text)
	}
	for i, f := range want.Fields {
		if g := got.Fields[i]; !slices.Equal(g.Pattern, f.Pattern) || !sameStrategy(g.Strategy, f.Strategy) {
			t.Errorf("field %v, want %v %v\n%s", g, f.Pattern, f.Strategy, text)
		}
	}
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "a", "no", "0x1f", "- a", "a: b", "\u0085", "\U0001F600", "\ufeff", "\u2029", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		var got struct{ V []string }
		text := "v: [" + quoted(s) + "]"
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || len(got.V) != 1 || got.V[0] != s {
			t.Errorf("%q is read back as %q: %v\n%s", s, got.V, err, text)
		}
	})
}

func TestMomentsAreToldFromOtherText(t *testing.T) {
	for text, want := range map[string]layout{
		`"2026-01-02T03:04:05Z"`: "0000-00-00T00:00:00Z", `"2026-01-02T03:04:05.123Z"`: "0000-00-00T00:00:00.000Z",
		`"2026-01-02T03:04:05+02:00"`: "0000-00-00T00:00:00+00:00", `"2026-01-02 03:04:05"`: "0000-00-00 00:00:00", `"2026-01-02"`: "0000-00-00",
		`"2026-13-02"`: "", `"2026-01"`: "", `"12345678-12"`: "", `"+977000000000"`: "", `1767254400`: "seconds", `1767254400000`: "milliseconds",
		`1767254400000.5`: "", `42`: "", `9767254400`: "", `null`: "", `"aaaa-aa-aaaaaa"`: "",
	} {
		if got := layoutOf(jsondoc.MustParse(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for l, want := range map[layout]bool{
		"": false, several: false, "seconds": true, "0000-00-00": true, "0000-00-00T00:00:00Z": true,
		"0000-00-00 00:00:00": true, "0000-00-00T00:00:00+00:00": false,
	} {
		if l.sortable() != want {
			t.Errorf("%q: sortable %t", l, !want)
		}
	}
}

func TestNamesSayWhatTheyMean(t *testing.T) {
	for _, c := range []struct {
		is    func(string) bool
		what  string
		yes   []string
		never []string
	}{
		{namesCounter, "counter", []string{"visits", "visit_count", "totalDoses", "num_children", "likes"}, []string{"level", "age", "status", "edit_count", "versions", "address", "peak_visits", "seq", "s"}},
		{namesClock, "clock", []string{"edit_count", "editCount", "seq", "version", "doc_rev", "lamport"}, []string{"visits", "aversion", "revenue", "sequel"}},
		{namesHigh, "high", []string{"max_temp", "lastSeen", "updated_at"}, []string{"blast", "name"}},
		{namesLow, "low", []string{"min_temp", "first_seen"}, []string{"minutes", "name"}},
		{namesDeletion, "deletion", []string{"deleted", "is_deleted", "deletedAt", "archived_on"}, []string{"undeleted", "deleted_by_user_name", "status", "delete"}},
	} {
		for _, name := range c.yes {
			if !c.is(name) {
				t.Errorf("%s names no %s", name, c.what)
			}
		}
		for _, name := range c.never {
			if c.is(name) {
				t.Errorf("%s names a %s", name, c.what)
			}
		}
	}
	if !isBeside("lmp", "lmp_changed") || !isBeside("address", "addressUpdatedAt") || isBeside("a", "ab_at") || isBeside("", "_at") {
		t.Error("clocks beside values are taken for others")
	}
}
