package console

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
)

const (
	sessionIdle   = 30 * time.Minute // without a page that was asked for
	sessionLife   = 12 * time.Hour   // at most, however busy
	basicLife     = time.Minute      // of a session that a Basic login made
	maxSessions   = 10_000           // the longest idle goes first (I11)
	sweepSessions = time.Minute
)

// session is one browser's sign-in. It is kept in memory only: a restart signs
// everybody out.
type session struct {
	person *person
	csrf   string
	begun  time.Time
	life   time.Duration

	mu   sync.Mutex
	used time.Time
	said []string // for the next page
}

func (s *session) say(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, words)
}

// hear returns what was said since, and forgets it.
func (s *session) hear() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.said
	s.said = nil
	return said
}

func (s *session) touch(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = now
}

func (s *session) over(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.used) >= sessionIdle || now.Sub(s.begun) >= s.life
}

// sessions are all sign-ins, by the hash of what names them: who reads this
// memory, or times a look-up, learns no name.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, by: map[[sha256.Size]byte]*session{}}
}

// begin makes a session, under the name that the cookie is to hold.
func (s *sessions) begin(p *person, name string, life time.Duration) *session {
	now := s.now()
	fresh := &session{person: p, csrf: randomText(), begun: now, used: now, life: life}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by) >= maxSessions {
		s.dropIdlest()
	}
	s.by[sha256.Sum256([]byte(name))] = fresh
	return fresh
}

func (s *sessions) dropIdlest() {
	var idlest [sha256.Size]byte
	var since time.Time
	for key, one := range s.by {
		one.mu.Lock()
		if since.IsZero() || one.used.Before(since) {
			idlest, since = key, one.used
		}
		one.mu.Unlock()
	}
	delete(s.by, idlest)
}

// find returns the session of that name, nil where there is none or it is over.
func (s *sessions) find(name string) *session {
	if name == "" {
		return nil
	}
	key := sha256.Sum256([]byte(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.by[key]
	if found != nil && found.over(s.now()) {
		delete(s.by, key)
		return nil
	}
	return found
}

func (s *sessions) end(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, sha256.Sum256([]byte(name)))
}

func (s *sessions) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.by)
}

// sweep drops what is over, until ctx ends.
func (s *sessions) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepSessions):
		}
		s.mu.Lock()
		for key, one := range s.by {
			if one.over(s.now()) {
				delete(s.by, key)
			}
		}
		s.mu.Unlock()
	}
}

// secure reports whether the browser speaks TLS, with us or with a proxy before
// us. A false X-Forwarded-Proto costs its sender a cookie, nobody else.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookieName is that of our cookie. Under TLS the browser itself warrants by
// the prefix that no other host and no plain connection has set it.
func cookieName(r *http.Request) string {
	if secure(r) {
		return "__Host-couchmend"
	}
	return "couchmend"
}

func (v *visit) setCookie(value string, age int) {
	http.SetCookie(v.w, &http.Cookie{
		Name: cookieName(v.r), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: secure(v.r), SameSite: http.SameSiteStrictMode,
	})
}

func (v *visit) cookie() string {
	if cookie, err := v.r.Cookie(cookieName(v.r)); err == nil {
		return cookie.Value
	}
	return ""
}

// start begins a session of the browser's for a person.
func (v *visit) start(p *person) {
	name := randomText()
	v.session = v.sessions.begin(p, name, sessionLife)
	v.person = p
	v.setCookie(name, int(sessionLife.Seconds()))
}

// admit finds out who asks: whoever has a session, who gives name and password
// with the request (the API), or nobody, where CouchDB lets everybody in.
func (v *visit) admit(writes bool) error {
	if found := v.sessions.find(v.cookie()); found != nil {
		err := found.person.confirm(v.r.Context(), writes)
		if couchmend.KindOf(err) == couchmend.KindAuth {
			v.sessions.end(v.cookie())
			return err
		}
		if err != nil {
			return err
		}
		v.session, v.person = found, found.person
		return nil
	}
	if name, password, ok := v.r.BasicAuth(); ok && v.api {
		return v.admitBasic(name, password, writes)
	}
	p, err := v.asNobody(v.r.Context())
	if err != nil {
		return err
	}
	if v.api {
		v.person = p
		return nil
	}
	v.start(p)
	return nil
}

// leave notes that the person was here. What a page asks for by itself does not
// count: an open page alone keeps nobody signed in for ever.
func (v *visit) leave() {
	if v.session != nil && v.r.Header.Get(freshHeader) == "" && v.r.Header.Get("Accept") != "text/event-stream" {
		v.session.touch(v.Now())
	}
}
