package conformance

import (
	"context"
	"slices"
	"testing"
	"time"
)

// expectations is the whole suite.
var expectations = slices.Concat(
	revisionIDs, values, bulkDocs, paths, attachments,
	documents, changes, bulkGet, deletions, databases, replication, sessions,
)

func TestCouchtestBehavesAsExpected(t *testing.T) { behaves(t, startCouchtest(t)) }

func TestExpressPouchDBBehavesAsExpected(t *testing.T) { behaves(t, startPouch(t)) }

func TestCouchDBBehavesAsExpected(t *testing.T) { behaves(t, dialCouch(t)) }

// behaves puts every expectation to s. One that s is excused from must fail:
// an excuse that is no longer needed is an error.
func behaves(t *testing.T, s *server) {
	for _, e := range expectations {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			excuse := excused(s.name, e.name)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if excuse != "" {
				// Some are excused because the server never answers.
				ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
			}
			defer cancel()
			err := hold(ctx, s, e)
			switch {
			case excuse == "" && err != nil:
				t.Error(err)
			case excuse != "" && err == nil:
				t.Errorf("it holds on %s: remove the excuse %q", s.name, excuse)
			case excuse != "":
				t.Skipf("%s is excused: %s (%v)", s.name, excuse, err)
			}
		})
	}
}

func TestExpectationsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range expectations {
		if seen[e.name] || e.name == "" || len(e.steps) == 0 {
			t.Errorf("%q stands twice or is empty", e.name)
		}
		seen[e.name] = true
	}
}

func TestEveryExcuseNamesAnExpectationAndAReason(t *testing.T) {
	for server, all := range excuses {
		for _, one := range all {
			for _, name := range one.from {
				known := slices.ContainsFunc(expectations, func(e expectation) bool { return e.name == name })
				if !known || one.because == "" {
					t.Errorf("%s is excused from %q for %q: no such expectation, or no reason", server, name, one.because)
				}
			}
		}
	}
}
