package couchtest

import (
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the node.
type call struct {
	node  *Node
	w     http.ResponseWriter
	r     *http.Request
	parts []string // of the path, unescaped
	query url.Values
	user  UserContext
	fault *Fault // of this request's rows; nil for most
}

// requestID is what CouchDB adopts from a client as the id of its request.
var requestID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,36}$`)

// ServeHTTP answers one request as CouchDB 3.5 does, unless a Fault gets in
// its way.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.RLock()
	observe := n.observe
	n.mu.RUnlock()
	if observe != nil {
		observe(r)
	}
	id := r.Header.Get("X-Couch-Request-ID")
	if !requestID.MatchString(id) {
		var b [5]byte
		rand.Read(b[:])
		id = hex.EncodeToString(b[:])
	}
	w.Header().Set("X-Couch-Request-ID", id)
	w.Header().Set("Server", "CouchDB/"+version+" (Erlang OTP/26)")
	c := &call{node: n, r: r}
	if n.log != nil {
		logged := &loggedWriter{ResponseWriter: w}
		w = logged
		defer n.log.line(logged, c, time.Now())
	}
	w, done := n.meet(c, w)
	if done {
		return
	}
	c.w = w
	c.serve()
	if cut, ok := w.(*cutWriter); ok {
		cut.close()
	}
}

// serve finds out who is asking and what for.
func (c *call) serve() {
	select {
	case <-c.node.closed:
		c.fail(&apiError{http.StatusServiceUnavailable, "service unavailable", "The node is closed."})
		return
	default:
	}
	for _, part := range strings.Split(strings.TrimPrefix(c.r.URL.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(part)
		if err != nil {
			c.fail(badRequest("invalid escape in the path"))
			return
		}
		c.parts = append(c.parts, plain)
	}
	if last := len(c.parts) - 1; last > 0 && c.parts[last] == "" {
		c.parts = c.parts[:last]
	}
	c.query = c.r.URL.Query()
	err := c.authenticate()
	if err == nil {
		err = c.route()
	}
	if err != nil {
		c.fail(err)
	}
}

// route answers what concerns the server, and hands on the rest.
func (c *call) route() *apiError {
	switch name := c.parts[0]; {
	case name == "":
		return c.welcome()
	case name == "_all_dbs":
		return c.allDBs()
	case name == "_dbs_info":
		return c.dbsInfo()
	case name == "_db_updates":
		return c.dbUpdates()
	case name == "_session":
		return c.session()
	case name == "_up":
		return c.json(http.StatusOK, `{"status":"ok","seeds":{}}`)
	case name == "_uuids":
		return c.uuids()
	case name == "_replicate":
		return c.replicate()
	case name == "_scheduler":
		return c.scheduler()
	case name == "_active_tasks":
		return c.activeTasks()
	case strings.HasPrefix(name, "_") && !systemDBs[name]:
		return errMissing
	default:
		return c.routeDB(name)
	}
}

// method is the request's, HEAD being GET without the body.
func (c *call) method() string {
	if c.r.Method == http.MethodHead {
		return http.MethodGet
	}
	return c.r.Method
}

// body reads the whole request body, unzipped.
func (c *call) body() ([]byte, *apiError) {
	var from io.Reader = c.r.Body
	switch encoding := c.r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(c.r.Body)
		if err != nil {
			return nil, badRequest("invalid gzip")
		}
		from = unzipped
	default:
		return nil, &apiError{http.StatusUnsupportedMediaType, "bad_content_type", encoding + " is not a supported content encoding."}
	}
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, badRequest("the body could not be read")
	}
	return text, nil
}

// jsonBody reads the request body as JSON.
func (c *call) jsonBody() (value, *apiError) {
	text, err := c.body()
	if err != nil {
		return value{}, err
	}
	v, jsonErr := decode(text)
	if jsonErr != nil {
		slog.Debug("couchtest: bad JSON", "path", c.r.URL.Path, "err", jsonErr)
		return value{}, errInvalid
	}
	return v, nil
}

// postedObject reads a JSON object that was sent by POST.
func (c *call) postedObject() (value, *apiError) {
	if c.r.Method != http.MethodPost {
		return value{}, notAllowed("POST")
	}
	if mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); strings.TrimSpace(mediaType) != "application/json" {
		return value{}, errBadCType
	}
	v, err := c.jsonBody()
	if err == nil && v.kind != '{' {
		err = errNotObject
	}
	return v, err
}

// json answers with text, which is JSON.
func (c *call) json(status int, text string) *apiError { return c.send(status, []byte(text)) }

// send answers with text, which is JSON, and a newline.
func (c *call) send(status int, text []byte) *apiError {
	text = append(text, '\n')
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "must-revalidate")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	c.w.WriteHeader(status)
	c.w.Write(text)
	return nil
}

// fail answers with an error.
func (c *call) fail(err *apiError) {
	if err.status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="server"`)
	}
	_ = c.send(err.status, appendError([]byte{'{'}, err))
}

// appendError ends an object with the members of an error.
func appendError(dst []byte, err *apiError) []byte {
	dst = append(dst, `"error":`...)
	dst = appendString(dst, err.name)
	dst = append(dst, `,"reason":`...)
	dst = appendString(dst, err.reason)
	return append(dst, '}')
}

// flag reports whether a query parameter is "true".
func (c *call) flag(name string) bool { return c.query.Get(name) == "true" }

// number reads a query parameter that is a count.
func (c *call) number(name string, otherwise int) (int, *apiError) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &apiError{http.StatusBadRequest, "query_parse_error", "Invalid value for integer: \"" + text + "\""}
	}
	return n, nil
}

func parseUint(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) }

var errBadSeq = badRequest("Malformed sequence supplied in 'since' parameter.")
