package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// ask asks the API.
func (b *browser) ask(method, path, body string) answer {
	b.t.Helper()
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	return b.do(b.request(method, path, kind, body))
}

func TestProgramsSeeWhatThePageShows(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	for path, want := range map[string]string{
		"/api/v1/document" + at("ward", "d"):                      `"leaves":["2-cc","2-bb"]`,
		"/api/v1/document/tree" + at("ward", "d"):                 `{"rev":"2-cc","kind":"winner","body":"here","notes":["winner"],"parent":0,"depth":1}`,
		"/api/v1/document/diff" + at("ward", "d"):                 `{"path":"phone","differs":true,"values":[12345678901234567890,12345678901234567890,12345678901234567891]}`,
		"/api/v1/document/diff" + at("ward", "d") + "&rev=2-cc":   `"sides":[{"name":"winner","rev":"2-cc"}]`,
		"/api/v1/document/history" + at("ward", "d"):              `{"entries":[]}`,
		"/api/v1/document/diff" + at("ward", "d") + "&rev=9-none": `"kind":"usage"`,
	} {
		if got := b.ask("GET", path, ""); !strings.Contains(got.text, want) {
			t.Errorf("%s: %s\nwant %s", path, got.text, want)
		}
	}
}

func TestAProgramDecidesOnTheLeavesThatItSaw(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	for _, step := range []struct {
		body   string
		status int
		says   string
		live   int
	}{
		{`{"db":"ward","id":"d","leaves":["2-cc"],"document":{}}`, http.StatusConflict, "2-bb is new", 2},
		{`{"db":"ward","id":"d","document":{}}`, http.StatusBadRequest, "want leaves", 2},
		{`{"db":"ward","id":"d","leaves":["2-bb","2-cc"]}`, http.StatusBadRequest, "document, pick or delete", 2},
		{`{"db":"ward","id":"d","leaves":["2-bb","2-cc"],"document":{"visits":"x"}}`, http.StatusUnprocessableEntity, `"pointer":"/visits"`, 2},
		{`{"db":"ward","id":"d","leaves":["2-bb","2-cc"],"document":[]}`, http.StatusUnprocessableEntity, `"of":"document"`, 2},
		{`{"db":"ward","id":"d","leaves":["2-bb","2-cc"],"pick":"2-bb","dry_run":true}`, http.StatusOK, `"written":false`, 2},
		{`{"db":"ward","id":"d","leaves":["2-bb","2-cc"],"pick":"2-bb"}`, http.StatusOK, `"written":true`, 1},
	} {
		got := b.ask("POST", "/api/v1/document/resolve", step.body)
		if got.status != step.status || !strings.Contains(got.text, step.says) || c.live("d") != step.live {
			t.Errorf("%s:\n%d %s and %d live leaves, want %d %s and %d", step.body, got.status, got.text, c.live("d"), step.status, step.says, step.live)
		}
	}
	if got := c.winner("d"); !strings.Contains(got, "12345678901234567891") {
		t.Errorf("it says %s", got)
	}
}

func TestAProgramTakesBackDeletesAndDismisses(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	pinned := func(more string) string {
		leaves, _ := json.Marshal(revsOf(c.leaves("d")))
		return `{"db":"ward","id":"d","leaves":` + string(leaves) + more + `}`
	}
	if got := b.ask("POST", "/api/v1/document/resolve", pinned(`,"delete":true`)); got.status != http.StatusOK || c.live("d") != 0 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if got := b.ask("POST", "/api/v1/document/undo", pinned("")); got.status != http.StatusOK || c.live("d") != 2 {
		t.Errorf("%d %s", got.status, got.text)
	}
	for _, path := range []string{"dismiss", "retry"} {
		if got := b.ask("POST", "/api/v1/document/"+path, `{"db":"ward","id":"d"}`); got.status != http.StatusNotFound {
			t.Errorf("%s of what has no case: %d %s", path, got.status, got.text)
		}
	}
	if got := b.ask("POST", "/api/v1/document/check", `{"db":"ward","id":"d","document":{"visits":""}}`); !strings.Contains(got.text, `"pointer":"/visits"`) {
		t.Errorf("%s", got.text)
	}
}
