package mend

import (
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/policy"
)

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
