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

// waiting is a case in the index, small: there may be hundreds of thousands.
type waiting struct {
	db, reason, kind, rule text
	id                     string
	fields                 *[]text // shared among cases that dispute the same ones; nil: none
	first, last            int64   // Unix, nanoseconds
	live                   int32
	deep, dismissed        bool
}

// cases is the index of the review queue.
type cases struct {
	by        map[string]*waiting
	databases map[string]int // how many of each
	lists     map[string]*[]text
	beyond    int // how many did not fit
}

func newCases() cases {
	return cases{by: map[string]*waiting{}, databases: map[string]int{}, lists: map[string]*[]text{}}
}

// set takes in a case, or that it is gone: its database, and whether it came to
// review just then.
func (c *cases) set(key string, line *ledger.CaseLine) (db string, arrived bool) {
	old := c.by[key]
	if old != nil {
		db = old.db.Value()
		c.leave(db)
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
		db: unique.Make(line.DB), reason: unique.Make(string(line.Reason)), kind: unique.Make(line.Type), rule: unique.Make(line.Rule),
		id: line.ID, fields: c.list(line.Fields), first: line.First.UnixNano(), last: line.Last.UnixNano(),
		live: int32(line.Live), deep: line.Deep, dismissed: line.Dismissed,
	}
	c.databases[line.DB]++
	return line.DB, old == nil
}

func (c *cases) leave(db string) {
	if c.databases[db]--; c.databases[db] <= 0 {
		delete(c.databases, db)
	}
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
	line := ledger.CaseLine{
		DB: w.db.Value(), ID: w.id, Reason: couchmend.Reason(w.reason.Value()), Type: w.kind.Value(), Rule: w.rule.Value(),
		Live: int(w.live), First: time.Unix(0, w.first), Last: time.Unix(0, w.last), Deep: w.deep, Dismissed: w.dismissed,
	}
	if w.fields != nil {
		for _, f := range *w.fields {
			line.Fields = append(line.Fields, f.Value())
		}
	}
	return line
}
