package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
)

// policy is the stories': a report's reads and visits merge by themselves, and
// what else is edited twice waits for a person.
const policy = `databases:
  - { match: "*", policy: medic }
policies:
  medic:
    rules:
      - name: reports
        when: { type: data_record }
        schema: { merged: report.json }
        fields:
          read: union
          fields.visits: sum
      - name: people
        when: { type: person }
        collision: review
        references:
          fields.patient_id: person
          fields.inputs.contact._id: data_record
    otherwise: review
`

// schema is that of reports.
const schema = `{"type": "object", "properties": {"fields": {"type": "object", "properties": {
  "lmp": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
  "visits": {"type": "integer", "minimum": 0}}}}}
`

// person is somebody with a login of CouchDB's.
type person struct{ name, password string }

// The people of the stories: two nurses who see the database, and somebody who
// does not.
var (
	admin    = person{"admin", "secret"}
	amina    = person{"amina", "amina-knows"}
	binta    = person{"binta", "binta-knows"}
	stranger = person{"stranger", "knows-nothing"}
)

// world is a CouchDB with a database, a couchmend that follows it, and one that
// only shows it.
type world struct {
	couchdb, db         string
	console, onlyLooked string
	replication         string // of one that fails; "" where the server has none
}

func (w world) env() []string {
	return []string{"COUCHDB=" + w.couchdb, "DB=" + w.db, "CONSOLE=" + w.console, "CONSOLE_READ_ONLY=" + w.onlyLooked, "REPLICATION=" + w.replication}
}

func newWorld(t *testing.T, binary string) world {
	t.Helper()
	w := world{couchdb: newCouchDB(t), db: "medic", replication: failing.DocID}
	if named := os.Getenv("COUCHMEND_TEST_COUCHDB"); named != "" {
		w.replication = ""
		w.couchdb, w.db = strings.TrimSuffix(named, "/"), fmt.Sprintf("couchmend-browser-%d", os.Getpid())
		w.addPeople(t)
		t.Cleanup(func() { w.ask(t, http.MethodDelete, "/"+w.db, nil) })
	}
	w.ask(t, http.MethodPut, "/"+w.db, nil)
	w.ask(t, http.MethodPut, "/"+w.db+"/_security", map[string]any{
		"admins":  map[string]any{"names": []string{}, "roles": []string{}},
		"members": map[string]any{"names": []string{amina.name, binta.name}, "roles": []string{}},
	})
	dir := t.TempDir()
	for name, text := range map[string]string{"couchmend.yaml": policy, "report.json": schema} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"COUCHDB_URL=" + w.couchdb, "COUCHMEND_STATE=" + filepath.Join(dir, "state")}
	w.console = daemon(t, binary, dir, env, "run", "--db", w.db)
	w.onlyLooked = daemon(t, binary, dir, env, "console", "--read-only", "--db", w.db)
	return w
}

// failing is a replication whose writes the node in memory refuses.
var failing = couchtest.Scheduled{
	DocID: "medic-from-clinic", Source: "http://clinic.example:5984/medic", Target: "http://127.0.0.1:5984/medic",
	State: "running", Continuous: true, Stats: couchtest.ReplicationStats{DocsRead: 12_000, DocsWritten: 11_400, DocWriteFailures: 600},
}

// newCouchDB is a node in memory with the people of the stories.
func newCouchDB(t *testing.T) string {
	t.Helper()
	node := couchtest.NewNode(couchtest.WithAdmin(admin.name, admin.password))
	for _, p := range []person{amina, binta, stranger} {
		node.AddUser(p.name, p.password)
	}
	node.SetScheduled(failing)
	return withLogin(t, couchtest.NewServer(t, node).URL)
}

func withLogin(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(admin.name, admin.password)
	return u.String()
}

// addPeople creates the people on a real CouchDB.
func (w world) addPeople(t *testing.T) {
	t.Helper()
	for _, p := range []person{amina, binta, stranger} {
		w.ask(t, http.MethodPut, "/_users/org.couchdb.user:"+p.name, map[string]any{
			"name": p.name, "password": p.password, "roles": []string{}, "type": "user",
		})
	}
}

// ask makes a request as the server's admin. What is there already does not
// matter.
func (w world) ask(t *testing.T, method, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, w.couchdb+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusConflict && resp.StatusCode != http.StatusPreconditionFailed {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer)
	}
}
