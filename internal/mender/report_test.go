package mender

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// listened is what a site's mender says: the log, the endings, and the request
// ids by which CouchDB's log knows its requests.
type listened struct {
	mu      sync.Mutex
	log     bytes.Buffer
	endings []Ending
	ids     map[string]bool
}

func (l *listened) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (s *site) listen() *listened {
	l := &listened{ids: map[string]bool{}}
	s.Mender.Log = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Ended = func(e Ending) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.endings = append(l.endings, e)
	}
	s.node.OnRequest(func(r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ids[r.Header.Get("X-Couch-Request-ID")] = true
	})
	return l
}

// conflicts returns the log's lines about conflicts.
func (l *listened) conflicts(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for text := range strings.Lines(l.log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("no JSON: %s", text)
		}
		if line["msg"] == "conflict" {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestEachLogLineOfAConflictSaysTheSameThings is what triage, and people with
// jq, read the log by.
func TestEachLogLineOfAConflictSaysTheSameThings(t *testing.T) {
	t.Parallel()
	bulkDocs := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }
	for _, c := range []struct {
		name, status, class string
		fault               *couchtest.Fault
		before              func(s *site) // the document is mended
	}{
		{name: "merged", status: "ok"},
		{name: "refused by a validation function", status: "review", class: "forbidden", fault: &couchtest.Fault{
			Match: bulkDocs, Times: 1, RowError: func(string, couchmend.Rev) (string, string) { return "forbidden", "no" },
		}},
		{name: "the server failed", status: "error", class: "write_timeout", fault: &couchtest.Fault{Match: bulkDocs, Times: 100, Status: 500}},
		{name: "saved meanwhile", status: "skipped", before: func(s *site) {
			leaf := s.db.Leaves("d")[0]
			s.put("d", leaf.Path, `{"n":9}`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			heard := s.listen()
			s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
			item := ledger.Item{DB: "clinic", ID: "d", Seq: "7-x", Since: "6-x", Enqueued: time.Now().Add(-time.Minute), Trace: couch.NewTrace()}
			for _, leaf := range s.db.Leaves("d") {
				item.Leaves = append(item.Leaves, leaf.Rev)
			}
			if _, err := s.ledger.Put(s.ctx, item); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				c.before(s)
			}
			if c.fault != nil {
				s.node.Inject(c.fault)
			}
			tasks, err := s.ledger.Fetch(s.ctx, 1, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Mend(s.ctx, tasks)

			lines := heard.conflicts(t)
			if len(lines) != 1 {
				t.Fatalf("%d lines: %v", len(lines), lines)
			}
			line := lines[0]
			for key, want := range map[string]any{
				"resolver_status": c.status, "failure_class": c.class, "db": "clinic", "doc_id": "d", "seq": "7-x",
				"winner_rev": item.Leaves[0].String(), "trace_id": item.Trace,
			} {
				if line[key] != want {
					t.Errorf("%s: %v, want %v", key, line[key], want)
				}
			}
			if revs, ok := line["leaf_revs"].([]any); !ok || len(revs) != 2 {
				t.Errorf("leaf_revs: %v", line["leaf_revs"])
			}
			if ms, _ := line["conflict_resolution_latency_ms"].(float64); ms < 60_000 {
				t.Errorf("the latency is %v ms, and the document arrived a minute ago", line["conflict_resolution_latency_ms"])
			}
			if len(heard.ids) != 1 || !heard.ids[item.Trace] {
				t.Errorf("CouchDB's log shows %v, and couchmend's %s", heard.ids, item.Trace)
			}
			if len(heard.endings) != 1 || heard.endings[0].Status != c.status || heard.endings[0].FailureClass != c.class || heard.endings[0].Latency < time.Minute {
				t.Errorf("told: %+v", heard.endings)
			}
		})
	}
}

func TestADocumentIsReportedOnceInReviewAndNotAtAllWithoutAConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	heard := s.listen()
	s.put("calm", nil, `{"n":1}`)
	s.fork("_design/d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	for range 3 {
		s.offer("calm", "_design/d")
		if err := s.work(); err != nil {
			t.Fatal(err)
		}
	}
	if len(heard.endings) != 1 || heard.endings[0].ID != "_design/d" || heard.endings[0].Status != "review" {
		t.Errorf("told: %+v", heard.endings)
	}
}

func TestABatchHasTheTraceOfItsFirstDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	heard := s.listen()
	var traces []string
	for _, id := range []string{"a", "b"} {
		s.fork(id, `{"n":1}`, `{"n":2}`, `{"n":4}`)
		item := ledger.Item{DB: "clinic", ID: id, Since: "0", Trace: couch.NewTrace(), Span: couch.NewTrace()[16:]}
		for _, leaf := range s.db.Leaves(id) {
			item.Leaves = append(item.Leaves, leaf.Rev)
		}
		traces = append(traces, item.Trace)
		if _, err := s.ledger.Put(s.ctx, item); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	for _, line := range heard.conflicts(t) {
		if line["trace_id"] != traces[0] {
			t.Errorf("%s: trace %v, want that of the first, %s", line["doc_id"], line["trace_id"], traces[0])
		}
	}
	if len(heard.ids) != 1 || !heard.ids[traces[0]] {
		t.Errorf("the requests bear %v", heard.ids)
	}
}

func TestAWorkerThatStandsStillIsStuck(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	ctx, stop := m.working(t.Context())
	if err := m.Stuck(); err != nil {
		t.Errorf("at once: %v", err)
	}
	for p := range m.pulses {
		p.last.Store(time.Now().Add(-stuckAfter - time.Second).UnixNano())
	}
	if m.Stuck() == nil {
		t.Error("a worker that stood still for a quarter of an hour counts as going on")
	}
	_, end := m.step(ctx, "load", 1)
	if err := m.Stuck(); err != nil {
		t.Errorf("after a step: %v", err)
	}
	end(new(error))
	stop()
	if len(m.pulses) != 0 {
		t.Error("a worker that ended still has a pulse")
	}
}

func TestBasesThatOnlyTheJournalHasAreCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	path := s.db.Leaves("d")[0].Path // the merge, which the journal has
	s.put("d", path, `{"n":6}`)
	s.put("d", path, `{"n":8}`)
	s.db.Compact()
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantBody("d", `{"n":9}`)
	if s.Stats.BodyHits.Load() != 1 || s.Stats.BodyMisses.Load() != 0 {
		t.Errorf("%d found, %d missed", s.Stats.BodyHits.Load(), s.Stats.BodyMisses.Load())
	}
	if !slices.Contains(s.Stats.Attrs(), any("body_hits")) {
		t.Error("the summary does not say so")
	}
}
