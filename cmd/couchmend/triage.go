package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/triage"
	"github.com/couchmend/couchmend/mend"
)

type triageCmd struct {
	connection
	DBs      []string      `arg:"" optional:"" name:"db" help:"Databases or globs. Default: those that the policy names, or all but CouchDB's own."`
	CouchLog []string      `name:"couch-log" sep:"none" placeholder:"FILE" help:"CouchDB's log: a file, .gz too, - for standard input, journal for systemd's of the unit couchdb, or journal:UNIT. May be repeated."`
	Log      []string      `sep:"none" placeholder:"FILE" help:"couchmend's own log, what run writes to standard error: a file, .gz too, -, journal for the unit couchmend, or journal:UNIT. May be repeated."`
	Since    time.Duration `default:"24h" help:"How far back journal and logs are looked at."`
	Watch    time.Duration `default:"5s" help:"How long replications are watched at least, to see whether their failures grow."`
	Sample   int           `default:"1000" placeholder:"N" help:"How many conflicts of a database are read and looked into, drawn fairly. Default: 1,000."`
	MaxTime  time.Duration `default:"5m" help:"How long the databases are surveyed at most."`
	Writer   []string      `placeholder:"FIELD" help:"A field that tells who wrote a revision, such as meta.device. May be repeated. Default: the usual names."`
	Clock    []string      `placeholder:"FIELD" help:"A field that tells when a revision was written. May be repeated. Default: the policy's wall clocks, and the usual names."`

	Findings bool   `xor:"form" help:"Print the findings alone."`
	JSON     bool   `name:"json" xor:"form" help:"Print the report as one JSON object."`
	Bundle   string `type:"path" placeholder:"FILE" help:"Write an archive for a bug report into a new file: report, policy, versions and examples, redacted."`
	NoRedact bool   `help:"With --bundle: leave names and values as they are. Asks first."`
	Yes      bool   `short:"y" help:"Do not ask first."`
}

// Help is the long help.
func (triageCmd) Help() string {
	return `Says why there are conflicts, before anyone repairs them. Looks at replication jobs whose writes are refused, at what documents in conflict have in common, at what couchmend could not do, and, given CouchDB's log and couchmend's, at who got which 409. Ends in findings, the heaviest first, each with its evidence and the command to run next. Writes nothing to CouchDB.

Exit code 2: there are findings.`
}

const maxTriageSample = 100_000

// Run gathers, and prints what is found.
func (t *triageCmd) Run(a *app) error {
	if err := t.check(); err != nil {
		return err
	}
	if ok, err := t.mayShow(a); !ok {
		return err
	}
	flags := t.given()
	done, err := t.glance()
	if err != nil {
		return err
	}
	defer done()
	t.Databases = append(t.Databases, t.DBs...)
	bar := a.progress()
	defer bar.close()
	g, server, names, err := t.begin(a, bar, flags)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := g.Server(a.ctx, server, names); err != nil {
		return err
	}
	if err := t.logs(a, g); err != nil {
		return err
	}
	bar.close()
	report := g.Report()
	if t.Bundle != "" {
		if err := t.bundle(a, report); err != nil {
			return err
		}
	}
	if err := t.print(a, report); err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return exitError{exitReview}
	}
	return nil
}

func (t *triageCmd) check() error {
	switch {
	case t.Sample < 1 || t.Sample > maxTriageSample:
		return usage(fmt.Errorf("--sample is %d: want 1 to %d", t.Sample, maxTriageSample))
	case t.NoRedact && t.Bundle == "":
		return usage(errors.New("--no-redact is about --bundle"))
	case t.Since <= 0 || t.Watch < 0 || t.MaxTime <= 0:
		return usage(errors.New("--since and --max-time must be more than nothing, --watch not less"))
	}
	if t.Bundle == "" {
		return nil
	}
	return isNew(t.Bundle)
}

// mayShow asks before an archive with real contents is made.
func (t *triageCmd) mayShow(a *app) (bool, error) {
	if !t.NoRedact {
		return true, nil
	}
	return a.confirm(writing{Yes: t.Yes}, "The archive will hold names and contents of documents as they are. Make it?")
}

func (t *triageCmd) print(a *app, report *triage.Report) error {
	switch {
	case t.JSON:
		return a.printJSON(report)
	case t.Findings:
		a.printf("%s", report.FindingsText())
	default:
		a.printf("%s", report.Text())
	}
	if t.Bundle != "" {
		how := "redacted: shape and equality, not content"
		if t.NoRedact {
			how = "not redacted"
		}
		a.printf("\n%s written, %s.\n", clean(t.Bundle), how)
	}
	return nil
}

// begin opens couchmend for a moment, to learn what is followed and what its
// state tells; the rest needs the server alone.
func (t *triageCmd) begin(a *app, bar *progress, flags []string) (g *triage.Gatherer, server *couch.Server, names []string, err error) {
	err = t.visit(a, func(c *mend.Couchmend) error {
		if names, err = (&scan{cmd: &scanCmd{connection: t.connection}}).databases(a.ctx, c); err != nil {
			return err
		}
		g = triage.New(t.options(c, bar, flags))
		return g.Ledger(a.ctx, c.Ledger)
	})
	if err == nil {
		server, err = t.server(a)
	}
	return g, server, names, err
}

func (t *triageCmd) options(c *mend.Couchmend, bar *progress, flags []string) triage.Options {
	o := triage.Options{
		Since: time.Now().Add(-t.Since), Watch: t.Watch, Sample: t.Sample, MaxTime: t.MaxTime,
		Writers: t.Writer, Clocks: t.Clock, Flags: triage.Shell(flags...), Couchmend: versionText(),
	}
	if len(t.Databases) > 0 {
		o.Visible = c.Match
	}
	if t.Clock == nil {
		o.Clocks = append(c.Policy.WallClocks(), triage.DefaultClocks...)
	}
	shown := ""
	o.Progress = func(db string, done, total int64) {
		if db != shown {
			shown = db
			bar.begin(db)
		}
		bar.set(done, total)
	}
	return o
}

// given are the flags that lead to the same server and state as these, for
// commands that are proposed. What comes from the environment will again.
func (t *triageCmd) given() []string {
	var flags []string
	for _, f := range []struct{ flag, value, env string }{
		{"--couchdb", t.CouchDB, "COUCHDB_URL"}, {"--user", t.User, "COUCHDB_USER"}, {"--password-file", t.PasswordFile, ""}, {"--token-file", t.TokenFile, ""},
		{"--client-cert", t.ClientCert, ""}, {"--client-key", t.ClientKey, ""}, {"--ca-file", t.CAFile, ""},
		{"--policy", t.Policy, "COUCHMEND_POLICY"}, {"--state", t.State, "COUCHMEND_STATE"}, {"--nats", t.NATS, "COUCHMEND_NATS"}, {"--nats-creds", t.NATSCreds, "COUCHMEND_NATS_CREDS"},
	} {
		if f.value != "" && (f.env == "" || os.Getenv(f.env) != f.value) {
			flags = append(flags, f.flag, f.value)
		}
	}
	if t.Cookie {
		flags = append(flags, "--cookie")
	}
	return flags
}

// logs reads the logs that are named.
func (t *triageCmd) logs(a *app, g *triage.Gatherer) (err error) {
	if len(t.CouchLog)+len(t.Log) == 0 {
		return nil
	}
	var opened []io.Closer
	defer func() {
		for _, c := range opened {
			err = errors.Join(err, c.Close())
		}
	}()
	open := func(names []string, unit string) ([]triage.Log, error) {
		var logs []triage.Log
		for _, name := range names {
			r, err := t.openLog(a, name, unit)
			if err != nil {
				return nil, err
			}
			opened = append(opened, r)
			logs = append(logs, triage.Log{Name: name, From: r})
		}
		return logs, nil
	}
	couchdb, err := open(t.CouchLog, "couchdb")
	if err != nil {
		return err
	}
	ours, err := open(t.Log, "couchmend")
	if err != nil {
		return err
	}
	return g.Logs(a.ctx, couchdb, ours)
}
