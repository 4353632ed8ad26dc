package couch

import (
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

// What docs/operations.md says about rights, on both servers.

func TestRightsOnCouchDBInMemory(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	url := strings.Replace(couchtest.NewServer(t, node).URL, "://", "://admin:secret@", 1)
	checkRights(t, url, func(name string) { node.AddUser(name, "pw") })
}

func TestRightsOnCouchDB(t *testing.T) {
	url := os.Getenv(couchEnv)
	if url == "" {
		t.Skip(couchEnv + " names no CouchDB")
	}
	admin, err := Open(Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	checkRights(t, url, func(name string) {
		users := admin.DB("_users")
		do(t, users, http.MethodPut, "/org.couchdb.user:"+name, `{"name":"`+name+`","password":"pw","roles":[],"type":"user"}`)
		t.Cleanup(func() { forgetUser(t, users, name) })
	})
}

func forgetUser(t *testing.T, users *DB, name string) {
	id := "org.couchdb.user:" + name
	winners, err := users.Winners(t.Context(), []string{id})
	if err == nil {
		do(t, users, http.MethodDelete, "/"+id+"?rev="+winners[id].Rev.String(), "")
	}
}

// serverProbes and databaseProbes are all of them.
var (
	serverProbes   = []Probe{ProbeAllDBs, ProbeDBUpdates, ProbeSchedulerJobs, ProbeSchedulerDocs, ProbeActiveTasks}
	databaseProbes = []Probe{ProbeChanges, ProbeBulkGet, ProbeAllDocs, ProbeBulkDocs}
)

func checkRights(t *testing.T, url string, addUser func(string)) {
	db := freshDB(t, url)
	tag := strings.ToLower(rand.Text()[:8])
	for _, role := range []string{"member", "keeper", "stranger"} {
		addUser(role + tag)
	}
	do(t, db, http.MethodPut, "/_security", `{"admins":{"names":["keeper`+tag+`"],"roles":[]},"members":{"names":["member`+tag+`"],"roles":[]}}`)
	before, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []struct {
		name                   string
		server, database, keep bool
	}{
		{"admin", true, true, true},
		{"keeper" + tag, false, true, true},
		{"member" + tag, false, true, false},
		{"stranger" + tag, false, false, false},
		{"", false, false, false},
	} {
		t.Run(strings.TrimSuffix(u.name, tag), func(t *testing.T) { hasRights(t, url, db.Name(), u.name, u.server, u.database, u.keep) })
	}
	if after, err := db.Info(t.Context()); err != nil || after.DocCount != before.DocCount || generation(after.UpdateSeq) != generation(before.UpdateSeq) {
		t.Errorf("probing wrote something: from %+v to %+v (%v)", before, after, err)
	}
}

func generation(seq string) string { n, _, _ := strings.Cut(seq, "-"); return n }

func hasRights(t *testing.T, url, name, user string, server, database, keeps bool) {
	cfg := Config{URL: url}
	if user != "admin" {
		cfg = Config{URL: "http://" + url[strings.Index(url, "@")+1:], Username: user, Password: "pw"}
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	who, err := s.WhoAmI(t.Context())
	if err != nil || who.Name != user || who.ServerAdmin() != server {
		t.Fatalf("the server takes us for %+v (%v)", who, err)
	}
	for _, p := range serverProbes {
		wantMay(t, p, s.Try(t.Context(), p), server)
	}
	db := s.DB(name)
	for _, p := range databaseProbes {
		wantMay(t, p, db.Try(t.Context(), p), database)
	}
	security, err := db.Security(t.Context())
	if (err == nil) != database || err == nil && security.Admin(who) != keeps {
		t.Errorf("_security: %+v (%v), want an admin: %v", security, err, keeps)
	}
}

// wantMay checks the answer to a probe. A server may have no such thing.
func wantMay(t *testing.T, p Probe, err error, may bool) {
	t.Helper()
	kind := couchmend.KindOf(err)
	if may && kind != "" && kind != couchmend.KindNotFound {
		t.Errorf("%s: %v", p, err)
	}
	if !may && !slices.Contains([]couchmend.Kind{couchmend.KindForbidden, couchmend.KindAuth, couchmend.KindNotFound}, kind) {
		t.Errorf("%s is allowed: %v", p, err)
	}
}

func TestValidationFunctionsAreNamed(t *testing.T) {
	node := couchtest.NewNode()
	db := freshDB(t, couchtest.NewServer(t, node).URL)
	do(t, db, http.MethodPut, "/_design/a", `{"views":{}}`)
	do(t, db, http.MethodPut, "/_design/b", `{"validate_doc_update":"function () {}"}`)
	do(t, db, http.MethodPut, "/plain", `{"validate_doc_update":"no design document"}`)
	got, err := db.Validators(t.Context())
	if err != nil || !slices.Equal(got, []string{"_design/b"}) {
		t.Errorf("got %v (%v)", got, err)
	}
}
