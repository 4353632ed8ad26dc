package policy

import (
	"fmt"
	"net/url"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

// Alerts say who is told when something needs a person.
type Alerts struct {
	Console  string // where people find the console, http or https; "" is nowhere
	Webhooks []Webhook
}

// Webhook is one receiver. Its address is a secret: whoever has it can write
// there. So a file or a variable of the environment holds it.
type Webhook struct {
	Name    string
	Format  WebhookFormat
	URLFile string // one of the two is set
	URLEnv  string
	When    AlertWhen
	Group   time.Duration // what begins or ends within is told together; default 1m
	Repeat  time.Duration // after which what goes on is told again; default 4h
	IDs     bool          // name documents, whose ids may be personal
}

// WebhookFormat is what a receiver understands.
type WebhookFormat string

// The formats: Slack's, which Mattermost and others take too, and our own.
const (
	WebhookSlack WebhookFormat = "slack"
	WebhookJSON  WebhookFormat = "json"
)

// AlertWhen says what is told; a zero field tells nothing.
type AlertWhen struct {
	ReviewOlderThan    time.Duration // a document has waited for a person for so long
	ConflictsPerMinute int           // more than so many, on the average of five minutes
	Deep               bool          // a document of more than four live leaves is in review
	FeedStalled        time.Duration // for so long a feed can't be read, or a document waits to be mended
	ReplicationFailing bool          // one of the server's replications fails, or can't write documents
	PausedLongerThan   time.Duration // mending is paused for so long
}

// The defaults and bounds of an alert's times.
const (
	defaultGroup  = time.Minute
	defaultRepeat = 4 * time.Hour
	minSpan       = time.Second
	maxSpan       = 30 * 24 * time.Hour
	maxRate       = 1_000_000
)

func (r *reader) alerts(n *yaml.Node) Alerts {
	var a Alerts
	r.section(n, "alerts",
		setting{key: "console", read: func(v *yaml.Node) { a.Console = r.consoleURL(v) }},
		setting{key: "webhooks", read: func(v *yaml.Node) {
			for i, item := range r.list(v, "webhooks in alerts", "- slack: {url_file: /run/secrets/slack}") {
				w := r.webhook(item, i+1)
				for _, before := range a.Webhooks {
					if before.Name == w.Name {
						r.problem(item, "two webhooks are called %q: give them names", w.Name)
					}
				}
				a.Webhooks = append(a.Webhooks, w)
			}
		}},
	)
	return a
}

func (r *reader) webhook(n *yaml.Node, number int) Webhook {
	w := Webhook{Group: defaultGroup, Repeat: defaultRepeat}
	place := fmt.Sprintf("webhook %d", number)
	before := len(r.problems)
	to := func(format WebhookFormat) setting {
		return setting{key: string(format), read: func(v *yaml.Node) { r.receiver(v, place, format, &w) }}
	}
	r.section(n, place,
		setting{key: "name", read: func(v *yaml.Node) {
			if w.Name = r.text(v, "name of "+place, "a name"); w.Name != "" {
				r.goodName(v, "a webhook", w.Name)
			}
		}},
		to(WebhookSlack), to(WebhookJSON),
		setting{key: "when", read: func(v *yaml.Node) { w.When = r.alertWhen(v, "when of "+place) }},
		setting{key: "group", read: func(v *yaml.Node) { w.Group = r.span(v, "group of "+place) }},
		setting{key: "repeat", read: func(v *yaml.Node) { w.Repeat = r.span(v, "repeat of "+place) }},
		setting{key: "ids", read: func(v *yaml.Node) { w.IDs = r.yesNo(v, "ids of "+place) }},
		setting{key: "url", refused: "say whose format it has: slack: {url_file: …} or json: {url_file: …}"},
	)
	if w.Name == "" {
		w.Name = string(w.Format)
	}
	switch {
	case len(r.problems) > before:
	case w.Format == "":
		r.problem(n, "%s has no receiver: add slack: {url_file: …} or json: {url_file: …}", place)
	case w.When == AlertWhen{}:
		r.problem(n, "%s has no when, and would never be told anything: add it, such as when: {review_older_than: 4h}", place)
	}
	return w
}

// envName is a variable's name.
var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r *reader) receiver(n *yaml.Node, place string, format WebhookFormat, w *Webhook) {
	if w.Format != "" {
		r.problem(n, "%s has two receivers: make a webhook of each", place)
		return
	}
	w.Format = format
	what := string(format) + " of " + place
	r.section(n, what,
		setting{key: "url_file", read: func(v *yaml.Node) { w.URLFile = r.fileName(v, "url_file in "+what) }},
		setting{key: "url_env", read: func(v *yaml.Node) {
			w.URLEnv = r.text(v, "url_env in "+what, "a variable's name")
			if w.URLEnv != "" && !envName.MatchString(w.URLEnv) {
				r.problem(v, "url_env in %s is no variable's name: want one such as COUCHMEND_SLACK_URL", what)
			}
		}},
		setting{key: "url", refused: inlineSecret("whoever has the address can write there. Name a file that holds it with url_file, or a variable with url_env")},
	)
	if n.Kind == yaml.MappingNode && (value(n, "url_file") == nil) == (value(n, "url_env") == nil) && value(n, "url") == nil {
		r.problem(n, "%s needs one of url_file and url_env", what)
	}
}

func (r *reader) alertWhen(n *yaml.Node, what string) AlertWhen {
	var w AlertWhen
	span := func(key string, to *time.Duration) setting {
		return setting{key: key, read: func(v *yaml.Node) { *to = r.span(v, key+" in "+what) }}
	}
	yes := func(key string, to *bool) setting {
		return setting{key: key, read: func(v *yaml.Node) { *to = r.yesNo(v, key+" in "+what) }}
	}
	r.section(n, what,
		span("review_older_than", &w.ReviewOlderThan),
		setting{key: "conflicts_per_minute", read: func(v *yaml.Node) {
			w.ConflictsPerMinute = int(r.count(v, "conflicts_per_minute in "+what, maxRate))
		}},
		yes("deep", &w.Deep),
		span("feed_stalled", &w.FeedStalled),
		yes("replication_failing", &w.ReplicationFailing),
		span("paused_longer_than", &w.PausedLongerThan),
	)
	return w
}

// span reads a time that people wait.
func (r *reader) span(n *yaml.Node, what string) time.Duration {
	const want = "a time such as 10m or 4h, from 1s to 720h"
	text := r.text(n, what, want)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < minSpan || d > maxSpan {
		r.problem(n, "%s is %q: want %s", what, text, want)
		return 0
	}
	return d
}

func (r *reader) yesNo(n *yaml.Node, what string) bool {
	return oneOf(r, n, what, word[bool]{"true", true}, word[bool]{"false", false})
}

func (r *reader) consoleURL(n *yaml.Node) string {
	const want = `its address, such as "https://couchmend.example"`
	text := r.text(n, "console in alerts", want)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.problem(n, "console in alerts is no web address: want %s", want)
		return ""
	}
	return text
}
