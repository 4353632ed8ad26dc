package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/console"
	"github.com/couchmend/couchmend/mend"
)

// serving is where people and their tools reach couchmend while it runs.
type serving struct {
	Listen       string   `env:"COUCHMEND_LISTEN" placeholder:"ADDRESS" group:"Console:" help:"Where the console is served: host:port, or off. Default: 127.0.0.1:5985, this machine only."`
	ReadOnly     bool     `group:"Console:" help:"Let people look, and write nothing for them."`
	TLSCert      string   `name:"tls-cert" type:"existingfile" group:"Console:" help:"The console's certificate, PEM."`
	TLSKey       string   `name:"tls-key" type:"existingfile" group:"Console:" help:"Its key, PEM."`
	InsecureHTTP bool     `name:"insecure-http" group:"Console:" help:"Listen beyond this machine without TLS: behind a proxy that has it. Passwords pass there in the clear otherwise."`
	Hosts        []string `name:"host" placeholder:"NAME" group:"Console:" help:"A further name that a proxy on this machine passes on as Host. May be repeated."`
	Metrics      bool     `group:"Console:" help:"Serve /metrics beyond this machine, too. It names databases, and asks nobody who they are."`
}

// defaultListen is where the console is, unless told otherwise.
const defaultListen = "127.0.0.1:5985"

// Bounds of a request: slow ones must not pile up. Answers that go on for long,
// live events, lift the one for writing.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 2 * time.Minute
	writeTimeout  = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	goodbye       = 5 * time.Second // for what is being answered when all ends
)

// listen opens the listener; nil where none is wanted, or the address that
// nobody asked for is taken.
func (s serving) listen(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	address := s.Listen
	switch {
	case address == "off":
		return nil, nil
	case address == "":
		address = defaultListen
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return nil, usage(errors.New("--tls-cert and --tls-key belong together"))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil && s.Listen == "" {
		log.Warn("no console: its address is taken; --listen names another", "address", address, "error", err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("--listen %s: %w", address, err))
	}
	if !loopback(l) && s.TLSCert == "" && !s.InsecureHTTP {
		return nil, errors.Join(usage(fmt.Errorf("--listen %s is beyond this machine, and passwords would pass in the clear: give --tls-cert and --tls-key, or --insecure-http behind a proxy that has TLS", address)), l.Close())
	}
	return l, nil
}

// loopback reports whether only this machine reaches a listener.
func loopback(l net.Listener) bool {
	at, err := netip.ParseAddrPort(l.Addr().String())
	return err == nil && at.Addr().IsLoopback()
}

// address is the console's, for people.
func (s serving) address(l net.Listener) string {
	if s.TLSCert != "" {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// console opens the console of c, and what it shows.
func (s serving) console(ctx context.Context, c *mend.Couchmend, l net.Listener, log *slog.Logger) (*console.Console, *board.Board, error) {
	shown, err := board.Open(ctx, c.Ledger, nil)
	if err != nil {
		return nil, nil, err
	}
	page, err := console.New(console.Config{
		Server: c.Server, Ledger: c.Ledger, Board: shown, Rules: c.Mender.Rules, Policy: c.Policy, Follows: c.Match,
		ReadOnly: s.ReadOnly, Loopback: loopback(l), Hosts: s.Hosts, Version: version, Log: log,
	})
	if err != nil {
		shown.Close()
	}
	return page, shown, err
}

// pages is a console, or a stage that one is put on.
type pages interface {
	http.Handler
	Close()
}

// serve answers on l until ctx ends: the console, and beside it what watch does,
// which is of the paths /healthz, /readyz and /metrics.
func (s serving) serve(ctx context.Context, l net.Listener, page pages, watch http.Handler, log *slog.Logger) error {
	all := http.NewServeMux()
	all.Handle("/", page)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		all.Handle("GET "+path, watch)
	}
	server := patient(all, log)
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		page.Close() // live connections end with it
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	})
	var err error
	if s.TLSCert != "" {
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		err = server.ServeTLS(l, s.TLSCert, s.TLSKey)
	} else {
		err = server.Serve(l)
	}
	if stop() { // it failed by itself
		page.Close()
		return err
	}
	<-left
	return nil
}

// patient is a server that waits for slow clients, but not for ever.
func patient(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients that break off
	}
}
