package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/couchmend/couchmend/internal/suggest"
)

type policySuggestCmd struct {
	connection
	DB       string   `arg:"" name:"db" help:"The database."`
	Sample   int      `default:"10000" placeholder:"N" help:"Look at no more conflicts than these, drawn fairly: 1 to 100,000. Default: 10,000."`
	By       []string `placeholder:"FIELD" help:"The member that says what kind a document is, or _id for the beginning of its id. A second one divides kinds that need several rules. Default: found out."`
	Output   string   `short:"o" type:"path" placeholder:"FILE" help:"Write the policy into a new file."`
	Examples bool     `help:"Show values of documents in the comments."`
	JSON     bool     `name:"json" help:"Print the proposal, its evidence and its shares as one JSON object."`
}

// Help is the long help.
func (policySuggestCmd) Help() string {
	return "Reads the open conflicts of a database and proposes a policy for them, with the reasons in comments: which kinds of documents are in conflict, what their fields look like, what share of the conflicts each rule would resolve, and what a person must decide. Writes nothing to CouchDB. A field gets a strategy only where the conflicts themselves speak for it; the rest stays in review.\n\nComments hold counts, names of fields and ids of documents; values only with --examples.\n\nTo measure the shares of a policy that you have changed: couchmend scan DB --policy FILE --summary."
}

const maxSample = 100_000

// Run proposes a policy.
func (s *policySuggestCmd) Run(a *app) error {
	if s.Sample < 1 || s.Sample > maxSample {
		return usage(fmt.Errorf("--sample is %d: want 1 to %d", s.Sample, maxSample))
	}
	if _, err := os.Lstat(s.Output); s.Output != "" && !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s exists already: it is not overwritten", s.Output))
	}
	p, err := s.propose(a)
	if err != nil {
		return err
	}
	if s.Output != "" {
		if err := writeNew(s.Output, p.Text); err != nil {
			return err
		}
	}
	switch {
	case s.JSON:
		return a.printJSON(p)
	case s.Output != "":
		a.printf("%s: %s for %s open conflicts, of which it would resolve %s. Read it before you use it.\n", clean(s.Output), plural(len(p.Rules), "rule"), fmt.Sprint(p.Conflicts), p.Total.Percent())
		return nil
	}
	a.printf("%s", p.Text)
	return nil
}

func (s *policySuggestCmd) propose(a *app) (*suggest.Proposal, error) {
	done, err := s.glance()
	if err != nil {
		return nil, err
	}
	defer done()
	spool, err := newSpool()
	if err != nil {
		return nil, err
	}
	defer spool.close()
	bar := a.progress()
	defer bar.close()
	drawn := &sample{db: s.DB, size: s.Sample, spool: spool}
	if err := (&sweep{to: drawn, bar: bar}).run(a, &s.connection); err != nil {
		return nil, err
	}
	bar.close()
	if drawn.unreadable > 0 {
		fmt.Fprintf(a.stderr, "%s could not be read and are left out.\n", plural(drawn.unreadable, "document"))
	}
	return suggest.Propose(a.ctx, drawn.conflicts(), suggest.Options{DB: s.DB, Of: drawn.open(), By: s.By, Examples: s.Examples})
}

// writeNew writes a file that must not be there yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usage(err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
