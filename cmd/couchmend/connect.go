package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

// connection is how every verb reaches CouchDB, the policy and the state.
// Secrets come from the environment or from files, never from arguments.
type connection struct {
	CouchDB      string   `name:"couchdb" env:"COUCHDB_URL" placeholder:"URL" group:"Server and state:" help:"The server. A password belongs into COUCHDB_PASSWORD or a file, not here."`
	User         string   `env:"COUCHDB_USER" group:"Server and state:" help:"The user's name. The password comes from COUCHDB_PASSWORD or --password-file."`
	PasswordFile string   `type:"existingfile" group:"Server and state:" help:"A file that holds the password."`
	TokenFile    string   `type:"existingfile" group:"Server and state:" help:"A file that holds a JSON Web Token; or COUCHDB_TOKEN."`
	Cookie       bool     `group:"Server and state:" help:"Log in once at _session instead of with each request."`
	ClientCert   string   `type:"existingfile" group:"Server and state:" help:"Client certificate, PEM."`
	ClientKey    string   `type:"existingfile" group:"Server and state:" help:"Its key, PEM."`
	CAFile       string   `name:"ca-file" type:"existingfile" group:"Server and state:" help:"A private certificate authority, PEM."`
	Policy       string   `short:"p" type:"existingfile" env:"COUCHMEND_POLICY" group:"Server and state:" help:"The policy file. Default: couchmend.yaml where there is one, else the built-in policy."`
	Databases    []string `name:"db" short:"d" placeholder:"GLOB" group:"Server and state:" help:"Databases to look after, if other than the policy's. May be repeated."`
	State        string   `env:"COUCHMEND_STATE" placeholder:"DIR" group:"Server and state:" help:"Where the state is kept. Default: .couchmend in the policy's folder, or here."`
	NATS         string   `name:"nats" env:"COUCHMEND_NATS" placeholder:"URL" group:"Server and state:" help:"A NATS server that keeps the state instead, shared by many couchmends."`
	NATSCreds    string   `name:"nats-creds" type:"existingfile" env:"COUCHMEND_NATS_CREDS" group:"Server and state:" help:"Its credentials file."`
	NATSToken    string   `name:"nats-token-file" type:"existingfile" env:"COUCHMEND_NATS_TOKEN_FILE" group:"Server and state:" help:"Or a file that holds its token."`
	NATSCA       string   `name:"nats-ca-file" type:"existingfile" group:"Server and state:" help:"Its private certificate authority, PEM."`
	NATSReplicas int      `name:"nats-replicas" default:"1" placeholder:"N" group:"Server and state:" help:"How many servers of its cluster keep the state: 3 survive the loss of one."`
	LogLevel     string   `enum:"debug,info,warn,error" default:"info" group:"Server and state:" help:"How much is logged: debug, info, warn or error."`
}

// open opens couchmend, with those options that are a verb's own.
func (c *connection) open(a *app, own func(*mend.Options)) (*mend.Couchmend, error) {
	o, err := c.options(a)
	if err != nil {
		return nil, err
	}
	own(&o)
	return mend.Open(a.ctx, o)
}

// server is for verbs that need the server and no state.
func (c *connection) server(a *app) (*couch.Server, error) {
	o, err := c.options(a)
	if err != nil {
		return nil, err
	}
	return mend.Connect(o)
}

func (c *connection) options(a *app) (mend.Options, error) {
	o := mend.Options{
		URL: c.CouchDB, Username: c.User, Password: os.Getenv("COUCHDB_PASSWORD"), Token: os.Getenv("COUCHDB_TOKEN"),
		Cookie: c.Cookie, ClientCert: c.ClientCert, ClientKey: c.ClientKey, CAFile: c.CAFile,
		PolicyFile: c.policyFile(), Databases: c.Databases,
		StateDir: c.stateDir(), NATS: c.NATS,
		NATSCreds: c.NATSCreds, NATSTokenFile: c.NATSToken, NATSCAFile: c.NATSCA, NATSReplicas: c.NATSReplicas,
		Log: c.logger(a),
	}
	for _, secret := range []struct {
		file string
		to   *string
	}{{c.PasswordFile, &o.Password}, {c.TokenFile, &o.Token}} {
		if secret.file == "" {
			continue
		}
		text, err := policy.ReadSecret(secret.file)
		if err != nil {
			return o, err
		}
		*secret.to = text
	}
	return o, nil
}

// visit opens couchmend for a moment, beside a `run` if there is one. The state
// is not held while a person thinks or edits: it is called again after that.
func (c *connection) visit(a *app, f func(*mend.Couchmend) error) error {
	opened, err := c.open(a, func(o *mend.Options) { o.Share = true })
	if err != nil {
		return err
	}
	return errors.Join(f(opened), opened.Close())
}

// state is visit for what concerns no server: a pause must go through also
// where the policy file has a mistake or CouchDB is down.
func (c *connection) state(a *app, f func(*ledger.Ledger) error) error {
	where := ledger.Config{URL: c.NATS, CredsFile: c.NATSCreds, TokenFile: c.NATSToken, CAFile: c.NATSCA, Replicas: c.NATSReplicas, Logger: c.logger(a)}
	if c.NATS == "" {
		where.Dir = c.stateDir()
	}
	opened, err := ledger.Connect(a.ctx, where)
	if err != nil {
		return err
	}
	return errors.Join(f(opened), opened.Close())
}

// glance is for verbs that only look: where there is no state yet they leave
// none behind, and look from an empty one until done is called.
func (c *connection) glance() (done func(), err error) {
	if _, err := os.Stat(c.stateDir()); c.NATS != "" || !errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if c.State, err = os.MkdirTemp("", "couchmend-"); err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(c.State) }, nil // it is in a temporary directory
}

// defaultPolicy is the policy file that is used where none is named.
const defaultPolicy = "couchmend.yaml"

func (c *connection) policyFile() string {
	if c.Policy != "" {
		return c.Policy
	}
	if _, err := os.Stat(defaultPolicy); err == nil {
		return defaultPolicy
	}
	return ""
}

func (c *connection) stateDir() string {
	if c.State != "" {
		return c.State
	}
	return filepath.Join(filepath.Dir(c.policyFile()), ".couchmend")
}

// logger writes JSON lines to standard error.
func (c *connection) logger(a *app) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(strings.ToUpper(c.LogLevel))) // one of the enum's
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// usage is an error in what the user gave.
func usage(err error) error {
	return &couchmend.Error{Op: "usage", Kind: couchmend.KindUsage, Err: err}
}
