package couchtest

import "net/http"

// bulkGet answers /{db}/_bulk_get: one result for each item, in order.
func (c *call) bulkGet(db *DB) *apiError {
	v, err := c.postedObject()
	if err != nil {
		return err
	}
	docs, ok := v.get("docs")
	if !ok {
		return badRequest("Missing JSON list of 'docs'.")
	}
	for _, name := range []string{"open_revs", "new_edits", "w", "rev", "atts_since"} {
		if c.query.Has(name) {
			return badRequest(`"` + name + `" query parameter is not acceptable`)
		}
	}
	db.mu.RLock()
	show := c.showing(db)
	text := []byte(`{"results":[`)
	for i := range docs.children {
		if i > 0 {
			text = append(text, ',')
		}
		text = db.appendItem(text, &docs.children[i], show)
	}
	db.mu.RUnlock()
	return c.send(http.StatusOK, append(text, "]}"...))
}

// appendItem writes the result for one item of _bulk_get. The caller holds the
// lock.
func (db *DB) appendItem(dst []byte, item *value, show showing) []byte {
	id, ok := item.get("id")
	if !ok {
		return appendItemError(append(dst, `{"id":null,"docs":[`...), "null", "null",
			badRequest("document id missed"))
	}
	dst = append(id.appendJSON(append(dst, `{"id":`...)), `,"docs":[`...)
	quotedID := string(id.appendJSON(nil))
	if err := checkItemID(&id); err != nil {
		return appendItemError(dst, quotedID, "null", err)
	}
	d := db.docs[id.text]
	rev, named := item.get("rev")
	if !named {
		if d == nil {
			return appendItemError(dst, quotedID, `"undefined"`, errMissing)
		}
		return appendItemDocs(dst, id.text, d.tree.regrown(show.revsLimit, oldestFirst), show)
	}
	gen, hash, err := parseRev(rev.text)
	if err != nil {
		return appendItemError(dst, quotedID, string(rev.appendJSON(nil)), err)
	}
	if d != nil {
		switch n := d.tree.get(gen, hash); {
		case n != nil && show.latest:
			return appendItemDocs(dst, id.text, n.appendLeaves(nil), show)
		case n.stored() != nil:
			return appendItemDocs(dst, id.text, []*node{n}, show)
		}
	}
	return appendItemError(dst, quotedID, string(appendString(nil, revText(gen, hash))), errMissing)
}

// appendItemDocs ends a result of _bulk_get with revisions.
func appendItemDocs(dst []byte, id string, revisions []*node, show showing) []byte {
	for i, n := range revisions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendDoc(append(dst, `{"ok":`...), id, n, show), '}')
	}
	return append(dst, "]}"...)
}

func checkItemID(id *value) *apiError {
	if id.kind != '"' {
		return illegalID("Document id must be a string")
	}
	return checkID(id.text)
}

// appendItemError ends a result of _bulk_get with an error.
func appendItemError(dst []byte, quotedID, quotedRev string, err *apiError) []byte {
	dst = append(dst, `{"error":{"id":`...)
	dst = append(dst, quotedID...)
	dst = append(dst, `,"rev":`...)
	dst = append(dst, quotedRev...)
	dst = appendError(append(dst, ','), err)
	return append(dst, "}]}"...)
}
