package couchtest

import (
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
