package couchtest

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// TB is what NewServer needs of a *testing.T, *testing.B or *rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Server is a Node that listens on a port.
type Server struct {
	Node *Node
	URL  string // such as http://127.0.0.1:40123, without a slash at the end
	http *http.Server
	done chan struct{} // closed when no connection is accepted any more

	connections sync.WaitGroup
}

// NewServer lets node listen on a free port of this machine until the test
// ends, and closes the node then.
func NewServer(tb TB, node *Node) *Server {
	tb.Helper()
	s, err := Listen(node, "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("couchtest: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Listen lets node listen on address, such as "127.0.0.1:5984"; port 0 is any
// free one.
func Listen(node *Node, address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Node: node, URL: "http://" + listener.Addr().String(),
		done: make(chan struct{}),
	}
	s.http = &http.Server{Handler: node, ReadHeaderTimeout: time.Minute, ConnState: s.count}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(listener) // until Close
	}()
	return s, nil
}

// Close closes the node, cuts all connections and frees the port.
func (s *Server) Close() {
	s.Node.Close()
	s.http.Close()
	<-s.done
	s.connections.Wait()
}

// count keeps track of the connections, whose goroutines Close waits for.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.connections.Done()
	}
}
