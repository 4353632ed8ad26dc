// Package mend is couchmend as a whole, to run in a Go program: it follows
// databases of one CouchDB, mends their conflicts by a policy, and keeps its
// state in a directory or on a NATS server.
//
//	c, err := mend.Open(ctx, mend.Options{URL: "http://127.0.0.1:5984", StateDir: "state"})
//	…
//	defer c.Close()
//	err = c.Run(ctx) // until ctx ends
package mend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/feed"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/splitter"
	"go.opentelemetry.io/otel/trace"
)

// Options says what is mended, by which policy, and where the state is kept.
type Options struct {
	// URL is the server's, http or https. It may hold a user and a password,
	// which are never shown.
	URL string
	// Username and Password log in with each request, or once with Cookie.
	Username, Password string
	Cookie             bool
	Token              string // a JSON Web Token, instead
	// ProxyUser, ProxyRoles and ProxySecret are CouchDB's proxy
	// authentication, instead.
	ProxyUser   string
	ProxyRoles  []string
	ProxySecret string
	// ClientCert, ClientKey and CAFile are PEM files.
	ClientCert, ClientKey, CAFile string

	// PolicyFile is a couchmend.yaml. Without one, the built-in policy merges
	// what cannot be disputed. Its couchdb: section fills what is empty above.
	PolicyFile string
	// Resolvers are custom resolvers in Go, for rules that name them:
	// `resolver: {go: NAME}`.
	Resolvers map[string]couchmend.Resolver
	// Databases are globs of databases to follow, if other than the policy's.
	// Without both, all are followed but CouchDB's own, whose names begin
	// with "_".
	Databases []string

	// StateDir holds the state; it is made if there is none. NATS is the URL of
	// a NATS server that holds it instead.
	StateDir, NATS string
	// NATSCreds is that server's credentials file, NATSTokenFile a file with a
	// token instead; NATSCAFile is the PEM file of its private authority.
	NATSCreds, NATSTokenFile, NATSCAFile string
	NATSReplicas                         int // servers of its cluster that keep the state; default 1
	// Share is for a short command: it joins the process that holds StateDir,
	// if there is one, instead of being refused. Attend is for a process that
	// looks for long, and gives way to one that mends: see ledger.Attend.
	Share, Attend bool

	// WarmAfter conflicts within WarmWindow make a document one whose bodies
	// are kept, so that its next conflict finds its base after a compaction,
	// too; WarmWindow after its last conflict that ends. Default 3 and 24 h; a
	// negative WarmAfter turns it off.
	WarmAfter  int
	WarmWindow time.Duration

	Workers int // that mend side by side; default 2
	Log     *slog.Logger
	// Tracer makes spans of what is done: of feeds' pages, batches, their steps
	// and requests. Default: none.
	Tracer trace.TracerProvider
}

// Couchmend is one instance, open.
type Couchmend struct {
	Server *couch.Server
	Ledger *ledger.Ledger
	Mender *mender.Mender
	Feed   *feed.Follower
	Splits *splitter.Unattended // nil with Options.Share
	Policy *policy.File         // nil: the built-in policy

	log       *slog.Logger
	warm      *ledger.Warm
	workers   int
	databases []string
	builtin   *policy.Policy
}

// Open reads the policy and opens the state. It does not ask the server
// anything yet. Close ends it.
func Open(ctx context.Context, o Options) (*Couchmend, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Couchmend{log: o.Log, workers: o.Workers, databases: o.Databases, builtin: policy.Builtin()}
	if c.workers == 0 {
		c.workers = 2
	}
	var err error
	if c.Policy, err = o.load(); err != nil {
		return nil, err
	}
	if c.Server, err = o.connect(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if c.Ledger, err = o.state(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if !o.Share && !o.Attend { // it mends, and does not just look in
		if c.warm, err = c.Ledger.FollowWarm(ctx, ledger.WarmConfig{After: o.WarmAfter, Window: o.WarmWindow}); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	c.Mender = mender.New(mender.Config{Server: c.Server, Ledger: c.Ledger, Warm: c.warm, Rules: c.rules, Log: o.Log, Tracer: o.Tracer})
	follow := feed.Config{
		Server: c.Server, Ledger: c.Ledger, Warm: c.warm, Log: o.Log,
		Match: c.Match, Names: c.names(), Reset: c.Mender.Forget, Tracer: o.Tracer,
	}
	if !o.Share {
		split, err := c.Ledger.FollowSplits(ctx)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Splits = splitter.NewUnattended(c.Mender, split, c.Match)
		c.Mender.Split, c.Mender.Late, follow.Seeker = c.Splits.Wake, c.Splits.Late, c.Splits.Seeker
	}
	c.Feed = feed.New(follow)
	return c, nil
}

// Connect prepares the server that Open would, for what needs no state. It does
// not ask the server anything yet. The server's Close ends it.
func Connect(o Options) (*couch.Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	file, err := o.load()
	if err != nil {
		return nil, err
	}
	server, err := o.connect()
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	return server, err
}

// Close ends what Open began, the processes of custom resolvers with it. State
// that others share stays.
func (c *Couchmend) Close() error {
	var errs []error
	if c.Server != nil {
		c.Server.Close()
	}
	if c.Ledger != nil {
		errs = append(errs, c.Ledger.Close())
	}
	if c.Policy != nil {
		errs = append(errs, c.Policy.Close())
	}
	return errors.Join(errs...)
}

// Match reports whether a database is followed.
func (c *Couchmend) Match(db string) bool {
	globs := c.databases
	if len(globs) == 0 {
		if c.Policy == nil || len(c.Policy.Databases) == 0 {
			return !strings.HasPrefix(db, "_") // CouchDB's own
		}
		return c.policyOf(db) != nil
	}
	named := func(glob string) bool { return policy.Match(glob, db) }
	return slices.ContainsFunc(globs, named) && c.policyOf(db) != nil
}

// covered checks that the policy speaks of the databases that were asked for
// by name.
func (c *Couchmend) covered() error {
	for _, name := range c.names() {
		if c.policyOf(name) == nil {
			return &couchmend.Error{Op: "follow", DB: name, Kind: couchmend.KindUsage, Err: errors.New("the policy file has no policy for this database: add it under databases")}
		}
	}
	return nil
}

// policyOf returns a database's policy; nil where the policy file names
// databases, and not this one.
func (c *Couchmend) policyOf(db string) *policy.Policy {
	switch {
	case c.Policy != nil && len(c.Policy.Databases) > 0:
		return c.Policy.For(db)
	case c.Policy != nil && c.Policy.Policies[policy.DefaultName] != nil:
		return c.Policy.Policies[policy.DefaultName]
	}
	return c.builtin
}

func (c *Couchmend) rules(db string) (decide.Rules, string) {
	p := c.policyOf(db)
	if p == nil {
		return nil, ""
	}
	digest := "builtin"
	if c.Policy != nil {
		digest = c.Policy.Digest
	}
	return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, digest
}

// names are the databases that are named without a wildcard.
func (c *Couchmend) names() []string {
	globs := c.databases
	if len(globs) == 0 && c.Policy != nil {
		for _, d := range c.Policy.Databases {
			globs = append(globs, d.Match)
		}
	}
	var names []string
	for _, glob := range globs {
		if !strings.ContainsAny(glob, `*?[\`) {
			names = append(names, glob)
		}
	}
	return names
}

// Run follows and mends until ctx ends. A server that is away is waited for; an
// error is one that no waiting mends: another program answers at the URL, the
// login is refused, the journal is full.
func (c *Couchmend) Run(outer context.Context) error {
	if err := c.ready(outer); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	defer c.summary()
	var group sync.WaitGroup
	group.Go(func() { cancel(c.Mender.Work(ctx, c.workers)) })
	group.Go(func() { cancel(c.Feed.Run(ctx)) })
	group.Go(func() { cancel(c.Splits.Run(ctx)) })
	group.Go(func() { c.summarize(ctx) })
	group.Wait()
	if outer.Err() == nil {
		return context.Cause(ctx)
	}
	return nil
}

// summaryEvery is how often a run logs its counts.
const summaryEvery = time.Minute

// summarize logs the counts now and then, where they have changed, until ctx
// ends.
func (c *Couchmend) summarize(ctx context.Context) {
	before := c.counts()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(summaryEvery):
		}
		if now := c.counts(); !slices.Equal(now, before) {
			c.summary()
			before = now
		}
	}
}

// summary logs the counts, and what custom resolvers took, rule by rule.
func (c *Couchmend) summary() {
	c.log.Info("summary", c.counts()...)
	if c.Policy == nil {
		return
	}
	for _, r := range c.Policy.Meter.Snapshot() {
		c.log.Info("resolver", "rule", r.Rule, "calls", r.Calls, "failures", r.Failures, "reviews", r.Reviews,
			"total_ms", r.Total.Milliseconds(), "max_ms", r.Max.Milliseconds())
	}
}

func (c *Couchmend) counts() []any {
	return slices.Concat(c.Feed.Stats.Attrs(), c.Mender.Stats.Attrs(), c.warm.Attrs(), c.Splits.Stats.Attrs())
}

// Once mends what there is now, and returns when all of it is resolved or in
// review. A server that fails meanwhile is waited for, but not for ever.
func (c *Couchmend) Once(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	names, err := c.Feed.Databases(ctx)
	if err != nil {
		return err
	}
	if err := c.missing(names); err != nil {
		return err
	}
	working, stop := context.WithCancelCause(ctx)
	defer c.summary()
	var group sync.WaitGroup
	defer group.Wait()
	defer stop(nil)
	group.Go(func() {
		if err := c.Mender.Work(working, c.workers); err != nil {
			stop(err)
		}
	})
	group.Go(func() { c.summarize(working) })
	group.Go(func() { stop(c.despair(working)) })
	err = c.Mender.Resume(working)
	for more := true; more && err == nil; {
		more, err = c.onceMore(working, names)
	}
	if cause := context.Cause(working); cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// onceMore mends what there is now, and then splits what waits for that; more
// says that this may have given it work again.
func (c *Couchmend) onceMore(ctx context.Context, names []string) (more bool, err error) {
	if err := c.Feed.Once(ctx, names); err != nil {
		return false, err
	}
	if err := c.drain(ctx); err != nil {
		return false, err
	}
	n, err := c.Splits.Once(ctx)
	return n > 0, err
}

// despair waits until a database has failed for too long, or ctx ends.
func (c *Couchmend) despair(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(drainPoll):
		}
		if err := c.Mender.Failing(); err != nil {
			return err
		}
	}
}

// drain waits until the queue is empty: it may hold more than the feeds gave,
// what a person asked for again, say.
func (c *Couchmend) drain(ctx context.Context) error {
	for {
		left, err := c.Ledger.Pending(ctx)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}

// drainPoll is how often drain looks.
const drainPoll = 50 * time.Millisecond

// missing says which databases were named and do not exist.
func (c *Couchmend) missing(found []string) error {
	have := map[string]bool{}
	for _, name := range found {
		have[name] = true
	}
	for _, name := range c.names() {
		if !have[name] {
			return &couchmend.Error{Op: "follow", DB: name, Kind: couchmend.KindNotFound, Err: fmt.Errorf("%s has no such database", c.Server.URL())}
		}
	}
	return nil
}

// readyWait is how long a server that does not answer is waited for at the
// start: one that is just starting, too.
const readyWait = 10 * time.Second

// ready checks that there is a policy for what was asked for, and that a
// CouchDB answers.
func (c *Couchmend) ready(ctx context.Context) error {
	if err := c.covered(); err != nil {
		return err
	}
	deadline := time.Now().Add(readyWait)
	for {
		_, err := c.Server.Ping(ctx)
		if couchmend.KindOf(err) != couchmend.KindUnreachable || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
