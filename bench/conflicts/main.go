// Command conflicts fills a CouchDB with generated conflicts whose right merge
// is known, and checks what couchmend made of them:
//
//	export COUCHDB_URL=http://admin:secret@127.0.0.1:5984
//	conflicts policy > couchmend.yaml
//	conflicts generate --db load --docs 10000 --seed 1
//	couchmend run --once --db load
//	couchmend review list --json > review.json
//	conflicts check --db load --docs 10000 --seed 1 --review review.json
//
// With "baseline" in place of couchmend's run it measures a client that decides
// nothing, for comparison. Docs and seed make the documents: give the same
// ones to generate and check.
//
// The expectations count on bases that are still there, and CouchDB compacts by
// itself when a database has been loaded: such documents go to review for want
// of a base. Start the server without that, by its configuration:
//
//	[smoosh.ratio_dbs]
//	min_priority = 1000000
//	[smoosh.slack_dbs]
//	min_priority = 1000000000000
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
)

type cli struct {
	CouchDB string `name:"couchdb" env:"COUCHDB_URL" default:"http://127.0.0.1:5984" help:"The server, credentials included (better in the environment)."`
	DB      string `default:"conflicts" help:"The database; generate creates it."`
	Docs    int    `default:"10000" help:"How many documents."`
	Seed    uint64 `default:"1" help:"What the documents are drawn from."`
	Pouch   bool   `help:"Leave out the numbers that a server in JavaScript can't keep."`

	Generate generateCmd `cmd:"" help:"Write the documents."`
	Policy   policyCmd   `cmd:"" help:"Print the policy under which the expectations are right."`
	Check    checkCmd    `cmd:"" help:"Compare the database and the review queue with the expectations."`
	Baseline baselineCmd `cmd:"" help:"Merge like a client that decides nothing: the winner's body stands."`
}

func (c *cli) generator() *conflictgen.Generator {
	return conflictgen.New(c.Seed, conflictgen.Options{Docs: c.Docs, NoBigNumbers: c.Pouch})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parsed := kong.Parse(&c, kong.Description("Conflicts whose right merge is known, for load and for checking."), kong.BindTo(ctx, (*context.Context)(nil)))
	parsed.FatalIfErrorf(parsed.Run(&c))
}

type generateCmd struct{}

// Run writes the documents.
func (generateCmd) Run(ctx context.Context, c *cli) error {
	return conflictgen.Load(ctx, c.CouchDB, c.DB, c.generator().Docs())
}

type policyCmd struct{}

// Run prints the policy.
func (policyCmd) Run() error {
	_, err := io.WriteString(os.Stdout, conflictgen.PolicyYAML())
	return err
}

type checkCmd struct {
	Review string `required:"" help:"A file with the output of couchmend review list --json; - is standard input."`
}

// Run prints each mismatch on a line, and fails where there is one.
func (cmd checkCmd) Run(ctx context.Context, c *cli) error {
	in := io.Reader(os.Stdin)
	if cmd.Review != "-" {
		f, err := os.Open(cmd.Review)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	reviews, err := readReviews(in, c.DB)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Review, err)
	}
	wrong, err := conflictgen.Check(ctx, c.CouchDB, c.DB, c.generator().Docs(), reviews)
	for _, m := range wrong {
		fmt.Println(m)
	}
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d documents are not as expected", len(wrong), c.Docs)
	}
	fmt.Printf("all %d documents are as expected, %d of them in review\n", c.Docs, len(reviews))
	return nil
}

// readReviews reads the entries of db, in one JSON array or one after another,
// as reasons by document id.
func readReviews(in io.Reader, db string) (map[string]couchmend.Reason, error) {
	type entry struct {
		DB     string           `json:"db"`
		ID     string           `json:"id"`
		Reason couchmend.Reason `json:"reason"`
	}
	reviews := map[string]couchmend.Reason{}
	dec := json.NewDecoder(in)
	for {
		var value json.RawMessage
		switch err := dec.Decode(&value); {
		case errors.Is(err, io.EOF):
			return reviews, nil
		case err != nil:
			return nil, err
		}
		entries := []entry{{}}
		var into any = &entries[0]
		if value[0] == '[' {
			into = &entries
		}
		if err := json.Unmarshal(value, into); err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.DB == "" || e.DB == db {
				reviews[e.ID] = e.Reason
			}
		}
	}
}
