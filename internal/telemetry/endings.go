package telemetry

import (
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/prometheus/client_golang/prometheus"
)

// endings counts how documents ended.
type endings struct {
	names    *names
	detected *prometheus.CounterVec
	resolved *prometheus.CounterVec
	reviewed *prometheus.CounterVec
	failures *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	worked   *prometheus.HistogramVec
}

// latencies runs from a tenth of a second to a day: a queue that was long, a
// server that was away, a pause.
var latencies = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400}

// statuses and classes are there from the first scrape on: a rate needs a zero
// to begin from.
var (
	statuses = []string{"ok", "review"}
	classes  = []string{"merge_logic", "schema", "write_timeout", "write_refused", "forbidden", "attachment"}
)

func newEndings(to prometheus.Registerer, n *names) *endings {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencies}, []string{"status"})
	}
	e := &endings{
		names:    n,
		detected: counter("couchmend_conflicts_detected_total", "Documents that were found with several live leaves of which none contains the others.", "db"),
		resolved: counter("couchmend_conflicts_resolved_total", "Documents that were resolved without a person.", "rule", "outcome"),
		reviewed: counter("couchmend_conflicts_reviewed_total", "Documents that were put before a person.", "rule", "reason"),
		failures: counter("couchmend_failures_total", "Documents that could not be mended, once for each attempt.", "class"),
		latency:  histogram("couchmend_resolution_seconds", "Time from a document's arrival in the queue to its end: resolved, or in review."),
		worked:   histogram("couchmend_mending_seconds", "Time from when a worker took a document to its end."),
	}
	for _, status := range statuses {
		e.latency.WithLabelValues(status)
		e.worked.WithLabelValues(status)
	}
	for _, class := range classes {
		e.failures.WithLabelValues(class)
	}
	to.MustRegister(e.detected, e.resolved, e.reviewed, e.failures, e.latency, e.worked)
	return e
}

func (e *endings) count(end mender.Ending) {
	if end.FailureClass != "" {
		e.failures.WithLabelValues(end.FailureClass).Inc()
	}
	switch end.Status {
	case "ok":
		e.resolved.WithLabelValues(end.Rule, string(end.Outcome)).Inc()
	case "review":
		e.reviewed.WithLabelValues(end.Rule, string(end.Reason)).Inc()
	default: // it comes again
		return
	}
	if end.Live > 1 && end.Outcome != couchmend.Bury { // a burial ends a conflict that was counted
		e.detected.WithLabelValues(e.names.of(end.DB)).Inc()
	}
	e.latency.WithLabelValues(end.Status).Observe(end.Latency.Seconds())
	e.worked.WithLabelValues(end.Status).Observe(end.Worked.Seconds())
}

// requests counts requests to CouchDB.
type requests struct {
	total *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newRequests(to prometheus.Registerer) *requests {
	r := &requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "couchmend_couchdb_requests_total",
			Help: "Requests to CouchDB that have ended, repetitions included. code is 2xx to 5xx, or none where no answer came.",
		}, []string{"kind", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "couchmend_couchdb_request_seconds",
			Help:    "Time from sending a request to the end of its answer. Feeds that wait for news are left out.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"kind"}),
	}
	to.MustRegister(r.total, r.took)
	return r
}

func (r *requests) count(e couch.Exchange) {
	code := "none"
	if e.Status != 0 {
		code = strconv.Itoa(e.Status/100) + "xx"
	}
	r.total.WithLabelValues(e.Kind, code).Inc()
	if !e.Waits {
		r.took.WithLabelValues(e.Kind).Observe(e.Took.Seconds())
	}
}

// seconds is a time's age, never negative: clocks of several machines differ.
func seconds(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(time.Since(since).Seconds(), 0)
}
