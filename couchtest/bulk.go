package couchtest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// bulkDocs answers /{db}/_bulk_docs.
func (c *call) bulkDocs(db *DB) *apiError {
	v, err := c.postedObject()
	if err != nil {
		return err
	}
	docs, ok := v.get("docs")
	if !ok {
		return badRequest("POST body must include `docs` parameter.")
	}
	if docs.kind != '[' {
		return badRequest("`docs` parameter must be an array.")
	}
	newEdits, named := v.get("new_edits")
	if named && newEdits.kind != 't' && newEdits.kind != 'f' {
		return badRequest("`new_edits` parameter must be a boolean.")
	}
	w := writing{db: db, user: c.user, replicated: newEdits.kind == 'f'}
	if c.fault != nil {
		w.rowError = c.fault.RowError
	}
	edits, err := parseEdits(docs.children, w.replicated)
	if err != nil {
		return err
	}
	outcomes, err := w.apply(edits)
	if err != nil {
		return err
	}
	if w.replicated {
		return c.send(http.StatusCreated, appendFailures(nil, edits, outcomes))
	}
	return c.send(http.StatusCreated, appendOutcomes(nil, edits, outcomes))
}

// parseEdits reads documents; a bad one refuses them all.
func parseEdits(docs []value, replicated bool) ([]*edit, *apiError) {
	edits := make([]*edit, len(docs))
	for i := range docs {
		e, err := parseEdit(&docs[i])
		if err != nil {
			return nil, err
		}
		if replicated && len(e.path.hashes) == 0 {
			return nil, errNeedsRev
		}
		if e.id == "" {
			e.id = randomID()
		}
		edits[i] = e
	}
	return edits, nil
}

// appendOutcomes writes a row for each edit, in order.
func appendOutcomes(dst []byte, edits []*edit, outcomes []outcome) []byte {
	dst = append(dst, '[')
	for i, o := range outcomes {
		if i > 0 {
			dst = append(dst, ',')
		}
		if o.err == nil {
			dst = appendOK(dst, edits[i].id, o.gen, o.hash)
			continue
		}
		dst = appendString(append(dst, `{"id":`...), edits[i].id)
		dst = appendError(append(dst, ','), o.err)
	}
	return append(dst, ']')
}

// appendFailures writes a row for each edit that failed.
func appendFailures(dst []byte, edits []*edit, outcomes []outcome) []byte {
	dst = append(dst, '[')
	for i, failed := range failures(edits, outcomes) {
		if i > 0 {
			dst = append(dst, ',')
		}
		e := edits[failed]
		dst = appendString(append(dst, `{"id":`...), e.id)
		dst = appendString(append(dst, `,"rev":`...), e.rev().String())
		dst = appendError(append(dst, ','), outcomes[failed].err)
	}
	return append(dst, ']')
}

// failures lists the edits that failed in CouchDB's order, which is not the
// request's: each shard answers with its failures by id, and these take the
// places of its first edits.
func failures(edits []*edit, outcomes []outcome) []int {
	var places, failed [shards][]int
	for i, e := range edits {
		part := shardOf(e.id)
		places[part] = append(places[part], i)
		if outcomes[i].err != nil {
			failed[part] = append(failed[part], i)
		}
	}
	at := make(map[int]int) // place -> edit
	for part := range failed {
		slices.SortStableFunc(failed[part], func(i, j int) int { return strings.Compare(edits[i].id, edits[j].id) })
		for k, i := range failed[part] {
			at[places[part][k]] = i
		}
	}
	order := make([]int, 0, len(at))
	for _, place := range slices.Sorted(maps.Keys(at)) {
		order = append(order, at[place])
	}
	return order
}

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

// revsDiff answers /{db}/_revs_diff: which revisions are not known here.
func (c *call) revsDiff(db *DB) *apiError {
	return c.diff(db, `{`, func(dst []byte, d *document, missing []revID) []byte {
		dst = appendRevs(append(dst, `{"missing":`...), missing)
		if ancestors := d.possibleAncestors(missing); len(ancestors) > 0 {
			dst = appendRevs(append(dst, `,"possible_ancestors":`...), ancestors)
		}
		return append(dst, '}')
	}, `}`)
}

// missingRevs answers /{db}/_missing_revs.
func (c *call) missingRevs(db *DB) *apiError {
	return c.diff(db, `{"missing_revs":{`, func(dst []byte, _ *document, missing []revID) []byte {
		return appendRevs(dst, missing)
	}, `}}`)
}

// revID is a revision id as the tree holds it.
type revID struct {
	gen  int
	hash string
}

// diff answers with what f makes of each document of the posted object that
// names revisions which the database has never heard of.
func (c *call) diff(db *DB, begin string, f func([]byte, *document, []revID) []byte, end string) *apiError {
	v, err := c.postedObject()
	if err != nil {
		return err
	}
	text := []byte(begin)
	db.mu.RLock()
	for i, id := range v.names {
		d := db.docs[id]
		var missing []revID
		if missing, err = d.missing(v.children[i].texts()); err != nil {
			break
		}
		if len(missing) == 0 {
			continue
		}
		if len(text) > len(begin) {
			text = append(text, ',')
		}
		text = f(append(appendString(text, id), ':'), d, missing)
	}
	db.mu.RUnlock()
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, append(text, end...))
}

// missing returns those of revs that are nowhere in d's tree, sorted; d may be
// nil.
func (d *document) missing(revs []string) ([]revID, *apiError) {
	var missing []revID
	for _, rev := range revs {
		gen, hash, err := parseRev(rev)
		if err != nil {
			return nil, err
		}
		if d == nil || d.tree.get(gen, hash) == nil {
			missing = append(missing, revID{gen, hash})
		}
	}
	if d != nil {
		slices.SortFunc(missing, func(a, b revID) int {
			return cmp.Or(cmp.Compare(a.gen, b.gen), strings.Compare(a.hash, b.hash))
		})
	}
	return missing, nil
}

// possibleAncestors are the leaves older than the newest missing revision.
func (d *document) possibleAncestors(missing []revID) []revID {
	if d == nil {
		return nil
	}
	newest := 0
	for _, m := range missing {
		newest = max(newest, m.gen)
	}
	var ancestors []revID
	for _, n := range d.leaves {
		if n.gen < newest {
			ancestors = append(ancestors, revID{n.gen, n.hash})
		}
	}
	return ancestors
}

func appendRevs(dst []byte, revs []revID) []byte {
	dst = append(dst, '[')
	for i, r := range revs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, revText(r.gen, r.hash))
	}
	return append(dst, ']')
}
