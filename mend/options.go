package mend

import (
	"context"
	"errors"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

// load reads the policy file, if there is one, and takes from it what the
// options leave open.
func (o *Options) load() (*policy.File, error) {
	if o.PolicyFile == "" {
		return nil, nil
	}
	file, err := policy.Load(o.PolicyFile, policy.Options{Resolvers: o.Resolvers, Log: o.Log})
	if err != nil {
		return nil, err
	}
	for _, w := range file.Warnings {
		o.Log.Warn("policy", "warning", w.String())
	}
	if err := o.fill(file.Server); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// connect prepares the server that the options name.
func (o *Options) connect() (*couch.Server, error) {
	if o.Username == "" {
		o.Password = "" // COUCHDB_PASSWORD is set for somebody else
	}
	if o.URL == "" {
		return nil, &couchmend.Error{Op: "connect", Kind: couchmend.KindUsage, Err: errors.New("no server is named: give --couchdb, COUCHDB_URL, or couchdb: {url: …} in the policy file")}
	}
	return couch.Open(o.couch())
}

// state opens the state, in the way that the options ask for.
func (o *Options) state(ctx context.Context) (*ledger.Ledger, error) {
	open := ledger.Open
	switch {
	case o.Share:
		open = ledger.Connect
	case o.Attend:
		open = ledger.Attend
	}
	where := ledger.Config{
		Dir: o.StateDir, URL: o.NATS, CredsFile: o.NATSCreds, TokenFile: o.NATSTokenFile, CAFile: o.NATSCAFile,
		Replicas: o.NATSReplicas, Logger: o.Log,
	}
	if o.NATS != "" {
		where.Dir = ""
	}
	return open(ctx, where)
}

// fill takes from a policy's couchdb: section what the options leave open.
func (o *Options) fill(s policy.Server) error {
	if o.URL == "" {
		o.URL = s.URL
	}
	for _, p := range []struct {
		to   *string
		from string
	}{{&o.ClientCert, s.ClientCert}, {&o.ClientKey, s.ClientKey}, {&o.CAFile, s.CAFile}} {
		if *p.to == "" {
			*p.to = p.from
		}
	}
	if o.Username != "" || o.Token != "" || o.ProxyUser != "" {
		return nil
	}
	o.Username, o.Cookie = s.Username, o.Cookie || s.Cookie
	for _, secret := range []struct {
		to   *string
		file string
	}{{&o.Password, s.PasswordFile}, {&o.Token, s.TokenFile}} {
		if secret.file == "" || *secret.to != "" {
			continue
		}
		text, err := policy.ReadSecret(secret.file)
		if err != nil {
			return err
		}
		*secret.to = text
	}
	if s.Proxy == nil {
		return nil
	}
	o.ProxyUser, o.ProxyRoles, o.Username = s.Username, s.Proxy.Roles, ""
	if s.Proxy.SecretFile == "" {
		return nil
	}
	text, err := policy.ReadSecret(s.Proxy.SecretFile)
	o.ProxySecret = text
	return err
}

func (o *Options) couch() couch.Config {
	return couch.Config{
		URL: o.URL, Username: o.Username, Password: o.Password, Cookie: o.Cookie, Token: o.Token,
		ProxyUser: o.ProxyUser, ProxyRoles: o.ProxyRoles, ProxySecret: o.ProxySecret,
		ClientCert: o.ClientCert, ClientKey: o.ClientKey, CAFile: o.CAFile,
	}
}
