package couch

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/couchmend/couchmend"
)

// signedJefe is what `printf Jefe | openssl sha256 -hmac key` prints.
const signedJefe = "688275af9c0270e12d211645104c3b6b309665c6659eb459f3ce26dc477af635"

func TestEachLoginIsSentAsCouchDBWantsIt(t *testing.T) {
	cases := []struct {
		name string
		cfg  Config
		want map[string]string
	}{
		{"none", Config{}, map[string]string{"Authorization": ""}},
		{"password", Config{Username: "u", Password: "p"}, map[string]string{"Authorization": "Basic dTpw"}},
		{"token", Config{Token: "abc.def"}, map[string]string{"Authorization": "Bearer abc.def"}},
		{"proxy", Config{ProxyUser: "u", ProxyRoles: []string{"a", "b"}}, map[string]string{
			"X-Auth-CouchDB-UserName": "u", "X-Auth-CouchDB-Roles": "a,b", "X-Auth-CouchDB-Token": "",
		}},
		{"signed proxy", Config{ProxyUser: "Jefe", ProxySecret: "key"}, map[string]string{
			"X-Auth-CouchDB-UserName": "Jefe", "X-Auth-CouchDB-Token": signedJefe,
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got http.Header
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Header
				answer(w, 200, `[]`)
			}, func(cfg *Config) { url := cfg.URL; *cfg = c.cfg; cfg.URL = url })
			if _, err := s.AllDBs(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.Get(name), want)
				}
			}
		})
	}
}

func asUser(cfg *Config) { cfg.Username, cfg.Password = "u", "p" }

func TestAfterTheFirstRefusedLoginNothingMoreIsAsked(t *testing.T) {
	refusals := map[string]http.HandlerFunc{
		"401": always(401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`),
		"403": always(403, `{"error":"forbidden","reason":"Account is temporarily locked due to multiple authentication failures"}`),
	}
	for name, handler := range refusals {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler, asUser)
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					_, err := s.DB("a").Info(t.Context())
					if couchmend.KindOf(err) != couchmend.KindAuth {
						t.Errorf("got %v", err)
					}
				})
			}
			group.Wait()
			if n := s.Requests()["info"]; n != 1 {
				t.Errorf("%d requests were made with a login that the server refuses", n)
			}
			s.ResetLogin()
			_, err := s.DB("a").Info(t.Context())
			wantKind(t, err, couchmend.KindAuth)
			if n := s.Requests()["info"]; n != 2 {
				t.Errorf("after a reset %d requests, want 2", n)
			}
		})
	}
}

func TestAGoodLoginThatMayNotDoThisIsNotARefusedLogin(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			answer(w, 200, `{"db_name":"a","update_seq":"1"}`)
			return
		}
		answer(w, 401, `{"error":"unauthorized","reason":"You are not a server admin."}`)
	}, asUser)
	_, err := s.AllDBs(t.Context())
	wantKind(t, err, couchmend.KindForbidden, "not a server admin")
	_, err = s.DBUpdates(t.Context(), "now")
	wantKind(t, err, couchmend.KindForbidden)
	if _, err := s.DB("a").Info(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestWithoutALoginOneRefusedPlaceDoesNotCloseTheOthers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open" {
			answer(w, 200, `{"update_seq":3}`)
			return
		}
		answer(w, 401, `{"error":"unauthorized","reason":"You are not authorized to access this db."}`)
	})
	_, err := s.DB("closed").Info(t.Context())
	wantKind(t, err, couchmend.KindAuth)
	if info, err := s.DB("open").Info(t.Context()); err != nil || info.UpdateSeq != "3" {
		t.Errorf("got %+v, %v", info, err)
	}
}

// sessions is a server with cookie logins of which one ends when told to.
type sessions struct {
	logins  atomic.Int64
	valid   atomic.Int64 // the number of the session that is good
	refuses atomic.Bool
}

func (s *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_session" {
		n := s.logins.Add(1)
		if s.refuses.Load() {
			answer(w, 401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`)
			return
		}
		s.valid.Store(n)
		http.SetCookie(w, &http.Cookie{Name: "AuthSession", Value: fmt.Sprint(n), Path: "/", HttpOnly: true})
		answer(w, 200, `{"ok":true}`)
		return
	}
	cookie, err := r.Cookie("AuthSession")
	if err != nil || cookie.Value != fmt.Sprint(s.valid.Load()) || r.Header.Get("Authorization") != "" {
		answer(w, 401, `{"error":"unauthorized","reason":"You are not authorized to access this db."}`)
		return
	}
	answer(w, 200, `{"update_seq":"1"}`)
}

func TestASessionIsOpenedOnceAndRenewedWhenItEnds(t *testing.T) {
	var handler sessions
	s := serve(t, handler.ServeHTTP, asUser, func(c *Config) { c.Cookie = true })
	ask := func() {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := s.DB("a").Info(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	ask()
	ask()
	if n := handler.logins.Load(); n != 1 {
		t.Errorf("%d logins for 16 requests, want 1", n)
	}
	handler.valid.Store(-1) // the session ends
	ask()
	if n := handler.logins.Load(); n != 2 {
		t.Errorf("%d logins after one session ended, want 2", n)
	}
	handler.valid.Store(-1)
	handler.refuses.Store(true) // and the password was changed
	for range 3 {
		_, err := s.DB("a").Info(t.Context())
		wantKind(t, err, couchmend.KindAuth)
	}
	if n := handler.logins.Load(); n != 3 {
		t.Errorf("%d logins, want 3: a refused one is not tried again", n)
	}
}
