package console

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

// paused are the pauses in force.
func (c *clinic) paused() []ledger.Pause {
	c.t.Helper()
	pauses, err := c.ledger.Pauses(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return pauses
}

func pauseFor(db, reason, ends string) url.Values {
	return url.Values{"db": {db}, "reason": {reason}, "ends": {ends}}
}

func TestAPauseIsSeenByEverybodyWithReasonAndEndAndEndsAgain(t *testing.T) {
	var log bytes.Buffer
	c, _ := hospital(t, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	root, ben := c.as("root"), c.as("ben")
	got := root.post("/pause", "/pause", pauseFor("", " upgrade "+script+"\n", "4h"))
	if got.path != "/pause" {
		t.Fatalf("at %s: %s", got.path, mainOf(got.text))
	}
	has(t, got.text, "Paused: all databases.", "upgrade &lt;script&gt;", "Resume all databases")
	in := c.paused()
	if len(in) != 1 || in[0].By != "root" || in[0].Reason != "upgrade "+script || in[0].Until.Sub(in[0].Since).Round(time.Minute) != 4*time.Hour {
		t.Fatalf("in force: %+v", in)
	}
	if !c.ledger.Paused("medic") {
		t.Error("mending goes on")
	}
	for _, path := range []string{"/", "/history", "/pause"} {
		has(t, ben.get(path).text, "Paused: all databases", "upgrade &lt;script&gt;", "by root")
	}
	lacks(t, ben.get("/pause").text, "<script>alert", `action="/resume"`)
	if got = root.post("/pause", "/resume", url.Values{"db": {""}}); !strings.Contains(got.text, "Resumed: all databases.") || len(c.paused()) != 0 {
		t.Errorf("it is not resumed: %s", mainOf(got.text))
	}
	has(t, root.post("/pause", "/resume", url.Values{"db": {""}}).text, "It was not paused any more")
	has(t, log.String(), "msg=paused", "msg=resumed", "by=root")
}

func TestAPauseOfADatabaseIsForItsAdminsAndSeenByItsMembers(t *testing.T) {
	c, _ := hospital(t, nil)
	c.secure("medic", "asha", "nurse")
	c.node.AddUser("cara", "pw", "nurse")
	asha, cara, ben := c.as("asha"), c.as("cara"), c.as("ben")
	for who, want := range map[*browser]int{cara: http.StatusForbidden, ben: http.StatusNotFound} {
		if got := who.post("/pause", "/pause", pauseFor("medic", "because", "1h")); got.status != want {
			t.Errorf("got %d, want %d", got.status, want)
		}
	}
	if got := asha.post("/pause", "/pause", pauseFor("", "because", "1h")); got.status != http.StatusForbidden {
		t.Errorf("all databases, by one's admin: %d", got.status)
	}
	if len(c.paused()) != 0 {
		t.Fatalf("paused: %v", c.paused())
	}
	has(t, asha.post("/pause", "/pause", pauseFor("medic", "audit", "resumed")).text, "Paused: medic.", "when somebody resumes")
	has(t, cara.get("/pause").text, "audit", "medic")
	lacks(t, ben.get("/pause").text, "audit", "medic")
	for who, want := range map[*browser]int{cara: http.StatusForbidden, ben: http.StatusNotFound} {
		if got := who.post("/pause", "/resume", url.Values{"db": {"medic"}}); got.status != want {
			t.Errorf("resuming: got %d, want %d", got.status, want)
		}
	}
	has(t, asha.post("/pause", "/resume", url.Values{"db": {"medic"}}).text, "Resumed: medic.")
}

func TestAPauseNeedsAReasonAndAnEndToCome(t *testing.T) {
	c, _ := hospital(t, func(cfg *Config) { cfg.Follows = func(db string) bool { return db != "other" } })
	c.node.CreateDB("other")
	root := c.as("root")
	at := func(until string) url.Values {
		form := pauseFor("medic", "because", "at")
		form.Set("until", until)
		return form
	}
	for words, form := range map[string]url.Values{
		"say why":                   pauseFor("medic", " \t\n", "1h"),
		"the reason is too long":    pauseFor("medic", strings.Repeat("é", 301), "1h"),
		"say when it ends":          pauseFor("medic", "because", "never"),
		"say at which time":         at("tomorrow"),
		"its end is past":           at("2020-01-01T00:00"),
		"there is no such database": pauseFor("medicc", "because", "1h"),
		"does not look after":       pauseFor("other", "because", "1h"),
	} {
		got := root.post("/pause", "/pause", form)
		if got.status != http.StatusBadRequest && got.status != http.StatusNotFound {
			t.Errorf("%s: %d", words, got.status)
		}
		has(t, got.text, words, `value="`+form.Get("db")+`"`)
	}
	if len(c.paused()) != 0 {
		t.Errorf("paused: %v", c.paused())
	}
	end := time.Now().UTC().Add(90 * time.Minute).Truncate(time.Minute)
	root.post("/pause", "/pause", at(end.Format(untilLayout)))
	if in := c.paused(); len(in) != 1 || !in[0].Until.Equal(end) {
		t.Errorf("in force: %+v, want until %v", in, end)
	}
}

func TestPausingNeedsTheSessionsTokenAndIsNotInAReadOnlyConsole(t *testing.T) {
	c, _ := hospital(t, nil)
	root := c.as("root")
	for _, path := range []string{"/pause", "/resume"} {
		if got := root.do(root.request("POST", path, formKind, pauseFor("medic", "because", "1h").Encode())); got.status != http.StatusForbidden {
			t.Errorf("%s without the token: %d", path, got.status)
		}
	}
	c.console.ReadOnly = true
	lacks(t, root.get("/pause").text, `action="/pause"`, `action="/resume"`)
	if got := root.post("/", "/pause", pauseFor("medic", "because", "1h")); got.status != http.StatusForbidden || len(c.paused()) != 0 {
		t.Errorf("read-only: %d", got.status)
	}
}

func TestTheAPIPausesResumesAndListsPauses(t *testing.T) {
	c, _ := hospital(t, nil)
	b := c.browser()
	ask := func(method, path, body string) answer {
		r := b.request(method, path, "application/json", body)
		r.SetBasicAuth("root", "toor")
		return b.do(r)
	}
	if got := ask("GET", "/api/v1/pauses", ""); got.text != `{"pauses":[]}`+"\n" {
		t.Errorf("none: %q", got.text)
	}
	if got := ask("POST", "/api/v1/pause", `{"db":"medic","reason":"audit","until":"2199-01-01T00:00:00Z"}`); got.status != http.StatusOK {
		t.Errorf("pause: %d %s", got.status, got.text)
	}
	var list struct{ Pauses []ledger.Pause }
	if err := json.Unmarshal([]byte(ask("GET", "/api/v1/pauses", "").text), &list); err != nil || len(list.Pauses) != 1 || list.Pauses[0].By != "root" {
		t.Errorf("in force: %+v, %v", list, err)
	}
	for body, want := range map[string]int{`{"db":"medic"}`: 400, `{"reason":"x","for":"1h"}`: 400, `{"db":"none","reason":"x"}`: 404, `{`: 400} {
		if got := ask("POST", "/api/v1/pause", body); got.status != want {
			t.Errorf("%s: %d, want %d", body, got.status, want)
		}
	}
	if got := ask("POST", "/api/v1/resume", `{"db":"medic"}`); got.text != `{"resumed":true}`+"\n" {
		t.Errorf("resume: %q", got.text)
	}
	if got := ask("POST", "/api/v1/resume", `{"db":"medic"}`); got.text != `{"resumed":false}`+"\n" {
		t.Errorf("resumed again: %q", got.text)
	}
}
