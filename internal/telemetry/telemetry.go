// Package telemetry shows a running couchmend to those who watch over it:
//
//	/metrics  what it does, in the form that Prometheus reads (docs/metrics.md)
//	/healthz  whether the process lives and its loops turn
//	/readyz   whether it can do its work
//
// and sends traces by OTLP. No other package knows Prometheus. What they count
// anyway is read when it is asked for, so nothing is counted twice.
package telemetry

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/couchmend/couchmend/mend"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config says what is watched.
type Config struct {
	Couchmend *mend.Couchmend
	Version   string // of the program
	// Databases is how many databases are shown by name: those that the policy
	// names, then others as they come. The rest share a name (I11). Default 50.
	Databases int
}

// Telemetry watches one couchmend.
type Telemetry struct {
	couchmend *mend.Couchmend
	registry  *prometheus.Registry
	names     *names
	endings   *endings
	requests  *requests
	reviews   reviews

	mu    sync.Mutex // readiness is worked out once at a time
	ready readiness
}

// New begins to watch. It is to be called before couchmend runs.
func New(cfg Config) *Telemetry {
	if cfg.Databases == 0 {
		cfg.Databases = 50
	}
	t := &Telemetry{
		couchmend: cfg.Couchmend, registry: prometheus.NewRegistry(),
		names: newNames(cfg.Databases, cfg.Couchmend.Feed.Names),
	}
	t.endings = newEndings(t.registry, t.names)
	t.requests = newRequests(t.registry)
	cfg.Couchmend.Mender.Ended = t.endings.count
	cfg.Couchmend.Server.OnExchange(t.requests.count)
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "couchmend_build_info", Help: "1; the version is among the labels.",
			ConstLabels: prometheus.Labels{"version": cfg.Version},
		}, func() float64 { return 1 }),
	)
	registerCounts(t.registry, cfg.Couchmend)
	t.registry.MustRegister(&state{t}, &resolvers{t})
	return t
}

// scrapes is how many are answered at once; the others are told to come later.
const scrapes = 3

// Metrics serves what Prometheus reads. It has names of databases in it.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapes, Timeout: 30 * time.Second, ErrorHandling: promhttp.ContinueOnError,
	})
}

// Handler serves /healthz, /readyz and /metrics. local says that only this
// machine reaches it; elsewhere there is no /metrics unless metrics is given.
func (t *Telemetry) Handler(local, metrics bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", t.Health())
	mux.Handle("GET /readyz", t.Ready())
	switch {
	case local:
		mux.Handle("GET /metrics", toThisMachine(t.Metrics()))
	case metrics:
		mux.Handle("GET /metrics", t.Metrics())
	}
	return mux
}

// toThisMachine refuses requests for another host's name: a web page whose name
// was made to lead here could read the answer otherwise (DNS rebinding).
func toThisMachine(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "ask 127.0.0.1 or localhost, by that name", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
