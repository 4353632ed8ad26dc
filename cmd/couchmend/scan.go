package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
)

type scanCmd struct {
	connection
	DBs     []string `arg:"" optional:"" name:"db" help:"Databases or globs. Default: those that the policy names, or all but CouchDB's own."`
	Limit   int      `placeholder:"N" help:"Stop after so many conflicts."`
	Summary bool     `help:"Print the summary alone."`
	JSON    bool     `name:"json" help:"Print a JSON object a conflict, then one with the summary."`
}

// Help is the long help.
func (scanCmd) Help() string {
	return "Reads the databases from their beginning and says of each conflict what the policy would make of it. Writes nothing to CouchDB.\n\nDEPTH is the number of edits on the longest branch since the leaves parted; AGE is known of what is in review.\n\nExit code 2 says that conflicts are open: dismissed ones are not."
}

// Run scans.
func (s *scanCmd) Run(a *app) error {
	done, err := s.glance()
	if err != nil {
		return err
	}
	defer done()
	s.Databases = append(s.Databases, s.DBs...)
	bar := a.progress()
	defer bar.close()
	sc := &scan{cmd: s, bar: bar, report: newScanReport(a, s, bar)}
	for scanned := false; !scanned; {
		err := s.visit(a, func(c *mend.Couchmend) (err error) {
			scanned, err = sc.stretch(a.ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		if !scanned {
			wait(a.ctx, stretchGap)
		}
	}
	bar.close()
	if err := sc.report.end(a, s); err != nil {
		return err
	}
	if sc.report.summary.Open > 0 {
		return exitError{exitReview}
	}
	return nil
}

const (
	// scanRows is how many rows of a feed are read at a time.
	scanRows = 2000
	// A scan may take long, and must not keep a `run` or another command from
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

// scan is how far a scan has come.
type scan struct {
	cmd    *scanCmd
	bar    *progress
	report *scanReport
	left   []string // databases, the one under way first
	listed bool
	since  string // the place in its feed
	rows   int64  // read of it
	total  int64  // in it; 0 where not known yet
}

// stretch goes on scanning for a while; done says that all is scanned.
func (s *scan) stretch(ctx context.Context, c *mend.Couchmend) (done bool, err error) {
	if !s.listed {
		if s.left, err = s.databases(ctx, c); err != nil {
			return false, err
		}
		s.listed = true
	}
	for until := time.Now().Add(stretchTime); len(s.left) > 0 && time.Now().Before(until); {
		full, err := s.page(ctx, c, s.left[0])
		if err != nil || full {
			return full, err
		}
	}
	return len(s.left) == 0, nil
}

// databases lists what is to be scanned, and errs where a name is of none.
func (s *scan) databases(ctx context.Context, c *mend.Couchmend) ([]string, error) {
	found, err := c.Feed.Databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range s.cmd.Databases {
		if !strings.ContainsAny(name, `*?[\`) && !slices.Contains(found, name) {
			return nil, &couchmend.Error{Op: "scan", DB: name, Kind: couchmend.KindNotFound, Err: fmt.Errorf("%s has no such database", c.Server.URL())}
		}
	}
	return found, nil
}

// page reads the next rows of a database and reports the conflicts among them;
// full says that the limit is reached.
func (s *scan) page(ctx context.Context, c *mend.Couchmend, db string) (full bool, err error) {
	if s.rows == 0 {
		s.bar.begin(db)
		s.report.summary.Databases++
	}
	n := 0
	var items []ledger.Item
	options := couch.ChangesOptions{Since: s.since, Limit: scanRows, SeqInterval: scanRows}
	for row, err := range c.Server.DB(db).Changes(ctx, options) {
		switch {
		case err != nil:
			return false, err
		case row.ID == "":
			s.since = row.Seq
			s.total = max(s.total, s.rows+int64(n)+row.Pending)
		default:
			n++
			if len(row.Leaves) > 1 {
				items = append(items, ledger.Item{DB: db, ID: row.ID, Leaves: row.Leaves, Deleted: row.Deleted})
			}
		}
	}
	s.report.summary.Documents += int64(n)
	if full, err = s.preview(ctx, c, db, items, int64(n)); err != nil || full {
		return full, err
	}
	s.rows += int64(n)
	s.bar.set(s.rows, s.total)
	if n < scanRows {
		s.left, s.since, s.rows, s.total = s.left[1:], "", 0, 0
	}
	return false, nil
}

// previewed is how many documents are decided at a time.
const previewed = 250

// preview reports the conflicts among items, which a page of so many rows named.
func (s *scan) preview(ctx context.Context, c *mend.Couchmend, db string, items []ledger.Item, rows int64) (full bool, err error) {
	for i, batch := range slices.Collect(slices.Chunk(items, previewed)) {
		s.bar.set(s.rows+rows*int64(i*previewed)/int64(len(items)), s.total)
		ids := make([]string, len(batch))
		for i, item := range batch {
			ids[i] = item.ID
		}
		cases, err := c.Ledger.CasesOf(ctx, db, ids...)
		if err != nil {
			return false, err
		}
		for p, err := range c.Mender.Previews(ctx, db, batch) {
			if err != nil {
				return false, err
			}
			if p.Err == nil && p.Decision.Outcome == couchmend.Nothing {
				continue
			}
			waits, waiting := cases[p.Conflict.ID]
			if full, err = s.report.add(newFinding(p, waits, waiting)); err != nil || full {
				return full, err
			}
		}
		if err := s.report.flush(); err != nil {
			return false, err
		}
	}
	return false, nil
}
