package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between couchmend and a server, passes on what is said, and
// lets a test listen in. A client that dies in the midst of a request does not
// take the request back: a server has read it by then.
type proxy struct {
	server // as reached through the proxy

	// hear is called at the moments of a request's life. It may block it.
	hear func(moment, *exchange)

	mu     sync.Mutex
	counts map[string]int // requests by method and last segment of the path
}

// moment is a point in the life of a request.
type moment int

const (
	asked    moment = iota // the request is here, the server has not heard of it
	done                   // the server has answered, couchmend has not heard of it
	answered               // couchmend has the answer
	moments
)

// exchange is a request and, from done on, its answer. Feeds are passed on
// without being kept.
type exchange struct {
	kind   string // "POST _bulk_docs"
	body   []byte
	status int
	answer []byte
}

// through puts a proxy before a server.
func through(t *testing.T, s server, hear func(moment, *exchange)) *proxy {
	t.Helper()
	behind, err := url.Parse(s.url)
	if err != nil {
		t.Fatal("the server's URL is not one")
	}
	p := &proxy{server: s, hear: hear, counts: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.pass(w, r, transport, behind)
	}))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		transport.CloseIdleConnections()
	})
	address := *behind
	address.Host = front.Listener.Addr().String()
	p.url = address.String()
	return p
}

// pass takes one request through its life.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, transport http.RoundTripper, behind *url.URL) {
	x := &exchange{kind: endpoint(r)}
	var err error
	if x.body, err = io.ReadAll(r.Body); err != nil {
		return // killed while it was still talking
	}
	p.mu.Lock()
	p.counts[x.kind]++
	p.mu.Unlock()
	p.hear(asked, x)
	ctx := r.Context()
	if x.kind == "POST _bulk_docs" {
		ctx = context.WithoutCancel(ctx)
	}
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = behind.Scheme, behind.Host, behind.Host, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(x.body)), int64(len(x.body))
	resp, err := transport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	x.status = resp.StatusCode
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	if x.kind == "GET _changes" || x.kind == "GET _db_updates" {
		w.WriteHeader(resp.StatusCode)
		stream(w, resp.Body)
		return
	}
	if x.answer, err = io.ReadAll(resp.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	p.hear(done, x)
	w.WriteHeader(resp.StatusCode)
	if _, err = w.Write(x.answer); err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if err == nil {
		p.hear(answered, x)
	}
}

// stream passes a feed on as it comes.
func stream(w http.ResponseWriter, feed io.Reader) {
	flush := http.NewResponseController(w).Flush
	buf := make([]byte, 64<<10)
	_ = flush()
	for {
		n, err := feed.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil || flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// count is how many requests of a kind were made.
func (p *proxy) count(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

// total is how many requests were made.
func (p *proxy) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.counts {
		n += c
	}
	return n
}

// silent is a listener who does not care.
func silent(moment, *exchange) {}
