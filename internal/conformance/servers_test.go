package conformance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

// couchEnv names the environment variable with the URL of a real CouchDB.
const couchEnv = "COUCHMEND_TEST_COUCHDB"

// server is one that the expectations are put to.
type server struct {
	name           string
	url            string // without credentials, without a trailing slash
	user, password string // an admin's; empty where everybody is admin
	client         *http.Client
	// address is how _replicate of this server names one of its databases.
	address func(db string) string
	// validate gives db a validation function.
	validate func(ctx context.Context, db string, v *validator) error
}

// startCouchtest starts a node in memory that asks for a login, as a real
// CouchDB does.
func startCouchtest(t *testing.T) *server {
	s := &server{name: "couchtest", user: "admin", password: "secret", client: newClient(t)}
	node := couchtest.NewNode(couchtest.WithAdmin(s.user, s.password))
	s.url = couchtest.NewServer(t, node).URL
	withUser := strings.Replace(s.url, "://", "://"+s.user+":"+s.password+"@", 1)
	s.address = func(db string) string { return withUser + "/" + db }
	s.validate = func(_ context.Context, db string, v *validator) error {
		node.DB(db).SetValidate(v.validate)
		return nil
	}
	return s
}

// validate is v as couchtest has it.
func (v *validator) validate(doc, _ json.RawMessage, _ couchtest.UserContext) error {
	var members map[string]any
	if err := json.Unmarshal(doc, &members); err != nil {
		return err
	}
	if why := v.refuses(members); why != "" {
		return errors.New(why)
	}
	return nil
}

// startPouch starts an express-pouchdb of the test's own.
func startPouch(t *testing.T) *server {
	s := &server{name: "express-pouchdb", url: pouchserver.Start(t), client: newClient(t)}
	// Between two URLs its _replicate says ok and copies nothing.
	s.address = func(db string) string { return db }
	s.validate = s.putValidator
	return s
}

// dialCouch takes the real CouchDB that couchEnv names, or skips.
func dialCouch(t *testing.T) *server {
	named := os.Getenv(couchEnv)
	if named == "" {
		t.Skipf("%s names no CouchDB", couchEnv)
	}
	u, err := url.Parse(named)
	if err != nil {
		t.Fatalf("%s is not a URL", couchEnv) // its text has a password
	}
	s := &server{name: "CouchDB", user: u.User.Username(), client: newClient(t)}
	s.password, _ = u.User.Password()
	withUser := strings.TrimSuffix(u.String(), "/")
	u.User = nil
	s.url = strings.TrimSuffix(u.String(), "/")
	s.address = func(db string) string { return withUser + "/" + db }
	s.validate = s.putValidator
	return s
}

func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// freshName is a database's name that nobody else uses on a shared server.
func (s *server) freshName() string {
	return "couchmend-conformance-" + strings.ToLower(rand.Text()[:10])
}

func (s *server) remove(ctx context.Context, db string) error {
	got, err := s.ask(ctx, http.MethodDelete, "/"+db, request{})
	if err == nil && got.status != http.StatusOK && got.status != http.StatusNotFound {
		err = fmt.Errorf("DELETE %s: status %d: %s", db, got.status, clip(got.text))
	}
	return err
}

// replicate lets the server copy one of its databases into another.
func (s *server) replicate(ctx context.Context, from, to string) error {
	body, err := json.Marshal(map[string]string{"source": s.address(from), "target": s.address(to)})
	if err != nil {
		return err
	}
	got, err := s.ask(ctx, http.MethodPost, "/_replicate", request{body: string(body)})
	if err == nil && (got.status != http.StatusOK || !strings.Contains(got.text, `"ok":true`)) {
		err = fmt.Errorf("_replicate: status %d: %s", got.status, clip(got.text))
	}
	return err
}

// putValidator writes v's design document and waits until it refuses.
func (s *server) putValidator(ctx context.Context, db string, v *validator) error {
	ddoc, err := json.Marshal(map[string]string{"validate_doc_update": v.js})
	if err != nil {
		return err
	}
	got, err := s.ask(ctx, http.MethodPut, "/"+db+"/_design/validate", request{body: string(ddoc)})
	if err == nil && got.status != http.StatusCreated {
		err = fmt.Errorf("PUT of the validator: status %d: %s", got.status, clip(got.text))
	}
	return err
}
