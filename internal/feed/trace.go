package feed

import (
	"context"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// span makes a span of a page that was read since began, and writes it into the
// items that it puts into the queue: they take the trace along, to whichever
// process. A page without items is none: a feed mostly passes what is no
// conflict.
//
// The page's request bore the id of the trace that the span is to begin. A
// TracerProvider that draws ids of its own knows nothing of that: then the span's
// trace is the items', and the request's id is among its attributes.
func (r *reader) span(ctx context.Context, began time.Time, items []ledger.Item) (context.Context, func(error)) {
	if len(items) == 0 {
		return ctx, func(error) {}
	}
	ctx, span := r.tracer.Start(ctx, "feed", trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			attribute.String("db.namespace", r.name),
			attribute.String("couchdb.request_id", items[0].Trace),
			attribute.Int("couchmend.documents", len(items)),
		))
	if at := span.SpanContext(); at.IsValid() && at.IsSampled() {
		for i := range items {
			items[i].Trace, items[i].Span = couch.TraceOf(ctx), at.SpanID().String()
		}
	}
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
