package board

import (
	"time"
	"unique"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// maxCases bounds the index. Cases beyond it are only counted; they come into it
// as others leave and they are written again.
const maxCases = 500_000

// text is a string that many cases have in common, kept once.
type text = unique.Handle[string]

// class is what a case has in common with others.
type class struct {
	db, reason, kind, rule text
	fields                 *[]text // shared among cases that dispute the same ones; nil: none
	deep, dismissed        bool
}

// tally counts the cases of a class.
type tally struct {
	class
	n     int
	place int // in cases.tallies
}

// waiting is a case in the index, small: there may be hundreds of thousands.
type waiting struct {
	of          *tally
	id          string
	first, last int64 // Unix, nanoseconds
	live        int32
}

// cases is the index of the review queue.
type cases struct {
	by      map[string]*waiting
	classes map[class]*tally
	tallies []*tally
	lists   map[string]*[]text
	beyond  int // how many did not fit
}

func newCases() cases {
	return cases{by: map[string]*waiting{}, classes: map[class]*tally{}, lists: map[string]*[]text{}}
}

// set takes in a case, or that it is gone: its database, and whether it came to
// review just then.
func (c *cases) set(key string, line *ledger.CaseLine) (db string, arrived bool) {
	old := c.by[key]
	if old != nil {
		db = old.of.db.Value()
		c.leave(old.of)
		delete(c.by, key)
	}
	switch {
	case line == nil:
		if old == nil && c.beyond > 0 {
			c.beyond--
		}
		return db, false
	case len(c.by) >= maxCases:
		c.beyond++
		return line.DB, old == nil
	}
	c.by[key] = &waiting{
		of: c.join(class{
			db: unique.Make(line.DB), reason: unique.Make(string(line.Reason)), kind: unique.Make(line.Type), rule: unique.Make(line.Rule),
			fields: c.list(line.Fields), deep: line.Deep, dismissed: line.Dismissed,
		}),
		id: line.ID, first: line.First.UnixNano(), last: line.Last.UnixNano(), live: int32(line.Live),
	}
	return line.DB, old == nil
}

// join counts one more case of a class.
func (c *cases) join(of class) *tally {
	t := c.classes[of]
	if t == nil {
		t = &tally{class: of, place: len(c.tallies)}
		c.classes[of] = t
		c.tallies = append(c.tallies, t)
	}
	t.n++
	return t
}

// leave counts one case less; the last tally takes the place of one that has
// none any more.
func (c *cases) leave(t *tally) {
	if t.n--; t.n > 0 {
		return
	}
	last := len(c.tallies) - 1
	c.tallies[t.place] = c.tallies[last]
	c.tallies[t.place].place = t.place
	c.tallies[last] = nil
	c.tallies = c.tallies[:last]
	delete(c.classes, t.class)
}

// maxLists bounds how many lists of fields are shared; further ones are kept
// with their cases.
const maxLists = 10_000

func (c *cases) list(fields []string) *[]text {
	if len(fields) == 0 {
		return nil
	}
	name := ""
	list := make([]text, len(fields))
	for i, f := range fields {
		list[i] = unique.Make(f)
		name += f + "\x00"
	}
	if shared, ok := c.lists[name]; ok {
		return shared
	}
	if len(c.lists) < maxLists {
		c.lists[name] = &list
	}
	return &list
}

// line is the case as it was told.
func (w *waiting) line() ledger.CaseLine {
	of := w.of
	line := ledger.CaseLine{
		DB: of.db.Value(), ID: w.id, Reason: couchmend.Reason(of.reason.Value()), Type: of.kind.Value(), Rule: of.rule.Value(),
		Live: int(w.live), First: time.Unix(0, w.first), Last: time.Unix(0, w.last), Deep: of.deep, Dismissed: of.dismissed,
	}
	if of.fields != nil {
		for _, f := range *of.fields {
			line.Fields = append(line.Fields, f.Value())
		}
	}
	return line
}
