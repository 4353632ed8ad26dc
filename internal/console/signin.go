package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

func signInRoutes() []route {
	return []route{
		{pattern: "GET /sign-in", serve: (*visit).askToSignIn, open: true},
		{pattern: "POST /sign-in", serve: (*visit).signIn, open: true, signs: true},
		{pattern: "POST /sign-out", serve: (*visit).signOut, signs: true},
	}
}

// signInPage is what the page that asks for name and password shows.
type signInPage struct {
	Next, Name, Wrong string
	Server            string
}

func (v *visit) askToSignIn() error {
	if v.sessions.find(v.cookie()) != nil {
		return v.redirect(safeNext(v.r.FormValue("next")))
	}
	return v.render("signin", page{Title: "Sign in", Data: signInPage{Next: safeNext(v.r.FormValue("next")), Server: v.Server.URL()}})
}

// signIn hands name and password to CouchDB, once. There is no session yet
// whose token could be asked for: the request's origin was checked by the guard,
// and a page elsewhere that signed somebody in would need to know a password.
func (v *visit) signIn() error {
	if err := v.parseForm(); err != nil {
		return err
	}
	name, next := v.r.PostForm.Get("name"), safeNext(v.r.PostForm.Get("next"))
	p, err := v.login(v.r.Context(), name, v.r.PostForm.Get("password"))
	if couchmend.KindOf(err) == couchmend.KindAuth {
		wrong := signInPage{Next: next, Name: name, Wrong: words(err), Server: v.Server.URL()}
		return v.renderStatus(http.StatusUnauthorized, "signin", page{Title: "Sign in", Data: wrong})
	}
	if err != nil {
		return err
	}
	v.sessions.end(v.cookie()) // a session is never taken over into another one's
	v.start(p)
	v.Log.Info("signed in", "name", name)
	return v.redirect(next)
}

// login opens a session at CouchDB for somebody, whose failures are counted by
// address.
func (v *visit) login(ctx context.Context, name, password string) (*person, error) {
	address, _, _ := net.SplitHostPort(v.r.RemoteAddr)
	if wait := v.throttle.wait(address); wait > 0 {
		return nil, &throttled{wait}
	}
	server, who, err := v.Server.SignIn(ctx, name, password)
	if couchmend.KindOf(err) == couchmend.KindAuth {
		v.throttle.failed(address)
		v.Log.Warn("sign-in refused", "name", name, "address", address)
	}
	if err != nil {
		return nil, err
	}
	v.throttle.forget(address)
	return v.newPerson(server, who), nil
}

func (v *visit) signOut() error {
	v.sessions.end(v.cookie())
	v.session = nil
	v.setCookie("", -1)
	return v.redirect("/sign-in")
}

// safeNext is where to go on after signing in: a path of this console, whatever
// the link said.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(next, "/sign-") {
		return "/"
	}
	return next
}

// admitBasic signs in whoever gives name and password with a request to the
// API. For a minute the same two are not asked about again.
func (v *visit) admitBasic(name, password string, writes bool) error {
	sum := sha256.Sum256([]byte(v.basicKey + "\x00" + name + "\x00" + password))
	key := "basic " + string(sum[:])
	if found := v.sessions.find(key); found != nil {
		if err := found.person.confirm(v.r.Context(), writes); err != nil {
			v.sessions.end(key)
			return err
		}
		v.person = found.person
		return nil
	}
	p, err := v.login(v.r.Context(), name, password)
	if err != nil {
		return err
	}
	v.sessions.begin(p, key, basicLife)
	v.person = p
	return nil
}

// nobody is the person whom CouchDB lets in without a login, if it does.
type nobody struct {
	mu     sync.Mutex
	person *person
	asked  time.Time
}

// nobodyAge is how long it is believed that CouchDB lets everybody in, or not.
const nobodyAge = 10 * time.Second

// errSignIn asks for a login.
var errSignIn = &couchmend.Error{Op: "console", Kind: couchmend.KindAuth, Err: errors.New("sign in first")}

// asNobody returns nobody as a person, where CouchDB has no admin and so lets
// everybody do everything, or is one that knows no users (PouchDB's server).
func (c *Console) asNobody(ctx context.Context) (*person, error) {
	n := &c.nobody
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked.IsZero() || c.Now().Sub(n.asked) >= nobodyAge {
		server := c.Server.Nobody()
		who, err := server.WhoAmI(ctx)
		noUsers := couchmend.KindOf(err) == couchmend.KindNotFound
		if err != nil && !noUsers && couchmend.KindOf(err) != couchmend.KindAuth {
			return nil, err
		}
		if noUsers {
			who = couch.Identity{Roles: []string{"_admin"}}
		}
		switch {
		case !who.ServerAdmin():
			n.person = nil
		case n.person == nil:
			n.person = c.newPerson(server, who)
		}
		n.asked = c.Now()
	}
	if n.person == nil {
		return nil, errSignIn
	}
	return n.person, nil
}

// throttle slows down who guesses passwords: CouchDB locks an account after
// five bad ones, and an address may try ten in five minutes, whatever the
// accounts.
type throttle struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*failures
}

type failures struct {
	count int
	first time.Time
}

const (
	throttleAfter = 10
	throttleFor   = 5 * time.Minute
	maxThrottled  = 10_000
)

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, by: map[string]*failures{}}
}

// wait is how long an address has to wait before it may try again.
func (t *throttle) wait(address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.by[address]
	if f == nil || f.count < throttleAfter {
		return 0
	}
	left := throttleFor - t.now().Sub(f.first)
	if left <= 0 {
		delete(t.by, address)
		return 0
	}
	return left
}

func (t *throttle) failed(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.by[address]
	if f == nil || t.now().Sub(f.first) >= throttleFor {
		if len(t.by) >= maxThrottled {
			clear(t.by)
		}
		f = &failures{first: t.now()}
		t.by[address] = f
	}
	f.count++
}

func (t *throttle) forget(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, address)
}

// throttled is the error of an address that failed too often.
type throttled struct{ wait time.Duration }

func (t *throttled) Error() string {
	return fmt.Sprintf("too many sign-ins failed from this address: try again in %s", t.wait.Round(time.Second))
}

func (t *throttled) seconds() string { return fmt.Sprint(int(t.wait.Seconds()) + 1) }
