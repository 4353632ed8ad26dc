package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/triage"
	"github.com/couchmend/couchmend/mend"
)

// isNew errs where there is a file of that name.
func isNew(name string) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s exists already: it is not overwritten", name))
	}
	return nil
}

// bundledDocs is how many examples are put into an archive.
const bundledDocs = 20

// bundle writes the archive.
func (t *triageCmd) bundle(a *app, report *triage.Report) error {
	b := triage.Bundle{Report: report, Plain: t.NoRedact}
	err := t.visit(a, func(c *mend.Couchmend) error {
		for _, d := range report.Examples(bundledDocs) {
			seen, _, err := c.Mender.Look(a.ctx, d.DB, d.ID)
			switch couchmend.KindOf(err) {
			case "":
				seen.DB, seen.ID = d.DB, d.ID
				b.Documents = append(b.Documents, seen)
			case couchmend.KindUnreachable, couchmend.KindAuth:
				return err
			}
		}
		if c.Policy == nil {
			return nil
		}
		b.PolicyDigest = c.Policy.Digest
		var err error
		b.Policy, err = os.ReadFile(t.policyFile())
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(t.Bundle, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage(err)
	}
	return errors.Join(b.Write(f), f.Close())
}
