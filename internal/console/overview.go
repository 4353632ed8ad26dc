package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

func overviewRoutes() []route {
	return []route{
		{pattern: "GET /{$}", serve: (*visit).overviewPage},
		{pattern: "GET /api/v1/overview", serve: (*visit).overviewAPI},
	}
}

// overview is what is going on, as far as one person may know.
type overview struct {
	Waiting      board.Waiting       `json:"waiting"`
	LastHour     board.Numbers       `json:"last_hour"`
	LastDay      board.Numbers       `json:"last_day"`
	Queue        int                 `json:"queue"` // documents that wait to be mended, of all databases; -1: not told
	Feeds        []feedLag           `json:"feeds"`
	Pauses       []ledger.Pause      `json:"pauses"`
	Deepest      []ledger.CaseLine   `json:"deepest"`
	Frequent     []board.Offender    `json:"frequent"`
	Types        []board.Share       `json:"types"`
	Fields       []board.Share       `json:"fields"`
	Rules        []board.Share       `json:"rules"`
	People       []board.Share       `json:"people"`
	Hours        []board.Span        `json:"hours"`
	Minutes      []board.Span        `json:"minutes"`
	Replications []couch.Replication `json:"replications"`     // those that fail; server admins are told
	Beyond       int                 `json:"beyond,omitempty"` // cases that the console has no room for
}

// offendersShown is how many rows each list of offenders has.
const offendersShown = 8

func (v *visit) overview(ctx context.Context) (overview, error) {
	visible, err := v.sightOfAll("")
	if err != nil {
		return overview{}, err
	}
	o := overview{
		Waiting: v.Board.Waiting(visible), Queue: -1,
		Frequent: v.Board.Frequent(offendersShown, visible),
		Types:    v.Board.Types(offendersShown, visible), Fields: v.Board.Fields(offendersShown, visible),
		Rules: v.Board.Shares(board.ByRule, offendersShown, visible), People: v.Board.Shares(board.ByPerson, offendersShown, visible),
		Hours: v.Board.Hours(24, visible), Minutes: v.Board.Minutes(60, visible),
	}
	o.LastHour, o.LastDay = v.Board.Done(visible)
	deepest, err := v.Board.Cases(board.Query{Order: board.Deepest, MinLive: 3, Limit: offendersShown}, visible)
	if err != nil {
		return o, err
	}
	o.Deepest, o.Beyond = deepest.Cases, deepest.Beyond
	var asking sync.WaitGroup
	asking.Go(func() { o.Replications = v.failingReplications(ctx) })
	if v.Admin() {
		if o.Queue, err = v.Ledger.Pending(ctx); err != nil {
			o.Queue = -1
		}
	}
	if o.Feeds, err = v.feedLags(ctx, o.Waiting); err == nil {
		o.Pauses, err = v.pausesSeen(ctx, v.Ledger)
	}
	asking.Wait()
	return o, err
}

// failingReplications are those that could not write documents, or fail
// altogether. Who is no server admin is told of none, nor who asks a server that
// does not answer in time: the rest of the page is not held up.
func (v *visit) failingReplications(ctx context.Context) []couch.Replication {
	if !v.Admin() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lagWait)
	defer cancel()
	all, err := v.server.Replications(ctx)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(r couch.Replication) bool {
		return r.WriteFailures == 0 && r.State != "crashing" && r.State != "failed" && r.State != "error"
	})
}

func (v *visit) overviewAPI() error {
	o, err := v.overview(v.r.Context())
	if err != nil {
		return err
	}
	// Programs are told of empty lists, not of null.
	o.Feeds = append([]feedLag{}, o.Feeds...)
	o.Pauses = append([]ledger.Pause{}, o.Pauses...)
	o.Deepest = append([]ledger.CaseLine{}, o.Deepest...)
	o.Frequent = append([]board.Offender{}, o.Frequent...)
	o.Replications = append([]couch.Replication{}, o.Replications...)
	return v.json(http.StatusOK, o)
}

// overviewView is what overview.html shows.
type overviewView struct {
	overview
	Day, Hour            chart
	Why, OfType, OfField []rank
	ByRule, ByPerson     []rank
	Rate                 string
}

func (v *visit) overviewPage() error {
	o, err := v.overview(v.r.Context())
	if err != nil {
		return err
	}
	filter := func(name string) func(string) string {
		return func(value string) string { return "/cases?" + url.Values{name: {value}}.Encode() }
	}
	reason := func(r string) string { return reasonWords(couchmend.Reason(r)) }
	view := overviewView{
		overview: o,
		Day:      newChart("What was done in each of the last 24 hours", o.Hours, clock),
		Hour:     newChart("What was done in each of the last 60 minutes", o.Minutes, clock),
		Why:      ranks(o.Waiting.Reasons, len(o.Waiting.Reasons), reason, filter("reason")),
		OfType:   ranks(o.Types, offendersShown, nil, filter("type")),
		OfField:  ranks(o.Fields, offendersShown, nil, filter("field")),
		ByRule:   ranks(o.Rules, offendersShown, nil, nil),
		ByPerson: ranks(o.People, offendersShown, nil, nil),
		Rate:     perMinute(o.LastHour.Mended()+o.LastHour.Decided(), time.Hour),
	}
	return v.render("overview", page{Title: "Overview", Nav: "/", Data: view})
}
