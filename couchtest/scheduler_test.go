package couchtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
)

// asked is the answer of a node to one request.
func asked(node *couchtest.Node, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	node.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// The places that tell of replications have the members that CouchDB's have.
func TestScheduledReplicationsAreToldAsCouchDBDoes(t *testing.T) {
	node := couchtest.NewNode()
	node.SetScheduled(couchtest.Scheduled{DocID: "bad", Source: "http://h/a/", Target: "http://h/b/", State: "running", Continuous: true, Stats: couchtest.ReplicationStats{DocWriteFailures: 3}})
	for path, want := range map[string][]string{
		"/_scheduler/docs": {"database", "doc_id", "id", "source", "target", "state", "info", "error_count", "start_time"},
		"/_scheduler/jobs": {"database", "doc_id", "id", "source", "target", "info", "history", "start_time"},
		"/_active_tasks":   {"type", "doc_id", "replication_id", "doc_write_failures", "docs_read", "docs_written", "source", "target", "continuous"},
	} {
		status, text := asked(node, "GET", path, "")
		rows := regexp.MustCompile(`(?s)\[\{(.*)\}\]`).FindString(text)
		var all []map[string]any
		if err := json.Unmarshal([]byte(rows), &all); status != http.StatusOK || err != nil || len(all) != 1 {
			t.Errorf("%s: %d %s", path, status, text)
			continue
		}
		for _, member := range want {
			if _, there := all[0][member]; !there {
				t.Errorf("%s has no %s: %s", path, member, text)
			}
		}
	}
	if status, _ := asked(node, "GET", "/_scheduler/nothing", ""); status != http.StatusNotFound {
		t.Errorf("got %d", status)
	}
}

// A view of conflicts is known by what its function does, whatever it is written like.
func TestTheViewOfConflictsIsKnownByItsText(t *testing.T) {
	node := couchtest.NewNode()
	node.CreateDB("medic")
	asked(node, "POST", "/medic/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a"},{"_id":"a","_rev":"1-b"},{"_id":"b","_rev":"1-a"}]}`)
	for source, want := range map[string]int{
		`function (doc) {\n  if (doc._conflicts) {\n    emit(doc._conflicts, null);\n  }\n}`: http.StatusOK,
		`function(doc){ if (doc._conflicts) emit(doc._conflicts, null) }`:                    http.StatusOK,
		`function (doc) { emit(doc._id, null) }`:                                             http.StatusNotImplemented,
	} {
		node.DeleteDB("views")
		node.CreateDB("views")
		asked(node, "POST", "/views/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a"},{"_id":"a","_rev":"1-b"},{"_id":"b","_rev":"1-a"}]}`)
		asked(node, "PUT", "/views/_design/v", `{"views":{"c":{"map":"`+source+`"}}}`)
		status, text := asked(node, "GET", "/views/_design/v/_view/c", "")
		if status != want || want == http.StatusOK && !strings.Contains(text, `{"id":"a","key":["1-a"],"value":null}`) {
			t.Errorf("%s: %d %s", source, status, text)
		}
	}
	for path, want := range map[string]int{"/views/_design/v/_view/none": 404, "/views/_design/none/_view/c": 404} {
		if status, _ := asked(node, "GET", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// A node's log has a line for each request, with the id that the client gave it.
func TestANodeLogsAsCouchDBDoes(t *testing.T) {
	var log bytes.Buffer
	node := couchtest.NewNode(couchtest.WithLog(&log))
	node.CreateDB("medic")
	r := httptest.NewRequest("PUT", "/medic/a%2Fb?new_edits=true", strings.NewReader(`{"_rev":"1-abad"}`))
	r.Header.Set("X-Couch-Request-ID", "trace7")
	node.ServeHTTP(httptest.NewRecorder(), r)
	want := `^\[notice\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+@\S+ <\S+> trace7 example.com 192.0.2.1 undefined PUT /medic/a%2Fb\?new_edits=true 409 ok \d+\n$`
	if line, _ := io.ReadAll(&log); !regexp.MustCompile(want).Match(line) {
		t.Errorf("got %s", line)
	}
}
