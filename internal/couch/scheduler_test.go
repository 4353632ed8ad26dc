package couch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

// What CouchDB 3.5.2 told of four replications: one whose target refuses some
// documents, the same once and over, one whose source is not there, and one that
// was posted and had just begun.
const (
	schedulerDocsAnswer = `{"total_rows":3,"offset":0,"docs":[
{"database":"_replicator","doc_id":"bad","id":"6904+continuous","node":"n@h","source":"http://127.0.0.1:5984/src/","target":"http://127.0.0.1:5984/dst/","state":"running","info":{"revisions_checked":12,"missing_revisions_found":11,"docs_read":11,"docs_written":5,"changes_pending":null,"doc_write_failures":6,"checkpointed_source_seq":"0"},"error_count":0,"last_updated":"2026-11-22T03:43:18Z","start_time":"2026-11-22T03:43:18Z","source_proxy":null,"target_proxy":null},
{"database":"_replicator","doc_id":"crash","id":"4e36+continuous","node":"n@h","source":"http://127.0.0.1:5984/nosuch/","target":"http://ann:secret@127.0.0.1:5984/dst/","state":"crashing","info":{"error":"db_not_found: could not open http://127.0.0.1:5984/nosuch/"},"error_count":1,"last_updated":"2026-11-22T03:43:21Z","start_time":"2026-11-22T03:43:18Z"},
{"database":"_replicator","doc_id":"once","id":null,"source":"http://127.0.0.1:5984/src/","target":"http://127.0.0.1:5984/dst/","state":"completed","error_count":0,"info":{"docs_read":2,"docs_written":1,"doc_write_failures":1},"start_time":"2026-11-22T03:43:18Z","last_updated":"2026-11-22T03:43:21Z"}]}`
	schedulerJobsAnswer = `{"total_rows":3,"offset":0,"jobs":[
{"database":"_replicator","id":"4e36+continuous","pid":null,"source":"http://127.0.0.1:5984/nosuch/","target":"http://127.0.0.1:5984/dst/","user":null,"doc_id":"crash","info":null,"history":[{"timestamp":"2026-11-22T03:43:21Z","type":"crashed","reason":"db_not_found: could not open http://127.0.0.1:5984/nosuch/"},{"timestamp":"2026-11-22T03:43:18Z","type":"started"},{"timestamp":"2026-11-22T03:43:18Z","type":"added"}],"node":"n@h","start_time":"2026-11-22T03:43:18Z"},
{"database":null,"id":"4bc0+continuous","pid":"<0.1995.0>","source":"http://127.0.0.1:5984/src/","target":"http://127.0.0.1:5984/dst/","user":"admin","doc_id":null,"info":null,"history":[{"timestamp":"2026-11-22T03:43:40Z","type":"started"},{"timestamp":"2026-11-22T03:43:40Z","type":"added"}],"node":"n@h","start_time":"2026-11-22T03:43:40Z"},
{"database":"_replicator","id":"6904+continuous","pid":"<0.1020.0>","source":"http://127.0.0.1:5984/src/","target":"http://127.0.0.1:5984/dst/","user":null,"doc_id":"bad","info":{"docs_read":11,"docs_written":5,"doc_write_failures":6},"history":[{"timestamp":"2026-11-22T03:43:18Z","type":"started"}],"start_time":"2026-11-22T03:43:18Z"}]}`
	activeTasksAnswer = `[{"node":"n@h","type":"indexer","database":"shards/00000000-7fffffff/medic.1795318993"},
{"node":"n@h","pid":"<0.1995.0>","continuous":true,"database":null,"doc_id":null,"doc_write_failures":4,"docs_read":9,"docs_written":5,"replication_id":"4bc0+continuous","source":"http://127.0.0.1:5984/src/","target":"http://127.0.0.1:5984/dst/","type":"replication","user":"admin"},
{"node":"n@h","continuous":true,"database":"shards/80000000-ffffffff/_replicator.1795318993","doc_id":"bad","doc_write_failures":6,"docs_read":11,"docs_written":5,"replication_id":"6904+continuous","source":"x","target":"y","type":"replication"}]`
)

func TestReplicationsArePutTogetherFromThreeAnswers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, "%s", map[string]string{"/_scheduler/docs": schedulerDocsAnswer, "/_scheduler/jobs": schedulerJobsAnswer, "/_active_tasks": activeTasksAnswer}[r.URL.Path])
	})
	all, err := s.Replications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		if strings.Contains(r.Target, "ann") {
			t.Errorf("credentials are told: %s", r.Target)
		}
		got = append(got, fmt.Sprint(r.DocID, " ", r.State, " ", r.Continuous, " ", r.Counted, " ", r.DocsRead, "/", r.DocsWritten, "/", r.WriteFailures, " ", r.Errors, " ", r.Error))
	}
	want := []string{
		"bad running true true 11/5/6 0 ",
		"crash crashing true false 0/0/0 1 db_not_found: could not open http://127.0.0.1:5984/nosuch/",
		"once completed false true 2/1/1 0 ",
		" running true true 9/5/4 0 ", // the scheduler had no counts yet: the task has
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// The node in memory tells the same in the same shapes.
func TestReplicationsOfANodeInMemoryAreRead(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	node.AddUser("joe", "pw")
	var all []couchtest.Scheduled
	for i := range schedulerPage + 3 {
		all = append(all, couchtest.Scheduled{DocID: fmt.Sprintf("r%03d", i), Source: "http://h/a/", Target: "http://h/b/", State: "running", Started: time.Now(),
			Stats: couchtest.ReplicationStats{DocsRead: 5, DocsWritten: 3, DocWriteFailures: 2}})
	}
	all[0].State, all[0].Error = "crashing", "db_not_found: it is not there"
	all[1].State = "completed"
	all[2].Quiet = true
	all[3].DocID = ""
	node.SetScheduled(all...)
	open := func(user string) *Server {
		s, err := Open(Config{URL: couchtest.NewServer(t, node).URL, Username: user, Password: map[string]string{"admin": "secret", "joe": "pw"}[user]})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	got, err := open("admin").Replications(t.Context())
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d replications, %v", len(got), err)
	}
	failures := int64(0)
	for _, r := range got {
		failures += r.WriteFailures
	}
	if want := int64(2 * (len(all) - 1)); failures != want || got[0].Errors == 0 || got[0].Error == "" || got[1].State != "completed" || !got[2].Counted {
		t.Errorf("%d failures, want %d; %+v", failures, want, got[:4])
	}
	_, err = open("joe").Replications(t.Context())
	wantKind(t, err, couchmend.KindForbidden)
}

func TestShardsAndPlacesAreNamedWithoutWhatIsNobodysBusiness(t *testing.T) {
	for name, want := range map[string]string{
		"shards/80000000-ffffffff/_replicator.1795318993": "_replicator",
		"shards/80000000-ffffffff/a/b.c.1795318993":       "a/b.c",
		"medic": "medic",
	} {
		if got := shardOf(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for place, want := range map[string]string{
		"http://ann:p%40ss@h:5984/medic/?x=1": "http://h:5984/medic/",
		"http://ann:p@ss/w@h/medic":           "http://h/medic",
		"medic":                               "medic",
	} {
		if got := plainURL(place); strings.Contains(got, "p@ss") || strings.Contains(got, "ann") || place != "http://ann:p@ss/w@h/medic" && got != want {
			t.Errorf("%s: %s", place, got)
		}
	}
}
