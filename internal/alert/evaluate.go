package alert

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

// Sight is what can be seen at one moment.
type Sight struct {
	At           time.Time
	Waiting      []Waiting
	Rate         float64             // conflicts a minute
	Oldest       time.Time           // since when the document waits to be mended that waits for longest
	Failing      []FailingFeed       // feeds that can't be read
	Replications []FailedReplication // of the server
	Pauses       []ledger.Pause
}

// Waiting is what waits for a person, for one reason in one database.
type Waiting struct {
	DB, Reason string
	Count      int
	Oldest     time.Time
	Deep       int      // of more than four live leaves
	IDs        []string // a few, those that wait for longest
	DeepIDs    []string
}

// FailingFeed is a database whose changes can't be read.
type FailingFeed struct {
	DB    string
	Why   string // the error's kind
	Since time.Time
}

// FailedReplication is a replication that does not get on.
type FailedReplication struct {
	Name, State string
	Errors      int
	Failures    int64 // documents that it could not write
}

// atMost is how many alerts of a kind are told one by one. Beyond that they are
// told as one: a hundred lines about a hundred databases help nobody.
const atMost = 20

// Evaluate returns what fires, sorted by key. It is a pure function.
func Evaluate(s Sight, w policy.Webhook, console string) []Alert {
	var all []Alert
	for _, some := range [][]Alert{review(s, w.When), rate(s, w.When), deep(s, w.When), feeds(s, w.When), replications(s, w.When), paused(s, w.When)} {
		all = append(all, together(some)...)
	}
	for i := range all {
		if !w.IDs {
			all[i].IDs = nil
		}
		if console != "" {
			all[i].Link = link(console, all[i])
		}
	}
	slices.SortFunc(all, func(a, b Alert) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// together makes one alert of too many.
func together(all []Alert) []Alert {
	if len(all) <= atMost {
		return all
	}
	one := Alert{Key: key(all[0].Kind, "together"), Kind: all[0].Kind, Since: all[0].Since}
	for _, a := range all {
		one.Count += a.Count
		if !a.Since.IsZero() && a.Since.Before(one.Since) {
			one.Since = a.Since
		}
	}
	one.Summary = fmt.Sprintf("%d places at once: %s", len(all), all[0].Summary+"; and so on")
	return []Alert{one}
}

func review(s Sight, w policy.AlertWhen) (all []Alert) {
	for _, c := range s.Waiting {
		if w.ReviewOlderThan == 0 || c.Count == 0 || s.At.Sub(c.Oldest) < w.ReviewOlderThan {
			continue
		}
		all = append(all, Alert{
			Key: key(Review, c.DB, c.Reason), Kind: Review, DB: c.DB, Reason: c.Reason, Count: c.Count, Since: c.Oldest, IDs: c.IDs,
			Summary: fmt.Sprintf("%s: %s for a person (%s), for %s", c.DB, waits(c.Count), c.Reason, span(s.At.Sub(c.Oldest))),
		})
	}
	return all
}

func rate(s Sight, w policy.AlertWhen) []Alert {
	if w.ConflictsPerMinute == 0 || s.Rate <= float64(w.ConflictsPerMinute) {
		return nil
	}
	return []Alert{{
		Key: key(Rate), Kind: Rate, Count: int(s.Rate),
		Summary: fmt.Sprintf("%.0f conflicts a minute, on the average of %d minutes (more than %d)", s.Rate, rateMinutes, w.ConflictsPerMinute),
	}}
}

func deep(s Sight, w policy.AlertWhen) (all []Alert) {
	if !w.Deep {
		return nil
	}
	byDB := map[string]*Alert{}
	var order []string
	for _, c := range s.Waiting {
		if c.Deep == 0 {
			continue
		}
		a := byDB[c.DB]
		if a == nil {
			a = &Alert{Key: key(Deep, c.DB), Kind: Deep, DB: c.DB}
			byDB[c.DB], order = a, append(order, c.DB)
		}
		a.Count += c.Deep
		a.IDs = append(a.IDs, c.DeepIDs...)[:min(maxIDs, len(a.IDs)+len(c.DeepIDs))]
	}
	for _, db := range order {
		a := byDB[db]
		a.Summary = fmt.Sprintf("%s: %s of more than four live leaves: devices that were offline for long, or whose clock is wrong", db, documents(a.Count))
		all = append(all, *a)
	}
	return all
}

func feeds(s Sight, w policy.AlertWhen) (all []Alert) {
	if w.FeedStalled == 0 {
		return nil
	}
	for _, f := range s.Failing {
		if s.At.Sub(f.Since) >= w.FeedStalled {
			all = append(all, Alert{
				Key: key(Feed, f.DB), Kind: Feed, DB: f.DB, Since: f.Since,
				Summary: fmt.Sprintf("%s: its changes can't be read (%s), for %s", f.DB, f.Why, span(s.At.Sub(f.Since))),
			})
		}
	}
	if !s.Oldest.IsZero() && s.At.Sub(s.Oldest) >= w.FeedStalled {
		all = append(all, Alert{
			Key: key(Feed), Kind: Feed, Since: s.Oldest,
			Summary: fmt.Sprintf("a document has waited to be mended for %s", span(s.At.Sub(s.Oldest))),
		})
	}
	return all
}

func replications(s Sight, w policy.AlertWhen) (all []Alert) {
	if !w.ReplicationFailing {
		return nil
	}
	for _, f := range s.Replications {
		a := Alert{Key: key(Replication, f.Name), Kind: Replication}
		switch {
		case f.Failures > 0:
			a.Count = int(f.Failures)
			a.Summary = fmt.Sprintf("replication %s: %s could not be written to its target", f.Name, documents(a.Count))
		default:
			a.Summary = fmt.Sprintf("replication %s is %s, %d errors in a row", f.Name, f.State, f.Errors)
		}
		all = append(all, a)
	}
	return all
}

func paused(s Sight, w policy.AlertWhen) (all []Alert) {
	for _, p := range s.Pauses {
		if w.PausedLongerThan == 0 || s.At.Sub(p.Since) < w.PausedLongerThan {
			continue
		}
		what := "mending of " + p.DB
		if p.DB == "" {
			what = "all mending"
		}
		all = append(all, Alert{
			Key: key(Paused, p.DB), Kind: Paused, DB: p.DB, Since: p.Since,
			Summary: fmt.Sprintf("%s has been paused for %s, by %s", what, span(s.At.Sub(p.Since)), p.By),
		})
	}
	return all
}

func documents(n int) string {
	if n == 1 {
		return "1 document"
	}
	return fmt.Sprintf("%d documents", n)
}

func waits(n int) string {
	if n == 1 {
		return "1 document waits"
	}
	return fmt.Sprintf("%d documents wait", n)
}

// span writes how long something has lasted: "40 s", "5 min", "3 h", "12 days".
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
