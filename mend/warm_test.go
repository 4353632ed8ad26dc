package mend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/nats-io/nats-server/v2/server"
)

// A document conflicts three times, is edited twice and compacted. Then a phone
// comes back that saw the first of the edits: the base of this conflict is gone
// from CouchDB.
func TestADocumentThatConflictsOftenFindsItsBaseAfterACompaction(t *testing.T) {
	as := func(after int, window time.Duration) Options { return Options{WarmAfter: after, WarmWindow: window} }
	for name, c := range map[string]struct {
		o       Options
		restart bool  // after the third conflict
		two     bool  // processes on one NATS
		hits    int64 // 0: it does not find it
	}{
		"by default":                    {hits: 1},
		"after a restart":               {restart: true, hits: 1},
		"with two processes":            {two: true, hits: 1},
		"where it takes one conflict":   {o: as(1, 0), hits: 3},
		"where it takes more conflicts": {o: as(4, 0)},
		"where it cools at once":        {o: as(0, time.Nanosecond)},
		"where it is off":               {o: as(-1, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachServer(t, func(t *testing.T, h *hot) {
				o := c.o
				o.URL, o.Databases, o.StateDir = h.url, []string{h.db}, t.TempDir()
				o.Workers = 1 // two that meet on one row count its bases twice
				if c.two {
					o.NATS = natsServer(t)
					h.run(o)
				}
				stop := h.run(o)
				winner := h.save(nil, `{"a":0,"b":0,"c":0}`)
				n := 0
				for n < 3 || c.two && !h.warmEverywhere() { // two may count one conflict less
					n++
					a := h.save(winner, fmt.Sprintf(`{"a":%d,"b":%d,"c":0}`, n, n-1))
					h.save(winner, fmt.Sprintf(`{"a":%d,"b":%d,"c":0}`, n-1, n))
					winner = h.merged(a, fmt.Sprintf(`{"a":%d,"b":%d,"c":0}`, n, n))
				}
				if c.restart {
					h.eventually("nothing waits", func() bool {
						n, err := h.running[0].Ledger.Pending(t.Context())
						return err == nil && n == 0
					})
					stop()
					h.run(o)
				}
				rows := h.rows()
				base := h.save(winner, fmt.Sprintf(`{"a":%d,"b":%d,"c":1}`, n, n))
				if c.hits == 0 {
					h.eventually("the feed has read on", func() bool { return h.rows() > rows })
				} else {
					h.kept(base[0])
				}
				top := h.save(base, fmt.Sprintf(`{"a":100,"b":%d,"c":1}`, n))
				h.compact(base[0])
				h.save(base, fmt.Sprintf(`{"a":%d,"b":200,"c":1}`, n))
				if c.hits == 0 {
					h.eventually("it waits for a person, since its base is gone", func() bool {
						found, ok, err := h.running[0].Ledger.Case(t.Context(), h.db, "hot")
						return err == nil && ok && found.Reason == couchmend.ReasonNoBase
					})
					return
				}
				h.merged(top, `{"a":100,"b":200,"c":1}`)
				var hits, misses int64
				h.eventually("the base that was kept is counted", func() bool {
					hits, misses = h.warmth()
					return hits >= c.hits
				})
				if !c.two && (hits != c.hits || misses != 0) {
					t.Errorf("%d hits and %d misses, want %d and none", hits, misses, c.hits)
				}
			})
		})
	}
}

// hot is a document of a database, with the couchmends that look after it.
type hot struct {
	*testing.T
	url, db string
	node    *couchtest.Node // nil: a real CouchDB
	running []*Couchmend
}

func onEachServer(t *testing.T, test func(t *testing.T, h *hot)) {
	t.Run("couchtest", func(t *testing.T) {
		node := couchtest.NewNode()
		h := &hot{T: t, url: couchtest.NewServer(t, node).URL, db: "clinic", node: node}
		node.CreateDB(h.db)
		test(t, h)
	})
	if named := os.Getenv("COUCHMEND_TEST_COUCHDB"); named != "" {
		t.Run("CouchDB", func(t *testing.T) {
			h := &hot{T: t, url: strings.TrimSuffix(named, "/"), db: "couchmend-warm-" + strings.ToLower(rand.Text()[:10])}
			var channels string
			if h.ask(http.MethodGet, "/_node/_local/_config/smoosh/db_channels", "", &channels); channels != "upgrade_dbs" {
				t.Skip("this CouchDB compacts when it likes: PUT _node/_local/_config/smoosh/db_channels \"upgrade_dbs\"")
			}
			h.ask(http.MethodPut, "/"+h.db, "", nil)
			t.Cleanup(func() { h.ask(http.MethodDelete, "/"+h.db, "", nil) })
			test(t, h)
		})
	}
}

// run runs a couchmend until the test ends, or stop is called.
func (h *hot) run(o Options) (stop func()) {
	h.Helper()
	c, err := Open(h.Context(), o)
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			h.Errorf("the run ended: %v", err)
		}
		if err := c.Close(); err != nil {
			h.Error(err)
		}
	}
	h.Cleanup(stop)
	h.running = append(h.running, c)
	return stop
}

// save writes a child of a path, as a replica does, and returns its path.
func (h *hot) save(path []string, body string) []string {
	h.Helper()
	var id [16]byte
	_, _ = rand.Read(id[:])
	path = append([]string{fmt.Sprint(len(path)+1, "-", hex.EncodeToString(id[:]))}, path...)
	h.write(path, body)
	return path
}

func (h *hot) write(path []string, body string) {
	h.Helper()
	start, _, _ := strings.Cut(path[0], "-")
	var ids []string
	for _, rev := range path {
		_, hash, _ := strings.Cut(rev, "-")
		ids = append(ids, `"`+hash+`"`)
	}
	h.ask(http.MethodPost, "/"+h.db+"/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":"hot","_rev":%q,"_revisions":{"start":%s,"ids":[%s]},%s]}`,
		path[0], start, strings.Join(ids, ","), body[1:]), nil)
}

// merged waits until the document has one live leaf, with that body, above
// another winner; it returns its path.
func (h *hot) merged(before []string, body string) []string {
	h.Helper()
	var path []string
	h.eventually("the merge is "+body, func() bool {
		var doc map[string]json.RawMessage
		h.ask(http.MethodGet, "/"+h.db+"/hot?conflicts=true&revs=true", "", &doc)
		var revisions struct {
			Start int
			IDs   []string
		}
		if err := json.Unmarshal(doc["_revisions"], &revisions); err != nil {
			return false
		}
		path = nil
		for i, id := range revisions.IDs {
			path = append(path, fmt.Sprint(revisions.Start-i, "-", id))
		}
		shown := fmt.Sprintf(`{"a":%s,"b":%s,"c":%s}`, doc["a"], doc["b"], doc["c"])
		return doc["_conflicts"] == nil && shown == body && len(path) > len(before)
	})
	return path
}

// rows counts what the feeds have read.
func (h *hot) rows() (n int64) {
	for _, c := range h.running {
		n += c.Feed.Stats.Rows.Load()
	}
	return n
}

// kept waits until a revision is kept.
func (h *hot) kept(rev string) {
	h.Helper()
	want := map[string][]couchmend.Rev{"hot": {couchmend.MustRev(rev)}}
	h.eventually(rev+" is kept", func() bool {
		kept, err := h.running[len(h.running)-1].Ledger.Kept(h.Context(), h.db, want)
		return err == nil && len(kept) > 0
	})
}

// compact takes a body away that is no leaf's any more.
func (h *hot) compact(rev string) {
	h.Helper()
	if h.node != nil {
		h.node.DB(h.db).Compact()
	} else {
		h.ask(http.MethodPost, "/"+h.db+"/_compact", "{}", nil)
	}
	h.eventually(rev+" is compacted away", func() bool {
		return h.ask(http.MethodGet, "/"+h.db+"/hot?rev="+rev, "", nil) == http.StatusNotFound
	})
}

func (h *hot) warmth() (hits, misses int64) {
	for _, c := range h.running {
		hits += c.Mender.Stats.WarmHits.Load()
		misses += c.Mender.Stats.WarmMisses.Load()
	}
	return hits, misses
}

// warmEverywhere reports whether each process takes the document for warm, or
// soon does.
func (h *hot) warmEverywhere() bool {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !slices.ContainsFunc(h.running, func(c *Couchmend) bool { return !c.warm.Has(h.db, "hot") }) {
			return true
		}
	}
	return false
}

func (h *hot) eventually(what string, ok func() bool) {
	h.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("never: %s", what)
		}
	}
}

// ask makes a request and returns its status; the answer is decoded where it is
// wanted.
func (h *hot) ask(method, path, body string, answer any) int {
	h.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		h.Fatal("COUCHMEND_TEST_COUCHDB is no URL") // its text has a password
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		h.Fatalf("%s %s: no answer", method, path)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotFound {
		h.Fatalf("%s %s: %s: %s %v", method, path, resp.Status, text, err)
	}
	if answer != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(text, answer); err != nil {
			h.Fatal(err)
		}
	}
	return resp.StatusCode
}

// natsServer starts a NATS server and returns its URL.
func natsServer(t *testing.T) string {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no NATS server")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s.ClientURL()
}
