package board

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

const (
	day = 24 * time.Hour
	// minutes and hours are how far back counts go.
	minutes = 180
	hours   = 25
	// maxKeys bounds how many combinations of database, rule and person are told
	// apart; what comes beyond is counted without its database.
	maxKeys = 50_000
)

// Kind is what was done to a document.
type Kind uint8

// The kinds.
const (
	Mended   Kind = iota // by couchmend: merged, kept, buried, deleted, split
	Decided              // by a person
	Undone               // by a person: a decision was taken back
	Reviewed             // put before a person
	kinds
)

// self is who the journal says couchmend is.
const self = "couchmend"

// KindOf says what a line of the journal did; false where nothing was written.
func KindOf(line ledger.EntryLine) (Kind, bool) {
	switch line.Kind {
	case "undo", "rollback":
		return Undone, true
	case "review", "dismiss", "hold", "nothing", "undo_refused", "": // nothing was written
		return 0, false
	}
	if line.By == self || line.By == "" {
		return Mended, true
	}
	return Decided, true
}

// key is what is counted apart.
type key struct {
	db, rule, by string
	kind         Kind
}

// counts are numbers by minute for some hours, and by hour for a day.
type counts struct {
	keys   []key
	places map[key]uint32
	minute [minutes]slot
	hour   [hours]slot
	tidied int64 // the hour in which tidy was last called
}

// slot is one minute or hour.
type slot struct {
	at int64 // minutes or hours since 1970
	n  map[uint32]uint32
}

func newCounts() counts { return counts{places: map[key]uint32{}} }

func (c *counts) add(line ledger.EntryLine) {
	if kind, ok := KindOf(line); ok {
		c.count(line.Time, key{db: line.DB, rule: line.Rule, by: line.By, kind: kind})
	}
}

func (c *counts) arrive(line ledger.CaseLine) {
	c.count(line.First, key{db: line.DB, rule: line.Rule, kind: Reviewed})
}

func (c *counts) count(at time.Time, k key) {
	minute, hour := at.Unix()/60, at.Unix()/3600
	place := c.place(k, hour)
	c.minute[minute%minutes].add(minute, place)
	c.hour[hour%hours].add(hour, place)
}

// add counts in a slot, which belongs to a later time by now or to an earlier
// one so far.
func (s *slot) add(at int64, place uint32) {
	if at < s.at {
		return
	}
	if at > s.at || s.n == nil {
		s.at, s.n = at, map[uint32]uint32{}
	}
	s.n[place]++
}

// place is where a key's counts are.
func (c *counts) place(k key, hour int64) uint32 {
	if place, ok := c.places[k]; ok {
		return place
	}
	if len(c.keys) >= maxKeys && hour > c.tidied { // before that hour is over there is little to gain
		c.tidy()
		c.tidied = hour
	}
	if len(c.keys) >= maxKeys {
		k = key{kind: k.kind}
		if place, ok := c.places[k]; ok {
			return place
		}
	}
	place := uint32(len(c.keys))
	c.keys = append(c.keys, k)
	c.places[k] = place
	return place
}

// tidy drops the keys that no slot counts any more, unless most still are.
func (c *counts) tidy() {
	old := c.keys
	c.keys, c.places = nil, map[key]uint32{}
	move := func(s *slot) {
		moved := make(map[uint32]uint32, len(s.n))
		for place, n := range s.n {
			k := old[place]
			now, ok := c.places[k]
			if !ok {
				now = uint32(len(c.keys))
				c.keys = append(c.keys, k)
				c.places[k] = now
			}
			moved[now] = n
		}
		s.n = moved
	}
	newest := int64(0)
	for i := range c.hour {
		newest = max(newest, c.hour[i].at)
	}
	for i := range c.hour {
		if s := &c.hour[i]; s.at > newest-hours {
			move(s)
		} else {
			*s = slot{}
		}
	}
	for i := range c.minute {
		if s := &c.minute[i]; s.at > newest*60-minutes {
			move(s)
		} else {
			*s = slot{}
		}
	}
}

func (c *counts) databases() map[string]bool {
	known := map[string]bool{}
	for _, k := range c.keys {
		known[k.db] = true
	}
	return known
}

// Numbers are how many documents each kind of thing was done to.
type Numbers [kinds]int

// Mended is how many couchmend mended.
func (n Numbers) Mended() int { return n[Mended] }

// Decided is how many people decided on.
func (n Numbers) Decided() int { return n[Decided] }

// Undone is how many were taken back.
func (n Numbers) Undone() int { return n[Undone] }

// Reviewed is how many came to review.
func (n Numbers) Reviewed() int { return n[Reviewed] }

// MarshalJSON names the kinds.
func (n Numbers) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]int{"mended": n[Mended], "decided": n[Decided], "undone": n[Undone], "reviewed": n[Reviewed]})
}

// Done counts what was done in the last hour and in the last day, this minute
// and this hour included.
func (b *Board) Done(visible Visible) (lastHour, lastDay Numbers) {
	for _, s := range b.Minutes(60, visible) {
		lastHour = lastHour.plus(s.Did)
	}
	for _, s := range b.Hours(24, visible) {
		lastDay = lastDay.plus(s.Did)
	}
	return lastHour, lastDay
}

func (n Numbers) plus(m Numbers) Numbers {
	for i := range n {
		n[i] += m[i]
	}
	return n
}

// Span is what was done in one minute or hour.
type Span struct {
	Start time.Time `json:"start"`
	Did   Numbers   `json:"did"`
}

// Minutes returns the last n minutes, at most 180, oldest first.
func (b *Board) Minutes(n int, visible Visible) []Span {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.spans(b.done.minute[:], min(n, minutes), time.Minute, visible)
}

// Hours returns the last n hours, at most 25, oldest first.
func (b *Board) Hours(n int, visible Visible) []Span {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.spans(b.done.hour[:], min(n, hours), time.Hour, visible)
}

func (b *Board) spans(slots []slot, n int, each time.Duration, visible Visible) []Span {
	now := b.now().Unix() / int64(each.Seconds())
	shown := b.shown(visible)
	spans := make([]Span, n)
	for i := range spans {
		at := now - int64(n-1-i)
		spans[i].Start = time.Unix(at*int64(each.Seconds()), 0)
		s := slots[at%int64(len(slots))]
		if s.at != at {
			continue
		}
		for place, n := range s.n {
			if shown[place] {
				spans[i].Did[b.done.keys[place].kind] += int(n)
			}
		}
	}
	return spans
}

// shown asks of each key once whether it may be known of.
func (b *Board) shown(visible Visible) []bool {
	shown := make([]bool, len(b.done.keys))
	for i, k := range b.done.keys {
		shown[i] = visible(k.db)
	}
	return shown
}

// Share is what one rule, person or database had of what was done.
type Share struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// By picks what shares are of.
type By func(db, rule, by string, kind Kind) (name string, counts bool)

// What shares may be of.
var (
	ByDatabase By = func(db, _, _ string, kind Kind) (string, bool) { return db, kind != Undone }
	ByRule     By = func(_, rule, _ string, kind Kind) (string, bool) { return rule, kind == Mended && rule != "" }
	ByPerson   By = func(_, _, by string, kind Kind) (string, bool) { return by, kind == Decided || kind == Undone }
)

// Shares returns what was done in the last day, by name, the largest first, at
// most n. Databases count what was put before a person, too.
func (b *Board) Shares(by By, n int, visible Visible) []Share {
	b.mu.RLock()
	defer b.mu.RUnlock()
	now := b.now().Unix() / 3600
	sums := map[string]int{}
	for i := range b.done.hour {
		s := &b.done.hour[i]
		if s.at <= now-24 {
			continue
		}
		for place, count := range s.n {
			k := b.done.keys[place]
			if name, ok := by(k.db, k.rule, k.by, k.kind); ok && visible(k.db) {
				sums[name] += int(count)
			}
		}
	}
	return largest(sums, n)
}

// largest returns the n largest sums, equal ones by name.
func largest(sums map[string]int, n int) []Share {
	all := make([]Share, 0, len(sums))
	for name, sum := range sums {
		all = append(all, Share{name, sum})
	}
	slices.SortFunc(all, func(a, b Share) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return all[:min(n, len(all))]
}
