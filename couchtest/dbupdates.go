package couchtest

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
)

// events is what happened to the databases of a node. Like CouchDB it
// remembers one event of each type for each database, the latest.
type events struct {
	mu      sync.Mutex
	log     []event // by seq; superseded events too, until there are too many
	latest  map[happening]uint64
	seq     uint64
	changed chan struct{}
}

type event struct {
	happening
	seq uint64
}

// happening is what an event of the same kind supersedes.
type happening struct {
	kind string // created, updated or deleted
	db   string
}

// updateSeries is the instance that the node's own sequence ids name.
const updateSeries = 1

func newEvents() events {
	return events{latest: make(map[happening]uint64), changed: make(chan struct{})}
}

func (e *events) add(kind, db string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	what := happening{kind: kind, db: db}
	e.latest[what] = e.seq
	e.log = append(e.log, event{happening: what, seq: e.seq})
	if len(e.log) > 1000+2*len(e.latest) {
		e.log = slices.DeleteFunc(e.log, func(old event) bool { return e.latest[old.happening] != old.seq })
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// dbUpdates answers /_db_updates.
func (c *call) dbUpdates() *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	f, err := c.feed(nodeUpdates{c.node})
	if err != nil {
		return err
	}
	switch since := c.query.Get("since"); since {
	case "":
	case "now":
		c.node.updates.mu.Lock()
		f.since = c.node.updates.seq
		c.node.updates.mu.Unlock()
	default:
		if f.since, err = parseSeq(since, updateSeries); err != nil {
			return err
		}
	}
	return f.run(c)
}

// nodeUpdates is the feed of a node's databases.
type nodeUpdates struct{ node *Node }

func (u nodeUpdates) id(seq uint64) string {
	return strconv.FormatUint(seq, 10) + "-" + u.node.opaque(updateSeries, seq)
}

// over is never: a node has no end but Close.
func (u nodeUpdates) over() <-chan struct{} { return nil }

func (u nodeUpdates) news() <-chan struct{} {
	u.node.updates.mu.Lock()
	defer u.node.updates.mu.Unlock()
	return u.node.updates.changed
}

func (u nodeUpdates) rows(since uint64, limit int, f func([]byte)) (last uint64, pending int) {
	events, last := u.node.updates.after(since, limit)
	for _, event := range events {
		row := appendString([]byte(`{"db_name":`), event.db)
		row = appendString(append(row, `,"type":`...), event.kind)
		row = appendString(append(row, `,"seq":`...), u.id(event.seq))
		f(append(row, '}'))
	}
	return last, -1
}

// after returns at most limit events after since, and up to where it has read.
func (e *events) after(since uint64, limit int) (events []event, last uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	from, _ := slices.BinarySearchFunc(e.log, since+1, func(event event, seq uint64) int {
		return cmp.Compare(event.seq, seq)
	})
	for _, event := range e.log[from:] {
		if e.latest[event.happening] != event.seq {
			continue
		}
		if len(events) == limit {
			return events, since
		}
		events = append(events, event)
		since = event.seq
	}
	return events, max(since, e.seq)
}
