package couchtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// WithLog makes the node write a line to w for each request by HTTP, when it has
// been answered, as CouchDB 3 does at its usual level.
func WithLog(w io.Writer) Option {
	return func(n *Node) { n.log = &requestLog{to: w} }
}

// requestLog is where a node logs its requests.
type requestLog struct {
	mu sync.Mutex
	to io.Writer
}

// logTime is how CouchDB writes the time.
const logTime = "2006-01-02T15:04:05.000000Z"

func (l *requestLog) line(w *loggedWriter, c *call, began time.Time) {
	peer, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		peer = c.r.RemoteAddr
	}
	user := c.user.Name
	if user == "" {
		user = "undefined"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.to, "[notice] %s couchtest@127.0.0.1 <0.1.0> %s %s %s %s %s %s %d ok %d\n", time.Now().UTC().Format(logTime),
		w.Header().Get("X-Couch-Request-ID"), c.r.Host, peer, user, c.r.Method, c.r.URL.RequestURI(), w.status, time.Since(began).Milliseconds())
}

// loggedWriter remembers the status of an answer.
type loggedWriter struct {
	http.ResponseWriter
	status int
}

func (w *loggedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *loggedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Flush and Hijack are asked for by type.
func (w *loggedWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *loggedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
