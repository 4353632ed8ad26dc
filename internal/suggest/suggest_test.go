package suggest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/suggest"
	"github.com/couchmend/couchmend/internal/suggest/clinic"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func source(all iter.Seq[couchmend.Conflict]) suggest.Source {
	return func(yield func(couchmend.Conflict, error) bool) {
		for c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func propose(t testing.TB, all iter.Seq[couchmend.Conflict], o suggest.Options) *suggest.Proposal {
	t.Helper()
	if o.DB == "" {
		o.DB = "medic"
	}
	p, err := suggest.Propose(context.Background(), source(all), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reporter is what a test and a rapid check have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// read parses a proposal's text, which must be free of warnings.
func read(t reporter, p *suggest.Proposal) *policy.File {
	t.Helper()
	f, err := policy.Parse("proposal", []byte(p.Text), ".", policy.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Text)
	}
	for _, w := range f.Warnings {
		t.Errorf("%s\n%s", w, p.Text)
	}
	return f
}

func rules(p *policy.Policy) decide.Rules {
	return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
}

// lines are a rule's fields as its policy has them: "pattern: strategy".
func lines(r *merge.Rule) []string {
	var lines []string
	if r.Clock.Kind != merge.NoClock {
		lines = append(lines, fmt.Sprintf("clock %s: %s", r.Clock.Kind, r.Clock.Path))
	}
	for _, f := range r.Fields {
		line := fmt.Sprintf("%s: %s", f.Pattern, f.Strategy.Kind)
		if len(f.Strategy.Beside) > 0 {
			line += " " + f.Strategy.Beside.String()
		}
		if f.Strategy.Key != "" {
			line += " " + f.Strategy.Key
		}
		lines = append(lines, line)
	}
	if r.SoftDelete != nil {
		lines = append(lines, fmt.Sprintf("soft_delete %s: %s", r.SoftDelete.Field, r.SoftDelete.Wins))
	}
	slices.Sort(lines)
	return lines
}

// clinicProposal is made once for the tests that look at it.
var clinicProposal = sync.OnceValue(func() *suggest.Proposal {
	all := clinic.Conflicts(clinic.Options{Docs: 1500, Seed: 1, NoBase: 20})
	p, err := suggest.Propose(context.Background(), source(all), suggest.Options{DB: "medic"})
	if err != nil {
		panic(err)
	}
	return p
})

func TestEachFieldGetsTheStrategyThatItsValuesSpeakFor(t *testing.T) {
	p := clinicProposal()
	report := []string{
		"clock lamport: edit_count", "fields.lmp: latest fields.lmp_changed", "fields.visits: sum", "last_contacted: max",
		"read: union", "scheduled_tasks: by_key group", "soft_delete deleted: review",
	}
	want := map[string][]string{
		"medic/data_record death": report, // where doses are words
		"medic/data_record":       slices.Sorted(slices.Values(append(slices.Clone(report), "fields.doses: sum"))),
		"medic/person":            {"clock vector: versions", "notes: text"},
		"medic/task":              {"state_history: append"},
		"medic/feedback":          {"updated_at: max"},
		"medic/otherwise":         nil,
	}
	for _, r := range read(t, p).Policies["medic"].Rules {
		expected, ok := want[r.Name]
		if got := lines(&r.Rule); !ok || !slices.Equal(got, expected) {
			t.Errorf("%s (%s):\ngot  %q\nwant %q", r.Name, r.When, got, expected)
		}
		delete(want, r.Name)
	}
	if len(want) > 0 {
		t.Errorf("no rules %v\n%s", want, p.Text)
	}
}

func TestWhatNoEvidenceSettlesIsLeftToAPersonAndSaysWhy(t *testing.T) {
	p := clinicProposal()
	for _, want := range []struct{ rule, pattern, why, maybe string }{
		{"data_record", "fields.patient_name", "Text of one line", ""},
		{"data_record", "scheduled_tasks.*.state", "One of 4 different texts", ""},
		{"data_record death", "fields.doses", "Text of one line", ""},
		{"person", "alternative_phones", "from which elements are taken out", "union"},
		{"person", "contacted_on", "A date that rises and falls", ""},
		{"task", "priority_level", "Its name does not say", "sum max"},
		{"feedback", "votes.*", "A counter", "sum"},
	} {
		i := slices.IndexFunc(p.Rules, func(r suggest.Rule) bool { return r.Name == want.rule })
		j := slices.IndexFunc(p.Rules[i].Open, func(f suggest.Field) bool { return f.Pattern.String() == want.pattern })
		if j < 0 {
			t.Errorf("%s: %s is not open", want.rule, want.pattern)
			continue
		}
		f := p.Rules[i].Open[j]
		var maybe []string
		for _, s := range f.Maybe {
			maybe = append(maybe, string(s.Kind))
		}
		if !strings.Contains(f.Why, want.why) || strings.Join(maybe, " ") != want.maybe || f.Strategy.Kind != merge.ReviewIt || f.Example.ID == "" {
			t.Errorf("%s: %s: %q, maybe %v, example %q", want.rule, want.pattern, f.Why, maybe, f.Example.ID)
		}
	}
}

func TestTheOrderOfConflictsDoesNotMatter(t *testing.T) {
	all := slices.Collect(clinic.Conflicts(clinic.Options{Docs: 300, Seed: 2, NoBase: 10}))
	want := propose(t, slices.Values(all), suggest.Options{Examples: true}).Text
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for i := range all {
			r.Shuffle(len(all[i].Leaves), func(a, b int) { all[i].Leaves[a], all[i].Leaves[b] = all[i].Leaves[b], all[i].Leaves[a] })
		}
		if got := propose(t, slices.Values(all), suggest.Options{Examples: true}).Text; got != want {
			t.Fatalf("in another order:\n%s\nwant\n%s", got, want)
		}
	}
}

// recount decides each conflict by a text.
func recount(t *testing.T, text string, all iter.Seq[couchmend.Conflict]) *suggest.Shares {
	t.Helper()
	f, err := policy.Parse("changed", []byte(text), ".", policy.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	shares := &suggest.Shares{}
	for c := range all {
		shares.Add(decide.Decide(context.Background(), rules(f.For(c.DB)), c))
	}
	return shares
}

func TestSharesAreThoseOfTheTextThatIsWritten(t *testing.T) {
	var generated []couchmend.Conflict
	for c := range conflictgen.New(1, conflictgen.Options{Docs: 300}).Docs() {
		if conflict := c.Conflict("medic"); len(conflict.Leaves) > 1 {
			generated = append(generated, conflict)
		}
	}
	for name, all := range map[string]iter.Seq[couchmend.Conflict]{
		"clinic":    clinic.Conflicts(clinic.Options{Docs: 500, Seed: 8, NoBase: 20}),
		"generated": slices.Values(generated),
	} {
		p := propose(t, all, suggest.Options{})
		counted := recount(t, p.Text, all)
		got := map[string]suggest.Share{"": p.Total, "medic/otherwise": p.Otherwise}
		for _, r := range p.Rules {
			got["medic/"+r.Name] = r.Share
		}
		if fmt.Sprint(got[""]) != fmt.Sprint(counted.All()) {
			t.Errorf("%s: in all %+v, counted %+v", name, got[""], counted.All())
		}
		for rule, share := range got {
			if rule != "" && fmt.Sprint(share) != fmt.Sprint(counted.Of(rule)) {
				t.Errorf("%s: %s: %+v, counted %+v", name, rule, share, counted.Of(rule))
			}
		}
		if name == "clinic" && p.Total.Resolved <= p.Builtin.Resolved {
			t.Errorf("%s: %d would be resolved, %d without a policy", name, p.Total.Resolved, p.Builtin.Resolved)
		}
		for _, want := range []string{
			fmt.Sprintf(`#   in all +%s +%s +%s +`, comma(p.Total.Open), comma(p.Total.Resolved), p.Total.Percent()),
			fmt.Sprintf(`#   without a policy +%s +%s `, comma(p.Builtin.Open), comma(p.Builtin.Resolved)),
		} {
			if !regexp.MustCompile(`(?m)^` + want).MatchString(p.Text) {
				t.Errorf("%s: no line like %s in\n%s", name, want, p.Text)
			}
		}
	}
}

func comma(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// TestAChoiceResolvesAsManyMoreAsItSays writes each choice into the text, as a
// person would.
func TestAChoiceResolvesAsManyMoreAsItSays(t *testing.T) {
	all := clinic.Conflicts(clinic.Options{Docs: 600, Seed: 9, NoBase: 20})
	p := propose(t, all, suggest.Options{})
	tried := map[string]int{}
	for _, r := range p.Rules {
		for _, c := range r.Choices {
			text := written(t, p.Text, r.Name, c.Line)
			got := recount(t, text, all)
			if more := got.All().Resolved - p.Total.Resolved; more != c.More {
				t.Errorf("%s: %s: %d more, said to be %d", r.Name, c.Line, more, c.More)
			}
			tried[strings.Fields(c.Line)[0]]++
		}
	}
	for _, kind := range []string{"fields:", "soft_delete:", "clock:", "leave"} {
		if tried[kind] == 0 {
			t.Errorf("no choice begins with %s: %v", kind, tried)
		}
	}
}

// key is where a key of a rule begins in a choice's line.
var key = regexp.MustCompile(`(?:^|, )(clock|fields|no_base|soft_delete|attachments|collision): `)

// written puts a choice's line into a rule of a policy's text.
func written(t *testing.T, text, rule, line string) string {
	t.Helper()
	head, mine, ok := strings.Cut(text, "      - name: "+rule+"\n")
	if !ok {
		t.Fatalf("no rule %s in\n%s", rule, text)
	}
	mine, rest, _ := strings.Cut(mine, "\n\n")
	softDelete := regexp.MustCompile(`(?m)^        soft_delete: .*\n`)
	if line == "leave soft_delete out" {
		return head + "      - name: " + rule + "\n" + softDelete.ReplaceAllString(mine, "") + "\n\n" + rest
	}
	keys := key.FindAllStringSubmatchIndex(line, -1)
	if len(keys) == 0 {
		t.Fatalf("not understood: %s", line)
	}
	for i, at := range keys {
		end := len(line)
		if i+1 < len(keys) {
			end = keys[i+1][0]
		}
		key, value := line[at[2]:at[3]], line[at[1]:end]
		switch {
		case key == "fields" && strings.Contains(mine, "        fields:\n"):
			entry := strings.TrimSuffix(strings.TrimPrefix(value, "{ "), " }")
			mine = strings.Replace(mine, "        fields:\n", "        fields:\n          "+entry+"\n", 1)
		case key == "soft_delete":
			mine = softDelete.ReplaceAllString(mine, "        soft_delete: "+value+"\n")
		default:
			mine = "        " + key + ": " + value + "\n" + mine
		}
	}
	return head + "      - name: " + rule + "\n" + mine + "\n\n" + rest
}

func TestAWinnerOrALatestDocumentIsNeverChosenSilently(t *testing.T) {
	for seed := range uint64(4) {
		p := propose(t, clinic.Conflicts(clinic.Options{Docs: 200, Seed: seed, NoBase: int(seed) * 20}), suggest.Options{})
		for _, r := range read(t, p).Policies["medic"].Rules {
			for _, f := range r.Fields {
				if f.Strategy.Kind == merge.Winner || f.Strategy.Kind == merge.Latest && len(f.Strategy.Beside) == 0 {
					t.Errorf("%s: %s: %s", r.Name, f.Pattern, f.Strategy.Kind)
				}
			}
			if r.NoBase != merge.NoBaseReview || r.Deletes != merge.EditWins || r.Attachments != merge.AttachmentsReview || r.Collision != merge.CollisionReview {
				t.Errorf("%s decides what a person must: %+v", r.Name, r.Rule)
			}
			if r.SoftDelete != nil && r.SoftDelete.Wins != merge.SoftReview {
				t.Errorf("%s: soft deletions: %s", r.Name, r.SoftDelete.Wins)
			}
		}
	}
}

func TestAMemberThatTellsNothingApartIsRefused(t *testing.T) {
	all := clinic.Conflicts(clinic.Options{Docs: 500, Seed: 1})
	for _, by := range []string{"nothing", "name"} {
		_, err := suggest.Propose(context.Background(), source(all), suggest.Options{DB: "medic", By: []string{by}})
		if couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("--by %s: %v", by, err)
		}
	}
}

func TestAnErrorOfTheSourceEndsIt(t *testing.T) {
	failing := func(yield func(couchmend.Conflict, error) bool) {
		if yield(conflict(1, `{}`, `{"a":1}`, `{"a":2}`), nil) {
			yield(couchmend.Conflict{}, &couchmend.Error{Op: "read", Kind: couchmend.KindUnreachable})
		}
	}
	if _, err := suggest.Propose(context.Background(), failing, suggest.Options{DB: "medic"}); couchmend.KindOf(err) != couchmend.KindUnreachable {
		t.Errorf("%v", err)
	}
}

func TestItEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := suggest.Propose(ctx, source(clinic.Conflicts(clinic.Options{Docs: 50, Seed: 1})), suggest.Options{DB: "medic"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestExamplesShowValuesOnlyWhereTheyAreAskedFor(t *testing.T) {
	edit := func(i int) (string, string, string) {
		return `{"type":"t","name":"Ada"}`, `{"type":"t","name":"Grace"}`, `{"type":"t","name":"Edsger"}`
	}
	hidden := propose(t, pairs(40, edit), suggest.Options{})
	printed, err := json.Marshal(hidden)
	if err != nil || strings.Contains(hidden.Text, "Grace") || strings.Contains(string(printed), "Grace") {
		t.Errorf("a value is shown: %v\n%s\n%s", err, hidden.Text, printed)
	}
	shown := propose(t, pairs(40, edit), suggest.Options{Examples: true})
	printed, err = json.Marshal(shown)
	if err != nil || !strings.Contains(shown.Text, "Grace") || !strings.Contains(string(printed), "Grace") {
		t.Errorf("no value is shown: %v\n%s\n%s", err, shown.Text, printed)
	}
}

func TestASampleIsCalledOne(t *testing.T) {
	p := propose(t, clinic.Conflicts(clinic.Options{Docs: 100, Seed: 1}), suggest.Options{Of: 4321})
	if !strings.Contains(p.Text, "# Seen: a sample of 100 of about 4,321 open conflicts.") {
		t.Errorf("%.500s", p.Text)
	}
}

func BenchmarkPropose(b *testing.B) {
	all := slices.Collect(clinic.Conflicts(clinic.Options{Docs: 10_000, Seed: 1, NoBase: 20}))
	b.ReportAllocs()
	for b.Loop() {
		propose(b, slices.Values(all), suggest.Options{})
	}
}
