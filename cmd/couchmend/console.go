package main

import (
	"errors"

	"github.com/couchmend/couchmend/mend"
)

type consoleCmd struct {
	connection
	serving
}

// Help is the long help.
func (consoleCmd) Help() string {
	return "Serves the console without mending anything: beside a `run` that was started with --listen off, or on another machine with the same --nats. People sign in with their names and passwords at CouchDB, and see and do what CouchDB lets them."
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
	return s.visit(a, func(c *mend.Couchmend) error {
		l, err := s.listen(a.ctx, log)
		if err != nil {
			return err
		}
		page, shown, err := s.console(a.ctx, c, l, log)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		defer shown.Close()
		a.printf("The console is at %s\n", s.address(l))
		return s.serve(a.ctx, l, page, alive(), log)
	})
}
