package telemetry

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
)

// told is an answer of /healthz or /readyz.
type told struct {
	Status string
	Checks map[string]verdict
}

func (s *site) ask(path string) (int, told) {
	s.Helper()
	s.mu.Lock()
	s.ready.at = time.Time{} // look again
	s.mu.Unlock()
	status, body := s.get(path)
	var answer told
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		s.Fatalf("%s: %s", path, body)
	}
	return status, answer
}

// wantBad checks that exactly one check of /readyz fails, with these words.
func (s *site) wantBad(check, words string) {
	s.Helper()
	status, answer := s.ask("/readyz")
	if status != http.StatusServiceUnavailable || answer.Status != "failing" {
		s.Errorf("%d %+v", status, answer)
	}
	for name, v := range answer.Checks {
		if v.OK == (name == check) {
			s.Errorf("%s: %+v", name, v)
		}
	}
	if got := answer.Checks[check].Words; !strings.Contains(got, words) {
		s.Errorf("%s says %q, want %q", check, got, words)
	}
}

func TestARunIsReadyAndAlive(t *testing.T) {
	s := newSite(t, nil)
	s.node.CreateDB("medic")
	s.running(s.mend.Run)
	s.until("it is ready", func() bool { status, _ := s.ask("/readyz"); return status == http.StatusOK })
	status, answer := s.ask("/healthz")
	if status != http.StatusOK || answer.Status != "ok" || len(answer.Checks) != 2 {
		t.Errorf("/healthz: %d %+v", status, answer)
	}
}

func TestBeforeItRunsItIsAliveAndNotReady(t *testing.T) {
	s := newSite(t, nil)
	s.wantBad("feeds", "no feed is followed")
	if status, answer := s.ask("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %+v", status, answer)
	}
}

func TestAStateThatIsGoneIsNotReady(t *testing.T) {
	var log lines
	s := newSite(t, func(o *mend.Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	s.running(s.mend.Feed.Run)
	s.until("it is ready", func() bool { status, _ := s.ask("/readyz"); return status == http.StatusOK })
	if err := s.mend.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, answer := s.ask("/readyz"); answer.Checks["state"].OK {
			t.Errorf("%+v", answer)
		}
	}
	if n := strings.Count(log.String(), `"msg":"not ready"`); n != 1 {
		t.Errorf("the log says it %d times: %s", n, log.String())
	}
}

func TestARefusedLoginIsNotReady(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "right"))
	server := couchtest.NewServer(t, node)
	s := newSite(t, func(o *mend.Options) { o.URL, o.Username, o.Password = server.URL, "admin", "hunter2" })
	_, _ = s.ask("/readyz") // it asks, and is refused
	_, answer := s.ask("/readyz")
	if v := answer.Checks["couchdb"]; v.OK || !strings.Contains(v.Words, "login") {
		t.Errorf("%+v", answer)
	}
	if _, body := s.get("/readyz"); strings.Contains(body, "hunter2") || strings.Contains(body, "127.0.0.1") {
		t.Errorf("whoever asks learns too much: %s", body)
	}
}

func TestAServerThatIsAwayIsNotReadyButAlive(t *testing.T) {
	s := newSite(t, func(o *mend.Options) { o.URL = "http://127.0.0.1:1" })
	_, answer := s.ask("/readyz")
	if v := answer.Checks["couchdb"]; v.OK || !strings.Contains(v.Words, "has not answered yet") {
		t.Errorf("%+v", answer)
	}
	if status, _ := s.ask("/healthz"); status != http.StatusOK {
		t.Error("starting anew would not help")
	}
}

func TestAPauseIsReadyAndSaysSo(t *testing.T) {
	s := newSite(t, nil)
	if err := s.mend.Ledger.Pause(t.Context(), ledger.Pause{Reason: "migration"}); err != nil {
		t.Fatal(err)
	}
	s.running(s.mend.Run)
	s.until("it is ready", func() bool { status, _ := s.ask("/readyz"); return status == http.StatusOK })
	if _, answer := s.ask("/readyz"); answer.Checks["mending"].Words != "paused" {
		t.Errorf("%+v", answer)
	}
}

func TestProbesShareAFinding(t *testing.T) {
	s := newSite(t, nil)
	_, _ = s.ask("/readyz")
	first := s.ready.at
	if _, _ = s.get("/readyz"); s.ready.at != first {
		t.Error("a second probe, at once, looked again")
	}
	s.ready.at = time.Now().Add(-readyAge)
	if _, _ = s.get("/readyz"); s.ready.at == first {
		t.Error("a finding never grows old")
	}
}

func TestMetricsAreServedOnlyWhereTheyAreWanted(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct {
		path           string
		local, metrics bool
		want           int
	}{
		{"/metrics", false, false, 404},
		{"/metrics", false, true, 200},
		{"http://127.0.0.1:5985/metrics", true, false, 200},
		{"http://[::1]:5985/metrics", true, false, 200},
		{"http://localhost/metrics", true, false, 200},
		{"http://attacker.example:5985/metrics", true, true, 403}, // a name that was made to lead here
		{"/healthz", false, false, 200},
		{"/readyz", false, false, 503},
		{"http://10.1.2.3:5985/healthz", true, false, 200},
	} {
		if w := newRecorder(t, s.Handler(c.local, c.metrics), c.path); w.Code != c.want {
			t.Errorf("%s, local %v, metrics %v: %d, want %d", c.path, c.local, c.metrics, w.Code, c.want)
		}
	}
}
