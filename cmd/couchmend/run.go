package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/mend"
)

type runCmd struct {
	connection
	Once    bool `help:"Catch up with what there is now, and leave. Exit code 2: something is in review."`
	Workers int  `default:"2" help:"How many batches are mended side by side."`
	JSON    bool `name:"json" help:"With --once: print what was done as JSON."`
}

// Run follows and mends.
func (r *runCmd) Run(a *app) error {
	c, err := r.open(a, false)
	if err != nil {
		return err
	}
	defer c.Close()
	started := time.Now()
	if !r.Once {
		return c.Run(a.ctx)
	}
	if err := c.Once(a.ctx); err != nil {
		return err
	}
	return r.summary(a, c, time.Since(started))
}

// summary is what `run --once` did, for people or for machines.
type summary struct {
	Seconds  float64                  `json:"seconds"`
	Merged   int64                    `json:"merged"`
	Kept     int64                    `json:"kept"`
	Buried   int64                    `json:"buried"`
	Deleted  int64                    `json:"deleted"`
	Review   map[couchmend.Reason]int `json:"review"`
	Stale    int64                    `json:"stale,omitempty"`
	Retried  int64                    `json:"retried,omitempty"`
	Requests map[string]int64         `json:"requests"`
}

func (r *runCmd) summary(a *app, c *mend.Couchmend, took time.Duration) error {
	waiting, err := c.Ledger.CountCases(a.ctx)
	if err != nil {
		return err
	}
	stats := &c.Mender.Stats
	s := summary{
		Seconds: took.Seconds(), Review: waiting, Requests: c.Server.Requests(),
		Merged: stats.Merged.Load(), Kept: stats.Kept.Load(), Buried: stats.Buried.Load(),
		Deleted: stats.Deleted.Load(), Stale: stats.Stale.Load(), Retried: stats.Retried.Load(),
	}
	left := 0
	for _, n := range waiting {
		left += n
	}
	if r.JSON {
		if err := json.NewEncoder(a.stdout).Encode(s); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.stdout, "%d conflicts resolved in %.1f s: %d merged, %d where the winner stands, %d buried, %d deleted. In review: %d.\n",
			stats.Resolved(), s.Seconds, s.Merged, s.Kept, s.Buried, s.Deleted, left)
	}
	if left > 0 {
		return exitError{exitReview}
	}
	return nil
}
