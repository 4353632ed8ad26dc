// Package couch is what couchmend asks of CouchDB: a thin client on net/http
// for the few requests that a replica which merges has to make.
//
//	Changes    which documents have several leaves
//	BulkGet    the leaves, and the bases that they grew from
//	Winners    has anything moved since?
//	Write      the merges, then the tombstones: revisions with ids of our own
//	AllDocs    every live document, to find out who refers to whom
//
// It is the hot path. Answers are decoded while they arrive, a body is never
// parsed into a tree, and what is read is written back byte for byte (I8).
// Errors are *couchmend.Error; nothing printed ever holds a credential.
//
// It speaks to CouchDB 3, to Cloudant and to PouchDB's HTTP server, whose
// deviations are named where they are dealt with.
package couch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
)

// Config says which server to ask and as whom. At most one kind of login may
// be given: Username (with Cookie or without), Token, or ProxyUser. A client
// certificate goes with any of them.
type Config struct {
	// URL is http or https, a host, and a path where CouchDB lives under one.
	// A user and password in it are used if Username is empty.
	URL                string
	Username, Password string
	// Cookie trades the password for a session at _session, once, and again
	// when the session ends: cheaper for the server than hashing a password
	// with each request.
	Cookie bool
	// Token is a JSON Web Token, sent as "Authorization: Bearer".
	Token string
	// ProxyUser and ProxyRoles are sent as CouchDB's proxy authentication
	// wants them; ProxySecret, where there is one, signs the user's name.
	ProxyUser   string
	ProxyRoles  []string
	ProxySecret string
	// ClientCert and ClientKey are PEM files, CAFile the PEM file of a private
	// authority that is trusted instead of the system's.
	ClientCert, ClientKey, CAFile string
	// Timeout is how long a request may show no progress: no byte sent and none
	// received. 0 is 60 seconds. Feeds are judged by their heartbeat instead.
	Timeout time.Duration
	// UserAgent is "couchmend" where empty.
	UserAgent string
	// Transport replaces the network, in tests.
	Transport http.RoundTripper
}

// DefaultTimeout is how long a request may show no progress.
const DefaultTimeout = time.Minute

// connections is how many idle connections are kept open: batches on a few
// databases at once, and a feed for each.
const connections = 64

// Server is one CouchDB, or the front of a cluster. It may be used by many
// goroutines at once.
type Server struct {
	url     string // no credentials, no slash at the end
	client  *http.Client
	agent   string
	timeout time.Duration
	pause   time.Duration // before the first repetition of a request; it grows from there
	login   login
	told    func(Exchange) // may be nil
	heard   atomic.Int64   // when the server last sent anything, in Unix nanoseconds

	mu       sync.Mutex
	requests map[string]int64
}

// Open prepares a Server and makes no request. Its errors are of KindUsage.
func Open(cfg Config) (*Server, error) {
	base, user, err := parseURL(cfg.URL)
	if err != nil {
		return nil, usage(err)
	}
	if cfg.Username == "" && user != nil {
		cfg.Username = user.Username()
		cfg.Password, _ = user.Password()
	}
	if err := oneLogin(cfg); err != nil {
		return nil, usage(err)
	}
	transport := cfg.Transport
	if transport == nil {
		if transport, err = newTransport(cfg); err != nil {
			return nil, usage(err)
		}
	}
	s := &Server{
		url:      base,
		client:   &http.Client{Transport: transport, CheckRedirect: stay},
		agent:    cfg.UserAgent,
		timeout:  cfg.Timeout,
		pause:    100 * time.Millisecond,
		requests: map[string]int64{},
	}
	if s.agent == "" {
		s.agent = "couchmend"
	}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	s.login.init(cfg)
	if cfg.Cookie {
		s.client.Jar, _ = cookiejar.New(nil) // fails for bad options only
	}
	return s, nil
}

func usage(err error) error {
	return &couchmend.Error{Op: "open couchdb", Kind: couchmend.KindUsage, Err: err}
}

// stay refuses to follow redirects: CouchDB sends none that matter here, and
// a login page must not be taken for an answer.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// parseURL returns the URL without user and password, and these. Its errors
// don't quote the text: it may hold a password.
func parseURL(text string) (string, *url.Userinfo, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case text == "":
		return "", nil, errors.New("no CouchDB URL given: want one such as http://127.0.0.1:5984")
	case err != nil && strings.Contains(text, "@"):
		return "", nil, errors.New("the CouchDB URL can't be read: in a user name or password, write / : @ ? # % as %2F %3A %40 %3F %23 %25, or give them apart from the URL")
	case err != nil:
		return "", nil, fmt.Errorf("the CouchDB URL can't be read: %w", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", nil, errors.New("the CouchDB URL must look like http://host:5984 or https://host")
	case strings.Contains(u.Path, "@"):
		return "", nil, errors.New("the CouchDB URL has an @ in its path: in a user name or password, write / as %2F")
	case u.RawQuery != "" || u.Fragment != "":
		return "", nil, errors.New("the CouchDB URL must end with the host or a path: found ? or #")
	}
	user := u.User
	u.User = nil
	return strings.TrimRight(u.String(), "/"), user, nil
}

func newTransport(cfg Config) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = connections, connections
	t.ReadBufferSize, t.WriteBufferSize = 64<<10, 64<<10
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.ClientCert != "" || cfg.ClientKey != "" {
		pair, err := tls.LoadX509KeyPair(cfg.ClientCert, cfg.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authority: %s holds no certificate in PEM form", cfg.CAFile)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

// URL is the server's address without credentials and without a slash at its end.
func (s *Server) URL() string { return s.url }

// Requests counts the requests sent so far by kind: "changes", "bulk_get",
// "bulk_docs", "all_docs" and so on, repetitions included.
func (s *Server) Requests() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Close gives idle connections back. Requests under way go on.
func (s *Server) Close() { s.client.CloseIdleConnections() }
