package couch

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Exchange is one request and what became of it.
type Exchange struct {
	Kind   string // as in Requests
	Status int    // HTTP's; 0 where no answer came
	// Took is the time from sending to the end of the answer, what the reader
	// does with it meanwhile included.
	Took time.Duration
	// Waits says that it was a feed that lives on: Took is how long somebody
	// waited for news.
	Waits bool
}

// OnExchange has f told of each request that has ended, repetitions included.
// It is to be called before the first request; f must not block.
func (s *Server) OnExchange(f func(Exchange)) { s.told = f }

// Heard returns when the server last sent anything, a feed's heartbeat
// included; zero if it never did.
func (s *Server) Heard() time.Time {
	if at := s.heard.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Refused returns why the login was refused, and with it all requests since;
// nil if it was not.
func (s *Server) Refused() error {
	_, refused := s.login.state()
	return refused
}

// exchange is a request under way. Its end is reported once.
type exchange struct {
	Exchange
	server  *Server
	started time.Time
	span    trace.Span
	ended   bool
}

// scope names this package among those that make spans.
const scope = "github.com/couchmend/couchmend/internal/couch"

// begin notes that a request is sent. Where a span is being recorded, the
// request is a span of its own under it.
func (s *Server) begin(ctx context.Context, c call) (context.Context, *exchange) {
	e := &exchange{Exchange: Exchange{Kind: c.op, Waits: c.waits}, server: s, started: time.Now()}
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, e
	}
	ctx, e.span = above.TracerProvider().Tracer(scope).Start(ctx, "couchdb "+c.op,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("db.system.name", "couchdb"),
			attribute.String("db.namespace", c.db),
			attribute.String("db.operation.name", c.op),
			attribute.String("http.request.method", c.method),
		))
	return ctx, e
}

// answered notes that the answer's header is here.
func (e *exchange) answered(resp *http.Response) {
	e.Status = resp.StatusCode
	e.alive()
}

// alive notes that the server sent something.
func (e *exchange) alive() { e.server.heard.Store(time.Now().UnixNano()) }

// end reports the exchange; err is why it broke off, if it did.
func (e *exchange) end(err error) {
	if e.ended {
		return
	}
	e.ended, e.Took = true, time.Since(e.started)
	if e.server.told != nil {
		e.server.told(e.Exchange)
	}
	if e.span == nil {
		return
	}
	if e.Status != 0 {
		e.span.SetAttributes(attribute.Int("http.response.status_code", e.Status))
	}
	switch {
	case err != nil:
		e.span.SetStatus(codes.Error, err.Error())
	case e.Status >= http.StatusBadRequest:
		e.span.SetStatus(codes.Error, http.StatusText(e.Status))
	}
	e.span.End()
}
