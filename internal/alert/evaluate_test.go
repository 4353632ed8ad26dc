package alert

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// everything is a webhook that is told of all there is.
var everything = policy.Webhook{Name: "all", Format: policy.WebhookJSON, Group: time.Minute, Repeat: 4 * time.Hour, When: policy.AlertWhen{
	ReviewOlderThan: 4 * time.Hour, ConflictsPerMinute: 100, Deep: true, FeedStalled: 10 * time.Minute, ReplicationFailing: true, PausedLongerThan: 2 * time.Hour,
}}

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func TestEachConditionFiresWhereItHoldsAndNotBefore(t *testing.T) {
	for _, c := range []struct {
		name  string
		sight Sight
		want  string // kind and summary, "" for none
	}{
		{"nothing", Sight{}, ""},
		{"review is young", Sight{Waiting: []Waiting{{DB: "medic", Reason: "overlap", Count: 1, Oldest: ago(4*time.Hour - 1)}}}, ""},
		{
			"review is old", Sight{Waiting: []Waiting{{DB: "medic", Reason: "overlap", Count: 12, Oldest: ago(5 * time.Hour)}}},
			"review_older_than/medic/overlap medic: 12 documents wait for a person (overlap), for 5 h",
		},
		{"conflicts come slowly", Sight{Rate: 100}, ""},
		{"conflicts come fast", Sight{Rate: 101}, "conflicts_per_minute 101 conflicts a minute, on the average of 5 minutes (more than 100)"},
		{
			"deep", Sight{Waiting: []Waiting{{DB: "medic", Reason: "overlap", Count: 3, Oldest: noon, Deep: 1}, {DB: "medic", Reason: "schema", Count: 1, Oldest: noon, Deep: 1}}},
			"deep/medic medic: 2 documents of more than four live leaves: devices that were offline for long, or whose clock is wrong",
		},
		{"a feed has just failed", Sight{Failing: []FailingFeed{{"medic", "forbidden", ago(time.Minute)}}}, ""},
		{"a feed fails", Sight{Failing: []FailingFeed{{"medic", "forbidden", ago(time.Hour)}}}, "feed_stalled/medic medic: its changes can't be read (forbidden), for 60 min"},
		{"work waits", Sight{Oldest: ago(11 * time.Minute)}, "feed_stalled a document has waited to be mended for 11 min"},
		{"a replication crashes", Sight{Replications: []FailedReplication{{"ward", "crashing", 3, 0}}}, "replication_failing/ward replication ward is crashing, 3 errors in a row"},
		{"a replication can't write", Sight{Replications: []FailedReplication{{"ward", "running", 0, 1}}}, "replication_failing/ward replication ward: 1 document could not be written to its target"},
		{"a short pause", Sight{Pauses: []ledger.Pause{{DB: "medic", Since: ago(time.Hour)}}}, ""},
		{"a long pause", Sight{Pauses: []ledger.Pause{{By: "ann", Since: ago(3 * time.Hour)}}}, "paused_longer_than/ all mending has been paused for 3 h, by ann"},
	} {
		c.sight.At = noon
		got := ""
		for _, a := range Evaluate(c.sight, everything, "") {
			got += a.Key + " " + a.Summary
		}
		if got != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.name, got, c.want)
		}
		if off := Evaluate(c.sight, policy.Webhook{}, ""); len(off) > 0 {
			t.Errorf("%s: told without a condition: %v", c.name, off)
		}
	}
}

func TestDocumentsAreNamedOnlyWhereThatIsWanted(t *testing.T) {
	s := Sight{At: noon, Waiting: []Waiting{{DB: "medic", Reason: "overlap", Count: 1, Oldest: ago(5 * time.Hour), Deep: 1, IDs: []string{"amina"}, DeepIDs: []string{"amina"}}}}
	if text := fmt.Sprint(Evaluate(s, everything, "https://c.example")); strings.Contains(text, "amina") {
		t.Error(text)
	}
	named := everything
	named.IDs = true
	for _, a := range Evaluate(s, named, "") {
		if !slices.Equal(a.IDs, []string{"amina"}) {
			t.Errorf("%+v", a)
		}
	}
}

func TestTooManyAlertsOfAKindAreToldAsOne(t *testing.T) {
	s := Sight{At: noon}
	for i := range atMost + 1 {
		s.Waiting = append(s.Waiting, Waiting{DB: fmt.Sprint("db", i), Reason: "overlap", Count: 2, Oldest: ago(time.Duration(5+i) * time.Hour)})
	}
	got := Evaluate(s, everything, "")
	if len(got) != 1 || got[0].Count != 2*(atMost+1) || !got[0].Since.Equal(ago((5+atMost)*time.Hour)) {
		t.Errorf("%+v", got)
	}
}

func TestLinksLeadToWhatTheAlertIsAbout(t *testing.T) {
	for _, c := range []struct {
		alert Alert
		want  string
	}{
		{Alert{Kind: Review, DB: "a&b", Reason: "overlap"}, "https://c.example/x/cases?db=a%26b&reason=overlap"},
		{Alert{Kind: Deep, DB: "medic"}, "https://c.example/x/cases?db=medic&order=deepest"},
		{Alert{Kind: Paused}, "https://c.example/x/pause"},
		{Alert{Kind: Replication}, "https://c.example/x/triage"},
		{Alert{Kind: Rate}, "https://c.example/x/"},
	} {
		if got := link("https://c.example/x/", c.alert); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAReplicationFailsWhileItsFailuresGrow(t *testing.T) {
	o := &observer{written: map[string]growth{}}
	look := func(after time.Duration, state string, failures int64) []FailedReplication {
		return o.failed([]couch.Replication{{DocID: "ward", State: state, WriteFailures: failures}}, noon.Add(after))
	}
	if got := look(0, "running", 7); got != nil { // since when is not known
		t.Errorf("at first: %v", got)
	}
	want := []FailedReplication{{Name: "ward", State: "running", Failures: 9}}
	if got := look(time.Minute, "running", 9); !reflect.DeepEqual(got, want) {
		t.Errorf("two more: %v", got)
	}
	if got := look(5*time.Minute, "running", 9); !reflect.DeepEqual(got, want) {
		t.Errorf("lately: %v", got)
	}
	if got := look(12*time.Minute, "running", 9); got != nil {
		t.Errorf("long ago: %v", got)
	}
	if got := look(13*time.Minute, "running", 0); got != nil { // started anew
		t.Errorf("anew: %v", got)
	}
	if got := look(14*time.Minute, "crashing", 0); len(got) != 1 {
		t.Errorf("crashing: %v", got)
	}
}
