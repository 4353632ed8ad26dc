package couch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

type traceKey struct{}

// WithTrace makes requests under ctx bear traceID, 32 lower-case hexadecimal
// digits: as traceparent, and as X-Couch-Request-ID, which CouchDB prints in
// its own log (3.4.3 and later). Any other text is ignored.
func WithTrace(ctx context.Context, traceID string) context.Context {
	if len(traceID) != 32 || strings.Trim(traceID, "0123456789abcdef") != "" || strings.Trim(traceID, "0") == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, traceID)
}

func setTrace(ctx context.Context, header http.Header) {
	id, ok := ctx.Value(traceKey{}).(string)
	if !ok {
		return
	}
	header.Set("X-Couch-Request-ID", id)
	header.Set("traceparent", fmt.Sprintf("00-%s-%016x-01", id, 1+rand.Uint64N(1<<63)))
}
