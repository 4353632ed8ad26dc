package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/couchmend/couchmend/internal/policy"
)

const (
	// maxLines is how many alerts a message for people has.
	maxLines = 25
	// maxText bounds a name within such a line, in letters.
	maxText = 120
)

// link is where an alert's matter is seen in the console.
func link(console string, a Alert) string {
	base := strings.TrimSuffix(console, "/")
	q := url.Values{}
	if a.DB != "" {
		q.Set("db", a.DB)
	}
	switch a.Kind {
	case Review:
		if a.Reason != "" {
			q.Set("reason", a.Reason)
		}
		return base + "/cases?" + q.Encode()
	case Deep:
		q.Set("order", "deepest")
		return base + "/cases?" + q.Encode()
	case Paused:
		return base + "/pause"
	case Replication:
		return base + "/triage"
	}
	return base + "/"
}

// payload is the body that a receiver is sent.
func payload(m Message, format policy.WebhookFormat) ([]byte, error) {
	if format == policy.WebhookJSON {
		return encode(struct {
			Version int `json:"version"`
			Message
		}{1, m})
	}
	return encode(map[string]any{"text": slackText(m), "unfurl_links": false, "unfurl_media": false})
}

// encode writes JSON, <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// slackText is the message for people, in Slack's own markup.
func slackText(m Message) string {
	var b strings.Builder
	switch {
	case m.Test:
		b.WriteString("*couchmend: a test.* This webhook works.")
	default:
		fmt.Fprintf(&b, "*couchmend: %d to look at, %d over*", len(m.Firing), len(m.Resolved))
	}
	lines := 0
	for _, part := range []struct {
		mark   string
		alerts []Alert
	}{{"•", m.Firing}, {"✓ over:", m.Resolved}} {
		for _, a := range part.alerts {
			if lines++; lines > maxLines {
				continue
			}
			fmt.Fprintf(&b, "\n%s %s", part.mark, slackEscape(a.Summary))
			for _, id := range a.IDs {
				fmt.Fprintf(&b, " `%s`", strings.ReplaceAll(slackEscape(id), "`", "'"))
			}
			if a.Link != "" {
				fmt.Fprintf(&b, " <%s|look>", slackEscape(a.Link))
			}
		}
	}
	if lines > maxLines {
		fmt.Fprintf(&b, "\n… and %d more", lines-maxLines)
	}
	if m.Others > 0 {
		fmt.Fprintf(&b, "\n%d others go on.", m.Others)
	}
	return b.String()
}

// slackEscape makes a name harmless: one of a database's or a document's may
// hold markup that calls everybody. Slack's control characters are &, < and >;
// servers like it take @channel, too.
func slackEscape(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxText*2 {
			b.WriteString("…")
			break
		}
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '@':
			b.WriteString("@\u200b") // nothing to see, and no name any more
		case !unicode.IsPrint(r):
			b.WriteRune(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
