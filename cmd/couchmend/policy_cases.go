package main

import (
	"errors"
	"fmt"

	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/policy"
)

type policyTestCmd struct {
	connection
	Args []string `arg:"" optional:"" name:"file" help:"The policy file; default as with --policy. With --record: a database and a document's id."`
	Only string   `name:"run" placeholder:"GLOB" help:"Run the cases whose names match, and no others."`
	JSON bool     `name:"json" help:"Print a JSON object a case, then one with the summary."`

	Record bool     `help:"Make a case of a document that is in conflict now: policy test --record DB DOC."`
	Redact bool     `help:"With --record: replace what the document says. Which values are alike, and in which order they are, stays."`
	Keep   []string `placeholder:"FIELD" help:"With --redact: leave this field as it is, such as fields.sex. May be repeated."`
	Into   string   `type:"path" placeholder:"FILE" help:"With --record: append the case to this file. Default: print it."`
	Name   string   `help:"With --record: the case's name. Default: the document's id."`
}

// Help is the long help.
func (policyTestCmd) Help() string {
	return "Cases stand beside the policy: those of medic.yaml in medic.cases.yaml and medic.*.cases.yaml. Each says a conflict, and what the policy is to make of it: docs/policy-tests.md. Needs no CouchDB, but for --record.\n\n--record reads a document's leaves and bases and writes nothing to CouchDB. What it expects is what the policy makes of the conflict now: look at it before you keep it.\n\nExit code 1 says that a case failed, or that a file has a mistake."
}

// Run runs cases, or records one.
func (p *policyTestCmd) Run(a *app) error {
	switch {
	case p.Record && len(p.Args) != 2:
		return usage(errors.New("give a database and a document's id to record"))
	case p.Record:
		return p.record(a)
	case p.Redact, p.Into != "", p.Name != "", len(p.Keep) > 0:
		return usage(errors.New("--redact, --keep, --into and --name go with --record"))
	case len(p.Args) > 1:
		return usage(errors.New("give one policy file"))
	}
	return p.test(a)
}

// caseSummary counts results.
type caseSummary struct {
	Cases  int `json:"cases"`
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// test runs the cases beside the policy.
func (p *policyTestCmd) test(a *app) (err error) {
	if len(p.Args) == 1 {
		p.Policy = p.Args[0]
	}
	name := p.policyFile()
	if name == "" {
		return usage(errors.New("there is no policy file: name one"))
	}
	file, err := policy.Load(name, policy.Options{Log: p.logger(a)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	all, err := cases.Load(name, file)
	if err != nil {
		return p.mistakes(a, err)
	}
	if len(all) == 0 {
		return usage(fmt.Errorf("no case stands beside %s: write some into %s, or see --record", name, cases.FileFor(name)))
	}
	return p.run(a, all)
}

// mistakes tells those of files of cases.
func (p *policyTestCmd) mistakes(a *app, err error) error {
	var problems policy.Problems
	if !p.JSON || !errors.As(err, &problems) {
		return err
	}
	shown := []shownProblem{}
	for _, problem := range problems {
		shown = append(shown, shownProblem(problem))
	}
	if err := a.printJSON(map[string]any{"problems": shown}); err != nil {
		return err
	}
	return exitError{exitFailed}
}

func (p *policyTestCmd) run(a *app, all []cases.Case) error {
	var sum caseSummary
	for i := range all {
		if p.Only != "" && !policy.Match(p.Only, all[i].Name) {
			continue
		}
		r := all[i].Run(a.ctx)
		if a.ctx.Err() != nil {
			return a.ctx.Err()
		}
		sum.Cases++
		if r.Passed() {
			sum.Passed++
		} else {
			sum.Failed++
		}
		switch {
		case p.JSON:
			if err := a.printJSON(r); err != nil {
				return err
			}
		case !r.Passed():
			a.printf("%s\n", cleanLines(r.String()))
		}
	}
	return p.end(a, sum)
}

func (p *policyTestCmd) end(a *app, sum caseSummary) error {
	switch {
	case sum.Cases == 0:
		return usage(fmt.Errorf("no case's name matches %s", p.Only))
	case p.JSON:
		if err := a.printJSON(map[string]any{"summary": sum}); err != nil {
			return err
		}
	case sum.Failed == 0:
		a.printf("%s passed.\n", plural(sum.Passed, "case"))
	default:
		a.printf("%d passed, %d failed.\n", sum.Passed, sum.Failed)
	}
	if sum.Failed > 0 {
		return exitError{exitFailed}
	}
	return nil
}
