package couch

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/couchmend/couchmend"
)

// Identity is who the server takes a login for.
type Identity struct {
	Name  string   // "" for nobody
	Roles []string // "_admin" is that of server admins
}

// ServerAdmin reports whether the server lets this one do everything.
func (i Identity) ServerAdmin() bool { return slices.Contains(i.Roles, "_admin") }

// WhoAmI asks the server at _session who it takes this login for. A wrong
// password is KindAuth, as with any request, and ends all asking.
func (s *Server) WhoAmI(ctx context.Context) (Identity, error) {
	var answer struct {
		UserCtx struct {
			Name  string
			Roles []string
		}
	}
	err := s.json(ctx, call{op: "session", method: http.MethodGet, path: "/_session"}, &answer)
	return Identity{Name: answer.UserCtx.Name, Roles: answer.UserCtx.Roles}, err
}

// Party are user names and roles, either of which will do.
type Party struct {
	Names []string `json:"names"`
	Roles []string `json:"roles"`
}

func (p Party) has(i Identity) bool {
	named := i.Name != "" && slices.Contains(p.Names, i.Name)
	return named || slices.ContainsFunc(i.Roles, func(role string) bool { return slices.Contains(p.Roles, role) })
}

// Security says who may do what in a database: its _security object.
type Security struct {
	Admins  Party `json:"admins"`
	Members Party `json:"members"`
}

// Admin reports whether this one may write design documents and settings.
func (s Security) Admin(i Identity) bool { return i.ServerAdmin() || s.Admins.has(i) }

// Public reports whether everybody may read and write, who needs no login
// unless the server wants one of all (require_valid_user).
func (s Security) Public() bool { return len(s.Members.Names) == 0 && len(s.Members.Roles) == 0 }

// Security asks who may do what in the database. CouchDB tells its members.
func (db *DB) Security(ctx context.Context) (Security, error) {
	c := db.call("security", http.MethodGet, "")
	c.path += "/_security"
	var answer Security
	err := db.server.json(ctx, c, &answer)
	return answer, err
}

// Probe is a request whose answer tells whether this login may make others of
// its kind. It changes nothing on the server.
type Probe struct{ method, path, body string }

// The probes of a server. CouchDB answers each to server admins only.
var (
	ProbeAllDBs        = Probe{http.MethodGet, "/_all_dbs?limit=1", ""}
	ProbeDBUpdates     = Probe{http.MethodGet, "/_db_updates?feed=normal&limit=1&since=now", ""}
	ProbeSchedulerJobs = Probe{http.MethodGet, "/_scheduler/jobs?limit=1", ""}
	ProbeSchedulerDocs = Probe{http.MethodGet, "/_scheduler/docs?limit=1", ""}
	ProbeActiveTasks   = Probe{http.MethodGet, "/_active_tasks", ""}
)

// The probes of a database. ProbeBulkDocs writes no document: the server lets
// those who may write say so, and answers []. It does not tell what validation
// functions will refuse.
var (
	ProbeChanges  = Probe{http.MethodGet, "/_changes?style=all_docs&limit=1", ""}
	ProbeBulkGet  = Probe{http.MethodPost, "/_bulk_get?revs=true", `{"docs":[]}`}
	ProbeAllDocs  = Probe{http.MethodPost, "/_all_docs", `{"keys":[]}`}
	ProbeBulkDocs = Probe{http.MethodPost, "/_bulk_docs", `{"new_edits":false,"docs":[]}`}
)

// String is the request, as documentation names it.
func (p Probe) String() string { return p.method + " " + p.path }

// Try makes a probe of the server: nil where this login may, KindForbidden
// where it may not, KindNotFound where the server has no such thing.
func (s *Server) Try(ctx context.Context, p Probe) error { return s.try(ctx, p, "") }

// Try makes a probe of the database: nil where this login may, KindForbidden
// or, for nobody, KindAuth where it may not.
func (db *DB) Try(ctx context.Context, p Probe) error { return db.server.try(ctx, p, db.name) }

func (s *Server) try(ctx context.Context, p Probe, db string) error {
	c := call{op: "probe", method: p.method, path: p.path}
	if db != "" {
		c.db, c.path = db, "/"+escape(db)+p.path
	}
	if p.body != "" {
		c.body = parts{[]byte(p.body)}
	}
	var answer json.RawMessage
	return s.json(ctx, c, &answer)
}

// Validators lists the design documents that hold a validation function, which
// may refuse what the login would be allowed to write. The server's admins are
// not spared.
func (db *DB) Validators(ctx context.Context) ([]string, error) {
	var names []string
	for row, err := range db.AllDocs(ctx, AllDocsOptions{Docs: true, Start: "_design/", End: "_design0"}) {
		if err != nil {
			return nil, err
		}
		var design struct {
			Doc struct {
				Validate json.RawMessage `json:"validate_doc_update"`
			}
		}
		if err := json.Unmarshal(row.Text, &design); err != nil {
			return nil, &couchmend.Error{Op: "validators", DB: db.name, ID: row.ID, Kind: couchmend.KindServer, Err: err}
		}
		if design.Doc.Validate != nil {
			names = append(names, row.ID)
		}
	}
	return names, nil
}
