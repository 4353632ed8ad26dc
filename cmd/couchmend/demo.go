package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/couchmend/couchmend/internal/demo"
	"github.com/couchmend/couchmend/mend"
)

type demoCmd struct {
	Exit   bool   `help:"End when the stories are told: with status 0 only if nothing was lost."`
	JSON   bool   `name:"json" help:"Tell the stories as JSON."`
	Listen string `placeholder:"ADDRESS" help:"Where its console is served: host:port, or off. Default: 127.0.0.1:5985, or another port where that is taken."`
}

// Run shows the main job, without a server.
func (d *demoCmd) Run(a *app) error {
	ok, err := demo.Run(a.ctx, a.stdout, demo.Options{Exit: d.Exit, JSON: d.JSON, Show: d.show})
	if err == nil && !ok {
		err = exitError{exitFailed}
	}
	return err
}

// show serves the console on the demo's own data.
func (d *demoCmd) show(ctx context.Context, c *mend.Couchmend) (url string, hide func(), err error) {
	at, log := serving{Listen: d.Listen}, slog.New(slog.DiscardHandler)
	l, err := at.listen(ctx, log)
	if l == nil && err == nil && d.Listen == "" { // the address that nobody asked for is taken
		at.Listen = "127.0.0.1:0"
		l, err = at.listen(ctx, log)
	}
	if l == nil || err != nil {
		return "", func() {}, err
	}
	page, shown, err := at.console(ctx, c, l, log)
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = at.serve(ctx, l, page, http.NotFoundHandler(), log) // the demo goes on without
	}()
	return at.address(l), func() {
		stop()
		<-served
		shown.Close()
	}, nil
}
