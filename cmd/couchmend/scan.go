package main

import (
	"context"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/mend"
)

type scanCmd struct {
	connection
	DBs      []string `arg:"" optional:"" name:"db" help:"Databases or globs. Default: those that the policy names, or all but CouchDB's own."`
	Limit    int      `placeholder:"N" help:"Stop after so many conflicts."`
	FromView viewName `placeholder:"DESIGN/VIEW" help:"Read a view of conflicts instead of the whole database: that of views install, or another one whose keys are lists of conflicting revisions, as --from-view=DESIGN/VIEW."`
	Summary  bool     `help:"Print the summary alone."`
	JSON     bool     `name:"json" help:"Print a JSON object a conflict, then one with the summary."`
}

// Help is the long help.
func (scanCmd) Help() string {
	return "Reads the databases from their beginning and says of each conflict what the policy would make of it. Writes nothing to CouchDB.\n\nDEPTH is the number of edits on the longest branch since the leaves parted; AGE is known of what is in review. The summary says of each rule which share of its open conflicts it would resolve, and why a person must see the rest.\n\n--from-view is quick in a large database. A view does not tell of documents of which no leaf is alive, nor of a deletion beside a single live leaf; only a whole scan finds these.\n\nExit code 2 says that conflicts are open: dismissed ones are not."
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
	sc := &scan{cmd: s, report: newScanReport(a, s, bar)}
	sweep := &sweep{to: sc, bar: bar, view: s.FromView}
	if err := sweep.run(a, &s.connection); err != nil {
		return err
	}
	bar.close()
	sc.report.summary.Databases, sc.report.summary.Documents = sweep.read, sweep.documents
	if err := sc.report.end(a, s); err != nil {
		return err
	}
	if sc.report.summary.Open > 0 {
		return exitError{exitReview}
	}
	return nil
}

// scan is a sweep that reports all that it finds.
type scan struct {
	cmd    *scanCmd
	report *scanReport
}

// databases lists what is to be scanned, and errs where a name is of none.
func (s *scan) databases(ctx context.Context, c *mend.Couchmend) ([]string, error) {
	found, err := c.Feed.Databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range s.cmd.Databases {
		if !strings.ContainsAny(name, `*?[\`) && !slices.Contains(found, name) {
			return nil, notFollowed(c, c.Policy, "scan", name)
		}
	}
	return found, nil
}

func (s *scan) mender(c *mend.Couchmend) *mender.Mender { return c.Mender }
func (s *scan) wants(string) bool                       { return true }
func (s *scan) pause() error                            { return s.report.flush() }

func (s *scan) found(f found) (full bool, err error) {
	return s.report.add(newFinding(f), f)
}
