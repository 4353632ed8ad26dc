package telemetry

import (
	"fmt"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/mend"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// BenchmarkMending is what mending a document takes: with nothing that watches,
// with metrics, and with traces, too. Compare within a run; the couchtest node
// and the state's disk take most of it.
func BenchmarkMending(b *testing.B) {
	collector := newCollector(b)
	for _, c := range []struct {
		name            string
		metrics, traces bool
	}{{name: "unwatched"}, {name: "metrics", metrics: true}, {name: "metrics and traces", metrics: true, traces: true}} {
		b.Run(c.name, func(b *testing.B) {
			tracing := &Tracing{}
			if c.traces {
				tracing = collector.tracing()
			}
			s := bareSite(b, func(o *mend.Options) {
				if c.traces {
					o.Tracer = tracing.Provider()
				}
			})
			if c.metrics {
				s.Telemetry = New(Config{Couchmend: s.mend})
			}
			for i := range b.N {
				s.fork("medic", fmt.Sprint("report-", i), `{"type":"report","n":1}`, `{"type":"report","n":2}`, `{"type":"report","n":3}`)
			}
			b.ResetTimer()
			if err := s.mend.Once(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			tracing.Close()
			if got := s.mend.Mender.Stats.Merged.Load(); got != int64(b.N) {
				b.Fatalf("%d of %d were merged", got, b.N)
			}
		})
	}
}

// BenchmarkEnding and BenchmarkExchange are what metrics cost a document, and a
// request.
func BenchmarkEnding(b *testing.B) {
	e := newEndings(prometheus.NewRegistry(), newNames(50, nil))
	end := mender.Ending{DB: "medic", Status: "ok", Outcome: couchmend.Merge, Rule: "default/reports", Live: 2, Latency: time.Second, Worked: time.Millisecond}
	for b.Loop() {
		e.count(end)
	}
}

func BenchmarkExchange(b *testing.B) {
	r := newRequests(prometheus.NewRegistry())
	for b.Loop() {
		r.count(couch.Exchange{Kind: "bulk_docs", Status: 201, Took: time.Millisecond})
	}
}

// BenchmarkTrace is what traces cost a document of a batch of 250: the batch's
// steps and requests, encoding and sending them, and the collector that takes
// them.
func BenchmarkTrace(b *testing.B) {
	tracing := newCollector(b).tracing()
	tracer := tracing.Provider().Tracer("bench")
	for n := range b.N {
		if n%250 != 0 {
			continue
		}
		ctx, batch := tracer.Start(b.Context(), "mend")
		for range 12 {
			_, step := tracer.Start(ctx, "step", trace.WithAttributes(attribute.Int("couchmend.documents", 250)))
			step.End()
		}
		batch.End()
	}
	tracing.Close()
}

// BenchmarkScrape is what answering Prometheus costs.
func BenchmarkScrape(b *testing.B) {
	s := bareSite(b, nil)
	s.Telemetry = New(Config{Couchmend: s.mend})
	for i := range 100 {
		s.endings.count(mender.Ending{DB: fmt.Sprint("userdb-", i), Status: "ok", Outcome: couchmend.Merge, Rule: fmt.Sprint("default/", i%20), Live: 2})
	}
	for b.Loop() {
		if status, _ := s.get("/metrics"); status != 200 {
			b.Fatal(status)
		}
	}
}
