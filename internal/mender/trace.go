package mender

import (
	"context"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A document's trace begins where a feed put it into the queue, maybe in another
// process. A batch shares its requests and so has one trace, that of its first
// document: the id in all its log lines is the one that CouchDB's own log shows.
// The traces of the other documents and the batch's name each other by links.

// trace begins a batch's span, and gives its jobs the batch's trace. end ends
// it, with the error of the whole batch if there is one.
func (m *Mender) trace(ctx context.Context, jobs []*job) (_ context.Context, end func(error)) {
	first, others := origins(jobs)
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("db.namespace", jobs[0].conflict.DB),
			attribute.Int("couchmend.documents", len(jobs)),
		),
	}
	for _, other := range others {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: other}))
	}
	id := jobs[0].task.Trace
	if id == "" { // a person put it into the queue
		id = couch.NewTrace()
	}
	if first.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, first)
	}
	under, span := m.tracer.Start(couch.WithTrace(ctx, id), "mend", options...)
	id = couch.TraceOf(under)
	for _, j := range jobs {
		j.task.Trace = id
	}
	if !span.IsRecording() {
		return under, func(error) {}
	}
	joined := m.join(ctx, span, others)
	return under, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
		for _, s := range joined {
			s.End()
		}
	}
}

// origins returns the spans that put jobs into the queue: that of the first job,
// and those of the others that are not the same.
func origins(jobs []*job) (first trace.SpanContext, others []trace.SpanContext) {
	first = origin(jobs[0].task.Item)
	seen := map[trace.SpanID]bool{first.SpanID(): true}
	for _, j := range jobs[1:] {
		if s := origin(j.task.Item); s.IsValid() && !seen[s.SpanID()] {
			seen[s.SpanID()] = true
			others = append(others, s)
		}
	}
	return first, others
}

func origin(item ledger.Item) trace.SpanContext {
	if item.Span == "" {
		return trace.SpanContext{}
	}
	traceID, _ := trace.TraceIDFromHex(item.Trace) // zero where it is none
	spanID, _ := trace.SpanIDFromHex(item.Span)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, Remote: true})
}

// join leaves a span in each of the other traces that leads to the batch's.
func (m *Mender) join(ctx context.Context, batch trace.Span, others []trace.SpanContext) []trace.Span {
	joined := make([]trace.Span, len(others))
	for i, other := range others {
		_, joined[i] = m.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, other), "mended in another trace",
			trace.WithLinks(trace.Link{SpanContext: batch.SpanContext()}))
	}
	return joined
}

// step makes a span of one step of a batch. The error it ends with may be nil.
func (m *Mender) step(ctx context.Context, name string, documents int) (context.Context, func(*error)) {
	beat(ctx)
	ctx, span := m.tracer.Start(ctx, name, trace.WithAttributes(attribute.Int("couchmend.documents", documents)))
	return ctx, func(err *error) {
		beat(ctx)
		if *err != nil {
			span.SetStatus(codes.Error, (*err).Error())
		}
		span.End()
	}
}

// tell notes in the batch's span how a document ended that was not resolved. The
// log names the trace of each; all of them here would cost more than the rest.
func tell(ctx context.Context, e Ending) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() || e.Status == "ok" {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("doc_id", e.ID),
		attribute.String("resolver_status", e.Status),
		attribute.String("outcome", string(e.Outcome)),
	}
	if e.Reason != "" {
		attrs = append(attrs, attribute.String("reason", string(e.Reason)))
	}
	if e.Rule != "" {
		attrs = append(attrs, attribute.String("rule", e.Rule))
	}
	span.AddEvent("conflict", trace.WithAttributes(attrs...))
}
