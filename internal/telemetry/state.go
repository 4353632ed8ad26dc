package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/resolver"
	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	readyNow       = desc("couchmend_ready", "1 if /readyz says so, else 0.")
	queueDocuments = desc("couchmend_queue_documents", "Documents in the work queue, those in workers' hands included.")
	queueOldest    = desc("couchmend_queue_oldest_seconds", "How long the document has waited in the queue that waits for longest.")
	journalBytes   = desc("couchmend_journal_bytes", "What the journal takes, large bodies included.")
	journalLimit   = desc("couchmend_journal_limit_bytes", "The size at which the journal is full; 0 where only the disk bounds it.")
	stateFree      = desc("couchmend_state_free_bytes", "What may be written until the state directory's disk is too full to go on. Not there with a NATS server elsewhere.")
	reviewNow      = desc("couchmend_review_documents", "Documents that wait for a person.", "reason")
	reviewOldest   = desc("couchmend_review_oldest_seconds", "How long the document has waited for a person that waits for longest.", "reason")
	reviewStands   = desc("couchmend_review_dismissed_documents", "Documents whose conflict a person lets stand.")
	paused         = desc("couchmend_paused", "Pauses in force, of one database or of all.")
	pausedFor      = desc("couchmend_paused_seconds", "How long the pause has lasted that has lasted for longest.")
	feedDatabases  = desc("couchmend_feed_databases", "Databases that are followed.")
	feedAttached   = desc("couchmend_feed_attached", "Feeds that this process reads right now.")
	feedFailing    = desc("couchmend_feed_failing", "Databases whose feed could not be read when it was last tried.")
	feedWaiting    = desc("couchmend_feed_waiting_databases", "Databases that wait for a visit, where there are too many to hold a connection to each.")
	feedWait       = desc("couchmend_feed_waiting_seconds", "How long the database has waited for a visit that waits for longest.")
	lagChanges     = desc("couchmend_feed_lag_changes", "Changes that are not in the queue yet, of feeds that this process reads.", "db")
	lagSeconds     = desc("couchmend_feed_lag_seconds", "Age of the oldest change that was read and is neither resolved nor in review.", "db")
)

// state shows what couchmend would tell of itself now. What the state does not
// answer in time is left out.
type state struct{ *Telemetry }

// Describe tells of nothing: which series there are changes.
func (s *state) Describe(chan<- *prometheus.Desc) {}

// collectLimit bounds what a scrape waits for the state.
const collectLimit = 10 * time.Second

// Collect gathers.
func (s *state) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s.feeds(gauge)
	s.usage(ctx, gauge)
	s.review(ctx, gauge)
	ready := 0.0
	if s.readiness(ctx).ok() {
		ready = 1
	}
	gauge(readyNow, ready)
}

// gauges takes one gauge's value.
type gauges func(d *prometheus.Desc, value float64, labels ...string)

func (s *state) feeds(gauge gauges) {
	now := s.couchmend.Feed.State()
	gauge(feedDatabases, float64(max(now.Followed, 0)))
	gauge(feedAttached, float64(now.Attached))
	gauge(feedFailing, float64(now.Failing))
	gauge(feedWaiting, float64(now.Waiting))
	gauge(feedWait, seconds(now.Since))
	changes, ages := map[string]float64{}, map[string]float64{}
	for _, lag := range s.couchmend.Feed.Lags() {
		db := s.names.of(lag.DB)
		changes[db] += float64(lag.Changes)
		ages[db] = max(ages[db], seconds(lag.Oldest))
	}
	for db := range changes {
		gauge(lagChanges, changes[db], db)
		gauge(lagSeconds, ages[db], db)
	}
}

func (s *state) usage(ctx context.Context, gauge gauges) {
	if u, err := s.couchmend.Ledger.Usage(ctx); err == nil {
		gauge(queueDocuments, float64(u.Waiting))
		gauge(queueOldest, seconds(u.Oldest))
		gauge(journalBytes, float64(u.JournalBytes))
		gauge(journalLimit, float64(u.JournalLimit))
		if u.FreeBytes >= 0 {
			gauge(stateFree, float64(u.FreeBytes))
		}
	}
	if pauses, err := s.couchmend.Ledger.Pauses(ctx); err == nil {
		longest := 0.0
		for _, p := range pauses {
			longest = max(longest, seconds(p.Since))
		}
		gauge(paused, float64(len(pauses)))
		gauge(pausedFor, longest)
	}
}

func (s *state) review(ctx context.Context, gauge gauges) {
	depths, err := s.reviews.read(ctx, s.couchmend.Ledger)
	if err != nil {
		return
	}
	dismissed := 0
	for reason, d := range depths {
		gauge(reviewNow, float64(d.Open), string(reason))
		gauge(reviewOldest, seconds(d.Oldest), string(reason))
		dismissed += d.Dismissed
	}
	gauge(reviewStands, float64(dismissed))
}

// reviews remembers for a while what is in review: counting it costs a line a
// case.
type reviews struct {
	mu     sync.Mutex
	depths map[couchmend.Reason]ledger.Depth
	until  time.Time
}

const (
	// reviewAge is for how long at least a count of what is in review is good.
	reviewAge = 5 * time.Second
	// reviewShare is how often longer than a count took it is good: counting
	// takes 2 % of the time at most.
	reviewShare = 50
)

func (r *reviews) read(ctx context.Context, l *ledger.Ledger) (map[couchmend.Reason]ledger.Depth, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.depths, nil
	}
	began := time.Now()
	depths, err := l.ReviewDepth(ctx)
	if err != nil {
		return nil, err
	}
	for reason := range r.depths {
		if _, ok := depths[reason]; !ok { // a zero says more than a series that ends
			depths[reason] = ledger.Depth{}
		}
	}
	r.depths, r.until = depths, time.Now().Add(max(reviewAge, reviewShare*time.Since(began)))
	return depths, nil
}

var (
	resolverSeconds  = desc("couchmend_resolver_seconds", "Time of a call of a custom resolver, waiting for a free process included.", "rule")
	resolverFailures = desc("couchmend_resolver_failures_total", "Calls of a custom resolver that failed.", "rule")
	resolverReviews  = desc("couchmend_resolver_reviews_total", "Calls of a custom resolver that asked for review.", "rule")
)

// resolvers shows what the policy's meter measured.
type resolvers struct{ *Telemetry }

// Describe tells of nothing, as state's does.
func (r *resolvers) Describe(chan<- *prometheus.Desc) {}

// Collect gathers.
func (r *resolvers) Collect(to chan<- prometheus.Metric) {
	if r.couchmend.Policy == nil {
		return
	}
	for _, rule := range r.couchmend.Policy.Meter.Snapshot() {
		upTo, within := map[float64]uint64{}, uint64(0)
		for i, bound := range resolver.MeterBounds {
			within += uint64(rule.Within[i])
			upTo[bound.Seconds()] = within
		}
		to <- prometheus.MustNewConstHistogram(resolverSeconds, uint64(rule.Calls), rule.Total.Seconds(), upTo, rule.Rule)
		to <- prometheus.MustNewConstMetric(resolverFailures, prometheus.CounterValue, float64(rule.Failures), rule.Rule)
		to <- prometheus.MustNewConstMetric(resolverReviews, prometheus.CounterValue, float64(rule.Reviews), rule.Rule)
	}
}
