package mend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/mend"
)

// dose merges prescribed doses: of two, the smaller one is given until a
// physician has looked. It is a join, so that all sites agree.
type dose struct{}

func (dose) Resolve(_ context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	var least json.Number
	for _, r := range revisions {
		var mg json.Number
		if err := json.Unmarshal(r.Body, &mg); err != nil {
			return nil, fmt.Errorf("%w: a dose that is no number: %s", couchmend.ErrReview, r.Body)
		}
		if least == "" || value(mg).Cmp(value(least)) < 0 {
			least = mg
		}
	}
	return json.RawMessage(least), nil
}

// value is exact: JSON's numbers may have any number of digits.
func value(n json.Number) *big.Rat {
	v, _ := new(big.Rat).SetString(n.String())
	return v
}

const prescriptions = `
databases: [clinic]
policies:
  default:
    rules:
      - name: prescriptions
        fields:
          mg: { resolver: { go: dose } }
          seen_by: union
`

// site is a server in memory with a couchmend beside it, whose policy names a
// resolver in Go. Stop ends both and removes what they kept.
func site(ctx context.Context) (clinic *couchtest.DB, c *mend.Couchmend, stop func(), err error) {
	dir, err := os.MkdirTemp("", "couchmend-example-")
	if err != nil {
		return nil, nil, nil, err
	}
	policy := filepath.Join(dir, "couchmend.yaml")
	if err := os.WriteFile(policy, []byte(prescriptions), 0o600); err != nil {
		return nil, nil, nil, err
	}
	server, err := couchtest.Listen(couchtest.NewNode(), "127.0.0.1:0")
	if err != nil {
		return nil, nil, nil, err
	}
	clinic = server.Node.CreateDB("clinic")
	c, err = mend.Open(ctx, mend.Options{
		URL:        server.URL,
		PolicyFile: policy,
		StateDir:   filepath.Join(dir, "state"),
		Resolvers:  map[string]couchmend.Resolver{"dose": dose{}},
	})
	if err != nil {
		server.Close()
		return nil, nil, nil, err
	}
	return clinic, c, func() { c.Close(); server.Close(); os.RemoveAll(dir) }, nil
}

// A rule names a resolver in Go, and the program that embeds couchmend brings
// it. Here it decides one field; the others merge by strategies. What it does
// not want to decide waits for a person, with its words.
func ExampleOptions_resolvers() {
	ctx := context.Background()
	clinic, c, stop, err := site(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	save(clinic, `{"mg":500,"seen_by":[]}`, "1-00")
	save(clinic, `{"mg":250.5,"seen_by":["ada"]}`, "2-aa", "1-00")
	save(clinic, `{"mg":750,"seen_by":["bo"]}`, "2-bb", "1-00")
	if err := c.Once(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(clinic.Leaves("report")[0].Body))

	save(clinic, `{"mg":"as needed"}`, "2-cc", "1-00")
	if err := c.Once(ctx); err != nil {
		fmt.Println(err)
		return
	}
	waiting, err := c.Ledger.CountCases(ctx)
	fmt.Println("for a person:", waiting, err)
	// Output:
	// {"mg":250.5,"seen_by":["ada","bo"]}
	// for a person: map[resolver:1] <nil>
}

// Two sites, each with a couchmend of its own, saw other edits of one document
// first. They merge what they have and replicate; both end with one revision
// that holds all edits, because every line of the policy is a join.
func Example_twoSites() {
	ctx := context.Background()
	north, northern, stop, err := site(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	south, southern, stop, err := site(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	save(north, `{"mg":500,"seen_by":[]}`, "1-00")
	save(north, `{"mg":250,"seen_by":["ada"]}`, "2-aa", "1-00")
	save(north, `{"mg":750,"seen_by":["bo"]}`, "2-bb", "1-00")
	save(south, `{"mg":500,"seen_by":[]}`, "1-00")
	save(south, `{"mg":750,"seen_by":["bo"]}`, "2-bb", "1-00")
	save(south, `{"mg":100,"seen_by":["cy"]}`, "2-cc", "1-00")

	for range 3 {
		for _, c := range []*mend.Couchmend{northern, southern} {
			if err := c.Once(ctx); err != nil {
				fmt.Println(err)
				return
			}
		}
		for _, way := range [][2]*couchtest.DB{{north, south}, {south, north}} {
			if _, err := couchtest.Replicate(ctx, way[0], way[1]); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	here, there := north.Leaves("report")[0], south.Leaves("report")[0]
	fmt.Println(string(here.Body))
	fmt.Println("one revision:", here.Rev == there.Rev, "open conflicts:", north.Conflicts(), south.Conflicts())
	// Output:
	// {"mg":100,"seen_by":["ada","bo","cy"]}
	// one revision: true open conflicts: [] []
}
