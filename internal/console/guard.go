package console

import (
	"crypto/subtle"
	"errors"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// csp is the Content-Security-Policy: everything from here, nothing inline.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP answers a request. What holds for all of them is here; what holds
// for those of a person is in handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	v := &visit{Console: c, w: w, r: r}
	if err := c.admissible(r); err != nil {
		v.fail(err)
		return
	}
	if _, pattern := c.mux.Handler(r); pattern == "" {
		v.lost()
		return
	}
	c.mux.ServeHTTP(w, r)
}

// admissible checks what can be checked without knowing who asks.
func (c *Console) admissible(r *http.Request) error {
	if c.Loopback && !c.named(r.Host) {
		return refuse(couchmend.KindForbidden, "this console does not answer to that host name: use 127.0.0.1 or localhost")
	}
	if c.origins.Check(r) != nil {
		return refuse(couchmend.KindForbidden, "the request came from a page of another site")
	}
	return nil
}

// named reports whether a Host header names this machine.
func (c *Console) named(host string) bool {
	if slices.Contains(c.Hosts, host) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(c.Hosts, host) {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// handler answers a route's requests: it finds out who asks, checks that a
// request that writes was meant, and turns errors into answers.
func (c *Console) handler(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		limit := r.body
		if limit == 0 {
			limit = defaultBody
		}
		req.Body = http.MaxBytesReader(w, req.Body, limit)
		v := &visit{Console: c, w: w, r: req, api: strings.HasPrefix(req.URL.Path, "/api/"), since: c.Board.Changes()}
		if err := v.answer(r); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) answer(r route) error {
	writes := v.r.Method != http.MethodGet && v.r.Method != http.MethodHead
	if writes && v.ReadOnly && !r.signs && !r.reads {
		return refuse(couchmend.KindForbidden, "this console is read-only: it was started with --read-only")
	}
	if !r.open {
		if err := v.admit(writes); err != nil {
			return err
		}
		defer v.leave()
	}
	if v.r.ContentLength > maxBody(r) {
		return refuse(couchmend.KindTooLarge, "the request is larger than any that is taken here")
	}
	if writes && !r.open {
		if err := v.meant(); err != nil {
			return err
		}
	}
	return r.serve(v)
}

func maxBody(r route) int64 {
	if r.body == 0 {
		return defaultBody
	}
	return r.body
}

// csrfHeader carries the session's token in requests that have no form.
const csrfHeader = "X-CSRF-Token"

// meant checks that a request that writes was made by a page of ours: only
// those know the session's token. A request without a session bears its own
// login, or is by nobody: then it must be JSON, which no page elsewhere can send
// without being asked for permission first (CORS), and none is given.
func (v *visit) meant() error {
	if v.session == nil {
		if kind, _, _ := mime.ParseMediaType(v.r.Header.Get("Content-Type")); kind != "application/json" {
			return refuse(couchmend.KindRefused, "want Content-Type: application/json")
		}
		return nil
	}
	token := v.r.Header.Get(csrfHeader)
	if token == "" && !v.api {
		if err := v.parseForm(); err != nil {
			return err
		}
		token = v.r.PostForm.Get("csrf")
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(v.session.csrf)) != 1 {
		return refuse(couchmend.KindForbidden, "the form is of another session: load the page again")
	}
	return nil
}

// refuse is an error in words for the person who asked.
func refuse(kind couchmend.Kind, words string) error {
	return &couchmend.Error{Op: "console", Kind: kind, Err: errors.New(words)}
}
