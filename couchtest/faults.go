package couchtest

import (
	"net/http"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// Fault is something that goes wrong with some of a node's requests. The zero
// Fault does nothing to every request. A request meets the first fault that
// matches it. Fields may be combined: a delayed answer can be truncated.
type Fault struct {
	// Match picks requests; nil picks all. It is asked about one request at a
	// time and must neither read the body nor call the node's methods.
	Match func(*http.Request) bool
	// Times is how many requests meet the fault; 0 is no limit.
	Times int
	// Delay passes before anything else happens.
	Delay time.Duration
	// DropBefore cuts the connection without doing what was asked, DropAfter
	// after doing it, without an answer. The client cannot tell which.
	DropBefore, DropAfter bool
	// Truncate cuts the connection after that many bytes of the answer's body.
	// 0 is not at all.
	Truncate int
	// Status answers with that status, and Body, without doing what was asked.
	Status int
	Body   string
	// RowError refuses single rows of _bulk_docs, which is the only kind of
	// request that meets a fault with it: with the error that it names, or
	// not, if that is "". rev is the row's revision under new_edits=false, else
	// the one it replaces. It must not call the database's methods.
	RowError func(id string, rev couchmend.Rev) (errorName, reason string)
}

// Inject lets a fault happen from now on, after those injected before.
func (n *Node) Inject(f *Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	copied := *f
	n.faults = append(n.faults, &copied)
}

// ClearFaults ends all faults.
func (n *Node) ClearFaults() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = nil
}

// pick returns the fault that r meets, or nil.
func (n *Node) pick(r *http.Request) *Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, f := range n.faults {
		if f.Match != nil && !f.Match(r) || f.RowError != nil && !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				n.faults = append(n.faults[:i:i], n.faults[i+1:]...)
			}
		}
		return f
	}
	return nil
}

// meet lets c's request meet its fault. It returns the writer to answer to,
// and whether the request is done with.
func (n *Node) meet(c *call, w http.ResponseWriter) (http.ResponseWriter, bool) {
	f := n.pick(c.r)
	if f == nil {
		return w, false
	}
	if f.RowError != nil {
		c.fault = f
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-n.closed:
		case <-c.r.Context().Done():
		}
	}
	switch {
	case f.DropBefore:
		hangUp(w)
		return w, true
	case f.Status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		w.Write([]byte(f.Body))
		return w, true
	case f.DropAfter:
		return &cutWriter{ResponseWriter: w, mute: true}, false
	case f.Truncate > 0:
		return &cutWriter{ResponseWriter: w, left: f.Truncate}, false
	}
	return w, false
}

// cutWriter lets the first bytes of an answer through and cuts the connection
// at the next, or passes nothing and cuts it at the end.
type cutWriter struct {
	http.ResponseWriter
	left int
	mute bool
	cut  bool
}

func (w *cutWriter) WriteHeader(status int) {
	if !w.mute {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if w.mute || w.cut {
		return len(b), nil
	}
	if len(b) <= w.left {
		w.left -= len(b)
		return w.ResponseWriter.Write(b)
	}
	w.cut = true
	w.ResponseWriter.Write(b[:w.left])
	http.NewResponseController(w.ResponseWriter).Flush()
	hangUp(w.ResponseWriter)
	return len(b), nil
}

// close cuts the connection of an answer that was not to arrive.
func (w *cutWriter) close() {
	if w.mute {
		hangUp(w.ResponseWriter)
	}
}

// FlushError fails once the connection is cut, so that feeds end.
func (w *cutWriter) FlushError() error {
	if w.cut {
		return http.ErrAbortHandler
	}
	if w.mute {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// hangUp cuts the connection.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
	}
}
