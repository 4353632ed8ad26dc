package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
)

type retryCmd struct {
	connection
	DB  string   `arg:"" name:"db" help:"The database."`
	IDs []string `arg:"" optional:"" name:"doc" help:"The documents' ids. One that was dismissed is no longer."`
	All bool     `help:"All of the database that are in review, but those that were dismissed."`
	picking
	Now bool `help:"Decide here and now, instead of leaving it to a run."`
	writing
	JSON bool `name:"json" help:"Print what was asked for as JSON, and with --now what became of it."`
}

// Help is the long help.
func (retryCmd) Help() string {
	return "Puts the documents back into the work queue, where a run takes them from. With --now exit code 2 says that some of them are in review again."
}

// retried is what review retry prints as JSON.
type retried struct {
	DB        string   `json:"db"`
	Documents []string `json:"documents"`
	Running   bool     `json:"running"` // a run follows the database
	Resolved  int      `json:"resolved,omitempty"`
	Review    []string `json:"review,omitempty"` // in review again
}

// Run puts documents back into the queue.
func (r *retryCmd) Run(a *app) error {
	if (len(r.IDs) > 0) == (r.All || r.Reason != "") {
		return usage(errors.New("name documents, or say --all or --reason REASON"))
	}
	done := retried{DB: r.DB}
	var cases []ledger.Case
	err := r.visit(a, func(c *mend.Couchmend) (err error) {
		cases, err = r.meant(a, c.Ledger)
		return err
	})
	if err != nil {
		return err
	}
	for _, waits := range cases {
		done.Documents = append(done.Documents, waits.ID)
	}
	if !r.JSON {
		a.printf("%s of %s to be decided again.\n", plural(len(cases), "document"), clean(r.DB))
	}
	if len(cases) == 0 {
		return nil
	}
	if ok, err := a.confirm(r.writing, "Do it?"); !ok {
		return err
	}
	err = r.visit(a, func(c *mend.Couchmend) error {
		if err := r.put(a.ctx, c, cases); err != nil || !r.Now {
			done.Running = followed(a.ctx, c.Ledger, r.DB)
			return err
		}
		return done.mend(a.ctx, c)
	})
	if err != nil {
		return err
	}
	return r.tell(a, done)
}

// meant returns the cases that are to be retried.
func (r *retryCmd) meant(a *app, l *ledger.Ledger) (cases []ledger.Case, err error) {
	if len(r.IDs) == 0 {
		err = r.cases(a, l, ledger.Filter{DB: r.DB, Reason: r.Reason}, func(waits ledger.Case) error {
			if !waits.Dismissed {
				cases = append(cases, ledger.Case{DB: waits.DB, ID: waits.ID})
			}
			return nil
		})
		return cases, err
	}
	found, err := l.CasesOf(a.ctx, r.DB, r.IDs...)
	for _, id := range r.IDs {
		waits, ok := found[id]
		if !ok && err == nil {
			err = document.NotInReview(r.DB, id)
		}
		cases = append(cases, waits)
	}
	return cases, err
}

// put lifts dismissals and fills the queue.
func (r *retryCmd) put(ctx context.Context, c *mend.Couchmend, cases []ledger.Case) error {
	if r.Now && c.Ledger.Paused(r.DB) {
		return &couchmend.Error{Op: "retry", DB: r.DB, Kind: couchmend.KindUsage, Err: errors.New("the database is paused: see couchmend pause --list")}
	}
	return document.Retry(ctx, c.Ledger, cases...)
}

// followed reports whether a run follows a database: then somebody has the
// lease of its feed.
func followed(ctx context.Context, l *ledger.Ledger, db string) bool {
	lease, err := l.Lease(ctx, "feed "+db, "review retry")
	if err != nil {
		return errors.Is(err, ledger.ErrHeld)
	}
	_ = lease.Release(ctx) // it expires by itself
	return false
}

// queuePoll is how often the queue is looked at for what is left.
const queuePoll = 50 * time.Millisecond

// mend works the queue here until the documents have left it.
func (d *retried) mend(ctx context.Context, c *mend.Couchmend) error {
	working, stop := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop(nil)
	group.Go(func() {
		if err := c.Mender.Work(working, 1); err != nil {
			stop(err)
		}
	})
	for {
		waiting, err := c.Ledger.Waiting(working, d.DB, d.Documents...)
		if cause := context.Cause(working); cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			break
		}
		select {
		case <-working.Done():
		case <-time.After(queuePoll):
		}
	}
	left, err := c.Ledger.CasesOf(ctx, d.DB, d.Documents...)
	for _, id := range d.Documents {
		if _, ok := left[id]; ok {
			d.Review = append(d.Review, id)
		}
	}
	d.Resolved = len(d.Documents) - len(d.Review)
	return err
}

func (r *retryCmd) tell(a *app, done retried) error {
	switch {
	case r.JSON:
		if err := a.printJSON(done); err != nil {
			return err
		}
	case r.Now:
		a.printf("%d resolved, %d in review again.\n", done.Resolved, len(done.Review))
	case done.Running:
		a.printf("A run takes them up.\n")
	default:
		a.printf("No run follows %s: they wait until one does. --now decides here.\n", clean(r.DB))
	}
	if len(done.Review) > 0 {
		return exitError{exitReview}
	}
	return nil
}
