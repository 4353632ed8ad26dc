package couch

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

// bears asks a server for something under ctx and returns the trace id and the
// span id that the request bears.
func bears(ctx context.Context, t *testing.T) (traceID, spanID string) {
	t.Helper()
	var header http.Header
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		answer(w, 200, `[]`)
	})
	if _, err := s.AllDBs(ctx); err != nil {
		t.Fatal(err)
	}
	traceparent, requestID := header.Get("traceparent"), header.Get("X-Couch-Request-ID")
	found := regexp.MustCompile("^00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]$").FindStringSubmatch(traceparent)
	if found == nil {
		t.Fatalf("traceparent: %q", traceparent)
	}
	if requestID != found[1] {
		t.Errorf("X-Couch-Request-ID is %q, traceparent %q", requestID, traceparent)
	}
	return found[1], found[2]
}

const oneTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestTheTraceOfTheContextTravelsWithEachRequest(t *testing.T) {
	ctx := WithTrace(t.Context(), oneTrace)
	first, span := bears(ctx, t)
	second, other := bears(ctx, t)
	if first != oneTrace || second != oneTrace {
		t.Errorf("the requests bear %s and %s", first, second)
	}
	if span == other {
		t.Error("two requests bear the same span")
	}
}

func TestARequestWithoutATraceDrawsOneOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	contexts := []context.Context{t.Context(), t.Context()}
	for _, bad := range []string{strings.ToUpper(oneTrace), "x", strings.Repeat("0", 32), oneTrace + "0"} {
		contexts = append(contexts, WithTrace(t.Context(), bad))
	}
	for _, ctx := range contexts {
		id, _ := bears(ctx, t)
		if seen[id] || strings.EqualFold(id, oneTrace) {
			t.Errorf("the id %s is not the request's own", id)
		}
		seen[id] = true
	}
}

func TestASpanInTheContextIsWhatARequestBears(t *testing.T) {
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true,
	})
	ctx := trace.ContextWithSpanContext(WithTrace(t.Context(), oneTrace), parent)
	if id, span := bears(ctx, t); id != parent.TraceID().String() || span != parent.SpanID().String() {
		t.Errorf("the request bears %s %s", id, span)
	}
}

func TestEachExchangeIsToldOnceWithItsStatus(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_all_dbs" {
			answer(w, 200, `[]`)
			return
		}
		answer(w, 403, `{"error":"forbidden","reason":"no"}`)
	})
	var told []Exchange
	s.OnExchange(func(e Exchange) { told = append(told, e) })
	if !s.Heard().IsZero() {
		t.Error("the server was heard before it was asked")
	}
	if _, err := s.AllDBs(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _ = s.DB("medic").Info(t.Context())
	if len(told) != 2 || told[0].Kind != "all_dbs" || told[0].Status != 200 || told[1].Status != 403 || told[0].Took <= 0 {
		t.Errorf("told: %+v", told)
	}
	if s.Heard().IsZero() {
		t.Error("the server was not heard")
	}
}
