package main

import "github.com/couchmend/couchmend/internal/demo"

type demoCmd struct {
	Exit bool `help:"End when the stories are told: with status 0 only if nothing was lost."`
	JSON bool `name:"json" help:"Tell the stories as JSON."`
}

// Run shows the main job, without a server.
func (d *demoCmd) Run(a *app) error {
	ok, err := demo.Run(a.ctx, a.stdout, demo.Options{Exit: d.Exit, JSON: d.JSON})
	if err == nil && !ok {
		err = exitError{exitFailed}
	}
	return err
}
