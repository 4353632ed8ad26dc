package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/couchmend/couchmend/internal/policy"
)

type policyCmd struct {
	Check   policyCheckCmd   `cmd:"" help:"Try whether a policy lets all sites end with one document that holds everybody's edits."`
	Show    policyShowCmd    `cmd:"" help:"Read a policy file, and say its rules in words or its mistakes with their places."`
	Test    policyTestCmd    `cmd:"" help:"Run the cases that stand beside a policy, or make one of a conflict."`
	Suggest policySuggestCmd `cmd:"" help:"Propose a policy from a database's open conflicts, with the reasons for each line."`
}

type policyShowCmd struct {
	File string `arg:"" optional:"" help:"The policy file. Default: couchmend.yaml where there is one, else the built-in policy."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// shownPolicy is what policy show prints as JSON.
type shownPolicy struct {
	Databases []shownDatabase     `json:"databases"`
	Policies  map[string][]string `json:"policies"` // rules in words, by policy
	Warnings  []shownProblem      `json:"warnings"`
	Problems  []shownProblem      `json:"problems"`
}

type shownProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

type shownDatabase struct {
	Match  string `json:"match"`
	Policy string `json:"policy"`
}

// Run reads a policy file and says what is in it. A file with mistakes in it is
// a failure: all of them are told.
func (p *policyShowCmd) Run(a *app) error {
	file, err := p.load()
	var problems policy.Problems
	if err != nil && !(p.JSON && errors.As(err, &problems)) {
		return err
	}
	v := shownPolicy{Databases: []shownDatabase{}, Policies: map[string][]string{}, Warnings: []shownProblem{}, Problems: []shownProblem{}}
	for _, problem := range problems {
		v.Problems = append(v.Problems, shownProblem(problem))
	}
	if file != nil {
		v.read(file)
	}
	if p.JSON {
		if err := a.printJSON(v); err != nil {
			return err
		}
		if len(problems) > 0 {
			return exitError{exitFailed}
		}
		return nil
	}
	v.print(a)
	return nil
}

func (p *policyShowCmd) load() (*policy.File, error) {
	if name := (&connection{Policy: p.File}).policyFile(); name != "" {
		return policy.Load(name, policy.Options{})
	}
	builtin := policy.Builtin()
	return &policy.File{Policies: map[string]*policy.Policy{builtin.Name: builtin}}, nil
}

func (v *shownPolicy) read(f *policy.File) {
	for _, d := range f.Databases {
		v.Databases = append(v.Databases, shownDatabase(d))
	}
	for name, p := range f.Policies {
		rules := []string{}
		for _, rule := range p.Rules {
			rules = append(rules, rule.String())
		}
		if p.Otherwise == policy.OtherwiseReview && p.Name != policy.Builtin().Name {
			rules = append(rules, "otherwise: every other document is reviewed")
		}
		v.Policies[name] = rules
	}
	for _, w := range f.Warnings {
		v.Warnings = append(v.Warnings, shownProblem(w))
	}
}

func (v *shownPolicy) print(a *app) {
	for _, w := range v.Warnings {
		fmt.Fprintln(a.stderr, policy.Warning(w))
	}
	for _, d := range v.Databases {
		a.printf("databases %s: policy %s\n", clean(d.Match), clean(d.Policy))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Policies)) {
		a.printf("policy %s\n", clean(name))
		for _, rule := range v.Policies[name] {
			a.printf("  %s\n", clean(rule))
		}
	}
}
