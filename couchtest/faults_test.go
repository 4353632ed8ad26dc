package couchtest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// post writes one document and returns the error of the connection, if it broke.
func post(url string) (status int, text string, err error) {
	// Without keep-alive Go's client does not send the request again.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Post(url+"/_bulk_docs", "application/json", strings.NewReader(`{"docs":[{"_id":"a"},{"_id":"b"}]}`))
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func TestFaultsStrikeAsOftenAsTheyAreTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   Fault
		broken  bool // the connection
		status  int  // where it is not
		written int  // documents
	}{
		{"none", Fault{}, false, 201, 2},
		{"dropped before", Fault{DropBefore: true}, true, 0, 0},
		{"dropped after", Fault{DropAfter: true}, true, 0, 2},
		{"truncated", Fault{Truncate: 10}, true, 201, 2},
		{"truncated behind the end", Fault{Truncate: 10000}, false, 201, 2},
		{"another answer", Fault{Status: 500, Body: `{"error":"x"}`}, false, 500, 0},
		{"late", Fault{Delay: time.Millisecond}, false, 201, 2},
		{"late and dropped", Fault{Delay: time.Millisecond, DropBefore: true}, true, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, url := newDBServer(t)
			c.fault.Times = 1
			db.node.Inject(&c.fault)
			status, text, err := post(url)
			if (err != nil) != c.broken || !c.broken && status != c.status {
				t.Errorf("%d %s %v", status, text, err)
			}
			if n := len(db.IDs()); n != c.written {
				t.Errorf("%d documents are written, want %d", n, c.written)
			}
			if status, text, err := post(url); err != nil || status != 201 {
				t.Errorf("the next request: %d %s %v", status, text, err)
			}
		})
	}
}

func TestFaultStrikesOnlyWhatItMatches(t *testing.T) {
	db, url := newDBServer(t)
	db.node.Inject(&Fault{Match: func(r *http.Request) bool { return r.Method == "GET" }, Status: 503, Body: "{}"})
	if status, _, err := post(url); status != 201 || err != nil {
		t.Errorf("POST: %d %v", status, err)
	}
	for range 3 {
		expect(t, "GET", url+"/a", "", 503, "{}")
	}
	db.node.ClearFaults()
	if status, _ := ask(t, "GET", url+"/a", ""); status != 200 {
		t.Errorf("after ClearFaults: %d", status)
	}
}

func TestRowFaultRefusesRowsAlone(t *testing.T) {
	db, url := newDBServer(t)
	var asked []string
	db.node.Inject(&Fault{Times: 1, RowError: func(id string, rev couchmend.Rev) (string, string) {
		asked = append(asked, id+"@"+rev.String())
		if id == "a" {
			return "internal_server_error", "disk"
		}
		return "", ""
	}})
	ask(t, "GET", url, "") // does not use it up
	expect(t, "POST", url+"/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"2-a"},{"_id":"b","_rev":"3-b"}]}`,
		201, `[{"id":"a","rev":"2-a","error":"internal_server_error","reason":"disk"}]`)
	if got := strings.Join(asked, " "); got != "a@2-a b@3-b" {
		t.Errorf("asked about %s", got)
	}
	if got := strings.Join(db.IDs(), " "); got != "b" {
		t.Errorf("written: %s", got)
	}
	expect(t, "POST", url+"/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"2-a"}]}`, 201, `[]`)
}

func TestRequestsAreObserved(t *testing.T) {
	db, url := newDBServer(t)
	count := make(map[string]int)
	db.node.OnRequest(func(r *http.Request) { count[r.Method+" "+r.URL.Path]++ })
	ask(t, "GET", url, "")
	ask(t, "GET", url, "")
	ask(t, "PUT", url+"/d", "{}")
	if count["GET /db"] != 2 || count["PUT /db/d"] != 1 || len(count) != 2 {
		t.Errorf("%v", count)
	}
}
