package laws

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/mend"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// clinic is a CouchDB in memory and a real couchmend beside it: what a
// counterexample says must come true there.
type clinic struct {
	t    *testing.T
	node *couchtest.Node
	db   *couchtest.DB
	mend *mend.Couchmend
}

func newClinic(t *testing.T, policyFile string) *clinic {
	t.Helper()
	node := couchtest.NewNode()
	t.Cleanup(node.Close)
	c := &clinic{t: t, node: node, db: node.CreateDB("clinic")}
	var err error
	c.mend, err = mend.Open(t.Context(), mend.Options{
		URL: couchtest.NewServer(t, node).URL, PolicyFile: policyFile, StateDir: filepath.Join(t.TempDir(), "state"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.mend.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// sees writes revisions as replication would.
func (c *clinic) sees(id string, revisions ...couchmend.Revision) {
	c.t.Helper()
	for _, r := range revisions {
		if r.Body == nil {
			continue // a base that can't be had
		}
		if err := c.db.Put(r, id); err != nil {
			c.t.Fatal(err)
		}
	}
}

// mends lets couchmend do all that there is to do.
func (c *clinic) mends() {
	c.t.Helper()
	if err := c.mend.Once(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clinic) live(id string) []couchmend.Revision {
	var live []couchmend.Revision
	for _, leaf := range c.db.Leaves(id) {
		if !leaf.Deleted {
			live = append(live, leaf)
		}
	}
	return live
}

// shows is the document as readers see it; nil: it is deleted.
func (c *clinic) shows(id string) jsondoc.Value {
	live := c.live(id)
	if len(live) == 0 {
		return nil
	}
	return jsondoc.Value(live[0].Body)
}

const sickDoc = "doc"

func questionOf(e *Counterexample) Question {
	q := Question{ID: sickDoc}
	if string(e.Base) != "null" {
		q.Base = jsondoc.Value(e.Base)
	}
	for _, leaf := range e.Leaves {
		q.Leaves = append(q.Leaves, jsondoc.Value(leaf))
	}
	return q
}

// confirm carries a counterexample out at clinics that are cut off from each
// other, and sees that what it says comes true.
func confirm(t *testing.T, policyFile string, v Verdict) {
	t.Helper()
	q := questionOf(v.Example)
	switch v.Law {
	case Deterministic:
		confirmUnrest(t, policyFile, q)
	case Commutative:
		confirmChance(t, policyFile, q, v.Example.Answers)
	case Idempotent:
		confirmGrowth(t, policyFile, q, v.Example.Answers)
	case Associative:
		confirmOrders(t, policyFile, q, v.Example.Answers)
	case Agreement:
		confirmDisagreement(t, policyFile, q)
	default:
		confirmDamage(t, policyFile, q, v.Example)
	}
}

// confirmUnrest puts one conflict many times before two clinics that then
// replicate: some of its copies can't be merged by both alike.
func confirmUnrest(t *testing.T, policyFile string, q Question) {
	t.Helper()
	here, there := newClinic(t, policyFile), newClinic(t, policyFile)
	ids := strings.Split("a b c d e f", " ")
	for _, id := range ids {
		p := plant(q, upward(len(q.Leaves)))
		for _, c := range []*clinic{here, there} {
			c.sees(id, append([]couchmend.Revision{p.base}, p.leaves...)...)
		}
	}
	var errs [2]error
	var group sync.WaitGroup
	group.Go(func() { errs[0] = here.mend.Once(t.Context()) })
	group.Go(func() { errs[1] = there.mend.Once(t.Context()) })
	group.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	replicateBoth(t, here, there)
	for _, id := range ids {
		if len(here.live(id)) > 1 {
			return // in conflict for ever
		}
	}
	t.Errorf("all %d copies of the conflict were merged, and alike", len(ids))
}

func replicateBoth(t *testing.T, here, there *clinic) {
	t.Helper()
	for _, pair := range [][2]*clinic{{here, there}, {there, here}} {
		if _, err := couchtest.Replicate(context.Background(), pair[0].db, pair[1].db); err != nil {
			t.Fatal(err)
		}
	}
}

// confirmChance lets another leaf win at each of two clinics.
func confirmChance(t *testing.T, policyFile string, q Question, answers []Answer) {
	t.Helper()
	won := regexp.MustCompile(`([A-Z]) won$`)
	for _, answer := range answers {
		winner := int(won.FindStringSubmatch(answer.How)[1][0] - 'A')
		ranks := make([]int, len(q.Leaves))
		for i := range ranks {
			ranks[i] = 1 + (i+len(ranks)-1-winner)%len(ranks)
		}
		c := newClinic(t, policyFile)
		p := plant(q, ranks)
		c.sees(q.ID, append([]couchmend.Revision{p.base}, p.leaves...)...)
		c.mends()
		same(t, answer, c.shows(q.ID))
	}
}

func same(t *testing.T, predicted Answer, shown jsondoc.Value) {
	t.Helper()
	if !jsondoc.Equal(jsondoc.Value(predicted.Body), shown) {
		t.Errorf("%s: a real couchmend made %s of it, the counterexample says %s", predicted.How, shown, predicted.Body)
	}
}

// confirmGrowth merges what needed no merging.
func confirmGrowth(t *testing.T, policyFile string, q Question, answers []Answer) {
	t.Helper()
	c := newClinic(t, policyFile)
	if answers[1].How == "A·A" {
		twice := Question{ID: q.ID, Leaves: []jsondoc.Value{q.Leaves[0], q.Leaves[0]}}
		if q.Base != nil {
			twice.Base = q.Leaves[0]
		}
		q = twice
	}
	p := plant(q, upward(2))
	c.sees(q.ID, p.base, p.leaves[0], p.leaves[1])
	c.mends()
	if answers[1].How != "A·A" {
		again := int([]rune(answers[1].How)[6] - 'A') // (A·B)·A
		c.sees(q.ID, child(p.leaves[again].Path, q.Leaves[again], 255, "again"))
		c.mends()
	}
	same(t, answers[1], c.shows(q.ID))
	if jsondoc.Equal(jsondoc.Value(answers[0].Body), c.shows(q.ID)) {
		t.Errorf("%s changed nothing", answers[1].How)
	}
}

// confirmOrders carries both ways of a counterexample out, on clinics of their
// own: each then holds every edit.
func confirmOrders(t *testing.T, policyFile string, q Question, answers []Answer) {
	t.Helper()
	for _, answer := range answers {
		same(t, answer, meet(t, policyFile, q, answer.How))
	}
}

// meet lets leaves meet as a way says: "(A·B)·C" is a clinic that merged A and
// B, and then hears of C from another one.
func meet(t *testing.T, policyFile string, q Question, how string) jsondoc.Value {
	t.Helper()
	p := plant(q, upward(len(q.Leaves)))
	how, _, _ = strings.Cut(strings.TrimSuffix(how, " at once"), ",")
	groups := []string{how}
	if strings.Contains(how, "(") {
		groups = regexp.MustCompile(`\([^)]*\)|[A-D]`).FindAllString(how, -1)
	}
	var first *clinic
	for _, group := range groups {
		c := newClinic(t, policyFile)
		c.sees(q.ID, p.base)
		for _, letter := range group {
			if 'A' <= letter && letter <= 'D' {
				c.sees(q.ID, p.leaves[letter-'A'])
			}
		}
		c.mends()
		if first == nil {
			first = c
			continue
		}
		replicateBoth(t, first, c)
		first.mends()
	}
	return first.shows(q.ID)
}

// confirmDisagreement tries the ways in which the leaves may meet: they do not
// all end alike, though each clinic holds every edit.
func confirmDisagreement(t *testing.T, policyFile string, q Question) {
	t.Helper()
	ends := map[string]bool{}
	ways := []string{"A·B", "B·A"}
	if len(q.Leaves) > 2 {
		ways = []string{"A·B·C", "(A·B)·C", "(A·C)·B", "(B·C)·A", "(A·B)·(B·C)", "(A·C)·(B·C)", "(A·B)·(A·C)"}
	}
	for _, way := range ways {
		ends[string(jsondoc.Canonical(meet(t, policyFile, q, way)))] = true
		if len(ends) > 1 {
			return
		}
	}
	t.Errorf("in whatever order %s met, they ended alike", q.Leaves)
}

// confirmDamage merges once: what the counterexample names is gone or spoiled,
// or the document stays in conflict.
func confirmDamage(t *testing.T, policyFile string, q Question, e *Counterexample) {
	t.Helper()
	c := newClinic(t, policyFile)
	p := plant(q, upward(len(q.Leaves)))
	c.sees(q.ID, append([]couchmend.Revision{p.base}, p.leaves...)...)
	c.mends()
	if e.Answers[0].Outcome == couchmend.Review {
		if len(c.live(q.ID)) < 2 {
			t.Error("the conflict was resolved")
		}
		return
	}
	for _, name := range e.Differs {
		if bytes.Equal(c.shows(q.ID).Get(name), q.Leaves[0].Get(name)) {
			t.Errorf("%s came through unharmed", name)
		}
	}
}
