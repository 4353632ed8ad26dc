package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/mend"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long what must happen may take, on a machine that is busy.
const soon = 30 * time.Second

// policy merges what has a type, asks a resolver about visits, and leaves the
// rest to people.
const policy = `
databases: ["*"]
policies:
  default:
    rules:
      - name: visits
        when: { type: visit }
        resolver: { go: longest }
      - name: reports
        when: { type: report }
        fields: { n: sum }
`

// longest takes the longer body.
type longest struct{}

func (longest) Resolve(_ context.Context, _ *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	time.Sleep(2 * time.Millisecond)
	best := revisions[0].Body
	for _, r := range revisions[1:] {
		if len(r.Body) > len(best) {
			best = r.Body
		}
	}
	return best, nil
}

// site is a CouchDB in memory and a couchmend that is watched.
type site struct {
	testing.TB
	node *couchtest.Node
	url  string
	mend *mend.Couchmend
	*Telemetry
}

// newSite makes a site whose couchmend does not run yet; change, if given,
// changes its options.
func newSite(t testing.TB, change func(*mend.Options)) *site {
	t.Helper()
	s := bareSite(t, change)
	s.Telemetry = New(Config{Couchmend: s.mend, Version: "1.2.3"})
	return s
}

// bareSite makes one that nobody watches.
func bareSite(t testing.TB, change func(*mend.Options)) *site {
	t.Helper()
	s := &site{TB: t, node: couchtest.NewNode()}
	s.url = couchtest.NewServer(t, s.node).URL
	s.mend = s.open(change)
	return s
}

func (s *site) open(change func(*mend.Options)) *mend.Couchmend {
	s.Helper()
	dir := s.TempDir()
	file := filepath.Join(dir, "couchmend.yaml")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		s.Fatal(err)
	}
	o := mend.Options{
		URL: s.url, PolicyFile: file, StateDir: filepath.Join(dir, "state"),
		Resolvers: map[string]couchmend.Resolver{"longest": longest{}},
	}
	if change != nil {
		change(&o)
	}
	c, err := mend.Open(s.Context(), o)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	return c
}

// running runs f until the test ends.
func (s *site) running(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- f(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("the run ended: %v", err)
		}
	})
}

// until waits for something to become true.
func (s *site) until(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(soon); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("it never came to this: %s", what)
		}
	}
}

// fork gives a document of a database a base and two live leaves.
func (s *site) fork(db, id, base, left, right string) {
	s.Helper()
	to := s.node.DB(db)
	if to == nil {
		to = s.node.CreateDB(db)
	}
	for _, r := range [][]string{{base, "1-aa"}, {left, "2-bb", "1-aa"}, {right, "2-cc", "1-aa"}} {
		revision := couchmend.Revision{Body: json.RawMessage(r[0])}
		for _, rev := range r[1:] {
			revision.Path = append(revision.Path, couchmend.MustRev(rev))
		}
		revision.Rev = revision.Path[0]
		if err := to.Put(revision, id); err != nil {
			s.Fatal(err)
		}
	}
}

// clinic makes conflicts of each kind: merged, resolved by a function, and two
// for people.
func (s *site) clinic(db string) {
	s.Helper()
	s.fork(db, "report", `{"type":"report","n":1}`, `{"type":"report","n":2}`, `{"type":"report","n":3}`)
	s.fork(db, "visit", `{"type":"visit"}`, `{"type":"visit","a":122}`, `{"type":"visit","b":2}`)
	s.fork(db, "disputed", `{"type":"report","a":0}`, `{"type":"report","a":1}`, `{"type":"report","a":2}`)
	s.fork(db, "unknown", `{}`, `{"a":1}`, `{"a":2}`)
}

// get asks for a path of the handler's.
func (s *site) get(path string) (status int, body string) {
	s.Helper()
	w := newRecorder(s.TB, s.Handler(false, true), path)
	text, err := io.ReadAll(w.Body)
	if err != nil {
		s.Fatal(err)
	}
	return w.Code, string(text)
}

func newRecorder(t testing.TB, h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

// scrape reads /metrics as Prometheus does.
func (s *site) scrape() map[string]*dto.MetricFamily {
	s.Helper()
	status, text := s.get("/metrics")
	if status != http.StatusOK {
		s.Fatalf("/metrics: %d %s", status, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		s.Fatal(err)
	}
	return families
}

// value returns a series' value, or a histogram's count; labels are name, value.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	for _, m := range families[name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		match := true
		for i := 0; i < len(labels); i += 2 {
			match = match && has[labels[i]] == labels[i+1]
		}
		switch {
		case !match:
		case m.Histogram != nil:
			return float64(m.GetHistogram().GetSampleCount())
		case m.Counter != nil:
			return m.GetCounter().GetValue()
		default:
			return m.GetGauge().GetValue()
		}
	}
	return -1
}

// ended runs the site until all that clinic made of a database has ended.
func (s *site) ended(databases ...string) {
	s.Helper()
	for _, db := range databases {
		s.clinic(db)
	}
	s.running(s.mend.Run)
	s.until("all is resolved or in review", func() bool {
		stats := &s.mend.Mender.Stats
		return stats.Merged.Load() == int64(2*len(databases)) && stats.Reviewed.Load() == int64(2*len(databases))
	})
}
