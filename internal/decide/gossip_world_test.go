package decide

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/revtree"
)

// A world is several sites that edit, replicate and mend one document, each on
// its own. Replication copies leaves with their paths and no bodies of
// ancestors, may be cut between the leaves of a document, and may happen
// between a merge and its burials; so may a crash.
type world struct {
	scenario
	t       testing.TB
	rnd     *rand.Rand
	rule    *merge.Rule
	sites   []*site
	journal map[couchmend.Rev]couchmend.Revision // of every body ever written, for bodiesEverywhere
	edits   map[revtree.Mark]edit
	graves  map[revtree.Mark]edit // tombstones: what was counted is taken back
	count   int                   // of edits so far
	undone  []undone
	broken  string                    // the first law that a decision broke
	reasons map[couchmend.Reason]bool // for which the sites went to review in the end
	calm    bool                      // only replication and mending go on
	deleted bool                      // a user has deleted the document somewhere
}

// scenario is what may happen in a world.
type scenario struct {
	name             string
	bodiesEverywhere bool    // every site has the bodies of all ancestors
	compaction       float64 // how likely a site compacts after a replication
	revsLimit        int     // default 1000
	burst            int     // the most revisions of one edit; default 1
	deletes          float64 // how likely an edit is a user's deletion
	rule             merge.Deletes
	undo             float64            // how likely an edit is the undo of a merge
	race             float64            // how likely a user saves between our read and our write
	softDeletes      float64            // how likely a change is a soft deletion, or takes one back
	joins            bool               // only fields whose strategies need no base
	plain            bool               // two counters and two registers: many merges have one body
	foreign          float64            // how likely another tool picks a leaf and deletes the rest
	never            string             // an end that is no violation, and yet must not be
	reasons          []couchmend.Reason // for review, beside a base that could not be had
	breaks           func(*world, couchmend.Conflict, couchmend.Decision) couchmend.Decision
}

const (
	siteCount = 4
	editCount = 14
	docID     = "doc"
)

// site is one database, with one couchmend beside it.
type site struct {
	w    *world
	node *couchtest.Node
	db   *couchtest.DB
	done []taken
}

// taken is a decision that a site has carried out.
type taken struct {
	decision couchmend.Decision
	leaves   []couchmend.Revision
}

// undone is one undo: what it brought back may not be merged again without a
// person's word.
type undone struct{ held, restored []couchmend.Rev }

// edit is what one revision of a user's changed.
type edit struct {
	counts map[string]int // by counter, and by entry of the log
	clocks map[string]write
	tags   []string
}

// write is a value of a register with its clock.
type write struct {
	clock int
	value string
}

func (a write) later(b write) bool {
	return a.clock > b.clock || a.clock == b.clock && a.value > b.value
}

// content is a document's content, or what it should be.
type content struct {
	counts map[string]int
	clocks map[string]write
	tags   map[string]bool
	gone   bool // soft-deleted
}

func newContent() content {
	return content{counts: map[string]int{"c0": 0, "c1": 0}, clocks: map[string]write{}, tags: map[string]bool{}}
}

func (c content) add(e edit) {
	for name, n := range e.counts {
		if c.counts[name] += n; c.counts[name] == 0 && strings.HasPrefix(name, "log ") {
			delete(c.counts, name)
		}
	}
	for name, w := range e.clocks {
		if w.later(c.clocks[name]) {
			c.clocks[name] = w
		}
	}
	for _, tag := range e.tags {
		c.tags[tag] = true
	}
}

func (c content) equal(d content) bool {
	return maps.Equal(c.counts, d.counts) && maps.Equal(c.clocks, d.clocks) && maps.Equal(c.tags, d.tags)
}

// ruleOf is the rule of every document in a world.
func ruleOf(deletes merge.Deletes) *merge.Rule {
	return &merge.Rule{Name: "gossip", Deletes: deletes, Fields: []merge.Field{
		{Pattern: merge.Path{"c0"}, Strategy: merge.Strategy{Kind: merge.Sum}},
		{Pattern: merge.Path{"c1"}, Strategy: merge.Strategy{Kind: merge.Sum}},
		{Pattern: merge.Path{"log"}, Strategy: merge.Strategy{Kind: merge.Append}},
		{Pattern: merge.Path{"tags"}, Strategy: merge.Strategy{Kind: merge.Union}},
		{Pattern: merge.Path{"f0"}, Strategy: merge.Strategy{Kind: merge.Latest, Beside: merge.Path{"f0_at"}}},
		{Pattern: merge.Path{"f1"}, Strategy: merge.Strategy{Kind: merge.Latest, Beside: merge.Path{"f1_at"}}},
	}}
}

func (c content) body() json.RawMessage {
	members := []jsondoc.Member{}
	add := func(name string, v jsondoc.Value) {
		members = append(members, jsondoc.Member{Name: name, Value: v})
	}
	add("c0", jsondoc.Value(strconv.Itoa(c.counts["c0"])))
	add("c1", jsondoc.Value(strconv.Itoa(c.counts["c1"])))
	for _, name := range slices.Sorted(maps.Keys(c.clocks)) {
		add(name, jsondoc.String(c.clocks[name].value))
		add(name+"_at", jsondoc.Value(strconv.Itoa(c.clocks[name].clock)))
	}
	var tags, log []jsondoc.Value
	for _, tag := range slices.Sorted(maps.Keys(c.tags)) {
		tags = append(tags, jsondoc.String(tag))
	}
	for _, name := range slices.Sorted(maps.Keys(c.counts)) {
		if entry, ok := strings.CutPrefix(name, "log "); ok {
			for range c.counts[name] {
				log = append(log, jsondoc.String(entry))
			}
		}
	}
	if c.gone {
		add("gone", jsondoc.Value("true"))
	}
	add("tags", jsondoc.Array(tags))
	add("log", jsondoc.Array(log))
	return json.RawMessage(jsondoc.Object(members))
}

func contentOf(body json.RawMessage) content {
	c := newContent()
	v := jsondoc.Value(body)
	for _, m := range v.Members() {
		switch {
		case m.Name[0] == 'c':
			c.counts[m.Name], _ = strconv.Atoi(string(m.Value))
		case m.Name == "gone":
			c.gone = true
		case m.Name == "tags":
			for _, e := range m.Value.Elements() {
				c.tags[e.Text()] = true
			}
		case m.Name == "log":
			for _, e := range m.Value.Elements() {
				c.counts["log "+e.Text()]++
			}
		case m.Value.Kind() == '"':
			clock, _ := strconv.Atoi(string(v.Get(m.Name + "_at")))
			c.clocks[m.Name] = write{clock: clock, value: m.Value.Text()}
		}
	}
	return c
}

func newWorld(t testing.TB, s scenario, seed uint64) *world {
	if s.revsLimit == 0 {
		s.revsLimit = 1000
	}
	w := &world{scenario: s, t: t, rnd: rand.New(rand.NewPCG(seed, 1)), rule: ruleOf(s.rule), edits: map[revtree.Mark]edit{}, graves: map[revtree.Mark]edit{}, journal: map[couchmend.Rev]couchmend.Revision{}, reasons: map[couchmend.Reason]bool{}}
	if w.softDeletes > 0 {
		w.rule.SoftDelete = &merge.SoftDelete{Field: merge.Path{"gone"}, Wins: merge.SoftDeleteStands}
	}
	if w.joins {
		w.rule.Fields = slices.DeleteFunc(w.rule.Fields, func(f merge.Field) bool {
			return f.Strategy.Kind == merge.Sum || f.Strategy.Kind == merge.Append
		})
	}
	root := couchmend.Revision{Rev: w.newRev(couchmend.Rev{}), Body: newContent().body()}
	root.Path = []couchmend.Rev{root.Rev}
	for range siteCount {
		node := couchtest.NewNode()
		t.Cleanup(node.Close)
		s := &site{w: w, node: node, db: node.CreateDB("db")}
		s.db.SetRevsLimit(w.revsLimit)
		s.put(root)
		w.sites = append(w.sites, s)
	}
	return w
}

func (w *world) chance(p float64) bool { return w.rnd.Float64() < p }

// newRev is the id of a user's revision.
func (w *world) newRev(parent couchmend.Rev) couchmend.Rev {
	w.count++
	sum := md5.Sum([]byte(fmt.Sprint(w.count, parent)))
	return couchmend.Rev{Gen: parent.Gen + 1, Hash: hex.EncodeToString(sum[:])}
}

func (s *site) put(r couchmend.Revision) {
	if err := s.db.Put(r, docID); err != nil {
		s.w.t.Fatal(err)
	}
	s.w.journal[r.Rev] = r
	if !r.Deleted {
		return
	}
	gone := edit{counts: map[string]int{}} // whoever creates the document anew counts from nothing
	for name, n := range contentOf(s.w.journal[r.Path[1]].Body).counts {
		gone.counts[name] = -n
	}
	s.w.graves[revtree.MarkOf(r.Rev)] = gone
}

func (s *site) conflict() couchmend.Conflict {
	c := couchmend.Conflict{DB: "db", ID: docID, RevsLimit: s.w.revsLimit}
	for _, leaf := range s.db.Leaves(docID) {
		if leaf.Deleted {
			c.Dead = append(c.Dead, leaf)
		} else {
			c.Leaves = append(c.Leaves, leaf)
		}
	}
	return c
}

// loaded adds the bodies of the bases that the site really has.
func (s *site) loaded(c couchmend.Conflict) couchmend.Conflict {
	for _, r := range Bases(c) {
		body, ok := s.body(r)
		if s.w.bodiesEverywhere {
			body, ok = s.w.journal[r].Body, true
		}
		if !ok {
			continue
		}
		if c.Bases == nil {
			c.Bases = map[couchmend.Rev]couchmend.Revision{}
		}
		c.Bases[r] = couchmend.Revision{Rev: r, Body: body}
	}
	return c
}

func (s *site) body(r couchmend.Rev) (json.RawMessage, bool) {
	answer := httptest.NewRecorder()
	s.node.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/db/"+docID+"?rev="+r.String(), nil))
	if answer.Code != http.StatusOK {
		return nil, false
	}
	members := slices.DeleteFunc(jsondoc.MustParse(answer.Body.String()).Members(), func(m jsondoc.Member) bool { return m.Name[0] == '_' })
	return json.RawMessage(jsondoc.Object(members)), true
}

func (s *site) decide(c couchmend.Conflict) couchmend.Decision {
	return Decide(context.Background(), func(string, jsondoc.Value) *merge.Rule { return s.w.rule }, c)
}

// replicate copies leaves, in any order and sometimes not all of them.
func (w *world) replicate(from, to *site) {
	leaves := from.db.Leaves(docID)
	keep := map[couchmend.Rev]bool{}
	n := len(leaves)
	if n > 1 && w.chance(0.2) {
		n = 1 + w.rnd.IntN(n-1)
	}
	for _, i := range w.rnd.Perm(len(leaves))[:n] {
		keep[leaves[i].Rev] = true
	}
	_, err := couchtest.Replicate(context.Background(), from.db, to.db, couchtest.OnlyLeaves(func(_ string, leaf couchmend.Revision) bool { return keep[leaf.Rev] }))
	if err != nil {
		w.t.Fatal(err)
	}
}

// gossip lets sites replicate n times, and mend in between. crashes is how
// likely a merge is not followed by its burials.
func (w *world) gossip(n int, mending, crashes float64) {
	for range n {
		pair := w.rnd.Perm(siteCount)
		from, to := w.sites[pair[0]], w.sites[pair[1]]
		w.replicate(from, to)
		if !w.calm && w.chance(w.foreign) {
			to.pickOne()
		}
		if w.chance(mending) {
			to.mend(crashes)
		}
		if !w.calm && w.chance(w.compaction) {
			to.db.Compact()
		}
	}
}

// mend is what a couchmend does.
func (s *site) mend(crashes float64) {
	w := s.w
	c := s.loaded(s.conflict())
	d := s.decide(c)
	w.check(c, d)
	if w.breaks != nil {
		d = w.breaks(w, c, d)
	}
	if !w.calm && w.chance(w.race) {
		s.edit()
	}
	if d.Merge != nil {
		s.put(*d.Merge)
		s.done = append(s.done, taken{d, c.Leaves})
	}
	if w.chance(crashes) {
		return
	}
	for _, tombstone := range d.Bury {
		s.put(tombstone)
	}
}

// pickOne is what another resolver does: any leaf stays, the others are deleted.
func (s *site) pickOne() {
	live := s.conflict().Leaves
	if len(live) < 2 {
		return
	}
	for i, stays := 0, s.w.rnd.IntN(len(live)); i < len(live); i++ {
		if i != stays {
			s.delete(live[i])
		}
	}
}

func (s *site) delete(leaf couchmend.Revision) {
	id := revtree.Tombstone(leaf.Rev)
	s.put(couchmend.Revision{Rev: id, Path: slices.Concat([]couchmend.Rev{id}, leaf.Path), Deleted: true, Body: json.RawMessage("{}")})
}
