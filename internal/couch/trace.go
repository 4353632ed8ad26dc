package couch

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Every request bears a trace id: as traceparent (W3C Trace Context), and as
// X-Couch-Request-ID, which CouchDB 3.4.3 and later print in their own log. It
// is that of the span in the request's context, else the one that WithTrace
// gave, else one of the request's own.

type traceKey struct{}

// WithTrace makes requests under ctx bear traceID, 32 lower-case hexadecimal
// digits, where no span is in ctx. Any other text is ignored.
func WithTrace(ctx context.Context, traceID string) context.Context {
	if id, err := trace.TraceIDFromHex(traceID); err != nil || id.String() != traceID {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, traceID)
}

// TraceOf returns the trace id that requests under ctx bear, or "" where each
// draws its own.
func TraceOf(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return span.TraceID().String()
	}
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

// NewTrace returns a trace id: 32 hexadecimal digits, drawn at random.
func NewTrace() string {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], 1+rand.Uint64N(1<<63)) // all zeros is no id
	return hex.EncodeToString(id[:])
}

func setTrace(ctx context.Context, header http.Header) {
	id, parent, flags := TraceOf(ctx), NewTrace()[16:], "01"
	if id == "" {
		id = NewTrace()
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		parent, flags = span.SpanID().String(), span.TraceFlags().String()
	}
	header.Set("X-Couch-Request-ID", id)
	header.Set("traceparent", strings.Join([]string{"00", id, parent, flags}, "-"))
}
