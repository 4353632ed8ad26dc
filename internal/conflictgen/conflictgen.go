// Package conflictgen makes documents in conflict whose one right merge is
// known, because the edits that led to the conflict are known.
//
// A document starts as a history, not as bodies: a tree of revisions, and
// edits that each happened at one of them ("add 3 to visits", "put x into
// tags", "address becomes v at clock 7"). A revision's body is the edits on
// its path, carried out. The right merge is all edits of the whole tree,
// carried out once each, as the meaning of their field demands:
//
//	1 ── 2 ──┬── visits +3 ── tags +x ── 4   visits: both count, 2+3+5
//	         └── visits +5 ─────────── 3     tags: changed on one side
//
// So the oracle never compares two bodies and never looks for a base: it
// shares no idea, and no code, with the packages that it judges.
package conflictgen

import (
	"iter"
	"math/rand/v2"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Options bound what a Generator makes. The zero Options are 1,000 documents
// of every scenario.
type Options struct {
	// Docs is the number of documents; 0 is 1,000.
	Docs int
	// Shares gives scenarios their relative shares; a scenario that is not
	// named is left out. nil gives every scenario its own default.
	Shares map[string]int
	// NoBigNumbers leaves out what a server in JavaScript cannot keep:
	// integers beyond 2^53, and 1.0 beside 1.
	NoBigNumbers bool
	// NoAttachments leaves out the scenarios about attachments.
	NoAttachments bool
}

// Generator makes conflicts. The same Seed and Options make the same
// documents, byte for byte; document number n does not depend on Docs.
type Generator struct {
	Seed      uint64
	opts      Options
	scenarios []scenario // one cycle: a scenario as often as its share
}

// New returns the generator of one seed.
func New(seed uint64, opts Options) *Generator {
	if opts.Docs == 0 {
		opts.Docs = 1000
	}
	g := &Generator{Seed: seed, opts: opts}
	for _, s := range scenarios() {
		if s.numbers && opts.NoBigNumbers || s.files && opts.NoAttachments {
			continue
		}
		share := s.share
		if opts.Shares != nil {
			share = opts.Shares[s.name]
		}
		for range share {
			g.scenarios = append(g.scenarios, s)
		}
	}
	shuffle := rand.New(rand.NewPCG(seed, 0))
	shuffle.Shuffle(len(g.scenarios), func(i, j int) {
		g.scenarios[i], g.scenarios[j] = g.scenarios[j], g.scenarios[i]
	})
	return g
}

// Case is one document: what to write, and what must become of it.
type Case struct {
	ID       string
	Scenario string
	// Steps are the revisions to write with new_edits=false, one request (or
	// more) a step. The first steps hold bodies of ancestors, where these are
	// to be had; the last one holds the leaves.
	Steps [][]couchmend.Revision
	Want  Expectation
}

// Expectation is the one right end of a Case.
type Expectation struct {
	// Outcome is Nothing, Keep, Merge, Delete or Review.
	Outcome couchmend.Outcome
	// Body is the document in the end, for Nothing, Keep and Merge. Number
	// literals and key order are those that must come back.
	Body jsondoc.Value
	// Attachments are the contents by name that belong to Body.
	Attachments map[string][]byte
	// Deleted says that no live leaf may be left.
	Deleted bool
	// Reason is why a person must decide; only for Review.
	Reason couchmend.Reason
	// Leaves are the live leaves as written, CouchDB's winner first. In Review
	// they must all be there still, and nothing else.
	Leaves []couchmend.Rev
}

// Docs yields the cases, Options.Docs of them. They are made one at a time and
// not kept; ranging over them again makes the same ones.
func (g *Generator) Docs() iter.Seq[Case] {
	return func(yield func(Case) bool) {
		if len(g.scenarios) == 0 {
			return
		}
		for n := range g.opts.Docs {
			if !yield(g.doc(n)) {
				return
			}
		}
	}
}

func (g *Generator) doc(n int) Case {
	s := g.scenarios[n%len(g.scenarios)]
	d := newDraft(g.Seed, n, s.name, g.opts)
	want := s.build(d)
	for _, leaf := range d.live() {
		want.Leaves = append(want.Leaves, leaf.rev)
	}
	return Case{ID: d.id, Scenario: s.name, Steps: d.steps(), Want: want}
}

// Conflict is the case as it would be read back from a server that has taken
// all its steps and was not compacted.
func (c Case) Conflict(db string) couchmend.Conflict {
	conflict := couchmend.Conflict{DB: db, ID: c.ID, RevsLimit: 1000, Bases: map[couchmend.Rev]couchmend.Revision{}}
	for i, step := range c.Steps {
		for _, r := range step {
			switch {
			case i < len(c.Steps)-1:
				conflict.Bases[r.Rev] = r
			case r.Deleted:
				conflict.Dead = append(conflict.Dead, r)
			default:
				conflict.Leaves = append(conflict.Leaves, r)
			}
		}
	}
	winnerFirst(conflict.Leaves)
	winnerFirst(conflict.Dead)
	return conflict
}
