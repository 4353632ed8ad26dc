package couch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// maxAnswer bounds an answer that is held in memory whole; answers about
// documents are streamed instead.
const maxAnswer = 256 << 20

// busyTries is how often a request is made that is told 429 (Cloudant, when
// the plan's rate is used up).
const busyTries = 5

// call is one request to the server.
type call struct {
	op      string // its kind, in errors and in Requests
	db, id  string // for errors
	method  string
	path    string // escaped, from the server's URL, with query
	body    parts
	silence time.Duration // without a sign of life the connection is dead; 0 is the server's timeout
	waits   bool          // a feed that lives on: its rows and heartbeats must come at once
}

// parts is a request's body in pieces, so that a batch can be sent in halves
// without being copied.
type parts [][]byte

func (p parts) size() (n int64) {
	for _, b := range p {
		n += int64(len(b))
	}
	return n
}

func (p parts) reader() io.Reader {
	readers := make([]io.Reader, len(p))
	for i, b := range p {
		readers[i] = bytes.NewReader(b)
	}
	return io.MultiReader(readers...)
}

// do makes a request until it has an answer's header and returns a success,
// whose body the caller must finish or close. A request told to slow down is
// repeated; so is one whose session has ended, once.
func (s *Server) do(ctx context.Context, c call) (*http.Response, error) {
	for try := 0; ; try++ {
		resp, err := s.attempt(ctx, c)
		var r *refusal
		if !errors.As(err, &r) || r.Status != http.StatusTooManyRequests || try+1 == busyTries {
			return resp, err
		}
		if wait(ctx, s.pause<<try) != nil {
			return nil, err
		}
	}
}

func (s *Server) attempt(ctx context.Context, c call) (*http.Response, error) {
	leave, err := s.login.enter(ctx)
	if err != nil {
		return nil, c.notSent(err)
	}
	defer leave()
	resp, err := s.sendLoggedIn(ctx, c)
	s.login.learn(err)
	return resp, err
}

func (c call) notSent(err error) error {
	if kind := couchmend.KindOf(err); kind == couchmend.KindAuth {
		return c.failed(kind, fmt.Errorf("not asked, because the login was refused: %w", err))
	}
	return c.failed(couchmend.KindUnreachable, err)
}

func (s *Server) sendLoggedIn(ctx context.Context, c call) (*http.Response, error) {
	if !s.login.cookie {
		return s.send(ctx, c)
	}
	session, err := s.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	resp, err := s.send(ctx, c)
	if couchmend.KindOf(err) != couchmend.KindAuth {
		return resp, err
	}
	if _, err := s.session(ctx, session); err != nil {
		return nil, err
	}
	return s.send(ctx, c)
}

// send makes one request.
func (s *Server) send(ctx context.Context, c call) (*http.Response, error) {
	s.mu.Lock()
	s.requests[c.op]++
	s.mu.Unlock()

	if c.silence == 0 {
		c.silence = s.timeout
	}
	ctx, exchange := s.begin(ctx, c)
	// Where one connection fell silent, those that rest did so too: each would
	// be found out by a request that waits in vain.
	ctx, watch := newWatch(ctx, c.silence, s.client.CloseIdleConnections)
	req, err := s.request(ctx, c, watch)
	if err != nil {
		watch.end()
		exchange.end(err)
		return nil, c.failed(couchmend.KindUsage, err)
	}
	resp, err := s.client.Do(req)
	watch.rest()
	if err != nil {
		err = watch.explain(err)
		watch.end()
		exchange.end(err)
		return nil, c.failed(couchmend.KindUnreachable, err)
	}
	exchange.answered(resp)
	resp.Body = &watchedBody{body: resp.Body, watch: watch, exchange: exchange}
	if resp.StatusCode >= 300 || isHTML(resp, nil) && c.op != "attachment" {
		return nil, s.refused(c, resp)
	}
	return resp, nil
}

func (s *Server) request(ctx context.Context, c call, w *watch) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, s.url+c.path, nil)
	if err != nil {
		return nil, errors.New("no request can be made of this name")
	}
	for name, values := range s.login.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", s.agent)
	if c.waits { // PouchDB's server, and proxies, hold rows back in order to compress them
		req.Header.Set("Accept-Encoding", "identity")
	}
	setTrace(ctx, req.Header)
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = c.body.size()
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(&watchedUpload{body: c.body.reader(), watch: w}), nil
		}
		req.Body, _ = req.GetBody()
		// Every request here may be repeated; this lets net/http do so by itself
		// where the server had closed an idle connection. It is not sent.
		req.Header["Idempotency-Key"] = nil
	}
	return req, nil
}

// json makes a request and decodes its answer into v.
func (s *Server) json(ctx context.Context, c call, v any) error {
	resp, err := s.do(ctx, c)
	if err != nil {
		return err
	}
	defer finish(resp.Body)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return c.broken(err)
	}
	return nil
}

// finish reads what little may be left of a body, so that its connection can
// be used again, and closes it.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

// wait sleeps for about d, half of it left to chance so that many clients
// don't come back at the same moment.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// escape writes one segment of a path. Everything but letters, digits and
// -._~ is escaped: CouchDB reads a bare + as a space.
func escape(segment string) string {
	return strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
}

// escapeID writes a document's id as one segment, or two: CouchDB redirects
// _design%2Fname to _design/name.
func escapeID(id string) string {
	if name, ok := strings.CutPrefix(id, "_design/"); ok {
		return "_design/" + escape(name)
	}
	return escape(id)
}
