package merge_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// show merges a winner and a loser that grew from base, with one strategy for
// the field "f", and prints the merge or why there is none.
func show(strategy merge.Strategy, base, winner, loser string) {
	rule := &merge.Rule{Fields: []merge.Field{{Pattern: merge.ParsePath("f"), Strategy: strategy}}}
	b, w, l := couchmend.MustRev("1-b"), couchmend.MustRev("2-w"), couchmend.MustRev("2-l")
	tree := revtree.New([]couchmend.Rev{w, b}, []couchmend.Rev{l, b})
	merged, refusal := merge.Merge(context.Background(), rule, "d", tree.Fold([]couchmend.Rev{w, l}), map[couchmend.Rev]couchmend.Revision{
		b: {Rev: b, Body: json.RawMessage(base)},
		w: {Rev: w, Body: json.RawMessage(winner)},
		l: {Rev: l, Body: json.RawMessage(loser)},
	})
	if refusal != nil {
		fmt.Println("review:", refusal.Evidence[0])
		return
	}
	fmt.Printf("%s\n", merged.Body)
}

// Without a strategy, a field that both sides changed is left to a person.
func Example_review() {
	show(merge.Strategy{Kind: merge.ReviewIt}, `{"f":"old"}`, `{"f":"x"}`, `{"f":"y"}`)
	// Output: review: f: "x" in 2-w, "y" in 2-l: changed differently, and no strategy covers it
}

// A set: every element of either side, sorted.
func Example_union() {
	show(merge.Strategy{Kind: merge.Union}, `{"f":["b"]}`, `{"f":["b","z"]}`, `{"f":["b","a"]}`)
	// Output: {"f":["a","b","z"]}
}

// A log: the winner's side, then what the other added.
func Example_append() {
	show(merge.Strategy{Kind: merge.Append}, `{"f":["start"]}`, `{"f":["start","z"]}`, `{"f":["start","a"]}`)
	// Output: {"f":["start","z","a"]}
}

// An array of objects, matched by a member.
func Example_byKey() {
	show(merge.Strategy{Kind: merge.ByKey, Key: "id"},
		`{"f":[{"id":1,"s":"due"},{"id":2,"s":"due"}]}`,
		`{"f":[{"id":1,"s":"sent"},{"id":2,"s":"due"}]}`,
		`{"f":[{"id":1,"s":"due"},{"id":2,"s":"due","n":1},{"id":3}]}`)
	// Output: {"f":[{"id":1,"s":"sent"},{"id":2,"s":"due","n":1},{"id":3}]}
}

// The greater value stands; Min is its mirror image.
func Example_max() {
	show(merge.Strategy{Kind: merge.Max}, `{"f":1}`, `{"f":9007199254740992}`, `{"f":9007199254740993}`)
	show(merge.Strategy{Kind: merge.Min}, `{"f":9}`, `{"f":3}`, `{"f":5}`)
	// Output:
	// {"f":9007199254740993}
	// {"f":3}
}

// A counter: the changes of both sides add up.
func Example_sum() {
	show(merge.Strategy{Kind: merge.Sum}, `{"f":10}`, `{"f":12}`, `{"f":12}`)
	// Output: {"f":14}
}

// A text, line by line.
func Example_text() {
	show(merge.Strategy{Kind: merge.Text}, `{"f":"a\nb\nc\n"}`, `{"f":"A\nb\nc\n"}`, `{"f":"a\nb\nc\nd\n"}`)
	// Output: {"f":"A\nb\nc\nd\n"}
}

// The later value, by a clock that stands beside it and merges too.
func Example_latest() {
	show(merge.Strategy{Kind: merge.Latest, Beside: merge.Path{"at"}}, `{"f":"","at":0}`, `{"f":"first","at":3}`, `{"f":"second","at":5}`)
	// Output: {"f":"second","at":5}
}

// CouchDB's winner.
func Example_winner() {
	show(merge.Strategy{Kind: merge.Winner}, `{"f":0}`, `{"f":1}`, `{"f":2}`)
	// Output: {"f":1}
}
