package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/policy"
)

const (
	// postTimeout bounds one delivery.
	postTimeout = 10 * time.Second
	// maxAnswer is how much of a receiver's answer is read and shown, in bytes.
	maxAnswer = 512
	// firstWait and lastWait are the pauses after deliveries that failed; they
	// double in between. A receiver may ask for more, up to longestWait.
	firstWait   = 5 * time.Second
	lastWait    = 5 * time.Minute
	longestWait = time.Hour
)

// receiver is one webhook with its address.
type receiver struct {
	policy.Webhook
	url    string // a secret
	client *http.Client
}

// Answer is what a receiver said.
type Answer struct {
	Status int
	Text   string // its beginning
	wait   time.Duration
}

// newReceiver reads the address of a webhook. Errors are of KindUsage and never
// show it.
func newReceiver(w policy.Webhook) (*receiver, error) {
	address, err := secret(w)
	if err != nil {
		return nil, wrong(w, err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, wrong(w, errors.New("what is stored for it is no web address"))
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConns: 1}
	return &receiver{Webhook: w, url: address, client: &http.Client{
		Transport: transport, Timeout: postTimeout,
		// An address that sends us elsewhere may send us anywhere, and what
		// we tell with us.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func secret(w policy.Webhook) (string, error) {
	if w.URLFile != "" {
		return policy.ReadSecret(w.URLFile)
	}
	if address := os.Getenv(w.URLEnv); address != "" {
		return address, nil
	}
	return "", errors.New("the variable " + w.URLEnv + " is not set")
}

func wrong(w policy.Webhook, err error) error {
	return &couchmend.Error{Op: "webhook " + w.Name, Kind: couchmend.KindUsage, Err: err}
}

// post delivers a message. The error says what went wrong, and nothing of the
// address but the server's name, where the network names it.
func (r *receiver) post(ctx context.Context, m Message) (Answer, error) {
	body, err := payload(m, r.Format)
	if err != nil {
		return Answer{}, wrong(r.Webhook, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, wrong(r.Webhook, errors.New("no request can be made of its address"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "couchmend")
	resp, err := r.client.Do(req)
	if err != nil {
		var shows *url.Error // the address, in its words
		if errors.As(err, &shows) {
			err = shows.Err
		}
		return Answer{}, r.failed(couchmend.KindUnreachable, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // its beginning is enough, or nothing
	a := Answer{Status: resp.StatusCode, Text: string(bytes.ToValidUTF8(text, nil)), wait: retryAfter(resp.Header)}
	switch {
	case a.Status >= 200 && a.Status < 300:
		return a, nil
	case a.Status >= 300 && a.Status < 400:
		return a, r.failed(couchmend.KindServer, fmt.Errorf("answered %d: it sends us elsewhere, and redirects are not followed", a.Status))
	}
	return a, r.failed(couchmend.KindServer, fmt.Errorf("answered %d", a.Status))
}

func (r *receiver) failed(kind couchmend.Kind, err error) error {
	return &couchmend.Error{Op: "webhook " + r.Name, Kind: kind, Err: err}
}

// retryAfter reads for how many seconds a receiver wants to be left alone.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestWait)
}

// close gives the idle connection back.
func (r *receiver) close() { r.client.CloseIdleConnections() }
