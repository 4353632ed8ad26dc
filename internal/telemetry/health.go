package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// verdict is what one check found. Words are for people and name nothing that a
// stranger who may ask should not learn: no database, no path, no address.
type verdict struct {
	OK    bool   `json:"ok"`
	Words string `json:"words,omitempty"`
}

func good(words string) verdict { return verdict{OK: true, Words: words} }
func bad(words string) verdict  { return verdict{Words: words} }

// checks are verdicts by what was checked.
type checks map[string]verdict

func (c checks) ok() bool {
	for _, v := range c {
		if !v.OK {
			return false
		}
	}
	return true
}

// failing names what is not well, with the words.
func (c checks) failing() string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !c[name].OK {
			words = append(words, name+": "+c[name].Words)
		}
	}
	return strings.Join(words, "; ")
}

func (c checks) serve(w http.ResponseWriter) {
	status, word := http.StatusOK, "ok"
	if !c.ok() {
		status, word = http.StatusServiceUnavailable, "failing"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(struct {
		Status string `json:"status"`
		Checks checks `json:"checks"`
	}{word, c}) // whoever asked has gone
}

// Health serves whether the process lives: its workers and its feeds' loop go
// on. Where it says 503, starting the process anew is what helps. A server that
// is away is no reason: that is what Ready is for.
func (t *Telemetry) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		found := checks{"workers": good(""), "feeds": good("")}
		if err := t.couchmend.Mender.Stuck(); err != nil {
			found["workers"] = bad(err.Error())
		}
		if err := t.couchmend.Feed.Stuck(); err != nil {
			found["feeds"] = bad(err.Error())
		}
		found.serve(w)
	})
}

// Ready serves whether couchmend can do its work now: the state takes writes,
// CouchDB answers and lets it in, feeds are read, batches do not keep failing.
func (t *Telemetry) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.readiness(r.Context()).serve(w) })
}

// readiness is what was found last.
type readiness struct {
	found checks
	at    time.Time
}

const (
	// readyAge is how long a finding is good: probes come from several places.
	readyAge = 2 * time.Second
	// readyLimit bounds the checks.
	readyLimit = 5 * time.Second
	// lately is how long ago CouchDB may have been heard. Feeds have a heartbeat
	// of 10 and 20 seconds.
	lately = time.Minute
)

func (t *Telemetry) readiness(ctx context.Context) checks {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.ready.at) < readyAge {
		return t.ready.found
	}
	// A probe that gave up must not make a finding for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyLimit)
	defer cancel()
	before := t.ready.found
	t.ready = readiness{found: checks{
		"state": t.checkState(ctx), "couchdb": t.checkCouchDB(ctx), "feeds": t.checkFeeds(), "mending": t.checkMending(),
	}, at: time.Now()}
	switch ready := t.ready.found.ok(); {
	case before == nil || ready == before.ok():
	case ready:
		t.couchmend.Mender.Log.Info("ready")
	default:
		t.couchmend.Mender.Log.Warn("not ready", "because", t.ready.found.failing())
	}
	return t.ready.found
}

func (t *Telemetry) checkState(ctx context.Context) verdict {
	switch err := t.couchmend.Ledger.Check(ctx); couchmend.KindOf(err) {
	case "":
		return good("")
	case couchmend.KindFull:
		return bad("no room in the journal or on its disk: nothing is mended until there is")
	case couchmend.KindUnreachable:
		return bad("the state does not answer")
	case couchmend.KindAuth:
		return bad("NATS refuses the login")
	default:
		return bad("the state can't be written")
	}
}

func (t *Telemetry) checkCouchDB(ctx context.Context) verdict {
	if t.couchmend.Server.Refused() != nil {
		return bad("CouchDB refused the login; no request has been made since")
	}
	heard := t.couchmend.Server.Heard()
	if time.Since(heard) < lately {
		return good("")
	}
	switch _, err := t.couchmend.Server.Ping(ctx); {
	case err == nil:
		return good("")
	case heard.IsZero():
		return bad("CouchDB has not answered yet")
	default:
		return bad(fmt.Sprintf("CouchDB was last heard %v ago", time.Since(heard).Round(time.Second)))
	}
}

func (t *Telemetry) checkFeeds() verdict {
	now := t.couchmend.Feed.State()
	words := fmt.Sprintf("%d databases followed, %d feeds read here, %d waiting, %d failing", max(now.Followed, 0), now.Attached, now.Waiting, now.Failing)
	switch {
	case !now.Running:
		return bad("no feed is followed yet")
	case now.Followed < 0:
		return bad("the databases could not be listed yet")
	case now.Failing > 0 && now.Attached == 0 && now.Waiting == 0:
		return bad(words)
	}
	return good(words)
}

func (t *Telemetry) checkMending() verdict {
	if err := t.couchmend.Mender.Failing(); err != nil {
		return bad(fmt.Sprintf("batches of a database fail again and again (%s); the log says which", couchmend.KindOf(err)))
	}
	if t.couchmend.Ledger.Paused("") {
		return good("paused")
	}
	return good("")
}
