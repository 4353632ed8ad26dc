package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// fails runs `run --once` and wants exit code 1 and these words, and no
// password.
func fails(t *testing.T, at site, words ...string) {
	t.Helper()
	end := at.run(t, "run", "--once")
	if end.code != 1 {
		t.Errorf("exit code %d, want 1", end.code)
	}
	for _, word := range words {
		if !strings.Contains(end.log, word) {
			t.Errorf("nothing of %q in:\n%s", word, tail(end.log))
		}
	}
	if strings.Contains(end.log+end.out, "s3cret") {
		t.Error("the password was shown")
	}
}

func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		if s.node != nil {
			s.node.AddUser("admin", "secret", "_admin") // no more an admin party
		}
		p := through(t, s, silent)
		address, err := url.Parse(p.url)
		if err != nil {
			t.Fatal(err)
		}
		address.User = nil
		for _, cookie := range []string{"", "--cookie"} {
			before := p.total()
			at := newSite(t, records, "COUCHDB_URL="+address.String(), "COUCHDB_USER=nobody", "COUCHDB_PASSWORD=s3cret")
			args := []string{"run", "--db", "some*"}
			if cookie != "" {
				args = append(args, cookie)
			}
			end := at.run(t, args...) // not --once: nobody is there to start it again
			if end.code != 1 || !strings.Contains(end.log, "password") || strings.Contains(end.log, "s3cret") {
				t.Errorf("exit code %d:\n%s", end.code, tail(end.log))
			}
			if n := p.total() - before; n > 2 {
				t.Errorf("%d requests with a wrong password: five lock an account", n)
			}
		}
	})
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there any more
	fails(t, newSite(t, records, "COUCHDB_URL=http://u:s3cret@"+l.Addr().String()), l.Addr().String(), "refused")
}

func TestAnotherWebServerIsNotTakenForCouchDB(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") },
		"JSON":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"hello":"world"}`) },
		"a login":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		"no route": http.NotFound,
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(answer)
			defer web.Close()
			fails(t, newSite(t, records, "COUCHDB_URL="+web.URL), web.URL+" is not a CouchDB")
		})
	}
}

func TestAMissingDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newName(t)
		end := s.site(t, records).run(t, "run", "--once", "--db", db)
		if end.code != 1 || !strings.Contains(end.log, db) || !strings.Contains(end.log, "no such database") {
			t.Errorf("exit code %d:\n%s", end.code, tail(end.log))
		}
	})
}

func TestAPolicyWithATypoIsRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	p := through(t, newServer(t), silent)
	at := p.site(t, strings.Replace(records, "when:", "wen:", 1))
	fails(t, at, "couchmend.yaml:7:", "wen", "when")
	if p.total() > 0 {
		t.Errorf("%d requests were made", p.total())
	}
}

func TestADatabaseCreatedAnewIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db, at := s.newDB(t), s.site(t, records)
		for i := range 5 {
			s.conflict(t, db, fmt.Sprint("old", i))
		}
		at.once(t, db)
		s.must(t, http.MethodDelete, "/"+db, nil, nil)
		time.Sleep(time.Second) // instance_start_time counts in seconds
		s.must(t, http.MethodPut, "/"+db, nil, nil)
		s.conflict(t, db, "new")
		at.once(t, db)
		if !s.merged(t, db, "new") {
			t.Error("a conflict before the old checkpoint was passed over")
		}
	})
}

func TestADesignDocumentIsReportedAndALocalOneLeftAlone(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db, at := s.newDB(t), s.site(t, records)
		s.conflict(t, db, "_design/views")
		local := map[string]any{"type": "record", "left": "mine"}
		s.must(t, http.MethodPut, "/"+db+"/_local/mine", local, nil)
		before := s.leaves(t, db)
		at.once(t, db)
		sameLeaves(t, "afterwards", s.leaves(t, db), before)
		if got := at.reviews(t, db); len(got) != 1 || got["_design/views"] != couchmend.ReasonDesignDoc {
			t.Errorf("in review: %v", got)
		}
		var kept map[string]any
		s.must(t, http.MethodGet, "/"+db+"/_local/mine", nil, &kept)
		if kept["left"] != "mine" || kept["_rev"] != "0-1" {
			t.Errorf("_local/mine is %v now", kept)
		}
	})
}

func TestDocumentsOfSevenMegabytesAreMerged(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db, at := s.newDB(t), s.site(t, records)
		big := strings.Repeat("seven MB", 7<<20/8)
		for i := range number(t, "COUCHMEND_E2E_LARGE", 2) {
			s.conflict(t, db, fmt.Sprint("large", i), big)
		}
		end := at.run(t, "run", "--once", "--db", db)
		if end.code != 0 || !s.merged(t, db, "large0") || !s.merged(t, db, "large1") {
			t.Errorf("exit code %d:\n%s", end.code, tail(end.log))
		}
		t.Logf("peak %d MB", end.peak>>20)
	})
}

func TestOddIDsAreMerged(t *testing.T) {
	t.Parallel()
	ids := []string{
		"a/b", "/", "a b+c", " ", "50%", "%2F", "a?b#c&d=e", `"quoted"`, `back\slash`, "a:b@c", "..", ".", "'", "line\nbreak\ttab",
		"é", "e\u0301", "患者", "🙂", "\u202eright to left", "x" + strings.Repeat("long", 400), "<script>", "{}", "a,b", "-", "~",
	}
	onEachServer(t, func(t *testing.T, s server) {
		db, at := s.newDB(t), s.site(t, records)
		for _, id := range ids {
			s.conflict(t, db, id)
		}
		done := at.once(t, db)
		if done.Merged != len(ids) {
			t.Errorf("%d merged, want %d", done.Merged, len(ids))
		}
		for id, leaves := range s.leaves(t, db) {
			if len(leaves) != 2 {
				t.Errorf("%q has the leaves %v", id, leaves)
			}
		}
	})
}

func TestADocumentOfVeryManyLeavesIsOneMerge(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db, at := s.newDB(t), s.site(t, records)
		n := number(t, "COUCHMEND_E2E_LEAVES", 300)
		const base = "b1111111111111111111111111111111"
		docs := []map[string]any{{"_id": "many", "_rev": "1-" + base, "type": "record"}}
		for i := range n {
			hash := fmt.Sprintf("%032x", i+1)
			docs = append(docs, map[string]any{
				"_id": "many", "_rev": "2-" + hash, "_revisions": map[string]any{"start": 2, "ids": []string{hash, base}},
				"type": "record", fmt.Sprint("by", i): i,
			})
		}
		s.write(t, db, docs...)
		at.once(t, db)
		var doc map[string]any
		s.must(t, http.MethodGet, "/"+db+"/many?conflicts=true", nil, &doc)
		if doc["_conflicts"] != nil || len(doc) != n+3 {
			t.Errorf("%d members, conflicts %v", len(doc), doc["_conflicts"])
		}
		if generation, _, _ := strings.Cut(doc["_rev"].(string), "-"); generation == "3" {
			t.Errorf("%s has no room for marks", doc["_rev"])
		}
	})
}

func TestAStateDirectoryInUseIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	db, at := s.newDB(t), s.site(t, records)
	running := at.start(t, "run", "--db", db)
	running.holdsState(t)
	fails(t, at, "in use by process "+fmt.Sprint(running.cmd.Process.Pid), "--state")
	s.conflict(t, db, "later")
	eventually(t, 10*time.Second, "the first one goes on", func() bool { return s.merged(t, db, "later") })
}
