package telemetry

import (
	"sync/atomic"

	"github.com/couchmend/couchmend/mend"
	"github.com/prometheus/client_golang/prometheus"
)

const overlapping = "Times that two met on one piece of work, which is harmless. where says on what: a merge that was there already, a checkpoint that somebody else had moved."

// registerCounts shows what couchmend counts anyway.
func registerCounts(to prometheus.Registerer, c *mend.Couchmend) {
	done, read := &c.Mender.Stats, &c.Feed.Stats
	for _, n := range []struct {
		name, help string
		labels     prometheus.Labels
		value      *atomic.Int64
	}{
		{"couchmend_deep_conflicts_total", "Documents of more than four live leaves that were resolved or put before a person.", nil, &done.Deep},
		{"couchmend_retries_total", "Documents that were handed back to be tried again: they failed, or the server did.", nil, &done.Retried},
		{"couchmend_redelivered_total", "Documents that were handed out again although nothing failed: a worker was lost, or slow.", nil, &done.Redelivered},
		{"couchmend_stale_decisions_total", "Decisions that a newer save overtook before they were written.", nil, &done.Stale},
		{"couchmend_overlapping_batches_total", overlapping, prometheus.Labels{"where": "merge"}, &done.Overlapping},
		{"couchmend_overlapping_batches_total", overlapping, prometheus.Labels{"where": "checkpoint"}, &read.RefusedCheckpoints},
		{"couchmend_warm_hits_total", "Bases of documents that conflict often, found among the bodies that were kept for that.", nil, &done.WarmHits},
		{"couchmend_warm_misses_total", "Bases of documents that conflict often that had to be asked for.", nil, &done.WarmMisses},
		{"couchmend_journal_body_hits_total", "Bases that CouchDB had lost and the journal has.", nil, &done.BodyHits},
		{"couchmend_journal_body_misses_total", "Bases that CouchDB had lost and the journal has not either.", nil, &done.BodyMisses},
		{"couchmend_feed_rows_total", "Rows read of all feeds.", nil, &read.Rows},
		{"couchmend_feed_queued_total", "Rows that named several leaves and went into the queue.", nil, &read.Queued},
		{"couchmend_feed_unreadable_total", "Documents that went from the feed into review, for a leaf whose id is no revision id.", nil, &read.Unreadable},
		{"couchmend_queue_full_total", "Times that the queue was full, and a feed waited.", nil, &read.Full},
	} {
		to.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: n.name, Help: n.help, ConstLabels: n.labels},
			func() float64 { return float64(n.value.Load()) }))
	}
}
