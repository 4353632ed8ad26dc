package policy

import (
	"net/url"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Server says where CouchDB is and who asks. Empty fields were not named: the
// command's flags or the environment may. Files are paths that can be opened
// as they stand; ReadSecret reads those that hold secrets.
type Server struct {
	URL          string // http or https, without user and password
	Username     string
	PasswordFile string
	Cookie       bool   // log in at _session with user and password, instead of sending them with each request
	TokenFile    string // a JWT
	Proxy        *Proxy // nil: no proxy headers
	ClientCert   string // PEM files
	ClientKey    string
	CAFile       string
}

// Proxy is CouchDB's proxy authentication: headers that name Server.Username
// and its roles, signed with the secret of [chttpd_auth].
type Proxy struct {
	Roles      []string
	SecretFile string
}

// inlineSecret explains why a secret is not taken from a policy file; instead
// says where it belongs.
func inlineSecret(instead string) string {
	return "no secret stands in a policy file, which is copied and shared: " + instead
}

func (r *reader) server(n *yaml.Node) Server {
	var s Server
	const place = "couchdb"
	into := func(key string, field *string, want string) setting {
		return setting{key: key, read: func(v *yaml.Node) { *field = r.text(v, key+" in couchdb", want) }}
	}
	file := func(key string, field *string) setting {
		return setting{key: key, read: func(v *yaml.Node) { *field = r.fileName(v, key+" in couchdb") }}
	}
	r.section(n, place,
		setting{key: "url", read: func(v *yaml.Node) { s.URL = r.serverURL(v) }},
		into("username", &s.Username, "a user's name"),
		file("password_file", &s.PasswordFile),
		setting{key: "cookie", read: func(v *yaml.Node) {
			s.Cookie = oneOf(r, v, "cookie in couchdb", word[bool]{"true", true}, word[bool]{"false", false})
		}},
		file("token_file", &s.TokenFile),
		setting{key: "proxy", read: func(v *yaml.Node) { s.Proxy = r.proxy(v) }},
		file("client_cert", &s.ClientCert),
		file("client_key", &s.ClientKey),
		file("ca_file", &s.CAFile),
		setting{key: "password", refused: inlineSecret("name a file that holds it with password_file, or set COUCHDB_PASSWORD")},
		setting{key: "token", refused: inlineSecret("name a file that holds it with token_file, or set COUCHDB_TOKEN")},
	)
	r.checkServer(n, s)
	return s
}

func (r *reader) proxy(n *yaml.Node) *Proxy {
	p := &Proxy{}
	r.section(n, "proxy in couchdb",
		setting{key: "roles", read: func(v *yaml.Node) {
			for _, item := range r.list(v, "roles of proxy", "[_admin]") {
				p.Roles = append(p.Roles, r.text(item, "a role", "a role's name"))
			}
		}},
		setting{key: "secret_file", read: func(v *yaml.Node) { p.SecretFile = r.fileName(v, "secret_file of proxy") }},
		setting{key: "secret", refused: inlineSecret("name a file that holds it with secret_file")},
	)
	return p
}

// checkServer finds settings that are right alone and wrong together.
func (r *reader) checkServer(n *yaml.Node, s Server) {
	var ways []string
	for _, way := range []struct {
		key   string
		named bool
	}{{"password_file", s.PasswordFile != ""}, {"token_file", s.TokenFile != ""}, {"proxy", s.Proxy != nil}} {
		if way.named {
			ways = append(ways, way.key)
		}
	}
	switch {
	case len(ways) > 1:
		r.problem(n, "couchdb has %s: one way to log in is enough, take the others out", strings.Join(ways, " and "))
	case s.Username == "" && (s.PasswordFile != "" || s.Proxy != nil):
		r.problem(n, "couchdb has %s and no username: add it", ways[0])
	case s.Cookie && (s.TokenFile != "" || s.Proxy != nil):
		r.problem(n, "couchdb has cookie and %s: a session is for user and password", ways[0])
	}
	if (s.ClientCert == "") != (s.ClientKey == "") {
		r.problem(n, "couchdb has only one of client_cert and client_key: want both or neither")
	}
}

// serverURL never quotes what it refuses: a password may stand in it.
func (r *reader) serverURL(n *yaml.Node) string {
	const want = `http or https, a host and a port, such as "http://127.0.0.1:5984"`
	text := r.text(n, "url in couchdb", want)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		r.problem(n, "url in couchdb is no server's: want %s", want)
	case u.User != nil:
		r.problem(n, "url in couchdb holds a user: take it out and name it with username and password_file")
	case u.RawQuery != "" || u.Fragment != "":
		r.problem(n, "url in couchdb has a query or a fragment: want the server alone")
	default:
		return text
	}
	return ""
}

// fileName reads the path of a file; a relative one starts where the policy
// file is.
func (r *reader) fileName(n *yaml.Node, what string) string {
	name := r.text(n, what, "the path of a file")
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}
