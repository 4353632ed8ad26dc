package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

// sweeper is who a sweep shows conflicts to.
type sweeper interface {
	// databases lists what is to be read; it is asked once.
	databases(ctx context.Context, c *mend.Couchmend) ([]string, error)
	// mender decides on what is found.
	mender(c *mend.Couchmend) *mender.Mender
	// wants reports whether a document, which may be in conflict, is to be read.
	wants(id string) bool
	// found takes one conflict in; full says that it is the last one wanted.
	found(f found) (full bool, err error)
	// pause is called when some have been found.
	pause() error
}

// found is one conflict with what is known of it.
type found struct {
	mender.Preview
	waits   ledger.Case
	waiting bool // in review: waits is its case
}

// decided is the decision on it; none, where it could not be read.
func (f found) decided() couchmend.Decision {
	if f.Err != nil {
		return couchmend.Decision{}
	}
	return f.Decision
}

const (
	// sweepRows is how many rows of a feed are read at a time.
	sweepRows = 2000
	// previewed is how many documents are decided at a time.
	previewed = 250
	// A sweep may take long, and must not keep a `run` or another command from
	// the state directory: it lets go of it after stretchTime, for stretchGap.
	stretchTime = 3 * time.Second
	stretchGap  = 60 * time.Millisecond
)

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// sweep reads databases from their beginning, a page of the feed at a time. It
// writes nothing.
type sweep struct {
	to        sweeper
	bar       *progress
	read      int   // databases that were begun
	documents int64 // rows read, of deleted documents too

	view  viewName // read instead of the feed, where given
	place couch.ViewPlace

	left   []string // databases, the one under way first
	listed bool
	since  string // the place in its feed
	rows   int64  // read of it
	total  int64  // in it; 0 where not known yet
}

// run sweeps all there is, or until enough was found.
func (s *sweep) run(a *app, conn *connection) error {
	for done := false; !done; {
		err := conn.visit(a, func(c *mend.Couchmend) (err error) {
			done, err = s.stretch(a.ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		if !done {
			wait(a.ctx, stretchGap)
		}
	}
	return nil
}

// stretch goes on for a while; done says that nothing is left.
func (s *sweep) stretch(ctx context.Context, c *mend.Couchmend) (done bool, err error) {
	if !s.listed {
		if s.left, err = s.to.databases(ctx, c); err != nil {
			return false, err
		}
		s.listed = true
	}
	m := s.to.mender(c)
	for until := time.Now().Add(stretchTime); len(s.left) > 0 && time.Now().Before(until); {
		full, err := s.page(ctx, c, m)
		if err != nil || full {
			return full, err
		}
	}
	return len(s.left) == 0, nil
}

// page reads the next rows of a database and shows the conflicts among them;
// full says that no more are wanted.
func (s *sweep) page(ctx context.Context, c *mend.Couchmend, m *mender.Mender) (full bool, err error) {
	db := s.left[0]
	if s.rows == 0 {
		s.bar.begin(db)
		s.read++
	}
	if s.view.given() {
		return s.viewPage(ctx, c, m)
	}
	n := 0
	var items []ledger.Item
	options := couch.ChangesOptions{Since: s.since, Limit: sweepRows, SeqInterval: sweepRows}
	for row, err := range c.Server.DB(db).Changes(ctx, options) {
		switch {
		case err != nil:
			return false, err
		case row.ID == "":
			s.since = row.Seq
			s.total = max(s.total, s.rows+int64(n)+row.Pending)
		default:
			n++
			if len(row.Leaves) > 1 && s.to.wants(row.ID) {
				items = append(items, ledger.Item{DB: db, ID: row.ID, Leaves: row.Leaves, Deleted: row.Deleted})
			}
		}
	}
	s.documents += int64(n)
	if full, err = s.show(ctx, c, m, items, int64(n)); err != nil || full {
		return full, err
	}
	s.rows += int64(n)
	s.bar.set(s.rows, s.total)
	if n < sweepRows {
		s.left, s.since, s.rows, s.total = s.left[1:], "", 0, 0
	}
	return false, nil
}

// show decides on items, which a page of so many rows named, and shows those
// that are in conflict.
func (s *sweep) show(ctx context.Context, c *mend.Couchmend, m *mender.Mender, items []ledger.Item, rows int64) (full bool, err error) {
	for i, batch := range slices.Collect(slices.Chunk(items, previewed)) {
		s.bar.set(s.rows+rows*int64(i*previewed)/int64(len(items)), s.total)
		ids := make([]string, len(batch))
		for i, item := range batch {
			ids[i] = item.ID
		}
		cases, err := c.Ledger.CasesOf(ctx, s.left[0], ids...)
		if err != nil {
			return false, err
		}
		for p, err := range m.Previews(ctx, s.left[0], batch) {
			if err != nil {
				return false, err
			}
			if p.Err == nil && p.Decision.Outcome == couchmend.Nothing {
				continue
			}
			waits, waiting := cases[p.Conflict.ID]
			if full, err = s.to.found(found{p, waits, waiting}); err != nil || full {
				return full, err
			}
		}
		if err := s.to.pause(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// notFollowed says why a database that was named is not among those to look at.
func notFollowed(c *mend.Couchmend, file *policy.File, op, db string) error {
	if file != nil && len(file.Databases) > 0 && file.For(db) == nil {
		return &couchmend.Error{Op: op, DB: db, Kind: couchmend.KindUsage, Err: errors.New("the policy file has no policy for this database: add it under databases")}
	}
	return &couchmend.Error{Op: op, DB: db, Kind: couchmend.KindNotFound, Err: fmt.Errorf("%s has no such database", c.Server.URL())}
}
