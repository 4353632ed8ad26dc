package decide_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Two phones edited one report offline: one corrected the date, the other
// counted two visits, and the first counted one. The ids are the same for ever.
func ExampleDecide() {
	rule := &merge.Rule{Name: "reports", Fields: []merge.Field{{Pattern: merge.ParsePath("visits"), Strategy: merge.Strategy{Kind: merge.Sum}}}}
	rules := func(string, jsondoc.Value) *merge.Rule { return rule }

	base, w, l := couchmend.MustRev("1-a"), couchmend.MustRev("2-w"), couchmend.MustRev("2-l")
	revision := func(body string, path ...couchmend.Rev) couchmend.Revision {
		return couchmend.Revision{Rev: path[0], Path: path, Body: json.RawMessage(body)}
	}
	conflict := couchmend.Conflict{ID: "report", RevsLimit: 1000, Leaves: []couchmend.Revision{
		revision(`{"date":"May 3","visits":4}`, w, base),
		revision(`{"date":"May 2","visits":5}`, l, base),
	}}
	for _, r := range decide.Bases(conflict) { // to be read from CouchDB, or the journal
		conflict.Bases = map[couchmend.Rev]couchmend.Revision{r: revision(`{"date":"May 2","visits":3}`, r)}
	}

	d := decide.Decide(context.Background(), rules, conflict)
	fmt.Printf("%s %s\n", d.Outcome, d.Merge.Body)
	for _, field := range d.Fields {
		fmt.Printf("%s: %s (%v)\n", field.Path, field.Why, field.From)
	}
	fmt.Println("path:", d.Merge.Path)
	fmt.Println("then bury:", d.Bury[0].Path[1])
	// Output:
	// merge {"date":"May 3","visits":6}
	// date: changed on one side ([2-w])
	// visits: sum ([2-w 2-l])
	// path: [4-eb60a4dcb4c31e733f583c2b97abe15b 3-c0a1e5ce49dbb70330b076f28727a3df 2-w 1-a]
	// then bury: 2-l
}
