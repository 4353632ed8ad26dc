package couch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"github.com/couchmend/couchmend"
)

// Nobody returns the server as it is for those who do not log in. It shares
// the connections of s, and needs no Close.
func (s *Server) Nobody() *Server { return s.as(nil) }

// SignIn opens a session for somebody else and returns the server as it is for
// them. The password is sent once, whatever comes back, and forgotten: CouchDB
// locks an account after five bad ones. Cookies by which the server prolongs the
// session are kept; when it ends, requests are answered as if by nobody
// (WhoAmI). It shares the connections of s, and needs no Close.
//
// KindAuth: the name or the password is wrong, or the account is locked.
func (s *Server) SignIn(ctx context.Context, name, password string) (*Server, Identity, error) {
	jar, _ := cookiejar.New(nil) // fails for bad options only
	theirs := s.as(jar)
	c := call{op: "sign in", method: http.MethodPost, path: "/_session"}
	body, err := json.Marshal(map[string]string{"name": name, "password": password})
	if err != nil {
		return nil, Identity{}, c.failed(couchmend.KindUsage, err)
	}
	c.body = parts{body}
	resp, err := theirs.send(ctx, c)
	if err != nil {
		return nil, Identity{}, err
	}
	defer finish(resp.Body)
	var user Identity
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&user); err != nil {
		return nil, Identity{}, c.broken(err)
	}
	if at, err := url.Parse(s.url); err != nil || len(jar.Cookies(at)) == 0 {
		return nil, Identity{}, c.failed(couchmend.KindServer, fmt.Errorf("%s/_session set no cookie", s.url))
	}
	if user.Name == "" { // CouchDB does not repeat a server admin's
		user.Name = name
	}
	return theirs, user, nil
}

// as is the server with another login: none, or the cookies in jar.
func (s *Server) as(jar http.CookieJar) *Server {
	other := &Server{
		url: s.url, agent: s.agent, timeout: s.timeout, pause: s.pause, requests: map[string]int64{},
		client: &http.Client{Transport: s.client.Transport, CheckRedirect: stay, Jar: jar},
	}
	other.login.init(Config{})
	return other
}
