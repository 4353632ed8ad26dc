package cases

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Result is what came of a case. It passed if nothing is wrong.
type Result struct {
	Case     *Case
	Conflict couchmend.Conflict
	Decision couchmend.Decision
	// Wrong are sentences, each about one thing that is not as expected, and
	// Differences what the merge has otherwise.
	Wrong       []string
	Differences []Difference
	// Winner is the leaf that won where it failed, of a case that is to hold
	// whichever does.
	Winner string
}

// Passed reports whether the policy did what the case expects.
func (r *Result) Passed() bool { return len(r.Wrong) == 0 && len(r.Differences) == 0 }

// Run decides the case's conflict and compares. Beside what the case says it
// checks what every policy must keep: the order in which leaves are listed does
// not matter (I4), and what was written starts nothing new (I5).
func (c *Case) Run(ctx context.Context) Result {
	var first Result
	for i := range c.conflicts {
		r := c.run(ctx, i)
		if !r.Passed() && len(c.conflicts) > 1 {
			r.Winner = fmt.Sprintf("leaf %d", c.winners[i]+1)
		}
		if i == 0 {
			first = r
		}
		if !r.Passed() {
			return r
		}
	}
	return first
}

func (c *Case) run(ctx context.Context, i int) Result {
	conflict := needed(c.conflicts[i])
	r := Result{Case: c, Conflict: conflict, Decision: decide.Decide(ctx, c.rules(), conflict)}
	r.compare()
	if r.Passed() {
		r.checkOrder(ctx)
	}
	if r.Passed() {
		r.checkQuiet(ctx)
	}
	for i := range r.Wrong {
		r.Wrong[i] = c.Named(r.Conflict, r.Wrong[i])
	}
	return r
}

// rules are the policy's.
func (c *Case) rules() decide.Rules {
	return func(id string, body jsondoc.Value) *merge.Rule { return c.Policy.Select(body, id) }
}

func (r *Result) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// compare holds the decision against what the case expects.
func (r *Result) compare() {
	want, d := r.Case.Want, r.Decision
	got := d.Outcome
	if got == couchmend.Keep && want.Outcome == couchmend.Merge {
		got = couchmend.Merge
	}
	if want.Rule != "" && !strings.HasSuffix(d.Rule, "/"+want.Rule) && d.Rule != want.Rule {
		r.wrong("want the rule %s, got %s", want.Rule, cmp.Or(d.Rule, "none"))
	}
	if got != want.Outcome || d.Reason != want.Reason {
		r.wrong("want %s, got %s", outcomeOf(want.Outcome, want.Reason), outcomeOf(d.Outcome, d.Reason))
		return
	}
	for _, words := range want.Says {
		if !r.says(words) {
			r.wrong("the evidence does not say %q", words)
		}
	}
	if want.Violations != nil {
		r.compareViolations()
	}
	if want.Outcome == couchmend.Merge {
		r.compareBodies()
		r.compareAttachments()
	}
	r.compareFields()
}

// outcomeOf names an outcome with its reason.
func outcomeOf(o couchmend.Outcome, reason couchmend.Reason) string {
	if reason == "" {
		return string(o)
	}
	return fmt.Sprintf("%s (%s)", o, reason)
}

func (r *Result) says(words string) bool {
	return slices.ContainsFunc(r.Decision.Evidence, func(sentence string) bool {
		return strings.Contains(sentence, words) || strings.Contains(r.Case.Named(r.Conflict, sentence), words)
	})
}

func (r *Result) compareViolations() {
	var got []string
	for _, v := range r.Decision.Violations {
		got = append(got, v.Pointer)
	}
	slices.Sort(got)
	got = slices.Compact(got)
	want := slices.Sorted(slices.Values(r.Case.Want.Violations))
	if !slices.Equal(want, got) {
		r.wrong("want violations at %q, got them at %q", want, got)
	}
}

func (r *Result) compareBodies() {
	got := jsondoc.Value(r.Decision.Merge.Body)
	r.Differences = differences(nil, r.Case.Want.Body, got)
	if len(r.Differences) == 0 && r.Case.Want.Exact && !sameOrder(r.Case.Want.Body, got) {
		r.wrong("the members stand in another order: want %s, got %s", r.Case.Want.Body, got)
	}
	for i := range r.Differences {
		r.Differences[i].Why = r.why(r.Differences[i].field)
	}
}

// why says where a value of the merge came from, as far as that is told: an
// origin may speak of all below its path.
func (r *Result) why(path merge.Path) string {
	best := -1
	for i, o := range r.Decision.Fields {
		at := merge.ParsePath(o.Path)
		if o.Path == "" {
			at = nil
		}
		if len(at) <= len(path) && slices.Equal(at, path[:len(at)]) && (best < 0 || len(o.Path) > len(r.Decision.Fields[best].Path)) {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return r.origin(r.Decision.Fields[best])
}

func (r *Result) origin(o couchmend.Origin) string {
	if len(o.From) == 0 {
		return o.Why
	}
	return r.Case.Named(r.Conflict, fmt.Sprintf("%s: from %s", o.Why, couchmend.ListRevs(o.From)))
}

// compareAttachments compares names, and where the case has more, content.
func (r *Result) compareAttachments() {
	want := map[string]couchmend.Attachment{}
	for _, a := range r.Case.Want.Attachments {
		want[a.Name] = a
	}
	for _, a := range r.Decision.Merge.Attachments {
		expected, ok := want[a.Name]
		delete(want, a.Name)
		switch {
		case !ok:
			r.wrong("the merge has an attachment %q that the case does not expect, from %s", a.Name, a.From)
		case !r.Case.Want.NamesOnly && !sameContent(expected, r.content(a)):
			r.wrong("the attachment %q is not the expected one, but that of %s", a.Name, a.From)
		}
	}
	for _, a := range r.Case.Want.Attachments {
		if _, left := want[a.Name]; left {
			r.wrong("the merge has no attachment %q", a.Name)
		}
	}
}

// content is an attachment of the merge with the bytes that its leaf has.
func (r *Result) content(a couchmend.Attachment) couchmend.Attachment {
	for _, leaf := range r.Conflict.Leaves {
		for _, theirs := range leaf.Attachments {
			if leaf.Rev == a.From && a.Data == nil && theirs.Digest == a.Digest && theirs.Length == a.Length {
				a.Data = theirs.Data
			}
		}
	}
	return a
}

func (r *Result) compareFields() {
	for _, want := range r.Case.Want.Fields {
		i := slices.IndexFunc(r.Decision.Fields, func(o couchmend.Origin) bool { return o.Path == want.Path })
		switch {
		case i < 0:
			r.wrong("want %s by %q, but it does not differ between the leaves", want.Path, want.Why)
		case !strings.HasPrefix(r.Decision.Fields[i].Why, want.Why):
			r.wrong("want %s by %q, got %q", want.Path, want.Why, r.Decision.Fields[i].Why)
		}
	}
}

// checkOrder decides once more with the leaves listed in other orders.
func (r *Result) checkOrder(ctx context.Context) {
	first, _ := json.Marshal(r.Decision) // a decision is all text and numbers
	for _, order := range orders(len(r.Conflict.Leaves)) {
		c := r.Conflict
		c.Leaves = make([]couchmend.Revision, len(order))
		for i, from := range order {
			c.Leaves[i] = r.Conflict.Leaves[from]
		}
		c.Dead = slices.Clone(c.Dead)
		slices.Reverse(c.Dead)
		again, _ := json.Marshal(decide.Decide(ctx, r.Case.rules(), c))
		if !bytes.Equal(first, again) {
			r.wrong("the decision depends on the order in which the leaves are listed (%v)", order)
			return
		}
	}
}

// maxPermuted is for how many leaves every order is tried: 4 have 24. Of more
// it is the reverse and a few rotations.
const maxPermuted = 4

// orders are ways to list n things, other than as they stand.
func orders(n int) [][]int {
	stand := make([]int, n)
	for i := range stand {
		stand[i] = i
	}
	var all [][]int
	if n > maxPermuted {
		reverse := slices.Clone(stand)
		slices.Reverse(reverse)
		for _, k := range []int{1, n / 2, n - 1} {
			all = append(all, slices.Concat(stand[k:], stand[:k]))
		}
		return append(all, reverse)
	}
	var permute func(done, left []int)
	permute = func(done, left []int) {
		if len(left) == 0 && !slices.Equal(done, stand) {
			all = append(all, done)
		}
		for i := range left {
			permute(append(slices.Clone(done), left[i]), slices.Delete(slices.Clone(left), i, i+1))
		}
	}
	permute(nil, stand)
	return all
}

// checkQuiet carries the decision out in thought, and looks whether anything is
// left to decide: before the burials no more than these, and then nothing.
func (r *Result) checkQuiet(ctx context.Context) {
	d, c := r.Decision, r.Conflict
	if d.Outcome == couchmend.Review || d.Outcome == couchmend.Nothing || d.Outcome == couchmend.Split {
		return
	}
	if d.Merge != nil {
		c.Leaves = append([]couchmend.Revision{*d.Merge}, c.Leaves[1:]...)
		next := decide.Decide(ctx, r.Case.rules(), c)
		if d.Outcome != couchmend.Delete && next.Outcome != couchmend.Bury {
			r.wrong("once the merge is written, it is decided again: %s", outcomeOf(next.Outcome, next.Reason))
			return
		}
	}
	buried := map[couchmend.Rev]bool{}
	for _, tombstone := range d.Bury {
		buried[tombstone.Path[1]] = true
	}
	c.Leaves = slices.DeleteFunc(slices.Clone(c.Leaves), func(l couchmend.Revision) bool { return buried[l.Rev] })
	c.Dead = slices.Concat(c.Dead, d.Bury)
	if next := decide.Decide(ctx, r.Case.rules(), c); next.Outcome != couchmend.Nothing {
		r.wrong("once all is written, it is decided again: %s", outcomeOf(next.Outcome, next.Reason))
	}
}

// Named replaces revision ids in words for people by what the case calls them:
// "the winner", "leaf 2".
func (c *Case) Named(conflict couchmend.Conflict, words string) string {
	i := slices.IndexFunc(c.conflicts, func(own couchmend.Conflict) bool {
		return slices.EqualFunc(own.Leaves, conflict.Leaves, func(a, b couchmend.Revision) bool { return a.Rev == b.Rev })
	})
	if i < 0 {
		return words
	}
	var pairs []string
	for _, rev := range slices.SortedFunc(maps.Keys(c.names[i]), func(a, b couchmend.Rev) int {
		return cmp.Or(cmp.Compare(len(b.String()), len(a.String())), a.Compare(b)) // 2-ab before 2-a
	}) {
		pairs = append(pairs, rev.String(), c.names[i][rev])
	}
	return strings.NewReplacer(pairs...).Replace(words)
}
