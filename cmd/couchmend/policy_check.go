package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/laws"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

type policyCheckCmd struct {
	connection
	File   string        `arg:"" optional:"" help:"The policy file. Default: as with --policy."`
	From   []string      `type:"path" placeholder:"FILE" help:"Conflicts to try beside those made up: a file of cases (YAML), or JSON arrays [base, leaf, leaf…], the base null where it can't be had. May be repeated."`
	Seed   uint64        `default:"1" help:"What the made-up conflicts depend on, and nothing else does: the same seed shows the same."`
	Runs   int           `default:"200" help:"How many conflicts are made up for each rule; 0: none, those of --db and of files are enough."`
	Time   time.Duration `default:"10s" help:"At most so long for each rule."`
	Strict bool          `help:"Let warnings fail, too, and what could not be tried."`
	JSON   bool          `name:"json" help:"Print JSON."`
}

// Help is the long help.
func (policyCheckCmd) Help() string {
	return "Looks at the rules without merging anything, then lets them merge: conflicts sampled with --db, those of --from and of the cases beside the policy, and such as are made up from them, from the schema or from the rule. Each must have one answer, whoever won, whichever leaves met first, on several sites. What breaks that is shrunk to the smallest conflict that shows it: docs/convergence.md.\n\nReads from CouchDB only with --db, and writes nothing.\n\nExit code 1 says that a law fails or the policy has an error; with --strict also that there is a warning, or that a law could not be tried."
}

// Run checks a policy.
func (p *policyCheckCmd) Run(a *app) (err error) {
	if p.File != "" {
		p.Policy = p.File
	}
	c := &checking{cmd: p, samples: map[string]*reservoir{}}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.load(a); err != nil {
		return err
	}
	if len(p.Databases) > 0 {
		if err := c.sample(a); err != nil {
			return err
		}
	}
	report := c.run(a)
	if a.ctx.Err() != nil {
		return a.ctx.Err()
	}
	if p.JSON {
		err = a.printJSON(report)
	} else {
		printReport(a, report)
	}
	if err == nil && report.Failed(p.Strict) {
		err = exitError{exitFailed}
	}
	return err
}

// checking is a check under way.
type checking struct {
	cmd          *policyCheckCmd
	file, fresh  *policy.File
	samples      map[string]*reservoir // by policy
	cases        map[string][]laws.Question
	fromAnywhere []laws.Question // of files that name no policy
}

func (c *checking) close() error {
	var errs []error
	for _, f := range []*policy.File{c.file, c.fresh} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// load reads the policy, twice: what is asked in fresh processes is asked of the
// second one; and the files of
// conflicts.
func (c *checking) load(a *app) (err error) {
	c.cases = map[string][]laws.Question{}
	name := c.cmd.policyFile()
	if name == "" {
		builtin := policy.Builtin()
		c.file = &policy.File{Policies: map[string]*policy.Policy{builtin.Name: builtin}}
		return c.from()
	}
	options := policy.Options{Log: c.cmd.logger(a)}
	if c.file, err = policy.Load(name, options); err != nil {
		return err
	}
	if err := c.file.Ping(a.ctx); err != nil {
		return err
	}
	if c.fresh, err = policy.Load(name, options); err != nil {
		return err
	}
	beside, err := cases.Load(name, c.file)
	if err != nil {
		return err
	}
	c.take(beside)
	return c.from()
}

// take makes questions of cases.
func (c *checking) take(all []cases.Case) {
	for _, one := range all {
		for _, conflict := range one.Conflicts() {
			source := fmt.Sprintf("%s:%d", filepath.Base(one.File), one.Line)
			if q, ok := laws.OfConflict(conflict, source); ok && one.Policy != nil {
				c.cases[one.Policy.Name] = append(c.cases[one.Policy.Name], q)
				break // the laws let each leaf win by themselves
			}
		}
	}
}

// from reads the files of --from.
func (c *checking) from() error {
	for _, name := range c.cmd.From {
		text, err := os.ReadFile(name)
		if err != nil {
			return usage(err)
		}
		if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
			all, err := cases.Parse(name, text, c.file)
			if err != nil {
				return err
			}
			c.take(all)
			continue
		}
		if err := c.documents(name, text); err != nil {
			return usage(fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

// documents reads arrays of documents: one of them, an array of them, or one a
// line.
func (c *checking) documents(name string, text []byte) error {
	v, err := jsondoc.Parse(text)
	arrays := v.Elements()
	switch {
	case err != nil: // one a line
		arrays = nil
		for line := range bytes.Lines(text) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			v, err := jsondoc.Parse(line)
			if err != nil {
				return err
			}
			arrays = append(arrays, v)
		}
	case len(arrays) > 0 && arrays[0].Kind() != '[':
		arrays = []jsondoc.Value{v}
	}
	for i, array := range arrays {
		q, ok := laws.OfDocuments(array.Elements(), fmt.Sprintf("%s, conflict %d", filepath.Base(name), i+1))
		if !ok {
			return fmt.Errorf("conflict %d is no array of two or more leaves behind their base, [base, leaf, leaf…]; the base is null where it can't be had", i+1)
		}
		c.fromAnywhere = append(c.fromAnywhere, q)
	}
	return nil
}

const (
	// sampled is how many conflicts are tried of each policy.
	sampled = 200
	// looked is how many conflicts the sample is drawn from, at most.
	looked = 10_000
)

// reservoir is a fair sample of all that was added.
type reservoir struct {
	rnd  *rand.Rand
	seen int
	kept []laws.Question
}

func (r *reservoir) add(q laws.Question) {
	r.seen++
	if len(r.kept) < sampled {
		r.kept = append(r.kept, q)
	} else if i := r.rnd.IntN(r.seen); i < sampled {
		r.kept[i] = q
	}
}

// sample reads conflicts from the databases.
func (c *checking) sample(a *app) error {
	done, err := c.cmd.glance()
	if err != nil {
		return err
	}
	defer done()
	bar := a.progress()
	defer bar.close()
	sampling := &sampling{checking: c}
	return (&sweep{to: sampling, bar: bar}).run(a, &c.cmd.connection)
}

// sampling is a sweep that keeps conflicts to try.
type sampling struct {
	*checking
	seen int
}

// databases lists what is to be read, and errs where a name is of none, or the
// policy does not speak of it.
func (s *sampling) databases(ctx context.Context, c *mend.Couchmend) ([]string, error) {
	found, err := c.Feed.Databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range s.cmd.Databases {
		if !strings.ContainsAny(name, `*?[\`) && !slices.Contains(found, name) {
			return nil, notFollowed(c, s.file, "policy check", name)
		}
	}
	return found, nil
}

func (s *sampling) mender(c *mend.Couchmend) *mender.Mender { return c.Mender }
func (s *sampling) wants(id string) bool                    { return !strings.HasPrefix(id, "_design/") }
func (s *sampling) pause() error                            { return nil }

func (s *sampling) found(f found) (full bool, err error) {
	name := policy.Builtin().Name
	if p := s.file.For(f.Conflict.DB); p != nil {
		name = p.Name
	}
	if q, ok := laws.OfConflict(f.Conflict, f.Conflict.DB+"/"+f.Conflict.ID); ok && f.Err == nil {
		r := s.samples[name]
		if r == nil {
			r = &reservoir{rnd: rand.New(rand.NewPCG(s.cmd.Seed, 0))}
			s.samples[name] = r
		}
		r.add(q)
		s.seen++
	}
	return s.seen >= looked, nil
}

// run checks every policy of the file.
func (c *checking) run(a *app) laws.Report {
	report := laws.Report{Seed: c.cmd.Seed, Findings: laws.Warnings(c.file), Rules: []laws.RuleReport{}}
	bar := a.progress()
	defer bar.close()
	under := ""
	options := laws.Options{Seed: c.cmd.Seed, Runs: cmp.Or(c.cmd.Runs, -1), Time: c.cmd.Time, Progress: func(rule string, done, total int) {
		if rule != under {
			bar.begin(rule)
			under = rule
		}
		bar.set(int64(done), int64(total))
	}}
	for _, name := range slices.Sorted(maps.Keys(c.file.Policies)) {
		s := laws.Subject{Policy: c.file.Policies[name], Cases: slices.Concat(c.cases[name], c.fromAnywhere), Names: map[string][]string{}}
		if r := c.samples[name]; r != nil {
			s.Samples = r.kept
		}
		if c.fresh != nil {
			s.Fresh = c.fresh.Policies[name]
		}
		for i := range s.Policy.Rules {
			rule := &s.Policy.Rules[i].Rule
			s.Names[rule.Name] = laws.FieldNames(c.file.Dir, rule)
		}
		report.Findings = append(report.Findings, laws.Static(s)...)
		report.Rules = append(report.Rules, laws.Check(a.ctx, s, options)...)
	}
	return report
}
