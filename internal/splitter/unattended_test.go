package splitter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// splitting is a policy that splits, and says what a report's references mean.
const splitting = `
databases: [ { match: "*", policy: all } ]
policies:
  all:
    rules:
      - { name: people, when: { type: person }, collision: split }
      - { name: records, when: { type: data_record }, collision: split }
      - { name: reports, when: { type: report }, references: { fields.patient_id: person, fields.inputs.contact._id: person } }
      - { name: others, when: {} }
`

// unattended makes the site one at which splits are carried out by themselves.
func (s *site) unattended() *Unattended {
	s.Helper()
	file, err := policy.Parse("policy", []byte(splitting), ".", policy.Options{})
	if err != nil {
		s.Fatal(err)
	}
	p := file.For(s.name)
	s.rules = func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }
	apart, err := s.ledger.FollowSplits(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	s.Mender.Pace = func(int) time.Duration { return time.Millisecond }
	u := NewUnattended(s.Mender, apart, func(string) bool { return true })
	s.Mender.Split, s.Mender.Late = u.Wake, u.Late
	return u
}

// mends has documents decided, as a feed's rows would, and splits what is to be
// split.
func (s *site) mends(u *Unattended, ids ...string) error {
	s.Helper()
	s.queueAll(ids...)
	return s.goOn(u)
}

func (s *site) queueAll(ids ...string) {
	s.Helper()
	for _, id := range ids {
		if _, err := s.ledger.Put(s.ctx, ledger.Item{DB: s.name, ID: id}); err != nil {
			s.Fatal(err)
		}
	}
}

// goOn works the queue and splits until nothing is left.
func (s *site) goOn(u *Unattended) error {
	for {
		for {
			left, err := s.ledger.Pending(s.ctx)
			if err != nil {
				return err
			}
			if left == 0 {
				break
			}
			tasks, err := s.ledger.Fetch(s.ctx, 100, 50*time.Millisecond)
			if err != nil {
				return err
			}
			if err := s.Mender.Mend(s.ctx, tasks); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
		n, err := u.Once(ctx)
		cancel()
		if err != nil || n == 0 {
			return err
		}
	}
}

// reviews are the reasons of what is in review, by document.
func (s *site) reviews() map[string]ledger.Case {
	s.Helper()
	cases := map[string]ledger.Case{}
	for c, err := range s.ledger.Cases(s.ctx, ledger.Filter{DB: s.name}) {
		if err != nil {
			s.Fatal(err)
		}
		cases[c.ID] = c
	}
	return cases
}

func (s *site) wantSplit() {
	s.Helper()
	docs := s.docs()
	if len(docs[old]) != 0 || len(docs[personID()]) != 1 || len(docs[recordID()]) != 1 {
		s.Errorf("%v", docs)
	}
	for id, leaves := range docs {
		if len(leaves) != 1 || strings.Contains(leaves[0], `"`+old+`"`) {
			s.Errorf("%s: %q", id, leaves)
		}
	}
	if left := s.reviews(); len(left) > 0 {
		s.Errorf("in review: %v", left)
	}
}

func TestAnUnattendedSplitThatIsKilledAnywhereGoesOn(t *testing.T) {
	const n = 5
	node := couchtest.NewServer(t, couchtest.NewNode()).URL
	whole := newSite(t, node)
	whole.collide(n)
	u := whole.unattended()
	var requests []string
	whole.before = func(op string) { requests = append(requests, op) }
	if err := whole.mends(u, old); err != nil {
		t.Fatal(err)
	}
	whole.before = nil
	whole.wantSplit()
	after, revs := whole.docs(), fmt.Sprint(whole.revs())
	begins := slices.Index(requests, "POST _bulk_docs") - 2 // until then it reads
	for cut, op := range requests {
		if cut < begins {
			continue
		}
		for _, lost := range []bool{false, true} {
			if lost && op != "POST _bulk_docs" {
				continue // nothing was written that an answer tells of
			}
			t.Run(fmt.Sprintf("after %d lost %v", cut, lost), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, node)
				s.collide(n)
				u := s.unattended()
				s.queueAll(old)
				s.after, s.asked, s.lost = cut, 0, lost
				ctx, cancel := context.WithCancel(s.ctx)
				s.before = func(string) {
					if s.asked == s.after {
						cancel() // nothing is written any more, here or to the state
					}
				}
				s.ctx = ctx
				_ = s.goOn(u)
				s.ctx, s.before = t.Context(), nil
				s.reopen()
				u = s.unattended()
				if err := s.mends(u, old); err != nil {
					t.Fatal(err)
				}
				s.T = t
				s.wantSplit()
				if now := s.docs(); !same(now, after) || fmt.Sprint(s.revs()) != revs {
					t.Errorf("the end is another one: %v", now)
				}
			})
		}
	}
}

func TestWhatIsAmbiguousIsLeftToAPersonWithTheCommandForIt(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(3)
	s.put("note", "1-a", `{"type":"note","about":"`+old+`"}`)
	before := s.docs()
	u := s.unattended()
	if err := s.mends(u, old); err != nil {
		t.Fatal(err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("something was written: %v", now)
	}
	c := s.reviews()[old]
	words := strings.Join(c.Evidence, "\n")
	for _, want := range []string{"about in " + s.name + "/note", "their types differ", "couchmend split " + s.name + " " + old} {
		if c.Reason != couchmend.ReasonTwoRoots || !strings.Contains(words, want) {
			t.Errorf("%s: %s, want %s", c.Reason, words, want)
		}
	}
	s.put("note", "2-a 1-a", `{"type":"note"}`)
	if err := s.mends(u, old); err != nil { // a retry
		t.Fatal(err)
	}
	s.wantSplit()
}

func TestAPauseHoldsAnUnattendedSplitBetweenAnyTwoWrites(t *testing.T) {
	for at := range 9 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			s, _ := newNodeSite(t)
			s.collide(2)
			u := s.unattended()
			n, paused, after := 0, false, 0
			s.before = func(op string) {
				if op != "POST _bulk_docs" {
					return
				}
				if paused {
					after++
				}
				if n++; n == at+1 {
					paused = true
					if err := s.ledger.Pause(context.WithoutCancel(s.ctx), ledger.Pause{DB: s.name, Reason: "test"}); err != nil {
						t.Error(err)
					}
				}
			}
			if at == 0 {
				paused = true
				if err := s.ledger.Pause(s.ctx, ledger.Pause{DB: s.name}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.mends(u, old); err != nil {
				t.Fatal(err)
			}
			if after > 0 || !paused && n > at {
				t.Fatalf("%d writes were started in the pause", after)
			}
			if paused && at < n {
				if c := s.reviews()[old]; len(s.docs()[old]) > 0 && c.Reason != couchmend.ReasonSplitting {
					t.Errorf("%+v", c)
				}
			}
			s.before = nil
			if err := s.ledger.Resume(s.ctx, s.name); err != nil {
				t.Fatal(err)
			}
			if err := s.goOn(u); err != nil {
				t.Fatal(err)
			}
			s.wantSplit()
		})
	}
}

func TestOneSearchFindsWhatRefersToManyCollisions(t *testing.T) {
	s, _ := newNodeSite(t)
	var ids []string
	for i := range 20 {
		id := fmt.Sprintf("collided-%02d", i)
		ids = append(ids, id)
		s.put(id, "1-e4da", person)
		s.put(id, "1-ce40", record)
		s.put(fmt.Sprintf("ref-%02d", i), "1-a", referrer(id))
	}
	u := s.unattended()
	s.queueAll(ids...)
	lists := 0
	s.before = func(op string) {
		if op == "GET _all_docs" {
			lists++
		}
	}
	if err := s.goOn(u); err != nil {
		t.Fatal(err)
	}
	s.before = nil
	if lists > 4 { // the search and the census, a page each, and the end of each
		t.Errorf("the database was listed %d times", lists)
	}
	for i, id := range ids {
		if len(s.docs()[id]) != 0 || strings.Contains(fmt.Sprint(s.docs()[fmt.Sprintf("ref-%02d", i)]), id) {
			t.Errorf("%s was not split", id)
		}
	}
}

// A document is saved, or created, while the search reads: behind its back.
func TestWhatIsSavedBehindTheSearchIsMendedToo(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(2)
	u := s.unattended()
	lists := 0
	s.before = func(op string) {
		if op == "GET _all_docs" {
			if lists++; lists == 2 { // the first one has read it all
				s.put("0-new", "1-a", referrer(old))
			}
		}
	}
	if err := s.mends(u, old); err != nil {
		t.Fatal(err)
	}
	s.before = nil
	if lists < 2 {
		t.Fatal("nothing was saved behind the search")
	}
	s.wantSplit()
}

func TestAPersonsSplitThatBrokeOffIsLeftToThePerson(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(2)
	split, err := s.Plan(s.ctx, s.request())
	if err != nil {
		t.Fatal(err)
	}
	s.asked, s.after = 0, 12
	if _, err := s.Apply(s.ctx, split); err == nil {
		t.Fatal("nothing was cut off")
	}
	s.reopen()
	before := s.docs()
	if err := s.mends(s.unattended(), old); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(s.reviews()[old].Evidence, "\n")
	if now := s.docs(); !same(now, before) || !strings.Contains(words, "ann") || !strings.Contains(words, "--resume") {
		t.Errorf("%v\n%s", now, words)
	}
}

func TestTwoProcessesAtOneSplitDoNoHarm(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(20)
	u := s.unattended()
	server, err := couch.Open(couch.Config{URL: s.url, Transport: s.transport})
	if err != nil {
		t.Fatal(err)
	}
	config := s.Mender.Config
	config.Server = server
	both := NewUnattended(mender.New(config), u.apart, func(string) bool { return true })
	s.queueAll(old)
	tasks, err := s.ledger.Fetch(s.ctx, 10, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mender.Mend(s.ctx, tasks); err != nil {
		t.Fatal(err)
	}
	// Without the lease, which makes it rare.
	errs := make(chan error)
	for _, one := range []*Unattended{u, both} {
		turn := &turn{Unattended: one, db: s.name, tried: map[string]bool{}, splitter: &Splitter{Mender: one.mender, By: nobody, Gate: one.gate}}
		go func() { errs <- turn.take(s.ctx) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := s.goOn(u); err != nil {
		t.Fatal(err)
	}
	s.wantSplit()
}

func TestASplitUnderWayThatNothingWaitsForIsFound(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(2)
	u := s.unattended()
	s.queueAll(old)
	writes := 0
	ctx, cancel := context.WithCancel(s.ctx)
	s.before = func(op string) {
		if op == "POST _bulk_docs" {
			if writes++; writes == 2 {
				cancel()
			}
		}
	}
	s.ctx = ctx
	_ = s.goOn(u)
	s.ctx, s.before = t.Context(), nil
	if err := s.ledger.DropCases(s.ctx, s.name, old); err != nil { // as when the document is in no conflict any more
		t.Fatal(err)
	}
	if left := u.apart.UnderWay(nobody); len(left) != 1 {
		t.Fatalf("%v", left)
	}
	s.reopen()
	if _, err := s.unattended().Once(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.wantSplit()
}

func TestWhatThePolicyNoLongerSplitsIsNotSplit(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(2)
	u := s.unattended()
	s.queueAll(old)
	tasks, err := s.ledger.Fetch(s.ctx, 10, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mender.Mend(s.ctx, tasks); err != nil || s.reviews()[old].Reason != couchmend.ReasonSplitting {
		t.Fatalf("%v %v", err, s.reviews())
	}
	builtin := policy.Builtin() // collision: review
	s.rules = func(id string, body jsondoc.Value) *merge.Rule { return builtin.Select(body, id) }
	before := s.docs()
	if _, err := u.Once(s.ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.goOn(u); err != nil {
		t.Fatal(err)
	}
	if now := s.docs(); !same(now, before) || s.reviews()[old].Reason != couchmend.ReasonTwoRoots {
		t.Errorf("%v %+v", now, s.reviews()[old])
	}
}

func TestEachVersionIsAliveSomewhereAllTheWhile(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(2)
	u := s.unattended()
	looks := 0
	look := func() {
		hear := s.before
		s.before = nil
		all := fmt.Sprint(s.docs())
		if !strings.Contains(all, "Amina") || !strings.Contains(all, `"lmp":"2020-01-01"`) {
			t.Errorf("a version is gone before write %d: %s", looks, all)
		}
		s.before = hear
		looks++
	}
	s.before = func(op string) {
		if op == "POST _bulk_docs" {
			look()
		}
	}
	if err := s.mends(u, old); err != nil {
		t.Fatal(err)
	}
	s.wantSplit()
	if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	look()
	if looks < 6 {
		t.Errorf("only %d looks", looks)
	}
}
