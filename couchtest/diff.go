package couchtest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

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

func (r revID) compare(s revID) int {
	return cmp.Or(cmp.Compare(r.gen, s.gen), strings.Compare(r.hash, s.hash))
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
		slices.SortFunc(missing, revID.compare)
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
