package couchtest

import (
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// window is the part of a sorted list of keys that is asked for.
type window struct {
	start, end       string
	hasStart, hasEnd bool
	exclusive        bool // end itself is left out
	descending       bool
	skip, limit      int
}

// window reads startkey, endkey, key, limit, skip, descending, inclusive_end.
func (c *call) window() (window, *apiError) {
	w := window{descending: c.flag("descending"), exclusive: c.query.Get("inclusive_end") == "false"}
	var err *apiError
	read := func(names ...string) (key string, found bool) {
		for _, name := range names {
			if !c.query.Has(name) {
				continue
			}
			v, jsonErr := decode([]byte(c.query.Get(name)))
			if jsonErr != nil {
				err = errInvalid
			}
			return v.text, true
		}
		return "", false
	}
	w.start, w.hasStart = read("key", "startkey", "start_key")
	w.end, w.hasEnd = read("key", "endkey", "end_key")
	if err != nil {
		return w, err
	}
	if w.limit, err = c.number("limit", 1<<31); err != nil {
		return w, err
	}
	w.skip, err = c.number("skip", 0)
	return w, err
}

// cut returns the keys within w, in its order, and how many come before them.
// keys are sorted.
func (w window) cut(keys []string) (part []string, before int) {
	from, to := 0, len(keys)
	first, last := w.start, w.end
	hasFirst, hasLast := w.hasStart, w.hasEnd
	if w.descending {
		first, last, hasFirst, hasLast = last, first, hasLast, hasFirst
	}
	if hasFirst {
		from = sort.SearchStrings(keys, first)
		if w.descending && w.exclusive && from < len(keys) && keys[from] == first {
			from++
		}
	}
	if hasLast {
		to = sort.SearchStrings(keys, last)
		if to < len(keys) && keys[to] == last && (w.descending || !w.exclusive) {
			to++
		}
	}
	part = slices.Clone(keys[min(from, to):to])
	before = from
	if w.descending {
		slices.Reverse(part)
		before = len(keys) - to
	}
	skip := min(w.skip, len(part))
	part = part[skip:]
	return part[:min(w.limit, len(part))], before + skip
}

// allDocs answers /{db}/_all_docs.
func (c *call) allDocs(db *DB) *apiError {
	keys, err := c.keys()
	if err != nil {
		return err
	}
	w, err := c.window()
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, c.listing(db, keys, w))
}

// listing makes the answer of _all_docs.
func (c *call) listing(db *DB, keys *value, w window) []byte {
	includeDocs := c.flag("include_docs")
	db.mu.Lock() // for writing: the order of ids may have to be made anew
	defer db.mu.Unlock()
	show := c.showing(db)
	wanted, offset := db.wanted(keys, w)
	text := fmt.Appendf(nil, "{\"total_rows\":%d,\"offset\":%s,\"rows\":[", db.live, offset)
	for i, id := range wanted {
		if i > 0 {
			text = append(text, ',')
		}
		text = db.appendRow(append(text, "\r\n"...), id, includeDocs, show)
	}
	return append(text, "\r\n]}"...)
}

// wanted lists the ids for _all_docs and says at which offset they begin. The
// caller holds the lock for writing.
func (db *DB) wanted(keys *value, w window) (ids []string, offset string) {
	if keys == nil {
		live := slices.DeleteFunc(slices.Clone(db.ids()), func(id string) bool { return db.docs[id].deleted() })
		ids, before := w.cut(live)
		return ids, strconv.Itoa(before)
	}
	ids = keys.texts()
	if w.descending {
		slices.Reverse(ids)
	}
	ids = ids[min(w.skip, len(ids)):]
	return ids[:min(w.limit, len(ids))], "null"
}

// keys reads the ids asked for by name; nil if all are.
func (c *call) keys() (*value, *apiError) {
	var keys value
	var named bool
	if c.r.Method == http.MethodPost {
		v, err := c.postedObject()
		if err != nil {
			return nil, err
		}
		if keys, named = v.get("keys"); named && keys.kind != '[' {
			return nil, badRequest("`keys` body member must be an array.")
		}
	} else if named = c.query.Has("keys"); named {
		v, err := decode([]byte(c.query.Get("keys")))
		if err != nil || v.kind != '[' {
			return nil, badRequest("`keys` parameter must be an array.")
		}
		keys = v
	}
	if !named {
		return nil, nil
	}
	return &keys, nil
}

// appendRow writes one row. The caller holds the lock.
func (db *DB) appendRow(dst []byte, id string, includeDocs bool, show showing) []byte {
	d := db.docs[id]
	if d == nil {
		dst = append(dst, `{"key":`...)
		return append(appendString(dst, id), `,"error":"not_found"}`...)
	}
	winner := d.leaves[0]
	dst = appendString(append(dst, `{"id":`...), id)
	dst = appendString(append(dst, `,"key":`...), id)
	dst = appendString(append(dst, `,"value":{"rev":`...), revText(winner.gen, winner.hash))
	if winner.deleted() {
		dst = append(dst, `,"deleted":true`...)
	}
	dst = append(dst, '}')
	if includeDocs {
		dst = append(dst, `,"doc":`...)
		if winner.deleted() {
			dst = append(dst, "null"...)
		} else {
			dst = d.appendWinner(dst, show)
		}
	}
	return append(dst, '}')
}
