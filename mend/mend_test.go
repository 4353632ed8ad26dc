package mend

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, o Options) *Couchmend {
	t.Helper()
	o.StateDir = filepath.Join(t.TempDir(), "state")
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func policyFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "couchmend.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhichDatabasesAreFollowed(t *testing.T) {
	named := policyFile(t, "databases: [medic, \"user-*\"]\n")
	for _, c := range []struct {
		name string
		o    Options
		yes  string
		no   string
	}{
		{"all but CouchDB's own", Options{}, "medic user-1 a/b", "_users _replicator _global_changes"},
		{"those of the policy", Options{PolicyFile: named}, "medic user-1", "other _users"},
		{"those that are asked for", Options{Databases: []string{"a*", "_users"}}, "a1 _users", "b _replicator"},
		{"those that are asked for, by the policy's rules", Options{PolicyFile: named, Databases: []string{"user-1"}}, "user-1", "user-2 medic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.URL = "http://127.0.0.1:1"
			m := open(t, c.o)
			for _, db := range strings.Fields(c.yes) {
				if !m.Match(db) {
					t.Errorf("%s is not followed", db)
				}
			}
			for _, db := range strings.Fields(c.no) {
				if m.Match(db) {
					t.Errorf("%s is followed", db)
				}
			}
		})
	}
}

func TestAnotherServerIsNamedAsSuch(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>hello")) }))
	defer web.Close()
	err := open(t, Options{URL: web.URL}).Run(t.Context())
	if couchmend.KindOf(err) != couchmend.KindServer || !strings.Contains(err.Error(), "is not a CouchDB") {
		t.Errorf("%v", err)
	}
}

func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "right"))
	server := couchtest.NewServer(t, node)
	asked := make(chan string, 100)
	node.OnRequest(func(r *http.Request) { asked <- r.URL.Path })
	err := open(t, Options{URL: server.URL, Username: "admin", Password: "wrong"}).Run(t.Context())
	if couchmend.KindOf(err) != couchmend.KindAuth {
		t.Errorf("%v", err)
	}
	if len(asked) > 1 {
		t.Errorf("%d requests with a wrong password: five lock the account", len(asked))
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the password is in the error: %v", err)
	}
}

func TestAPasswordMayComeFromTheEnvironmentForThePolicysUser(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "right"))
	server := couchtest.NewServer(t, node)
	node.CreateDB("medic")
	policy := policyFile(t, "couchdb: { url: \""+server.URL+"\", username: admin }\ndatabases: [medic]\n")
	if err := open(t, Options{PolicyFile: policy, Password: "right"}).Once(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatDoesNotExistIsNamed(t *testing.T) {
	server := couchtest.NewServer(t, couchtest.NewNode())
	err := open(t, Options{URL: server.URL, Databases: []string{"medic"}}).Once(t.Context())
	if couchmend.KindOf(err) != couchmend.KindNotFound || !strings.Contains(err.Error(), "medic") {
		t.Errorf("%v", err)
	}
}

func TestADatabaseWithoutAPolicyIsRefused(t *testing.T) {
	server := couchtest.NewServer(t, couchtest.NewNode())
	named := policyFile(t, "databases: [medic]\n")
	err := open(t, Options{URL: server.URL, PolicyFile: named, Databases: []string{"other"}}).Once(t.Context())
	if couchmend.KindOf(err) != couchmend.KindUsage || !strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
}

func TestProcessesThatFollowOtherDatabasesAgreeOnTheirPolicies(t *testing.T) {
	one := open(t, Options{URL: "http://127.0.0.1:1", Databases: []string{"medic"}})
	two := open(t, Options{URL: "http://127.0.0.1:1", Databases: []string{"_users"}})
	three := open(t, Options{URL: "http://127.0.0.1:1"})
	for _, db := range []string{"medic", "_users"} {
		for i, c := range []*Couchmend{one, two, three} {
			if rules, _ := c.rules(db); rules == nil { // it would drop what another one put into their common queue
				t.Errorf("%d has no policy for %s", i+1, db)
			}
		}
	}
}

func TestOnceDoesNotWaitForEverForAServerThatTakesNoWrite(t *testing.T) {
	node := couchtest.NewNode()
	server := couchtest.NewServer(t, node)
	conflict(t, node.CreateDB("medic"))
	node.Inject(&couchtest.Fault{Status: 405, Body: `{"error":"method_not_allowed","reason":"read only"}`, Match: func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/_bulk_docs")
	}})
	c := open(t, Options{URL: server.URL})
	c.Mender.Pace = func(int) time.Duration { return time.Millisecond }
	if err := c.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "read only") {
		t.Errorf("%v", err)
	}
	node.ClearFaults()
	if err := c.Once(t.Context()); err != nil || len(node.DB("medic").Conflicts()) > 0 {
		t.Errorf("%v, conflicts: %v", err, node.DB("medic").Conflicts())
	}
}

func TestTheCountsAreLoggedAtTheEnd(t *testing.T) {
	var log bytes.Buffer
	node := couchtest.NewNode()
	server := couchtest.NewServer(t, node)
	conflict(t, node.CreateDB("medic"))
	c := open(t, Options{URL: server.URL, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err := c.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"rows": 1, "queued": 1, "queue_full": 0, "refused_checkpoints": 0, "merged": 1,
		"reviewed": 0, "stale": 0, "retried": 0, "redelivered": 0, "overlapping": 0,
		"warm_documents": 0, "warm_bodies": 0, "warm_hits": 0, "warm_misses": 0,
	} {
		if got, ok := last[key].(float64); !ok || got != want {
			t.Errorf("%s is %v, want %v", key, last[key], want)
		}
	}
}

func revs(path ...string) []couchmend.Rev {
	var all []couchmend.Rev
	for _, r := range path {
		all = append(all, couchmend.MustRev(r))
	}
	return all
}

// conflict makes one that can be merged.
func conflict(t *testing.T, db *couchtest.DB) {
	t.Helper()
	for body, path := range map[string][]couchmend.Rev{
		`{"n":0}`: revs("1-a"), `{"n":0,"a":1}`: revs("2-b", "1-a"), `{"n":0,"b":1}`: revs("2-c", "1-a"),
	} {
		if err := db.Put(couchmend.Revision{Rev: path[0], Path: path, Body: json.RawMessage(body)}, "d"); err != nil {
			t.Fatal(err)
		}
	}
}
