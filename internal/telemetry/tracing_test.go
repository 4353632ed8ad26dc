package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
	"github.com/nats-io/nats-server/v2/server"
	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collecting is an OTLP collector: it takes spans as protobuf over HTTP.
type collecting struct {
	testing.TB
	*httptest.Server
	mu       sync.Mutex
	services map[string]bool
	spans    []*otlp.Span
}

func newCollector(t testing.TB) *collecting {
	c := &collecting{TB: t, services: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Server.Close)
	return c
}

func (c *collecting) take(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			c.Error(err)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	var sent collected.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &sent)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.Errorf("%s: %v", r.URL.Path, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range sent.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.services[a.GetValue().GetStringValue()] = true
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// named returns the spans of that name.
func (c *collecting) named(name string) []*otlp.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *otlp.Span) bool { return s.GetName() != name })
}

// tracing opens tracing to the collector; it is closed by the test.
func (c *collecting) tracing() *Tracing {
	c.Helper()
	tracing, err := OpenTracing(c.Context(), TracingConfig{URL: c.URL, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.Fatal(err)
	}
	return tracing
}

// natsServer starts a NATS server and returns its URL.
func natsServer(t *testing.T) string {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(soon) {
		t.Fatal("no NATS server")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s.ClientURL()
}

// TestATraceRunsFromTheFeedOfOneProcessToTheBurialOfAnother is two couchmends
// on one NATS: one only reads the feed, the other only mends.
func TestATraceRunsFromTheFeedOfOneProcessToTheBurialOfAnother(t *testing.T) {
	to := newCollector(t)
	reads, mends := to.tracing(), to.tracing()
	nats := natsServer(t)
	var log lines
	s := newSite(t, func(o *mend.Options) { o.NATS, o.Tracer = nats, reads.Provider() })
	other := s.open(func(o *mend.Options) {
		o.NATS, o.Tracer, o.Log = nats, mends.Provider(), slog.New(slog.NewJSONHandler(&log, nil))
	})
	var mu sync.Mutex
	asked := map[string]bool{} // requests with their trace ids
	s.node.OnRequest(func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Couch-Request-ID")] = true
	})
	s.node.CreateDB("medic")
	s.running(s.mend.Feed.Run)
	s.until("the feed is read", func() bool { return len(s.mend.Feed.Lags()) == 1 })
	s.fork("medic", "visit", `{"type":"visit"}`, `{"type":"visit","a":122}`, `{"type":"visit","b":2}`)
	s.until("it is in the queue", func() bool { n, err := s.mend.Ledger.Pending(t.Context()); return err == nil && n == 1 })
	s.running(func(ctx context.Context) error { return other.Mender.Work(ctx, 1) })
	s.until("it is mended", func() bool { return other.Mender.Stats.Merged.Load() == 1 })
	s.until("the burial is over", func() bool { return len(s.node.DB("medic").Conflicts()) == 0 })
	s.until("the batch is", func() bool { n, err := s.mend.Ledger.Pending(t.Context()); return err == nil && n == 0 })
	reads.Close()
	mends.Close()

	merge := to.named("merge")
	if len(merge) != 1 {
		t.Fatalf("%d spans of a merge", len(merge))
	}
	id := merge[0].GetTraceId()
	within := func(name string) *otlp.Span {
		for _, span := range to.named(name) {
			if bytes.Equal(span.GetTraceId(), id) {
				return span
			}
		}
		t.Errorf("the trace has no %q", name)
		return &otlp.Span{}
	}
	feed, batch := within("feed"), within("mend")
	if !bytes.Equal(batch.GetParentSpanId(), feed.GetSpanId()) {
		t.Error("the batch does not come from the feed")
	}
	for _, step := range []string{"load", "decide", "journal", "merge", "bury"} {
		if !bytes.Equal(within(step).GetParentSpanId(), batch.GetSpanId()) {
			t.Errorf("%s is no step of the batch", step)
		}
	}
	if !bytes.Equal(within("resolve").GetParentSpanId(), within("decide").GetSpanId()) {
		t.Error("the resolver's call is no part of deciding")
	}
	within("couchdb bulk_docs")
	mu.Lock()
	defer mu.Unlock()
	for _, request := range []string{"POST /medic/_bulk_get", "POST /medic/_bulk_docs"} {
		if !asked[request+" "+hex.EncodeToString(id)] {
			t.Errorf("CouchDB's log has no %s of the trace %x: %v", request, id, asked)
		}
	}
	if !strings.Contains(log.String(), `"trace_id":"`+hex.EncodeToString(id)+`"`) {
		t.Errorf("couchmend's log does not name the trace %x: %s", id, log.String())
	}
	if !to.services["couchmend"] {
		t.Errorf("the service is called %v", to.services)
	}
}

func TestThePageThatBroughtADocumentBearsItsTrace(t *testing.T) {
	to := newCollector(t)
	tracing := to.tracing()
	s := newSite(t, func(o *mend.Options) { o.Tracer = tracing.Provider() })
	var mu sync.Mutex
	pages := map[string]bool{}
	s.node.OnRequest(func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(r.URL.Path, "/_changes") {
			pages[r.Header.Get("X-Couch-Request-ID")] = true
		}
	})
	s.ended("medic")
	tracing.Close()
	mu.Lock()
	defer mu.Unlock()
	feeds := to.named("feed")
	if len(feeds) == 0 {
		t.Fatal("no feed is traced")
	}
	for _, span := range feeds {
		if !pages[hex.EncodeToString(span.GetTraceId())] {
			t.Errorf("no _changes request bears the trace %x", span.GetTraceId())
		}
	}
}

func TestTheTracesOfABatchLeadToIt(t *testing.T) {
	to := newCollector(t)
	tracing := to.tracing()
	s := newSite(t, func(o *mend.Options) { o.Tracer = tracing.Provider() })
	for id, field := range map[string]string{"merged": "n", "disputed": "a"} { // as two pages of the feed put them there
		s.fork("medic", id, `{"type":"report","`+field+`":1}`, `{"type":"report","`+field+`":2}`, `{"type":"report","`+field+`":3}`)
		item := ledger.Item{DB: "medic", ID: id, Since: "0", Trace: couch.NewTrace(), Span: couch.NewTrace()[16:]}
		if _, err := s.mend.Ledger.Put(t.Context(), item); err != nil {
			t.Fatal(err)
		}
	}
	var tasks []ledger.Task
	for len(tasks) < 2 {
		more, err := s.mend.Ledger.Fetch(t.Context(), 2, soon)
		if err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, more...)
	}
	if err := s.mend.Mender.Mend(t.Context(), tasks); err != nil {
		t.Fatal(err)
	}
	tracing.Close()
	batches := to.named("mend")
	joined := to.named("mended in another trace")
	if len(batches) != 1 || len(joined) != 1 {
		t.Fatalf("%d batches, %d spans that lead to one", len(batches), len(joined))
	}
	batch := batches[0]
	if e := batch.GetEvents(); len(e) != 1 || !strings.Contains(e[0].String(), "disputed") || !strings.Contains(e[0].String(), "overlap") {
		t.Errorf("the batch does not say what was not resolved: %v", e)
	}
	if len(batch.GetLinks()) != 1 || !bytes.Equal(batch.GetLinks()[0].GetTraceId(), joined[0].GetTraceId()) {
		t.Errorf("the batch links to %v", batch.GetLinks())
	}
	if link := joined[0].GetLinks(); len(link) != 1 || !bytes.Equal(link[0].GetSpanId(), batch.GetSpanId()) || bytes.Equal(joined[0].GetTraceId(), batch.GetTraceId()) {
		t.Errorf("the other trace links to %v", link)
	}
}

func TestACollectorThatIsAwayHoldsNothingUp(t *testing.T) {
	var log lines
	tracing, err := OpenTracing(t.Context(), TracingConfig{URL: "http://127.0.0.1:1", Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(o *mend.Options) { o.Tracer = tracing.Provider() })
	s.ended("medic")
	began := time.Now()
	tracing.Close()
	if took := time.Since(began); took > 2*flushLimit {
		t.Errorf("the end waited %v for a collector that is away", took)
	}
	if n := strings.Count(log.String(), "can't be sent"); n != 1 {
		t.Errorf("it was said %d times that traces can't be sent: %s", n, log.String())
	}
}

func TestNothingIsTracedUnlessItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		name, url string
		env       map[string]string
		traced    bool
	}{
		{name: "nothing"},
		{name: "the flag", url: "http://127.0.0.1:4318", traced: true},
		{name: "the environment", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, traced: true},
		{name: "the environment, for traces", env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, traced: true},
		{name: "turned off", url: "http://127.0.0.1:4318", env: map[string]string{"OTEL_SDK_DISABLED": "true"}},
		{name: "no exporter", url: "http://127.0.0.1:4318", env: map[string]string{"OTEL_TRACES_EXPORTER": "none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			tracing, err := OpenTracing(t.Context(), TracingConfig{URL: c.url, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer tracing.Close()
			if (tracing.Provider() != nil) != c.traced {
				t.Errorf("traced: %v", !c.traced)
			}
		})
	}
}

func TestACollectorsURLMustBeOneAndHoldNoPassword(t *testing.T) {
	for _, text := range []string{"127.0.0.1:4318", "grpc://host:4317", "http://", "http://user:hunter2@host:4318", "http://host:port\x7f"} {
		_, err := OpenTracing(t.Context(), TracingConfig{URL: text})
		if couchmend.KindOf(err) != couchmend.KindUsage || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// lines is a log that is written by several goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
