package policy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/couchmend/couchmend/internal/merge"
)

// String says on one line which documents the rule selects and what it does
// with them.
func (r Rule) String() string {
	when := "every document"
	if !r.When.MatchesAll() {
		when = "documents with " + r.When.String()
	}
	return fmt.Sprintf("%s: %s: %s", r.Name, when, strings.Join(Describe(&r.Rule), "; "))
}

// Describe says in words what a rule does with a conflict, one clause each:
// what differs from the defaults, and what the default comes to for fields.
func Describe(r *merge.Rule) []string {
	var says []string
	if r.Clock.Kind != merge.NoClock {
		says = append(says, fmt.Sprintf("the document's clock is %s (%s)", r.Clock.Path, r.Clock.Kind))
	}
	if r.Resolver != nil {
		says = append(says, "the document is made by "+r.ResolverName)
	}
	covered := r.Resolver != nil
	for _, f := range r.Fields {
		covered = covered || f.Pattern.String() == "**"
		says = append(says, fmt.Sprintf("%s by %s", f.Pattern, describeStrategy(f.Strategy, r.Clock)))
	}
	if !covered {
		says = append(says, "other fields: changes on one side are taken, overlapping ones reviewed")
	}
	switch {
	case r.Leaves != nil && r.Merged != nil:
		says = append(says, "leaves and merge must satisfy a schema")
	case r.Leaves != nil:
		says = append(says, "leaves must satisfy a schema")
	case r.Merged != nil:
		says = append(says, "the merge must satisfy a schema")
	}
	if r.NoBase == merge.NoBaseStrategies {
		says = append(says, "without a base the strategies are used all the same, except sum, append and text")
	}
	says = append(says, describeDeletes(r)...)
	switch r.Attachments {
	case merge.AttachmentsKeepBoth:
		says = append(says, "of an attachment changed on two sides both are kept")
	case merge.AttachmentsWinner:
		says = append(says, "of an attachment changed on two sides the winner's is kept")
	}
	if r.MaxInline != 0 {
		says = append(says, fmt.Sprintf("attachments over %d bytes are reviewed", r.MaxInline))
	}
	switch r.Collision {
	case merge.CollisionMerge:
		says = append(says, "two roots are one thing created twice, and merged")
	case merge.CollisionSplit:
		says = append(says, "two roots are two documents under one id, and split")
	}
	if len(r.Identity) > 0 {
		says = append(says, "equal "+strings.Join(pathTexts(r.Identity), ", ")+" mean one thing")
	}
	for _, t := range r.References {
		says = append(says, fmt.Sprintf("%s names %s", t.At, t.Means))
	}
	return append(says, describeTombstone(r.Tombstone)...)
}

func describeStrategy(s merge.Strategy, clock merge.Clock) string {
	switch {
	case s.Kind == merge.ByKey:
		return "the key " + s.Key
	case s.Kind == merge.Latest && len(s.Beside) > 0:
		return fmt.Sprintf("latest (%s)", s.Beside)
	case s.Kind == merge.Custom:
		return s.ResolverName
	case s.Kind == merge.Latest:
		return fmt.Sprintf("latest (%s)", clock.Path)
	}
	return string(cmp.Or(s.Kind, merge.ReviewIt))
}

func describeDeletes(r *merge.Rule) []string {
	var says []string
	switch r.Deletes {
	case merge.DeleteWins:
		says = append(says, "a deletion wins over an edit")
	case merge.DeletesReview:
		says = append(says, "a deletion beside an edit is reviewed")
	}
	if s := r.SoftDelete; s != nil {
		wins := map[merge.SoftDeleteWins]string{
			merge.SoftDeleteStands: "wins over an edit",
			merge.SoftEditStands:   "yields to an edit",
			merge.SoftReview:       "beside an edit is reviewed",
		}[s.Wins]
		says = append(says, fmt.Sprintf("a soft deletion (%s) %s", s.Field, wins))
	}
	return says
}

func describeTombstone(t merge.Tombstone) []string {
	switch {
	case t.KeepAll:
		return []string{"tombstones keep the whole body"}
	case len(t.Keep) > 0:
		return []string{"tombstones keep " + strings.Join(pathTexts(t.Keep), ", ")}
	}
	return nil
}

func pathTexts(paths []merge.Path) []string {
	texts := make([]string, len(paths))
	for i, p := range paths {
		texts[i] = p.String()
	}
	return texts
}
