package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/cases"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

// record makes a case of a live conflict.
func (p *policyTestCmd) record(a *app) error {
	if p.policyFile() == "" {
		return usage(errors.New("there is no policy file that the case could stand beside: name one with --policy"))
	}
	if p.Into != "" && !cases.IsBeside(p.policyFile(), p.Into) {
		own := cases.FileFor(p.policyFile())
		return usage(fmt.Errorf("--into %s: no test would read it there: take %s, or one with a word more between its dots", p.Into, own))
	}
	done, err := p.glance()
	if err != nil {
		return err
	}
	defer done()
	return p.visit(a, func(c *mend.Couchmend) error {
		text, err := p.recorded(a, c, place{DB: p.Args[0], ID: p.Args[1]})
		if err != nil {
			return err
		}
		if p.Into == "" {
			a.printf("%s%s", cases.Head, text)
			return nil
		}
		return appendCase(p.Into, text, c.Policy)
	})
}

// recorded is the case of one document.
func (p *policyTestCmd) recorded(a *app, c *mend.Couchmend, d place) ([]byte, error) {
	conflict, decision, err := c.Mender.Look(a.ctx, d.DB, d.ID)
	if err != nil {
		return nil, err
	}
	if len(conflict.Leaves)+len(conflict.Dead) == 0 {
		return nil, &couchmend.Error{Op: "record", DB: d.DB, ID: d.ID, Kind: couchmend.KindNotFound}
	}
	of := c.Policy.For(d.DB)
	if of == nil {
		return nil, usage(errors.New("the policy file names no such database, so that no policy decides on the document"))
	}
	r := cases.Recording{Name: p.Name, Redact: p.Redact}
	for _, field := range p.Keep {
		r.Keep = append(r.Keep, merge.ParsePath(field))
	}
	return cases.Record(a.ctx, c.Policy, of, conflict, decision, r)
}

// appendCase adds a case to the end of a file, which it begins where there is
// none. A file that would no longer be one of cases stays as it is.
func appendCase(name string, text []byte, f *policy.File) error {
	before, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	gap := "\n"
	switch {
	case len(before) == 0:
		gap = cases.Head
	case before[len(before)-1] != '\n':
		gap = "\n\n"
	}
	text = slices.Concat([]byte(gap), text)
	if _, err := cases.Parse(name, slices.Concat(before, text), f); err != nil {
		return fmt.Errorf("the case cannot stand at the end of %s, which was left as it is: %w", name, err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
