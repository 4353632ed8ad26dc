package couch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// collect reads a feed to its end.
func collect(t *testing.T, db *DB, o ChangesOptions) (rows []Change, err error) {
	t.Helper()
	for row, err := range db.Changes(t.Context(), o) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

const couchChanges = `{"results":[
{"seq":"1-g1AAA","id":"a","changes":[{"rev":"2-00000000000000000000000000000abc"},{"rev":"2-00000000000000000000000000000ABB"}]},
{"seq":null,"id":"b/ü","changes":[{"rev":"1-x"}],"deleted":true,"doc":{"ignored":[1,{"id":"no"}]}}
],
"last_seq":"7-g1AAB","pending":3}
`

func TestChangesAreReadAsServersWriteThem(t *testing.T) {
	cases := map[string]struct {
		text string
		want []Change
	}{
		"CouchDB": {couchChanges, []Change{
			{Seq: "1-g1AAA", ID: "a", Leaves: []couchmend.Rev{rev(2, "abc"), rev(2, "abb")}, Pending: -1},
			{Seq: "", ID: "b/ü", Leaves: []couchmend.Rev{{Gen: 1, Hash: "x"}}, Deleted: true, Pending: -1},
			{Seq: "7-g1AAB", Pending: 3},
		}},
		"PouchDB": {`{"results":[{"id":"a","changes":[{"rev":"1-x"}],"seq":4}],"last_seq":4}`, []Change{
			{Seq: "4", ID: "a", Leaves: []couchmend.Rev{{Gen: 1, Hash: "x"}}, Pending: -1},
			{Seq: "4", Pending: -1},
		}},
		"an old Cloudant": {`{"results":[],"last_seq":[12,"g1AAC"],"pending":0}`, []Change{{Seq: `[12,"g1AAC"]`}}},
	}
	for name, c := range cases {
		rows, err := collect(t, serve(t, always(200, c.text)).DB("d"), ChangesOptions{})
		if err != nil || fmt.Sprint(rows) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, %v\nwant %v", name, rows, err, c.want)
		}
	}
}

func TestChangesAsksForTheDocumentsThatAreWanted(t *testing.T) {
	var got string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.Query().Get("filter") + " " + string(body)
		answer(w, 200, `{"last_seq":"1"}`)
	})
	if _, err := collect(t, s.DB("d"), ChangesOptions{IDs: []string{"a/b", `"`}}); err != nil {
		t.Fatal(err)
	}
	if want := `POST _doc_ids {"doc_ids":["a/b","\""]}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestChangesAsksForAllLeavesAndForWhatTheOptionsSay(t *testing.T) {
	cases := []struct {
		o    ChangesOptions
		want url.Values
	}{
		{ChangesOptions{}, url.Values{}},
		{ChangesOptions{Since: "5-g1+/", Limit: 9, SeqInterval: 100, Descending: true, Heartbeat: time.Second},
			url.Values{"since": {"5-g1+/"}, "limit": {"9"}, "seq_interval": {"100"}, "descending": {"true"}}},
		{ChangesOptions{Feed: Longpoll}, url.Values{"feed": {"longpoll"}, "heartbeat": {"10000"}}},
		{ChangesOptions{Feed: Longpoll, Timeout: time.Minute}, url.Values{"feed": {"longpoll"}, "timeout": {"60000"}}},
		{ChangesOptions{Feed: Continuous, Heartbeat: 2 * time.Second}, url.Values{"feed": {"continuous"}, "heartbeat": {"2000"}}},
	}
	for _, c := range cases {
		var got url.Values
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query()
			// A compressor on the way holds rows and heartbeats back.
			if plain := r.Header.Get("Accept-Encoding") == "identity"; plain != got.Has("feed") {
				t.Errorf("feed %q with Accept-Encoding %q", got.Get("feed"), r.Header.Get("Accept-Encoding"))
			}
			answer(w, 200, `{"last_seq":"1"}`)
		})
		if _, err := collect(t, s.DB("d"), c.o); err != nil {
			t.Error(err)
		}
		c.want.Set("style", "all_docs")
		if got.Encode() != c.want.Encode() {
			t.Errorf("asked %q, want %q", got.Encode(), c.want.Encode())
		}
	}
}

// feed sends each line at once, then stays silent until the test is over.
func feed(t *testing.T, lines ...string) *Server {
	over := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		flush := http.NewResponseController(w)
		for _, line := range lines {
			_, _ = io.WriteString(w, line)
			_ = flush.Flush()
		}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(over) })
	return s
}

const row1, row2 = `{"seq":"1-x","id":"a","changes":[{"rev":"1-a"}]}` + "\n", `{"seq":"2-x","id":"b","changes":[{"rev":"1-a"}]}` + "\n"

func TestAContinuousRowIsSeenWhenItArrivesNotWhenTheNextOneDoes(t *testing.T) {
	s := feed(t, "\n", row1, "\n", "\n", row2)
	var seen []string
	for row, err := range s.DB("d").Changes(t.Context(), ChangesOptions{Feed: Continuous}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, row.ID); len(seen) == 2 {
			break
		}
	}
	if !slices.Equal(seen, []string{"a", "b"}) {
		t.Errorf("saw %v", seen)
	}
}

func TestAFeedWithoutRowOrHeartbeatForThreeHeartbeatsIsDead(t *testing.T) {
	for _, kind := range []Feed{Longpoll, Continuous} {
		text := row1
		if kind == Longpoll {
			text = `{"results":[` + row1
		}
		rows, err := collect(t, feed(t, text).DB("d"), ChangesOptions{Feed: kind, Heartbeat: 20 * time.Millisecond})
		wantKind(t, err, couchmend.KindUnreachable, "no sign of life for 60ms")
		if len(rows) != 1 || rows[0].ID != "a" {
			t.Errorf("%s: rows %v", kind, rows)
		}
	}
}

func TestHeartbeatsKeepAFeedAlive(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 8 {
			_, _ = io.WriteString(w, "\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
		_, _ = io.WriteString(w, row1+`{"last_seq":"9-x","pending":0}`)
	})
	rows, err := collect(t, s.DB("d"), ChangesOptions{Feed: Continuous, Heartbeat: 100 * time.Millisecond})
	if err != nil || len(rows) != 2 || rows[1].Seq != "9-x" || rows[1].Pending != 0 || rows[1].ID != "" {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestABrokenFeedGivesItsRowsAndThenItsError(t *testing.T) {
	cases := map[string]struct {
		feed    Feed
		handler http.HandlerFunc
		kind    couchmend.Kind
	}{
		"connection dropped": {Normal, func(w http.ResponseWriter, _ *http.Request) { cut(w, `{"results":[`+row1) }, couchmend.KindUnreachable},
		"answer too short":   {Normal, always(200, `{"results":[`+row1), couchmend.KindUnreachable},
		"continuous dropped": {Continuous, func(w http.ResponseWriter, _ *http.Request) { cut(w, row1) }, couchmend.KindUnreachable},
		"continuous ended":   {Continuous, always(200, row1), couchmend.KindUnreachable},
		"error inside":       {Normal, always(200, `{"results":[`+row1+`{"error":"timeout","reason":"x"}`), couchmend.KindServer},
		"error line":         {Continuous, always(200, row1+`{"error":"timeout","reason":"x"}`), couchmend.KindServer},
		"not what was asked": {Normal, always(200, `{"results":[`+row1+`,17]}`), couchmend.KindServer},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			rows, err := collect(t, serve(t, c.handler).DB("d"), ChangesOptions{Feed: c.feed})
			wantKind(t, err, c.kind, "changes d")
			if len(rows) != 1 {
				t.Errorf("%d rows before the error, want 1", len(rows))
			}
		})
	}
}

func TestALeafWithoutAReadableRevisionDoesNotStopTheFeed(t *testing.T) {
	text := `{"results":[{"seq":"1","id":"odd","changes":[{"rev":"0-x"},{"rev":"1-a"},{"rev":"1-"}]},` + row2 + `],"last_seq":"2"}`
	rows, err := collect(t, serve(t, always(200, text)).DB("d"), ChangesOptions{})
	if err != nil || len(rows) != 3 || rows[1].Err != nil {
		t.Fatalf("got %v, %v", rows, err)
	}
	wantKind(t, rows[0].Err, couchmend.KindServer, `d/"odd"`, "not a revision id")
	if fmt.Sprint(rows[0].Leaves) != "[1-a]" {
		t.Errorf("leaves %v", rows[0].Leaves)
	}
}

func TestCancelEndsAWaitingFeed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for row, err := range feed(t, row1).DB("d").Changes(ctx, ChangesOptions{Feed: Continuous}) {
		if last = err; row.ID == "a" {
			cancel()
		}
	}
	wantKind(t, last, couchmend.KindUnreachable, "context canceled")
}

func TestDBUpdatesAsksForTheRightFirstAndThenFollows(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("feed") != "continuous" {
			answer(w, 200, `{"results":[],"last_seq":"1-x"}`)
			return
		}
		answer(w, 200, "\n"+`{"db_name":"a/b","type":"created","seq":"2-x"}`+"\n\n"+`{"last_seq":"3-x"}`)
	})
	updates, err := s.DBUpdates(t.Context(), "1-x")
	if err != nil {
		t.Fatal(err)
	}
	var got []DBUpdate
	for update, err := range updates {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, update)
	}
	if want := []DBUpdate{{"a/b", "created", "2-x"}, {Seq: "3-x"}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	s = serve(t, always(404, `{"error":"not_found","reason":"missing"}`))
	_, err = s.DBUpdates(t.Context(), "")
	wantKind(t, err, couchmend.KindNotFound)
}
