package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
)

func casesRoutes() []route {
	return []route{
		{pattern: "GET /cases", serve: (*visit).casesPage},
		{pattern: "GET /api/v1/cases", serve: (*visit).casesAPI},
	}
}

// ages are how long a case may be asked to have waited at least.
var ages = []struct {
	Name string
	For  time.Duration
}{{"10m", 10 * time.Minute}, {"1h", time.Hour}, {"1d", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// pageSizes are how many rows a page of the list may have.
var pageSizes = []int{50, 100, 200}

// query reads which cases are asked for. The error is of KindUsage.
func (v *visit) query() (board.Query, error) {
	f := v.r.URL.Query()
	q := board.Query{
		DB: f.Get("db"), Type: f.Get("type"), Rule: f.Get("rule"), Field: f.Get("field"), Reason: couchmend.Reason(f.Get("reason")),
		Text: f.Get("q"), Dismissed: f.Get("dismissed") == "1", Order: board.Order(f.Get("order")), After: f.Get("after"),
	}
	switch q.Order {
	case "", board.Oldest, board.Newest, board.Deepest, board.ByID:
	default:
		return q, refuse(couchmend.KindUsage, "order: want oldest, newest, deepest or id")
	}
	for _, number := range []struct {
		name string
		to   *int
	}{{"live", &q.MinLive}, {"limit", &q.Limit}} {
		text := f.Get(number.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, refuse(couchmend.KindUsage, number.name+": want a number")
		}
		*number.to = n
	}
	if text := f.Get("age"); text != "" {
		at := slices.IndexFunc(ages, func(a struct {
			Name string
			For  time.Duration
		}) bool {
			return a.Name == text
		})
		if at < 0 {
			return q, refuse(couchmend.KindUsage, "age: want 10m, 1h, 1d, 7d or 30d")
		}
		q.OlderThan = ages[at].For
	}
	return q, nil
}

// casesList is a part of what waits for a person, as the API tells it.
type casesList struct {
	Cases []ledger.CaseLine `json:"cases"`
	Total int               `json:"total"`          // that match, on all pages
	Next  string            `json:"next,omitempty"` // ?after= of the next page
}

func (v *visit) casesAPI() error {
	q, err := v.query()
	if err != nil {
		return err
	}
	visible, err := v.sightOfAll(q.DB)
	if err != nil {
		return err
	}
	found, err := v.Board.Cases(q, visible)
	if err != nil {
		return err
	}
	list := casesList{Cases: []ledger.CaseLine{}, Total: found.Total, Next: found.Next}
	list.Cases = append(list.Cases, found.Cases...)
	return v.json(http.StatusOK, list)
}

// casesView is what cases.html shows.
type casesView struct {
	board.Page
	Query   board.Query
	Filters url.Values // as asked for, without the page
	Choices board.Waiting
	Actions []bulkAction
}

func (v *visit) casesPage() error {
	q, err := v.query()
	if err != nil {
		return err
	}
	visible, err := v.sightOfAll(q.DB)
	if err != nil {
		return err
	}
	if q.Limit == 0 {
		q.Limit = pageSizes[0]
	}
	view := casesView{Query: q, Filters: v.r.URL.Query(), Choices: v.Board.Waiting(visible)}
	if view.Page, err = v.Board.Cases(q, visible); err != nil {
		return err
	}
	view.Filters.Del("after")
	if !v.ReadOnly {
		view.Actions = bulkActions
	}
	return v.render("cases", page{Title: "Conflicts", Nav: "/cases", Data: view})
}

// Filter is the address of this list with one thing of the query changed; ""
// drops it.
func (c casesView) Filter(name, value string) string {
	changed := url.Values{}
	for key, values := range c.Filters {
		changed[key] = values
	}
	if changed.Set(name, value); value == "" {
		changed.Del(name)
	}
	if len(changed) == 0 {
		return "/cases"
	}
	return "/cases?" + changed.Encode()
}

// Narrowed reports whether the list shows less than all.
func (c casesView) Narrowed() bool {
	q := c.Query
	return q.DB != "" || q.Type != "" || q.Rule != "" || q.Field != "" || q.Reason != "" || q.Text != "" || q.OlderThan > 0 || q.MinLive > 0
}

// AgeOptions are the ages to choose from, and whether each is chosen.
func (c casesView) AgeOptions() (options []option) {
	for _, a := range ages {
		options = append(options, option{a.Name, "over " + age(a.For), c.Query.OlderThan == a.For})
	}
	return options
}

// Options are the values of a filter to choose from, with how many cases each
// has.
func (c casesView) Options(of string) (options []option) {
	shares := map[string][]board.Share{"db": c.Choices.Databases, "type": c.Choices.Types, "field": c.Choices.Fields, "reason": c.Choices.Reasons, "rule": c.Choices.Rules}[of]
	chosen := c.Filters.Get(of)
	there := false
	for _, s := range shares {
		name := s.Name
		if of == "reason" {
			name = reasonWords(couchmend.Reason(s.Name))
		}
		options = append(options, option{s.Name, fmt.Sprintf("%s (%s)", name, number(s.N)), s.Name == chosen})
		there = there || s.Name == chosen
	}
	if chosen != "" && !there {
		options = append(options, option{chosen, chosen + " (0)", true})
	}
	return options
}

// option is one of a list to choose from.
type option struct {
	Value, Words string
	Chosen       bool
}

// Key names a row, and is what its box sends.
func (c casesView) Key(line ledger.CaseLine) string { return itemKey(line.DB, line.ID) }

// LiveOptions are the depths to choose from.
func (c casesView) LiveOptions() (options []option) {
	for _, n := range []int{3, 5, 10, 50} {
		options = append(options, option{strconv.Itoa(n), fmt.Sprintf("%d or more", n), c.Query.MinLive == n})
	}
	return options
}

// OrderOptions are the orders to choose from.
func (c casesView) OrderOptions() (options []option) {
	for _, o := range []struct {
		order board.Order
		words string
	}{{board.Oldest, "oldest first"}, {board.Newest, "newest first"}, {board.Deepest, "deepest first"}, {board.ByID, "by id"}} {
		options = append(options, option{string(o.order), o.words, c.Query.Order == o.order})
	}
	return options
}

// SizeOptions are how many rows to choose from.
func (c casesView) SizeOptions() (options []option) {
	for _, n := range pageSizes {
		options = append(options, option{strconv.Itoa(n), strconv.Itoa(n), c.Query.Limit == n})
	}
	return options
}
