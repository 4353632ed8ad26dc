package alert

import (
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
	"github.com/couchmend/couchmend/internal/policy"
)

// hookTo is a webhook whose address is in a file.
func hookTo(t *testing.T, url string, format policy.WebhookFormat) policy.Webhook {
	t.Helper()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := everything
	w.Name, w.Format, w.URLFile = string(format), format, file
	return w
}

func TestANameInAMessageCallsNobody(t *testing.T) {
	m := Message{Firing: []Alert{{
		Kind: Review, DB: "<!channel>", Summary: "<!channel> & @here: 1 document waits\nfor <https://evil.example|you>",
		IDs: []string{"`<!everyone>`", "<@U123>"}, Link: "https://c.example/cases?db=%3C",
	}}}
	body, err := payload(m, policy.WebhookSlack)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct{ Text string }
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"<!", "<@", "<https://evil", "@here", "\nfor"} {
		if strings.Contains(sent.Text, word) {
			t.Errorf("%q is sent in %q", word, sent.Text)
		}
	}
	if !strings.Contains(sent.Text, "&lt;!channel&gt; &amp; @\u200bhere: 1 document waits for") || !strings.Contains(sent.Text, "<https://c.example/cases?db=%3C|look>") {
		t.Errorf("sent %q", sent.Text)
	}
}

func TestAMessageForPeopleStaysShort(t *testing.T) {
	m := Message{Others: 3}
	for range 100 {
		m.Firing = append(m.Firing, Alert{Summary: strings.Repeat("x", 1000)})
	}
	if text := slackText(m); strings.Count(text, "\n") != maxLines+2 || !strings.Contains(text, "… and 75 more") || len(text) > 10_000 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestJSONHasAVersionAndEmptyListsWhereThereIsNothing(t *testing.T) {
	body, err := payload(Message{At: noon, Firing: []Alert{{Key: "deep/a", Kind: Deep, DB: "a", Summary: "<s>"}}, Resolved: []Alert{}}, policy.WebhookJSON)
	want := `{"version":1,"sent":"2026-11-22T12:00:00Z","firing":[{"key":"deep/a","kind":"deep","database":"a","summary":"<s>"}],"resolved":[],"others":0}`
	if err != nil || string(body) != want {
		t.Errorf("got  %s (%v)\nwant %s", body, err, want)
	}
}

func TestATestSaysWhatCameBack(t *testing.T) {
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	a, err := Test(t.Context(), hookTo(t, server.URL, policy.WebhookSlack), "")
	if err != nil || a.Status != 200 || a.Text != "ok" || !strings.Contains(string(got), "a test") {
		t.Errorf("%+v (%v): %s", a, err, got)
	}
}

func TestTheAddressIsNeverTold(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	for name, address := range map[string]string{
		"gone": gone.URL + "/T0/s3cret", "refusing": refusing.URL + "/s3cret?s3cret", "no address": "s3cret", "no such scheme": "ftp://s3cret/",
		"unreadable": "http://[::s3cret/", "control": "http://host/s3cret\x7f",
	} {
		_, err := Test(t.Context(), hookTo(t, address, policy.WebhookJSON), "")
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	unset := everything
	unset.URLEnv = "COUCHMEND_NO_SUCH_VARIABLE"
	if _, err := New(Config{Alerts: policy.Alerts{Webhooks: []policy.Webhook{unset}}}); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("unset: %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	if _, err := Test(t.Context(), hookTo(t, server.URL, policy.WebhookJSON), ""); err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
		t.Errorf("%v", err)
	}
}

func TestAReceiverIsLeftAloneAsLongAsItAsks(t *testing.T) {
	h := http.Header{}
	for text, want := range map[string]time.Duration{"30": 30 * time.Second, "": 0, "-1": 0, "soon": 0, "999999": longestWait} {
		h.Set("Retry-After", text)
		if got := retryAfter(h); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	r := &telling{}
	var waits []time.Duration
	for range 8 {
		r.failed(noon, Answer{})
		waits = append(waits, r.wait.Sub(noon))
	}
	if waits[0] != firstWait || waits[1] != 2*firstWait || waits[7] != lastWait {
		t.Errorf("%v", waits)
	}
	if r.failed(noon, Answer{wait: time.Hour}); r.wait.Sub(noon) != time.Hour {
		t.Errorf("asked for an hour, left alone for %v", r.wait.Sub(noon))
	}
}
