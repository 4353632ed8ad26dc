package conflictgen_test

import (
	"context"
	"iter"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/conflictgen"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(code) }),
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// undecided are the cases as they are before anybody merges: whatever is to
// become of them, all live leaves are there.
func undecided(cases iter.Seq[conflictgen.Case]) iter.Seq[conflictgen.Case] {
	return func(yield func(conflictgen.Case) bool) {
		for c := range cases {
			c.Want = conflictgen.Expectation{Outcome: couchmend.Nothing, Leaves: c.Want.Leaves}
			if !yield(c) {
				return
			}
		}
	}
}

func TestLoadedDocumentsHaveTheLiveLeavesPromised(t *testing.T) {
	ctx := context.Background()
	for name, url := range servers(t) {
		cases := conflictgen.New(1, conflictgen.Options{Docs: 400}).Docs()
		if err := conflictgen.Load(ctx, url, "conflictgen-leaves", cases); err != nil {
			t.Fatal(name, err)
		}
		wrong, err := conflictgen.Check(ctx, url, "conflictgen-leaves", undecided(cases), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, m := range wrong {
			t.Error(name, m)
		}
	}
}

func TestCheckFindsEveryDocumentThatNobodyMerged(t *testing.T) {
	ctx := context.Background()
	for name, url := range servers(t) {
		cases := conflictgen.New(2, conflictgen.Options{Docs: 400}).Docs()
		if err := conflictgen.Load(ctx, url, "conflictgen-check", cases); err != nil {
			t.Fatal(name, err)
		}
		reviews := map[string]couchmend.Reason{"stranger": couchmend.ReasonOverlap}
		want := 1 // the stranger
		for c := range cases {
			switch c.Want.Outcome {
			case couchmend.Nothing:
			case couchmend.Review:
				reviews[c.ID] = c.Want.Reason
				if len(reviews)%3 == 0 { // for another reason
					reviews[c.ID] = couchmend.ReasonHeld
					want++
				}
			default:
				want++
			}
		}
		wrong, err := conflictgen.Check(ctx, url, "conflictgen-check", cases, reviews)
		if err != nil || len(wrong) != want {
			t.Errorf("%s: %d mismatches (%v), want %d", name, len(wrong), err, want)
		}
	}
}

// servers are a couchtest node and, where COUCHMEND_TEST_COUCHDB names one, a
// real CouchDB, both without the tests' databases.
func servers(t *testing.T) map[string]string {
	all := map[string]string{"couchtest": couchtest.NewServer(t, couchtest.NewNode()).URL}
	if real := os.Getenv("COUCHMEND_TEST_COUCHDB"); real != "" {
		all["CouchDB"] = real
		clean := func() {
			for _, db := range []string{"conflictgen-leaves", "conflictgen-check"} {
				req, err := http.NewRequest(http.MethodDelete, strings.TrimSuffix(real, "/")+"/"+db, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
			}
		}
		clean()
		t.Cleanup(clean)
	}
	return all
}
