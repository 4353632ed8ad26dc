package telemetry

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TracingConfig says where traces go.
type TracingConfig struct {
	// URL is an OTLP collector's, without /v1/traces. Where it is empty,
	// OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT are
	// asked; without these nothing is traced. The other variables of
	// OpenTelemetry's (headers, sampler, certificates, resource) count, too.
	URL     string
	Version string // of the program
	Log     *slog.Logger
}

// Tracing sends spans to a collector, beside the work: what can't be sent in
// time is dropped.
type Tracing struct{ provider *sdk.TracerProvider }

const (
	// spansWaiting bounds the spans that wait to be sent (I11). More are dropped.
	spansWaiting = 8192
	// spanDetails bounds a span's links and events: a batch has up to 250
	// documents.
	spanDetails = 256
	// flushLimit is how long the end waits for a collector.
	flushLimit = 5 * time.Second
)

// OpenTracing begins to trace, where it is asked for. It does not ask the
// collector anything yet. Errors are of KindUsage.
func OpenTracing(ctx context.Context, cfg TracingConfig) (*Tracing, error) {
	if !wanted(cfg) {
		return &Tracing{}, nil
	}
	var options []otlptracehttp.Option
	if cfg.URL != "" {
		to, err := collector(cfg.URL)
		if err != nil {
			return nil, &couchmend.Error{Op: "open tracing", Kind: couchmend.KindUsage, Err: err}
		}
		options = append(options, otlptracehttp.WithEndpointURL(to))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, &couchmend.Error{Op: "open tracing", Kind: couchmend.KindUsage, Err: err}
	}
	res, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "couchmend"), attribute.String("service.version", cfg.Version)),
		resource.Environment()) // its words go before ours
	if err != nil {
		return nil, &couchmend.Error{Op: "open tracing", Kind: couchmend.KindUsage, Err: err}
	}
	limits := sdk.NewSpanLimits()
	limits.LinkCountLimit, limits.EventCountLimit = spanDetails, spanDetails
	return &Tracing{provider: sdk.NewTracerProvider(
		sdk.WithBatcher(&honest{SpanExporter: exporter, log: cfg.Log}, sdk.WithMaxQueueSize(spansWaiting)),
		sdk.WithResource(res), sdk.WithIDGenerator(ids{}), sdk.WithRawSpanLimits(limits),
	)}, nil
}

func wanted(cfg TracingConfig) bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return cfg.URL != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// collector returns where at a collector traces go. Its errors don't quote the
// text.
func collector(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("the collector must look like http://host:4318")
	case u.User != nil:
		return "", errors.New("the collector's URL has a user in it: give OTEL_EXPORTER_OTLP_HEADERS instead")
	}
	return u.JoinPath("v1/traces").String(), nil
}

// Provider makes spans; nil where nothing is traced.
func (t *Tracing) Provider() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// Close sends what is left, for five seconds at most.
func (t *Tracing) Close() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // that the collector is away was said
}

// honest says once, in couchmend's own log, that spans can't be sent, and once
// that they can be again.
type honest struct {
	sdk.SpanExporter
	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans sends spans. It has no error: it was said.
func (h *honest) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := h.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !h.away.Swap(true):
		h.log.Warn("traces can't be sent; mending goes on", "error", err)
	case err == nil && h.away.Swap(false):
		h.log.Info("traces are sent again")
	}
	return nil
}

// ids draws the ids of spans. A trace that begins under a context for whose
// requests an id was drawn already takes that one: CouchDB's log has it.
type ids struct{}

// NewIDs draws the ids of a trace's first span.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, err := trace.TraceIDFromHex(couch.TraceOf(ctx))
	if err != nil {
		id, _ = trace.TraceIDFromHex(couch.NewTrace())
	}
	return id, newSpanID()
}

// NewSpanID draws the id of a further span.
func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

func newSpanID() (id trace.SpanID) {
	binary.LittleEndian.PutUint64(id[:], 1+rand.Uint64N(1<<63)) // all zeros is no id
	return id
}
