package policy

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// inAlerts puts the keys of alerts from line 3 and column 3 on into a policy.
func inAlerts(keys string) string {
	return "databases: [db]\nalerts:\n  " + strings.ReplaceAll(keys, "\n", "\n  ") + "\n"
}

func TestAlertsAreReadAsTheyStand(t *testing.T) {
	f, err := Parse("p.yaml", []byte(inAlerts(`console: "https://couchmend.example"
webhooks:
  - slack: { url_file: slack }
    when: { review_older_than: 4h, conflicts_per_minute: 100, deep: true, feed_stalled: 10m, replication_failing: true, paused_longer_than: 2h }
    group: 5m
    repeat: 8h
  - { name: ours, json: { url_env: HOOK }, when: { deep: true }, ids: true }`)), "/etc/couchmend", Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := f.Alerts
	if a.Console != "https://couchmend.example" || len(a.Webhooks) != 2 {
		t.Fatalf("%+v", a)
	}
	want := Webhook{
		Name: "slack", Format: WebhookSlack, URLFile: filepath.FromSlash("/etc/couchmend/slack"), Group: 5 * time.Minute, Repeat: 8 * time.Hour,
		When: AlertWhen{4 * time.Hour, 100, true, 10 * time.Minute, true, 2 * time.Hour},
	}
	if a.Webhooks[0] != want {
		t.Errorf("got  %+v\nwant %+v", a.Webhooks[0], want)
	}
	want = Webhook{Name: "ours", Format: WebhookJSON, URLEnv: "HOOK", Group: time.Minute, Repeat: 4 * time.Hour, IDs: true, When: AlertWhen{Deep: true}}
	if a.Webhooks[1] != want {
		t.Errorf("got  %+v\nwant %+v", a.Webhooks[1], want)
	}
}

func TestMistakesInAlertsAreToldWithTheirPlaceAndNoSecret(t *testing.T) {
	const secret = "https://hooks.example/T0/s3cret"
	for _, c := range []struct{ keys, want string }{
		{"consol: x", `3:3: unknown key "consol" in alerts: did you mean "console"?`},
		{"console: ftp://x", `3:12: console in alerts is no web address: want its address, such as "https://couchmend.example"`},
		{"webhooks: x", `3:13: webhooks in alerts is a single value: want a list, such as - slack: {url_file: /run/secrets/slack}`},
		{"webhooks: [{when: {deep: true}}]", `3:14: webhook 1 has no receiver: add slack: {url_file: …} or json: {url_file: …}`},
		{"webhooks: [{slack: {url_file: a}}]", `3:14: webhook 1 has no when, and would never be told anything: add it, such as when: {review_older_than: 4h}`},
		{"webhooks: [{slack: {}, when: {deep: true}}]", `3:22: slack of webhook 1 needs one of url_file and url_env`},
		{"webhooks: [{slack: {url_file: a, url_env: B}, when: {deep: true}}]", `3:22: slack of webhook 1 needs one of url_file and url_env`},
		{"webhooks: [{slack: {url_env: 'a b'}, when: {deep: true}}]", `3:32: url_env in slack of webhook 1 is no variable's name: want one such as COUCHMEND_SLACK_URL`},
		{"webhooks: [{slack: {url: '" + secret + "'}, when: {deep: true}}]", `3:23: "url" in slack of webhook 1: no secret stands in a policy file, which is copied and shared: whoever has the address can write there. Name a file that holds it with url_file, or a variable with url_env`},
		{"webhooks: [{url: '" + secret + "', when: {deep: true}}]", `3:15: "url" in webhook 1: say whose format it has: slack: {url_file: …} or json: {url_file: …}`},
		{"webhooks: [{slack: {url_file: a}, json: {url_file: b}, when: {deep: true}}]", `3:43: webhook 1 has two receivers: make a webhook of each`},
		{"webhooks: [{slack: {url_file: a}, when: {deep: maybe}}]", `3:50: deep in when of webhook 1 is "maybe": want true or false`},
		{"webhooks: [{slack: {url_file: a}, when: {review_older_than: 4d}}]", `3:63: review_older_than in when of webhook 1 is "4d": want a time such as 10m or 4h, from 1s to 720h`},
		{"webhooks: [{slack: {url_file: a}, when: {conflicts_per_minute: 0}}]", `3:66: conflicts_per_minute in when of webhook 1 is "0": want a whole number from 1 to 1000000`},
		{"webhooks: [{slack: {url_file: a}, when: {deeep: true}}]", `3:44: unknown key "deeep" in when of webhook 1: did you mean "deep"?`},
		{"webhooks:\n  - {slack: {url_file: a}, when: {deep: true}}\n  - {slack: {url_file: b}, when: {deep: true}}", `5:7: two webhooks are called "slack": give them names`},
	} {
		_, err := Parse("p.yaml", []byte(inAlerts(c.keys)), ".", Options{})
		var e *couchmend.Error
		if !errors.As(err, &e) || e.Kind != couchmend.KindUsage {
			t.Errorf("%s: %v", c.keys, err)
			continue
		}
		if got := e.Err.Error(); got != "p.yaml:"+c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.keys, got, c.want)
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a secret is told: %v", err)
		}
	}
}
