package telemetry

import (
	"fmt"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

func TestMetricsTellWhatBecameOfConflicts(t *testing.T) {
	s := newSite(t, nil)
	s.ended("medic")
	s.until("the count of what is in review is old", func() bool {
		return value(s.scrape(), "couchmend_review_documents", "reason", "overlap") == 1
	})
	got := s.scrape()
	for _, want := range []struct {
		value  float64
		name   string
		labels []string
	}{
		{4, "couchmend_conflicts_detected_total", []string{"db", "medic"}},
		{1, "couchmend_conflicts_resolved_total", []string{"rule", "default/reports", "outcome", "merge"}},
		{1, "couchmend_conflicts_resolved_total", []string{"rule", "default/visits", "outcome", "merge"}},
		{1, "couchmend_conflicts_reviewed_total", []string{"rule", "default/reports", "reason", "overlap"}},
		{1, "couchmend_conflicts_reviewed_total", []string{"reason", "no_rule"}},
		{2, "couchmend_mending_seconds", []string{"status", "review"}},
		{1, "couchmend_review_documents", []string{"reason", "no_rule"}},
		{0, "couchmend_queue_documents", nil},
		{1, "couchmend_resolver_seconds", []string{"rule", "default/visits"}},
		{0, "couchmend_resolver_failures_total", []string{"rule", "default/visits"}},
		{1, "couchmend_feed_attached", nil},
		{0, "couchmend_feed_lag_changes", []string{"db", "medic"}},
		{0, "couchmend_paused", nil},
		{1, "couchmend_ready", nil},
		{1, "couchmend_build_info", []string{"version", "1.2.3"}},
		{0, "couchmend_failures_total", []string{"class", "write_timeout"}},
		{0, "couchmend_overlapping_batches_total", []string{"where", "checkpoint"}},
	} {
		if v := value(got, want.name, want.labels...); v != want.value {
			t.Errorf("%s %v is %v, want %v", want.name, want.labels, v, want.value)
		}
	}
	if value(got, "couchmend_resolution_seconds", "status", "ok") < 2 { // more where a second worker met a merge before its burial
		t.Error("what was resolved has no latency")
	}
	if value(got, "couchmend_couchdb_requests_total", "kind", "bulk_docs", "code", "2xx") < 2 || value(got, "couchmend_couchdb_request_seconds", "kind", "bulk_get") < 1 {
		t.Error("the requests to CouchDB are not counted")
	}
	if got["go_goroutines"] == nil || got["process_open_fds"] == nil {
		t.Error("nothing is said of the process")
	}
}

func TestAPauseIsSeen(t *testing.T) {
	s := newSite(t, nil)
	if err := s.mend.Ledger.Pause(t.Context(), ledger.Pause{DB: "medic", Since: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	got := s.scrape()
	if value(got, "couchmend_paused") != 1 || value(got, "couchmend_paused_seconds") < 3600 {
		t.Errorf("%v, for %v s", value(got, "couchmend_paused"), value(got, "couchmend_paused_seconds"))
	}
}

// TestTheNumberOfSeriesDoesNotGrowWithTheDatabases is I11 for whoever stores
// the metrics: a database a user is what CouchDB invites to.
func TestTheNumberOfSeriesDoesNotGrowWithTheDatabases(t *testing.T) {
	series := func(databases int) int {
		s := newSite(t, nil)
		for i := range databases {
			s.endings.count(mender.Ending{DB: fmt.Sprint("userdb-", i), Status: "ok", Outcome: couchmend.Merge, Rule: "default/reports", Live: 2})
		}
		n := 0
		for _, family := range s.scrape() {
			n += len(family.GetMetric())
		}
		return n
	}
	few, many := series(51), series(100_000)
	if few != many {
		t.Errorf("%d series of 51 databases, %d of 100,000", few, many)
	}
}

func TestOtherDatabasesShareAName(t *testing.T) {
	n := newNames(3, []string{"medic"})
	for i, db := range []string{"a", "b", "c", "medic", "d", "a"} {
		if got, want := n.of(db), []string{"a", "b", other, "medic", other, "a"}[i]; got != want {
			t.Errorf("%s is called %s, want %s", db, got, want)
		}
	}
}
