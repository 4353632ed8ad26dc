package board

import (
	"cmp"
	"slices"

	"github.com/couchmend/couchmend/internal/ledger"
)

// maxOffenders bounds how many documents, and as many types and fields, are
// counted in one hour.
const maxOffenders = 4096

// offenders are what conflicted most often, by hour. Where an hour has more than
// it can hold, those seen once make room: what is frequent stays.
type offenders struct {
	hour [hours]struct {
		at    int64
		docs  map[place]uint32
		parts map[part]uint32
	}
}

// place is a document.
type place struct{ db, id string }

// part is a type or a field of a database's documents.
type part struct {
	db, name string
	field    bool
}

func newOffenders() offenders { return offenders{} }

func (o *offenders) add(line ledger.EntryLine) {
	if kind, ok := KindOf(line); !ok || kind == Undone {
		return
	}
	at := line.Time.Unix() / 3600
	h := &o.hour[at%hours]
	switch {
	case at < h.at:
		return
	case at > h.at || h.docs == nil:
		h.at, h.docs, h.parts = at, map[place]uint32{}, map[part]uint32{}
	}
	tick(h.docs, place{line.DB, line.ID})
	if line.Type != "" {
		tick(h.parts, part{db: line.DB, name: line.Type})
	}
	for _, f := range line.Fields {
		tick(h.parts, part{db: line.DB, name: f, field: true})
	}
}

func tick[K comparable](in map[K]uint32, k K) {
	if _, ok := in[k]; !ok && len(in) >= maxOffenders {
		for other, n := range in {
			if n == 1 {
				delete(in, other)
			}
			if len(in) <= maxOffenders/2 {
				break
			}
		}
		if len(in) >= maxOffenders {
			return
		}
	}
	in[k]++
}

// Offender is a document that conflicted several times in the last day.
type Offender struct {
	DB string `json:"db"`
	ID string `json:"id"`
	N  int    `json:"n"`
}

// Frequent returns the documents that conflicted most often in the last day, two
// times at least; at most n.
func (b *Board) Frequent(n int, visible Visible) []Offender {
	b.mu.RLock()
	defer b.mu.RUnlock()
	sums := map[place]int{}
	now := b.now().Unix() / 3600
	for i := range b.offenders.hour {
		if h := &b.offenders.hour[i]; h.at > now-24 {
			for doc, count := range h.docs {
				if visible(doc.db) {
					sums[doc] += int(count)
				}
			}
		}
	}
	var all []Offender
	for doc, sum := range sums {
		if sum > 1 {
			all = append(all, Offender{doc.db, doc.id, sum})
		}
	}
	slices.SortFunc(all, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.DB, b.DB), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(n, len(all))]
}

// Types returns the types whose documents conflicted most often in the last day,
// Fields the fields that differed in them most often.
func (b *Board) Types(n int, visible Visible) []Share { return b.parts(false, n, visible) }

// Fields is like Types, for fields.
func (b *Board) Fields(n int, visible Visible) []Share { return b.parts(true, n, visible) }

func (b *Board) parts(field bool, n int, visible Visible) []Share {
	b.mu.RLock()
	defer b.mu.RUnlock()
	sums := map[string]int{}
	now := b.now().Unix() / 3600
	for i := range b.offenders.hour {
		if h := &b.offenders.hour[i]; h.at > now-24 {
			for p, count := range h.parts {
				if p.field == field && visible(p.db) {
					sums[p.name] += int(count)
				}
			}
		}
	}
	return largest(sums, n)
}
