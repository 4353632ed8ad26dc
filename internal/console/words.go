package console

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
)

// funcs are what templates may call beside the page's own methods.
var funcs = template.FuncMap{
	"link":   documentLink,
	"when":   when,
	"moment": moment,
	"ago":    ago,
	"number": number,
	"more":   func(n, shown int) int { return n - shown },
	"pretty": func(v []byte) string { return string(document.Indent(v)) },
	"int":    func(n int64) int { return int(n) },
	"plural": plural,
	"reason": reasonWords,
	"short":  shortRev,
	"stage":  stageWords,
	"deed":   deedWords,
	"past":   historyLink,
	"join":   func(with string, texts []string) string { return strings.Join(texts, with) },
}

// documentLink is the address of a document's page. Ids may hold anything, so
// they travel in the query: a path would be tidied on the way.
func documentLink(db, id string) string {
	return "/document?" + url.Values{"db": {db}, "id": {id}}.Encode()
}

// when is a moment for people, in UTC: whoever is on duty compares it with logs.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// moment is a time for machines: the datetime of a <time>.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago is how long something is past: "3 min".
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return age(time.Since(t))
}

// age is a duration in its largest unit: "40 s", "3 min", "5 h", "12 d".
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// number groups digits by thousands: 12,345.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural is "1 conflict", "12 conflicts".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// shortRev is a revision id as people compare them: "3-9f1c2ab".
func shortRev(r couchmend.Rev) string {
	const digits = 7
	text := r.String()
	if dash := strings.IndexByte(text, '-'); dash >= 0 && len(text) > dash+1+digits {
		return text[:dash+1+digits]
	}
	return text
}

// reasonWords says why a document waits for a person.
func reasonWords(r couchmend.Reason) string {
	words, ok := map[couchmend.Reason]string{
		couchmend.ReasonOverlap:     "both sides changed a field",
		couchmend.ReasonNoBase:      "common ancestor is gone",
		couchmend.ReasonStrategy:    "strategy does not fit the values",
		couchmend.ReasonNoRule:      "no rule selects it",
		couchmend.ReasonRulesDiffer: "sides select different rules",
		couchmend.ReasonTwoRoots:    "two histories under one id",
		couchmend.ReasonHeld:        "held by an undo",
		couchmend.ReasonDeleted:     "deleted on one side",
		couchmend.ReasonSoftDeleted: "soft-deleted on one side",
		couchmend.ReasonAnnihilated: "no live revision is left",
		couchmend.ReasonAttachment:  "attachment can't be merged",
		couchmend.ReasonRevsLimit:   "database keeps too short a history",
		couchmend.ReasonDesignDoc:   "design document",
		couchmend.ReasonResolver:    "resolver asked for a person",
		couchmend.ReasonSchema:      "schema is not satisfied",
		couchmend.ReasonRefused:     "CouchDB refused the merge",
		couchmend.ReasonNotBuried:   "CouchDB refused a tombstone",
		couchmend.ReasonFailed:      "three attempts failed",
		couchmend.ReasonUnreadable:  "unreadable revision id",
		couchmend.ReasonPaused:      "mending is paused",

		couchmend.ReasonResolverError:    "resolver raised an error",
		couchmend.ReasonResolverTimeout:  "resolver ran out of time",
		couchmend.ReasonResolverMemory:   "resolver used too much memory",
		couchmend.ReasonResolverCrashed:  "resolver crashed",
		couchmend.ReasonResolverOutput:   "resolver returned no document",
		couchmend.ReasonResolverPrinted:  "resolver wrote to standard output",
		couchmend.ReasonResolverIdentity: "resolver returned another _id",
		couchmend.ReasonResolverUnstable: "resolver gave two answers",
	}[r]
	if !ok {
		return string(r)
	}
	return words
}
