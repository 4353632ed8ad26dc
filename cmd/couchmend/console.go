package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/console"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/mend"
)

type consoleCmd struct {
	connection
	serving
}

// Help is the long help.
func (consoleCmd) Help() string {
	return "Serves the console without mending anything: beside a `run` that was started with --listen off, or on another machine with the same --nats. People sign in with their names and passwords at CouchDB, and see and do what CouchDB lets them.\n\nWhere no run holds the state, this does, and gives way to one that is started."
}

// Run serves the console until it is stopped.
func (s *consoleCmd) Run(a *app) error {
	if s.Listen == "off" {
		return usage(errors.New("--listen off leaves nothing to do"))
	}
	if s.Listen == "" {
		s.Listen = defaultListen // and where it is taken, say so
	}
	log := s.logger(a)
	c, err := s.attend(a) // mistakes show before anything listens
	if err != nil {
		return err
	}
	l, err := s.listen(a.ctx, log)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	on := new(stage)
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- s.serve(ctx, l, on, on.watch(), log)
	}()
	a.printf("The console is at %s\n", s.address(l))
	err = s.play(ctx, a, c, l, on, log)
	stop()
	return errors.Join(err, <-served)
}

// attend opens the state for as long as it is to be had.
func (s *consoleCmd) attend(a *app) (*mend.Couchmend, error) {
	return s.open(a, func(o *mend.Options) { o.Attend = true })
}

// attendWait is how long another process has to take the state, or to come
// back, before it is looked for again.
const attendWait = 500 * time.Millisecond

// play shows c, and when its state is lost, because the run that had it ended or
// one wants to begin, opens and shows it again, until ctx ends.
func (s *consoleCmd) play(ctx context.Context, a *app, c *mend.Couchmend, l net.Listener, on *stage, log *slog.Logger) error {
	for {
		err := s.show(ctx, c, l, on, log)
		if err := errors.Join(err, c.Close()); err != nil || ctx.Err() != nil {
			return err
		}
		log.Info("the state has another holder now: looking again")
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(attendWait):
			}
			if c, err = s.attend(a); err == nil {
				break
			}
			if couchmend.KindOf(err) != couchmend.KindLocked { // or else its holder is starting, or leaving
				return err
			}
		}
	}
}

// show puts c on the stage until its state is lost, or ctx ends.
func (s *consoleCmd) show(ctx context.Context, c *mend.Couchmend, l net.Listener, on *stage, log *slog.Logger) error {
	page, shown, err := s.console(ctx, c, l, log)
	if err != nil {
		return err
	}
	defer shown.Close()
	defer page.Close()
	on.put(page, c.Server)
	defer on.put(nil, nil)
	select {
	case <-ctx.Done():
	case <-c.Ledger.Lost():
	}
	return nil
}

// stage is where a console is put, and another in its place.
type stage struct {
	now    atomic.Pointer[console.Console]
	server atomic.Pointer[couch.Server] // that it asks
}

func (s *stage) put(page *console.Console, server *couch.Server) {
	s.server.Store(server)
	s.now.Store(page)
}

// ServeHTTP answers with the console that is there.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if page := s.now.Load(); page != nil {
		page.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "couchmend is opening its state: try again in a second", http.StatusServiceUnavailable)
}

// Close ends the live connections of the console that is there.
func (s *stage) Close() {
	if page := s.now.Load(); page != nil {
		page.Close()
	}
}

// readyWait is how long CouchDB has to answer before the console counts as not
// ready.
const readyWait = 2 * time.Second

// watch answers /healthz, by being there, and /readyz: whether there is a
// console, and a CouchDB behind it.
func (s *stage) watch() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"status":"ok"}`)
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		server := s.server.Load()
		if server == nil {
			http.Error(w, "the state is not open", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyWait)
		defer cancel()
		if _, err := server.Ping(ctx); err != nil {
			http.Error(w, "CouchDB: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, `{"status":"ok"}`)
	})
	return mux
}
