package couchtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CouchDB's defaults for logins.
const (
	sessionLife     = 10 * time.Minute
	lockoutFailures = 5
	lockoutTime     = 5 * time.Minute
	adminRole       = "_admin"
	cookieName      = "AuthSession"
)

// UserContext is who makes a request, as validation functions see it.
type UserContext struct {
	DB    string   `json:"db"`
	Name  string   `json:"name"` // "" for nobody
	Roles []string `json:"roles"`
}

// Unauthorized is the error by which a validation function asks for a login.
type Unauthorized struct{ Reason string }

func (e *Unauthorized) Error() string { return e.Reason }

type user struct {
	password string
	roles    []string
}

// failure counts wrong passwords.
type failure struct {
	count int
	last  time.Time
}

// AddUser lets name log in, with a password and roles; "_admin" is the role of
// server administrators. From the first user on, everybody must log in.
func (n *Node) AddUser(name, password string, roles ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users[name] = &user{password: password, roles: roles}
}

// RemoveUser takes a login back, and ends its sessions: their requests are
// answered as if by nobody.
func (n *Node) RemoveUser(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.users, name)
}

// party reports whether nobody needs to log in.
func (n *Node) party() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.users) == 0
}

// isServerAdmin reports whether u may do everything.
func (u UserContext) isServerAdmin() bool { return slices.Contains(u.Roles, adminRole) }

// refused is the error for somebody who may not: 401 for nobody, else 403.
func (u UserContext) refused(reason string) *apiError {
	if u.Name == "" {
		return unauthorized(reason)
	}
	return forbidden(reason)
}

// authenticate finds out who is asking: by basic authentication, else by cookie.
func (c *call) authenticate() *apiError {
	if c.node.party() {
		c.user = UserContext{Roles: []string{adminRole}}
		return nil
	}
	if name, password, ok := c.r.BasicAuth(); ok {
		user, err := c.login(name, password)
		c.user = user
		return err
	}
	if cookie, err := c.r.Cookie(cookieName); err == nil && cookie.Value != "" {
		c.user = c.node.readCookie(cookie.Value)
	}
	return nil
}

// login checks a password. Five wrong ones in a row, from one address, lock
// the account for five minutes.
func (c *call) login(name, password string) (UserContext, *apiError) {
	n := c.node
	host, _, _ := net.SplitHostPort(c.r.RemoteAddr)
	key := name + "@" + host
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	f := n.failures[key]
	if f != nil && now.Sub(f.last) >= lockoutTime {
		delete(n.failures, key)
		f = nil
	}
	if f != nil && f.count >= lockoutFailures {
		return UserContext{}, forbidden("Account is temporarily locked due to multiple authentication failures")
	}
	u := n.users[name]
	if u == nil || subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) != 1 {
		if f == nil {
			f = new(failure)
			n.failures[key] = f
		}
		f.count++
		f.last = now
		return UserContext{}, unauthorized("Name or password is incorrect.")
	}
	return UserContext{Name: name, Roles: u.roles}, nil
}

// session answers /_session.
func (c *call) session() *apiError {
	switch c.method() {
	case http.MethodGet:
		return c.whoAmI()
	case http.MethodPost:
		return c.startSession()
	case http.MethodDelete:
		c.setCookie("", 0)
		return c.json(http.StatusOK, `{"ok":true}`)
	default:
		return notAllowed("GET,HEAD,POST,DELETE")
	}
}

func (c *call) whoAmI() *apiError {
	if c.user.Name == "" && c.flag("basic") {
		return unauthorized("Please login.")
	}
	text := []byte(`{"ok":true,"userCtx":`)
	text = c.user.appendJSON(text)
	text = append(text, `,"info":{"authentication_handlers":["cookie","default"]`...)
	switch {
	case c.r.Header.Get("Authorization") != "" && c.user.Name != "":
		text = append(text, `,"authenticated":"default"`...)
	case c.user.Name != "":
		text = append(text, `,"authenticated":"cookie"`...)
	}
	return c.send(http.StatusOK, append(text, `}}`...))
}

func (u UserContext) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"name":`...)
	if u.Name == "" {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, u.Name)
	}
	return appendRoles(append(dst, `,`...), u.Roles)
}

// appendRoles ends an object with its member roles.
func appendRoles(dst []byte, roles []string) []byte {
	dst = append(dst, `"roles":[`...)
	for i, role := range roles {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, role)
	}
	return append(dst, "]}"...)
}

func (c *call) startSession() *apiError {
	name, password, err := c.credentials()
	if err != nil {
		return err
	}
	user, err := c.login(name, password)
	if err != nil {
		c.setCookie("", 0)
		return err
	}
	c.setCookie(c.node.cookie(name), sessionLife)
	text := append([]byte(`{"ok":true,"name":`), appendString(nil, name)...)
	return c.send(http.StatusOK, appendRoles(append(text, ','), user.Roles))
}

// credentials reads a name and a password, as a form or as JSON.
func (c *call) credentials() (name, password string, err *apiError) {
	mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(mediaType) {
	case "application/x-www-form-urlencoded":
		text, err := c.body()
		if err != nil {
			return "", "", err
		}
		form, _ := url.ParseQuery(string(text))
		name, password = form.Get("name"), form.Get("password")
		if name == "" {
			name = form.Get("username")
		}
	case "application/json":
		v, err := c.jsonBody()
		if err != nil {
			return "", "", err
		}
		nameValue, ok := v.get("name")
		if !ok {
			nameValue, _ = v.get("username")
		}
		passwordValue, _ := v.get("password")
		name, password = nameValue.text, passwordValue.text
	default:
		return "", "", &apiError{http.StatusUnsupportedMediaType, "bad_content_type",
			"Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'"}
	}
	if name == "" {
		return "", "", badRequest("request body must contain a username")
	}
	return name, password, nil
}

func (c *call) setCookie(content string, life time.Duration) {
	http.SetCookie(c.w, &http.Cookie{
		Name: cookieName, Value: content, Path: "/", HttpOnly: true, MaxAge: int(life.Seconds()),
	})
}

// cookie is a session of that user that begins now: name, time and signature.
func (n *Node) cookie(name string) string {
	content := fmt.Sprintf("%s:%X", name, n.clock().Unix())
	return base64.RawURLEncoding.EncodeToString([]byte(content + ":" + n.sign(content)))
}

func (n *Node) sign(content string) string {
	mac := hmac.New(sha256.New, n.secret)
	mac.Write([]byte(content))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// readCookie returns whose session it is; nobody's if it is false or over.
func (n *Node) readCookie(cookie string) UserContext {
	text, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return UserContext{}
	}
	at := strings.LastIndexByte(string(text), ':')
	if at < 0 || !hmac.Equal(text[at+1:], []byte(n.sign(string(text[:at])))) {
		return UserContext{}
	}
	content := string(text[:at])
	at = strings.LastIndexByte(content, ':')
	begin, err := strconv.ParseInt(content[at+1:], 16, 64)
	n.mu.RLock()
	defer n.mu.RUnlock()
	u := n.users[content[:at]]
	if err != nil || u == nil || n.clock().Sub(time.Unix(begin, 0)) >= sessionLife {
		return UserContext{}
	}
	return UserContext{Name: content[:at], Roles: u.roles}
}
