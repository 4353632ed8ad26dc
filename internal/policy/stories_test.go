package policy_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// conflict is a document that grew from base into two leaves:
//
//	1-0… ── 2-b…   winner
//	    └── 2-a…
func conflict(base, winner, loser string) couchmend.Conflict {
	rev := func(gen int, digit string) couchmend.Rev {
		return couchmend.Rev{Gen: gen, Hash: strings.Repeat(digit, 32)}
	}
	root := rev(1, "0")
	leaf := func(digit, body string) couchmend.Revision {
		return couchmend.Revision{Rev: rev(2, digit), Path: []couchmend.Rev{rev(2, digit), root}, Body: json.RawMessage(body)}
	}
	return couchmend.Conflict{
		DB: "medic", ID: "1B7922A6", RevsLimit: 1000,
		Leaves: []couchmend.Revision{leaf("b", winner), leaf("a", loser)},
		Bases:  map[couchmend.Rev]couchmend.Revision{root: {Rev: root, Path: []couchmend.Rev{root}, Body: json.RawMessage(base)}},
	}
}

func TestTheExampleMergesTheStoriesThatItTells(t *testing.T) {
	f, err := policy.Load("../../examples/medic.yaml", policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rules := func(id string, body jsondoc.Value) *merge.Rule { return f.For("medic").Select(body, id) }
	for _, c := range []struct{ story, base, winner, loser, want string }{
		{
			"a date is corrected while the server schedules messages",
			`{"type":"data_record","fields":{"lmp":"2026-01-01"},"edit_count":1}`,
			`{"type":"data_record","fields":{"lmp":"2026-01-01"},"edit_count":2,"scheduled_tasks":[{"group":1,"state":"scheduled"}]}`,
			`{"type":"data_record","fields":{"lmp":"2026-01-09","lmp_changed":"2026-02-01T10:00:00Z"},"edit_count":2}`,
			`{"type":"data_record","fields":{"lmp":"2026-01-09","lmp_changed":"2026-02-01T10:00:00Z"},"edit_count":2,"scheduled_tasks":[{"group":1,"state":"scheduled"}]}`,
		},
		{
			"two people read a report at the same time",
			`{"type":"data_record","data":"some shared data","read":[]}`,
			`{"type":"data_record","data":"some shared data","read":["admin"]}`,
			`{"type":"data_record","data":"some shared data","read":["some_user"]}`,
			`{"type":"data_record","data":"some shared data","read":["admin","some_user"]}`,
		},
		{
			"visits are counted on two phones",
			`{"type":"data_record","fields":{"visits":3}}`,
			`{"type":"data_record","fields":{"visits":4}}`,
			`{"type":"data_record","fields":{"visits":5}}`,
			`{"type":"data_record","fields":{"visits":6}}`,
		},
		{
			"a report is deleted by its flag while an old phone edits it",
			`{"type":"data_record","fields":{"notes":"a"}}`,
			`{"type":"data_record","fields":{"notes":"b"}}`,
			`{"type":"data_record","fields":{"notes":"a"},"deleted":true}`,
			`{"type":"data_record","fields":{"notes":"a"},"deleted":true}`,
		},
		{
			"a vector clock proves that one side has seen the other",
			`{"type":"person","name":"A","versions":{"p":1}}`,
			`{"type":"person","name":"B","versions":{"p":2}}`,
			`{"type":"person","name":"C","versions":{"p":2,"q":1}}`,
			`{"type":"person","name":"C","versions":{"p":2,"q":1}}`,
		},
		{
			"a name is corrected twice: a person decides",
			`{"type":"person","name":"A"}`, `{"type":"person","name":"B"}`, `{"type":"person","name":"C"}`, `overlap`,
		},
		{
			"no rule takes the settings: a person decides",
			`{"a":1}`, `{"a":2}`, `{"a":3}`, `no_rule`,
		},
	} {
		d := decide.Decide(context.Background(), rules, conflict(c.base, c.winner, c.loser))
		got := string(d.Reason)
		if d.Merge != nil {
			got = string(d.Merge.Body)
		}
		if !sameBody(got, c.want) {
			t.Errorf("%s:\n got %s %v\nwant %s", c.story, got, d.Evidence, c.want)
		}
	}
}

// sameBody compares two bodies by value, and reasons as they stand.
func sameBody(a, b string) bool {
	x, errX := jsondoc.Parse([]byte(a))
	y, errY := jsondoc.Parse([]byte(b))
	return a == b || errX == nil && errY == nil && jsondoc.Equal(x, y)
}
