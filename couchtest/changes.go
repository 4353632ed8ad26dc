package couchtest

import (
	"net/http"
	"slices"
	"strconv"
)

// changes answers /{db}/_changes.
func (c *call) changes(db *DB) *apiError {
	s := &dbChanges{db: db, includeDocs: c.flag("include_docs"), allDocs: c.query.Get("style") == "all_docs"}
	f, err := c.feed(s)
	if err != nil {
		return err
	}
	if err := c.filter(s); err != nil {
		return err
	}
	if s.interval, err = c.number("seq_interval", 1); err != nil {
		return err
	}
	s.interval = max(1, s.interval)
	db.mu.RLock()
	s.show = c.showing(db)
	seq := db.seq
	db.mu.RUnlock()
	s.show.revsInfo, s.show.deletedConflicts = false, false
	switch since := c.query.Get("since"); {
	case c.flag("descending"):
		return c.descending(s, f.limit)
	case since == "now":
		f.since = seq
	case since != "":
		if f.since, err = parseSeq(since, db.instance); err != nil {
			return err
		}
	}
	return f.run(c)
}

// filter reads which documents are asked for.
func (c *call) filter(s *dbChanges) *apiError {
	var posted value
	if c.r.Method == http.MethodPost && c.r.ContentLength != 0 {
		var err *apiError
		if posted, err = c.postedObject(); err != nil {
			return err
		}
	}
	switch filter := c.query.Get("filter"); filter {
	case "":
		return nil
	case "_doc_ids":
		ids, ok := posted.get("doc_ids")
		if !ok {
			v, err := decode([]byte(c.query.Get("doc_ids")))
			if err != nil {
				return badRequest("`doc_ids` filter parameter is not a list.")
			}
			ids = v
		}
		s.only = make(map[string]bool)
		for _, id := range ids.texts() {
			s.only[id] = true
		}
		return nil
	default:
		return &apiError{http.StatusNotFound, "not_found", "couchtest knows no filter but _doc_ids, not " + filter}
	}
}

// dbChanges is a database's feed.
type dbChanges struct {
	db          *DB
	show        showing
	includeDocs bool
	allDocs     bool            // every leaf, not only the winner
	only        map[string]bool // ids; nil: all
	interval    int             // every so many rows has a seq
	count       int
}

func (s *dbChanges) id(seq uint64) string  { return s.db.seqID(seq) }
func (s *dbChanges) over() <-chan struct{} { return s.db.gone }

func (s *dbChanges) news() <-chan struct{} {
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	return s.db.changed
}

// rowsAtOnce is how many rows are made before a writer may go between.
const rowsAtOnce = 500

func (s *dbChanges) rows(since uint64, limit int, f func([]byte)) (last uint64, pending int) {
	var buffer []byte
	var ends []int
	first, sent := since, 0
	for {
		buffer, ends = buffer[:0], ends[:0]
		s.db.mu.RLock()
		i := s.db.logIndex(since + 1)
		for ; i < len(s.db.log) && len(ends) < min(limit, rowsAtOnce); i++ {
			e := s.db.log[i]
			since = e.seq
			if e.doc != nil && (s.only == nil || s.only[e.doc.id]) {
				buffer = s.appendRow(buffer, e.doc)
				ends = append(ends, len(buffer))
			}
		}
		limit -= len(ends)
		sent += len(ends)
		more := i < len(s.db.log) && limit > 0
		if !more {
			pending = s.remaining(i)
			if s.only != nil { // CouchDB does not take off what _doc_ids passed over
				pending = s.remaining(s.db.logIndex(first+1)) - sent
			}
			if limit > 0 {
				since = s.db.seq
			}
		}
		s.db.mu.RUnlock()
		begin := 0
		for _, end := range ends {
			f(buffer[begin:end])
			begin = end
		}
		if !more {
			return since, pending
		}
	}
}

// remaining counts the documents from the log's i-th entry on. The caller
// holds the lock.
func (s *dbChanges) remaining(i int) int {
	n := 0
	for _, e := range s.db.log[i:] {
		if e.doc != nil {
			n++
		}
	}
	return n
}

func (s *dbChanges) appendRow(dst []byte, d *document) []byte {
	dst = append(dst, `{"seq":`...)
	if s.count%s.interval == 0 {
		dst = appendString(dst, s.db.seqID(d.seq))
	} else {
		dst = append(dst, "null"...)
	}
	s.count++
	dst = appendString(append(dst, `,"id":`...), d.id)
	dst = append(dst, `,"changes":[`...)
	shown := d.leaves[:1]
	if s.allDocs {
		shown = d.leaves
	}
	for i, n := range shown {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"rev":"`...)
		dst = append(appendRev(dst, n.gen, n.hash), `"}`...)
	}
	dst = append(dst, ']')
	if d.deleted() {
		dst = append(dst, `,"deleted":true`...)
	}
	if s.includeDocs {
		dst = d.appendWinner(append(dst, `,"doc":`...), s.show)
	}
	return append(dst, '}')
}

// descending answers with the feed read backwards from its end.
func (c *call) descending(s *dbChanges, limit int) *apiError {
	text := []byte("{\"results\":[\n")
	s.db.mu.RLock()
	last, sent, pending := s.db.seq, 0, 0
	for _, e := range slices.Backward(s.db.log) {
		switch {
		case e.doc == nil || s.only != nil && !s.only[e.doc.id]:
		case sent >= limit:
			pending++
		default:
			if sent > 0 {
				text = append(text, ",\r\n"...)
			}
			text = s.appendRow(text, e.doc)
			sent++
			last = e.seq
		}
	}
	s.db.mu.RUnlock()
	text = append(text, "\n],\n\"last_seq\":"...)
	text = appendString(text, s.db.seqID(last))
	text = strconv.AppendInt(append(text, `,"pending":`...), int64(pending), 10)
	return c.send(http.StatusOK, append(text, '}'))
}
