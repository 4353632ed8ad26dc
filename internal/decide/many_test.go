package decide

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// manyLeaves is a document that n devices have edited, each once.
func manyLeaves(n int) couchmend.Conflict {
	root := couchmend.MustRev("1-a")
	c := couchmend.Conflict{ID: docID, RevsLimit: 1000, Bases: map[couchmend.Rev]couchmend.Revision{
		root: {Rev: root, Body: json.RawMessage(`{"c0":0,"tags":[]}`)},
	}}
	for i := range n {
		r := couchmend.Rev{Gen: 2, Hash: fmt.Sprintf("%032x", i)}
		body := fmt.Sprintf(`{"c0":1,"tags":["t%d"],"g%d":%d}`, i%100, i%20, i)
		c.Leaves = append(c.Leaves, couchmend.Revision{Rev: r, Path: []couchmend.Rev{r, root}, Body: json.RawMessage(body)})
	}
	return c
}

func TestTwoThousandLeavesAreOneMerge(t *testing.T) {
	const n = 2000
	c := manyLeaves(n)
	rule := ruleOf(merge.EditWins)
	rule.Fields = append(rule.Fields, merge.Field{Pattern: merge.Path{"**"}, Strategy: merge.Strategy{Kind: merge.Max}})
	started := time.Now()
	d := Decide(context.Background(), func(string, jsondoc.Value) *merge.Rule { return rule }, c)
	t.Logf("decided in %v", time.Since(started))
	if d.Outcome != couchmend.Merge || len(d.Bury) != n-1 || !d.Deep {
		t.Fatalf("%s %s %v, %d tombstones", d.Outcome, d.Reason, d.Evidence[:1], len(d.Bury))
	}
	got := contentOf(d.Merge.Body)
	if got.counts["c0"] != n || len(got.tags) != 100 {
		t.Errorf("counter %d, %d tags", got.counts["c0"], len(got.tags))
	}
}

func BenchmarkDecideManyLeaves(b *testing.B) {
	rule := ruleOf(merge.EditWins)
	rule.Fields = append(rule.Fields, merge.Field{Pattern: merge.Path{"**"}, Strategy: merge.Strategy{Kind: merge.Max}})
	c := manyLeaves(500)
	for b.Loop() {
		Decide(context.Background(), func(string, jsondoc.Value) *merge.Rule { return rule }, c)
	}
}
