package board

import (
	"cmp"
	"container/heap"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Order is how a list of cases is sorted.
type Order string

// The orders. Each ends with database and id, so that it is total.
const (
	Oldest  Order = "oldest"  // who waits longest first; the zero Order too
	Newest  Order = "newest"  // who came last
	Deepest Order = "deepest" // who has most live leaves
	ByID    Order = "id"
)

// Query picks cases. The zero one picks all that are not dismissed.
type Query struct {
	DB, Type, Rule, Field string
	Reason                couchmend.Reason
	Text                  string        // the id contains it, whatever the case of its letters
	OlderThan             time.Duration // in review for so long at least
	MinLive               int           // live leaves at least
	Dismissed             bool          // those that were dismissed, and no others
	Order                 Order
	After                 string // where the last page ended: its Next
	Limit                 int    // cases on a page; 0 is 50, at most 1,000
}

// Page is a part of a list of cases.
type Page struct {
	Cases []ledger.CaseLine
	Total int    // that the query picks, on all pages
	Next  string // where the next page begins; "" on the last one
	// Beyond counts cases that the board has no room for. They are not among
	// these, nor in Total.
	Beyond int
}

const (
	defaultPage = 50
	maxPage     = 1000
)

// Cases returns a page of the cases that q picks. Pages hang together by what
// they show and not by a number: what comes and goes meanwhile moves nothing.
// The error is of KindUsage.
func (b *Board) Cases(q Query, visible Visible) (Page, error) {
	after, err := q.after()
	if err != nil {
		return Page{}, err
	}
	if q.Limit <= 0 {
		q.Limit = defaultPage
	}
	less := q.order()
	top := &top{less: less, limit: min(q.Limit, maxPage) + 1}
	b.mu.RLock()
	defer b.mu.RUnlock()
	pick := b.picker(q, visible)
	page := Page{Beyond: b.cases.beyond}
	for _, w := range b.cases.by {
		if !pick(w) {
			continue
		}
		page.Total++
		if after == nil || less(after, w) {
			top.offer(w)
		}
	}
	found := top.sorted()
	if len(found) == top.limit {
		found = found[:len(found)-1]
		page.Next = cursorOf(found[len(found)-1])
	}
	for _, w := range found {
		page.Cases = append(page.Cases, w.line())
	}
	return page, nil
}

// EachCase hands f all cases that q picks, in no order, until f returns false.
func (b *Board) EachCase(q Query, visible Visible, f func(ledger.CaseLine) bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	pick := b.picker(q, visible)
	for _, w := range b.cases.by {
		if pick(w) && !f(w.line()) {
			return
		}
	}
}

// picker returns what tells the cases of q from others.
func (b *Board) picker(q Query, visible Visible) func(*waiting) bool {
	classes := b.pick(q, visible)
	words := strings.ToLower(q.Text)
	latest := b.now().Add(-q.OlderThan).UnixNano()
	return func(w *waiting) bool {
		return classes[w.of.place] && int(w.live) >= q.MinLive && (q.OlderThan <= 0 || w.first <= latest) &&
			(words == "" || strings.Contains(strings.ToLower(w.id), words))
	}
}

// pick asks of each class whether its cases are among those of q, by place.
func (b *Board) pick(q Query, visible Visible) []bool {
	seen := map[text]bool{}
	same := func(want string) func(text) bool {
		handle := unique.Make(want)
		return func(have text) bool { return want == "" || have == handle }
	}
	db, kind, rule, reason, field := same(q.DB), same(q.Type), same(q.Rule), same(string(q.Reason)), unique.Make(q.Field)
	picked := make([]bool, len(b.cases.tallies))
	for i, t := range b.cases.tallies {
		if t.dismissed != q.Dismissed || !db(t.db) || !reason(t.reason) || !kind(t.kind) || !rule(t.rule) ||
			q.Field != "" && (t.fields == nil || !slices.Contains(*t.fields, field)) {
			continue
		}
		may, asked := seen[t.db]
		if !asked {
			may = visible(t.db.Value())
			seen[t.db] = may
		}
		picked[i] = may
	}
	return picked
}

// order returns which of two cases comes first.
func (q Query) order() func(a, b *waiting) bool {
	return func(a, b *waiting) bool {
		by := 0
		switch q.Order {
		case Newest:
			by = cmp.Compare(b.first, a.first)
		case Deepest:
			by = cmp.Compare(b.live, a.live)
		case ByID:
		default:
			by = cmp.Compare(a.first, b.first)
		}
		if by == 0 && a.of.db != b.of.db {
			by = cmp.Compare(a.of.db.Value(), b.of.db.Value())
		}
		if by == 0 {
			by = cmp.Compare(a.id, b.id)
		}
		return by < 0
	}
}

// cursor is a case's place in every order.
type cursor struct {
	First int64  `json:"f"`
	Live  int32  `json:"l"`
	DB    string `json:"d"`
	ID    string `json:"i"`
}

func cursorOf(w *waiting) string {
	text, _ := json.Marshal(cursor{w.first, w.live, w.of.db.Value(), w.id}) // strings and numbers can be marshalled
	return base64.RawURLEncoding.EncodeToString(text)
}

func (q Query) after() (*waiting, error) {
	if q.After == "" {
		return nil, nil
	}
	var c cursor
	text, err := base64.RawURLEncoding.DecodeString(q.After)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return nil, &couchmend.Error{Op: "list cases", Kind: couchmend.KindUsage, Err: errors.New("this is no place that a page ended at")}
	}
	return &waiting{first: c.First, live: c.Live, of: &tally{class: class{db: unique.Make(c.DB)}}, id: c.ID}, nil
}

// top keeps the first few of many cases: a heap whose root is the last of them.
type top struct {
	less  func(a, b *waiting) bool
	limit int
	kept  []*waiting
}

func (t *top) Len() int           { return len(t.kept) }
func (t *top) Less(i, k int) bool { return t.less(t.kept[k], t.kept[i]) }
func (t *top) Swap(i, k int)      { t.kept[i], t.kept[k] = t.kept[k], t.kept[i] }

// Push is heap.Interface's.
func (t *top) Push(x any) { t.kept = append(t.kept, x.(*waiting)) }

// Pop is heap.Interface's.
func (t *top) Pop() any {
	last := t.kept[len(t.kept)-1]
	t.kept = t.kept[:len(t.kept)-1]
	return last
}

func (t *top) offer(w *waiting) {
	switch {
	case len(t.kept) < t.limit:
		heap.Push(t, w)
	case t.less(w, t.kept[0]):
		t.kept[0] = w
		heap.Fix(t, 0)
	}
}

func (t *top) sorted() []*waiting {
	slices.SortFunc(t.kept, func(a, b *waiting) int {
		if t.less(a, b) {
			return -1
		}
		return 1
	})
	return t.kept
}

// Waiting is what waits for a person, counted.
type Waiting struct {
	Total     int       `json:"total"`
	Deep      int       `json:"deep"`      // with more than four live leaves
	Dismissed int       `json:"dismissed"` // let stand; not in the other numbers
	Paused    int       `json:"paused"`    // waiting for the end of a pause only
	Oldest    time.Time `json:"oldest,omitzero"`
	Reasons   []Share   `json:"reasons"`   // all of them
	Databases []Share   `json:"databases"` // those with most, at most 50
	Types     []Share   `json:"types"`     // likewise
	Fields    []Share   `json:"fields"`    // likewise
	Rules     []Share   `json:"rules"`     // likewise
}

// listed is how many databases, types and fields Waiting names.
const listed = 50

// Waiting counts what waits for a person.
func (b *Board) Waiting(visible Visible) Waiting {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var open Waiting
	reasons, databases, types, rules, fields := map[text]int{}, map[text]int{}, map[text]int{}, map[text]int{}, map[text]int{}
	picked, dismissed := b.pick(Query{}, visible), b.pick(Query{Dismissed: true}, visible)
	for i, t := range b.cases.tallies {
		if dismissed[i] {
			open.Dismissed += t.n
		}
		if !picked[i] {
			continue
		}
		open.Total += t.n
		if t.deep {
			open.Deep += t.n
		}
		reasons[t.reason] += t.n
		databases[t.db] += t.n
		types[t.kind] += t.n
		rules[t.rule] += t.n
		if t.fields != nil {
			for _, f := range *t.fields {
				fields[f] += t.n
			}
		}
	}
	oldest := int64(math.MaxInt64)
	for _, w := range b.cases.by {
		if w.first < oldest && picked[w.of.place] {
			oldest = w.first
		}
	}
	if open.Total > 0 {
		open.Oldest = time.Unix(0, oldest)
	}
	open.Paused = reasons[unique.Make(string(couchmend.ReasonPaused))]
	open.Reasons = shares(reasons, len(reasons))
	open.Databases, open.Types = shares(databases, listed), shares(types, listed)
	open.Fields, open.Rules = shares(fields, listed), shares(rules, listed)
	return open
}

// shares is largest for what is kept once; what has no name is left out.
func shares(counts map[text]int, n int) []Share {
	sums := make(map[string]int, len(counts))
	for name, count := range counts {
		if name.Value() != "" {
			sums[name.Value()] = count
		}
	}
	return largest(sums, n)
}
