package couch

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/couchmend/couchmend"
)

// login is who we are to the server, and what the server thinks of it.
//
// CouchDB locks an account for five minutes after five bad passwords. So the
// first refusal is remembered and no further request is made; and until one
// request was let in, they go one at a time: ten feeds that start at once with
// a wrong password must not be ten bad logins.
type login struct {
	header         http.Header // sent with every request
	anonymous      bool
	cookie         bool
	name, password string // for _session

	turn chan struct{} // held by the one request under way until accepted

	mu       sync.Mutex
	accepted bool
	refused  error

	renewing sync.Mutex
	sessions int // logins at _session so far; guarded by renewing
}

func oneLogin(cfg Config) error {
	kinds := 0
	for _, given := range []string{cfg.Username, cfg.Token, cfg.ProxyUser} {
		if given != "" {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("more than one login given: choose a user name, a token or proxy authentication")
	case cfg.Cookie && cfg.Username == "":
		return errors.New("cookie login needs a user name and a password")
	}
	return nil
}

func (l *login) init(cfg Config) {
	l.turn = make(chan struct{}, 1)
	l.header = http.Header{}
	switch {
	case cfg.Cookie:
		l.cookie, l.name, l.password = true, cfg.Username, cfg.Password
	case cfg.Username != "":
		pair := base64.StdEncoding.EncodeToString([]byte(cfg.Username + ":" + cfg.Password))
		l.header.Set("Authorization", "Basic "+pair)
	case cfg.Token != "":
		l.header.Set("Authorization", "Bearer "+cfg.Token)
	case cfg.ProxyUser != "":
		l.header.Set("X-Auth-CouchDB-UserName", cfg.ProxyUser)
		l.header.Set("X-Auth-CouchDB-Roles", strings.Join(cfg.ProxyRoles, ","))
		if cfg.ProxySecret != "" {
			// SHA-256 and SHA-1 are accepted by CouchDB 3.3 and later.
			mac := hmac.New(sha256.New, []byte(cfg.ProxySecret))
			mac.Write([]byte(cfg.ProxyUser))
			l.header.Set("X-Auth-CouchDB-Token", hex.EncodeToString(mac.Sum(nil)))
		}
	default:
		l.anonymous = true
	}
}

// ResetLogin forgets that the login was refused: the next request asks again.
// For a person who has mended the account or waited for the lock to end.
func (s *Server) ResetLogin() {
	s.login.mu.Lock()
	defer s.login.mu.Unlock()
	s.login.refused, s.login.accepted = nil, false
}

func (l *login) state() (accepted bool, refused error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted, l.refused
}

// enter waits for the turn to send a request, or returns the refusal of an
// earlier one. Call leave once the answer's status is known to learn.
func (l *login) enter(ctx context.Context) (leave func(), err error) {
	accepted, refused := l.state()
	if refused != nil {
		return nil, refused
	}
	if accepted || l.anonymous {
		return func() {}, nil
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	leave = func() { <-l.turn }
	if _, refused = l.state(); refused != nil {
		leave()
		return nil, refused
	}
	return leave, nil
}

// learn takes note of what an answer says about the login.
func (l *login) learn(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch couchmend.KindOf(err) {
	case couchmend.KindAuth:
		if !l.anonymous { // without a login a 401 speaks of one place, not of an account
			l.refused = err
		}
	case couchmend.KindUnreachable, couchmend.KindServer: // says nothing about it
	default:
		l.accepted = true
	}
}

// session makes sure that there is a session cookie newer than the seen-th,
// and returns its number. It is for cookie logins only.
func (s *Server) session(ctx context.Context, seen int) (int, error) {
	l := &s.login
	l.renewing.Lock()
	defer l.renewing.Unlock()
	if l.sessions > seen {
		return l.sessions, nil
	}
	body, err := json.Marshal(map[string]string{"name": l.name, "password": l.password})
	if err != nil {
		return 0, err
	}
	resp, err := s.send(ctx, call{op: "session", method: http.MethodPost, path: "/_session", body: parts{body}})
	if err != nil {
		return 0, err
	}
	finish(resp.Body)
	if len(resp.Cookies()) == 0 {
		return 0, &couchmend.Error{Op: "session", Kind: couchmend.KindServer, Err: fmt.Errorf("%s/_session set no cookie", s.url)}
	}
	l.sessions++
	return l.sessions, nil
}
