package e2e

import (
	"context"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/ledger"
)

// generated are conflicts whose right merge is known: a few, or
// COUCHMEND_E2E_DOCS of them.
func generated(t *testing.T, small int) *conflictgen.Generator {
	return conflictgen.New(1, conflictgen.Options{Docs: number(t, "COUCHMEND_E2E_DOCS", small)})
}

func TestRunOnceMergesEveryDocumentAsTheOracleDoesAndASecondRunWritesNothing(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := generated(t, 400)
		db := s.load(t, g)
		watch := newWitness(g)
		p := through(t, s, watch.hear)
		here := p.site(t, conflictgen.PolicyYAML())

		here.once(t, db)
		s.check(t, db, g, here)
		watch.testify(t)
		losersAreInTheJournal(t, here, db, g)

		after, writes := s.leaves(t, db), p.count("POST _bulk_docs")
		second := here.once(t, db)
		if n := p.count("POST _bulk_docs"); n != writes || second.Merged+second.Kept+second.Buried+second.Deleted > 0 {
			t.Errorf("the second run wrote: %d requests, %+v", n-writes, second)
		}
		sameLeaves(t, "after the second run", s.leaves(t, db), after)
		s.check(t, db, g, here)
	})
}

func TestARunWithoutStateFindsNothingLeftToDo(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		g := generated(t, 200)
		db := s.load(t, g)
		p := through(t, s, silent)
		p.site(t, conflictgen.PolicyYAML()).once(t, db)
		writes := p.count("POST _bulk_docs")

		elsewhere := p.site(t, conflictgen.PolicyYAML())
		elsewhere.once(t, db)
		if n := p.count("POST _bulk_docs"); n != writes {
			t.Errorf("another site's run wrote %d times", n-writes)
		}
		s.check(t, db, g, elsewhere)
	})
}

// losersAreInTheJournal looks for the body of every leaf that was buried: the
// other half of I1.
func losersAreInTheJournal(t *testing.T, at site, db string, g *conflictgen.Generator) {
	t.Helper()
	kept := map[string]map[couchmend.Rev]bool{}
	at.look(t, func(ctx context.Context, l *ledger.Ledger) {
		for c := range g.Docs() {
			kept[c.ID] = map[couchmend.Rev]bool{}
		}
		var none ledger.Checkpoint
		if err := l.Each(ctx, db, none.At, func(e ledger.Entry) error {
			for _, leaf := range e.Leaves {
				kept[e.ID][leaf.Rev] = len(leaf.Body) > 0
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	for c := range g.Docs() {
		switch c.Want.Outcome {
		case couchmend.Merge, couchmend.Keep, couchmend.Delete:
			for _, leaf := range c.Want.Leaves {
				if !kept[c.ID][leaf] {
					t.Fatalf("the journal lacks %s of %s (%s)", leaf, c.ID, c.Scenario)
				}
			}
		}
	}
}
