package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func historyRoutes() []route {
	return []route{
		{pattern: "GET /history", serve: (*visit).historyPage},
		{pattern: "GET /history/entry", serve: (*visit).entryPage},
		{pattern: "POST /history/undo", serve: (*visit).undoEntry},
		{pattern: "GET /api/v1/history", serve: (*visit).historyAPI},
		{pattern: "GET /api/v1/history/{number}", serve: (*visit).entryAPI},
	}
}

// historyFilter picks lines of the journal; an empty field picks all.
type historyFilter struct {
	DB, ID string
	Who    string // a person, or a rule with or without its policy
	What   string // a key of deeds
	Since  string // a key of spans, or a moment in RFC 3339
	After  uint64 // where the last page ended
}

// deed is a choice of what was done.
type deed struct {
	Key, Name string
	picks     func(ledger.EntryLine) bool
}

// deeds are what history is filtered by, in the order of the list.
var deeds = []deed{
	{"automatic", "by couchmend", automatic},
	{"manual", "by people", func(l ledger.EntryLine) bool { return !automatic(l) }},
	ofKind("merge", "merged"), ofKind("keep", "winner kept"), ofKind("bury", "only buried"), ofKind("delete", "deleted"),
	ofKind("resolve", "resolved by a person"), ofKind("dismiss", "dismissed"), ofKind("undo", "undone"), ofKind("undo_refused", "undo refused"),
	ofKind("split", "split"), ofKind("follow", "followed a split"), ofKind("rollback", "split taken back"),
	ofKind(reviewed, "came to review"),
}

// reviewed is the kind of entries that resolved nothing: they are listed where
// they are asked for, and in the history of one document.
const reviewed = "review"

func ofKind(kind, name string) deed {
	return deed{kind, name, func(l ledger.EntryLine) bool { return l.Kind == kind }}
}

func automatic(l ledger.EntryLine) bool { return l.By == "" || l.By == "couchmend" }

// deedWords says what a line of the journal did.
func deedWords(kind string) string {
	for _, d := range deeds {
		if d.Key == kind {
			return d.Name
		}
	}
	return kind
}

// span is a choice of how far back to look.
type span struct {
	Key, Name string
	long      time.Duration
}

var spans = []span{
	{"1h", "last hour", time.Hour}, {"24h", "last 24 hours", 24 * time.Hour}, {"7d", "last 7 days", 7 * 24 * time.Hour},
}

// historyPageSize is how many lines a page has.
const historyPageSize = 50

// maxStrange bounds how many databases CouchDB is asked about for one page.
const maxStrange = 200

// history is a page of the journal, newest first.
type history struct {
	Entries []historyLine `json:"entries"`
	// Next is where the next page begins, as ?after=; 0: there is nothing older.
	Next uint64 `json:"next,omitempty,string"`
	// Searched is how far back was looked, where that was far and found little.
	Searched time.Time `json:"searched,omitzero"`
}

// historyLine is one line, and the number that it is found by.
type historyLine struct {
	Number uint64 `json:"number"`
	ledger.EntryLine
}

// Automatic reports whether a rule did it, and no person.
func (l historyLine) Automatic() bool { return automatic(l.EntryLine) }

// readHistoryFilter reads ?db=&id=&who=&what=&since=&after=.
func (v *visit) readHistoryFilter() (f historyFilter, since time.Time, err error) {
	get := func(name string) string { return strings.TrimSpace(v.r.FormValue(name)) }
	f = historyFilter{DB: v.r.FormValue("db"), ID: v.r.FormValue("id"), Who: get("who"), What: get("what"), Since: get("since")}
	if f.ID != "" && f.DB == "" {
		return f, since, refuse(couchmend.KindUsage, "want the database that the document is in")
	}
	if f.DB != "" {
		if err := v.see(f.DB); err != nil {
			return f, since, err
		}
	}
	if f.What != "" && f.picker() == nil {
		return f, since, refuse(couchmend.KindUsage, "what: there is no such kind of entry")
	}
	if after := get("after"); after != "" {
		if f.After, err = strconv.ParseUint(after, 10, 64); err != nil {
			return f, since, refuse(couchmend.KindUsage, "after: want the next of the page before")
		}
	}
	since, err = sinceMoment(f.Since, v.Now())
	return f, since, err
}

// sinceMoment is the moment that since= names; zero where it names none.
func sinceMoment(since string, now time.Time) (time.Time, error) {
	if since == "" {
		return time.Time{}, nil
	}
	for _, s := range spans {
		if s.Key == since {
			return now.Add(-s.long), nil
		}
	}
	t, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return t, refuse(couchmend.KindUsage, "since: want 1h, 24h, 7d or a moment such as 2026-11-22T12:00:00Z")
	}
	return t, nil
}

// picker returns what picks the lines of f.What; nil where there is none.
func (f historyFilter) picker() func(ledger.EntryLine) bool {
	for _, d := range deeds {
		if d.Key == f.What {
			return d.picks
		}
	}
	return nil
}

func (f historyFilter) picks(l ledger.EntryLine) bool {
	switch {
	case f.What != "" && !f.picker()(l):
		return false
	case l.Kind == reviewed && f.What != reviewed && f.ID == "":
		return false
	}
	return f.Who == "" || strings.EqualFold(l.By, f.Who) || l.Rule == f.Who || strings.HasSuffix(l.Rule, "/"+f.Who)
}

// history reads a page of the journal, as far as the person may know of it.
func (v *visit) history(f historyFilter, since time.Time) (history, error) {
	ctx := v.r.Context()
	h := history{Entries: []historyLine{}}
	var failed error
	var searched time.Time
	strange := 0
	next, err := v.Ledger.EachBack(ctx, ledger.Back{DB: f.DB, ID: f.ID, Since: since, Before: f.After}, func(number uint64, line ledger.EntryLine) bool {
		searched = line.Time
		if !f.picks(line) {
			return true
		}
		if !v.Admin() {
			if _, known := v.known(line.DB); !known {
				strange++
			}
			ok, err := v.sees(ctx, line.DB)
			if err != nil {
				failed = err
				return false
			}
			if !ok {
				return strange < maxStrange
			}
		}
		h.Entries = append(h.Entries, historyLine{number, line})
		return len(h.Entries) < historyPageSize && strange < maxStrange
	})
	if h.Next = next; next != 0 && len(h.Entries) < historyPageSize {
		h.Searched = searched
	}
	return h, errors.Join(failed, err)
}

func (v *visit) historyAPI() error {
	f, since, err := v.readHistoryFilter()
	if err != nil {
		return err
	}
	h, err := v.history(f, since)
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, h)
}

// historyView is what history.html shows.
type historyView struct {
	history
	Filter historyFilter
	Deeds  []deed
	Spans  []span
}

func (v *visit) historyPage() error {
	f, since, err := v.readHistoryFilter()
	if err != nil {
		return err
	}
	h, err := v.history(f, since)
	if err != nil {
		return err
	}
	return v.render("history", page{Title: "History", Nav: "/history", Data: historyView{history: h, Filter: f, Deeds: deeds, Spans: spans}})
}

// Older is the address of the next page, Newest that of the first.
func (h historyView) Older() string  { return h.Filter.address(h.Next) }
func (h historyView) Newest() string { return h.Filter.address(0) }

func (f historyFilter) address(after uint64) string {
	q := url.Values{}
	for name, value := range map[string]string{"db": f.DB, "id": f.ID, "who": f.Who, "what": f.What, "since": f.Since} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if after != 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	if len(q) == 0 {
		return "/history"
	}
	return "/history?" + q.Encode()
}

// historyLink is the address of one document's history.
func historyLink(db, id string) string { return historyFilter{DB: db, ID: id}.address(0) }
