package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/telemetry"
	"github.com/couchmend/couchmend/mend"
)

type runCmd struct {
	connection
	serving
	OTLP       string        `name:"otlp" placeholder:"URL" help:"Send traces to this OpenTelemetry collector, by OTLP over HTTP. Default: OTEL_EXPORTER_OTLP_ENDPOINT; none without."`
	Once       bool          `help:"Catch up with what there is now, and leave. Exit code 2: something is in review."`
	DryRun     bool          `short:"n" help:"Show what would be done, as scan does, and do nothing."`
	Workers    int           `default:"2" help:"How many batches are mended side by side."`
	WarmAfter  int           `default:"3" help:"Keep the bodies of a document that was in conflict so often within --warm-window: its next conflict finds its base, whatever CouchDB has compacted. 0: of none."`
	WarmWindow time.Duration `default:"24h" help:"See --warm-after. As long after its last conflict a document's bodies are kept on."`
	JSON       bool          `name:"json" help:"With --once: print what was done as JSON."`
}

// Run follows and mends.
func (r *runCmd) Run(a *app) error {
	if r.DryRun {
		return (&scanCmd{connection: r.connection, JSON: r.JSON}).Run(a)
	}
	bar := &progress{}
	if r.Once {
		bar = a.progress()
		defer bar.close()
	}
	above := *a
	above.stderr = bar.out(a.stderr) // log lines do not run into the bar
	log := r.logger(&above)
	tracing, err := telemetry.OpenTracing(a.ctx, telemetry.TracingConfig{URL: r.OTLP, Version: versionText(), Log: log})
	if err != nil {
		return err
	}
	defer tracing.Close()
	c, err := r.open(&above, func(o *mend.Options) {
		r.options(o)
		o.Tracer = tracing.Provider()
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Policy != nil { // or each document would wait for a person, and the policy's mend
		if err := c.Policy.Ping(a.ctx); err != nil {
			return err
		}
	}
	if !r.Once {
		return r.follow(a, c, log)
	}
	started := time.Now()
	stop := bar.follow(c)
	err = c.Once(a.ctx)
	stop()
	if err != nil {
		return err
	}
	return r.summary(a, c, time.Since(started))
}

// follow runs until it is stopped, and serves the console meanwhile. Where one of
// the two fails, both end.
func (r *runCmd) follow(a *app, c *mend.Couchmend, log *slog.Logger) error {
	watch := telemetry.New(telemetry.Config{Couchmend: c, Version: versionText()})
	l, err := r.listen(a.ctx, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	if l == nil {
		return alone(ctx, stop, c, log)
	}
	page, shown, err := r.console(a.ctx, c, l, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer shown.Close()
	told, err := tell(ctx, c, shown, log)
	if err != nil {
		page.Close()
		return errors.Join(err, l.Close())
	}
	log.Info("console", "url", r.address(l))
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- r.serve(ctx, l, page, watch.Handler(loopback(l), r.Metrics), log)
	}()
	err = c.Run(ctx)
	stop()
	told()
	return errors.Join(err, <-served)
}

// alone follows without a console, and tells of alerts all the same.
func alone(ctx context.Context, stop func(), c *mend.Couchmend, log *slog.Logger) error {
	told, err := tell(ctx, c, nil, log)
	if err != nil {
		return err
	}
	err = c.Run(ctx)
	stop()
	told()
	return err
}

func (r *runCmd) options(o *mend.Options) {
	o.Workers, o.WarmAfter, o.WarmWindow = r.Workers, r.WarmAfter, r.WarmWindow
	if r.WarmAfter == 0 { // said so: the default is 3
		o.WarmAfter = -1
	}
}

// summary is what `run --once` did, for people or for machines.
type summary struct {
	Seconds  float64                  `json:"seconds"`
	Merged   int64                    `json:"merged"`
	Kept     int64                    `json:"kept"`
	Buried   int64                    `json:"buried"`
	Deleted  int64                    `json:"deleted"`
	Split    int64                    `json:"split"`
	Late     int64                    `json:"late,omitempty"` // leaves and references that came after a split
	Review   map[couchmend.Reason]int `json:"review"`
	Stale    int64                    `json:"stale,omitempty"`
	Retried  int64                    `json:"retried,omitempty"`
	Requests map[string]int64         `json:"requests"`
}

func (r *runCmd) summary(a *app, c *mend.Couchmend, took time.Duration) error {
	waiting, err := openCases(a, c.Ledger)
	if err != nil {
		return err
	}
	stats := &c.Mender.Stats
	s := summary{
		Seconds: took.Seconds(), Review: waiting, Requests: c.Server.Requests(),
		Merged: stats.Merged.Load(), Kept: stats.Kept.Load(), Buried: stats.Buried.Load(),
		Deleted: stats.Deleted.Load(), Stale: stats.Stale.Load(), Retried: stats.Retried.Load(),
		Split: c.Splits.Stats.Split.Load(), Late: c.Splits.Stats.Late.Load() + c.Splits.Stats.Followed.Load(),
	}
	left := 0
	for _, n := range waiting {
		left += n
	}
	if r.JSON {
		if err := a.printJSON(s); err != nil {
			return err
		}
	} else {
		a.printf("%s resolved in %.1f s: %d merged, %d where the winner stands, %d buried, %d deleted, %d split. In review: %d.\n",
			plural(stats.Resolved()+s.Split, "conflict"), s.Seconds, s.Merged, s.Kept, s.Buried, s.Deleted, s.Split, left)
	}
	if left > 0 {
		return exitError{exitReview}
	}
	return nil
}

// openCases counts what is in review by reason, without what was dismissed.
func openCases(a *app, l *ledger.Ledger) (map[couchmend.Reason]int, error) {
	open := map[couchmend.Reason]int{}
	for waits, err := range l.Cases(a.ctx, ledger.Filter{}) {
		if err != nil {
			return nil, err
		}
		if !waits.Dismissed {
			open[waits.Reason]++
		}
	}
	return open, nil
}
