package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/couchmend/couchmend"
)

type healthCmd struct {
	URL     string        `arg:"" optional:"" default:"http://127.0.0.1:5985/readyz" help:"The address to ask: /readyz, or /healthz for whether the process lives."`
	Timeout time.Duration `default:"3s" help:"How long to wait for the answer."`
	CAFile  string        `name:"ca-file" type:"existingfile" help:"A private certificate authority, PEM."`
}

// Run prints the answer, and errs where it is not a good one.
func (h *healthCmd) Run(a *app) error {
	client, err := h.client()
	if err != nil {
		return usage(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(a.ctx, h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return usage(errors.New("no address of http or https"))
	}
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error // its words repeat the address, which may hold a password
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return &couchmend.Error{Op: "health", Kind: couchmend.KindUnreachable, Err: err}
	}
	defer resp.Body.Close()
	words, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return &couchmend.Error{Op: "health", Kind: couchmend.KindUnreachable, Err: err}
	}
	a.printf("%s\n", clean(string(words)))
	if resp.StatusCode != http.StatusOK {
		return &couchmend.Error{Op: "health", Kind: couchmend.KindServer, Err: fmt.Errorf("answered %s", resp.Status)}
	}
	return nil
}

// client follows no redirect: only what was asked may answer.
func (h *healthCmd) client() (*http.Client, error) {
	config := &tls.Config{}
	if h.CAFile != "" {
		pem, err := os.ReadFile(h.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New(h.CAFile + " holds no certificate")
		}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
