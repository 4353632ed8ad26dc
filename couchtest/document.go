package couchtest

import (
	"bytes"
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// routeDoc answers /{db}/{id} and /{db}/{id}/{attachment}.
func (c *call) routeDoc(db *DB) *apiError {
	id, rest := c.parts[1], c.parts[2:]
	if (id == "_design" || id == "_local") && len(rest) > 0 {
		id, rest = id+"/"+rest[0], rest[1:]
	}
	if name, is := strings.CutPrefix(id, "_design/"); is && (len(rest) == 1 && rest[0] == "_info" || len(rest) == 2 && rest[0] == "_view") {
		return c.view(db, name, rest)
	}
	if len(rest) > 0 {
		if strings.HasPrefix(id, "_local/") {
			return badRequest("_local documents do not accept attachments.")
		}
		return c.attachment(db, id, strings.Join(rest, "/"))
	}
	switch c.method() {
	case http.MethodGet:
		return c.getDoc(db, id)
	case http.MethodPut:
		return c.putDoc(db, id)
	case http.MethodDelete:
		return c.deleteDoc(db, id)
	default:
		return notAllowed("DELETE,GET,HEAD,POST,PUT,COPY")
	}
}

// showing reads how much of a document is asked for.
func (c *call) showing(db *DB) showing {
	return showing{
		revs: c.flag("revs"), revsLimit: db.revsLimit, attachments: c.flag("attachments"), latest: c.flag("latest"),
		revsInfo:         c.flag("revs_info") || c.flag("meta"),
		conflicts:        c.flag("conflicts") || c.flag("meta"),
		deletedConflicts: c.flag("deleted_conflicts") || c.flag("meta"),
		localSeq:         c.flag("local_seq"),
	}
}

func (c *call) getDoc(db *DB, id string) *apiError {
	if strings.HasPrefix(id, "_local/") {
		return c.getLocal(db, id)
	}
	var text []byte
	var err *apiError
	if c.query.Has("open_revs") {
		text, err = c.openRevs(db, id)
	} else {
		text, err = c.openDoc(db, id)
	}
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, text)
}

// openDoc shows the winner, or the revision asked for.
func (c *call) openDoc(db *DB, id string) ([]byte, *apiError) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	n, err := c.find(db, id)
	if err != nil {
		return nil, err
	}
	show := c.showing(db)
	c.w.Header().Set("ETag", `"`+revText(n.gen, n.hash)+`"`)
	if c.query.Has("rev") && !c.flag("latest") {
		return appendDoc(nil, id, n, show), nil
	}
	return db.docs[id].appendWinner(nil, show), nil
}

// find returns the winner, if it is not deleted, or the revision asked for.
// The caller holds the lock.
func (c *call) find(db *DB, id string) (*node, *apiError) {
	d := db.docs[id]
	if !c.query.Has("rev") || c.flag("latest") {
		switch {
		case d == nil:
			return nil, errMissing
		case d.deleted() && !c.flag("deleted"):
			return nil, errDeleted
		}
		return d.leaves[0], nil
	}
	gen, hash, err := parseRev(c.query.Get("rev"))
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, errMissing
	}
	n := d.tree.get(gen, hash)
	if n.stored() == nil {
		return nil, errMissing
	}
	return n, nil
}

// openRevs shows all leaves, or the revisions of a list, oldest first.
func (c *call) openRevs(db *DB, id string) ([]byte, *apiError) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	found, missing, err := c.selectRevs(db, db.docs[id])
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.gen, b.gen), slices.Compare(a.path(math.MaxInt).hashes, b.path(math.MaxInt).hashes))
	})
	show := c.showing(db)
	text := []byte{'['}
	for _, n := range slices.Compact(found) {
		text = append(appendDoc(append(text, `{"ok":`...), id, n, show), "},"...)
	}
	slices.SortFunc(missing, revID.compare)
	for _, r := range slices.Compact(missing) {
		text = append(appendString(append(text, `{"missing":`...), revText(r.gen, r.hash)), "},"...)
	}
	return append(bytes.TrimSuffix(text, []byte{','}), ']'), nil
}

// selectRevs finds what open_revs asks for: all leaves, or the revisions of a
// JSON list; with latest, the leaves that grew from these. d may be nil.
func (c *call) selectRevs(db *DB, d *document) (found []*node, missing []revID, err *apiError) {
	text := c.query.Get("open_revs")
	if text == "all" {
		if d == nil {
			return nil, nil, errMissing
		}
		return d.tree.regrown(db.revsLimit, newestFirst), nil, nil
	}
	list, jsonErr := decode([]byte(text))
	if jsonErr != nil || list.kind != '[' {
		return nil, nil, errInvalid
	}
	for _, rev := range list.texts() {
		gen, hash, err := parseRev(rev)
		if err != nil {
			return nil, nil, err
		}
		var n *node
		if d != nil {
			n = d.tree.get(gen, hash)
		}
		switch {
		case n != nil && c.flag("latest"):
			found = n.appendLeaves(found)
		case n.stored() != nil:
			found = append(found, n)
		default:
			missing = append(missing, revID{gen, hash})
		}
	}
	return found, missing, nil
}

// putDoc answers PUT /{db}/{id}.
func (c *call) putDoc(db *DB, id string) *apiError {
	if err := checkID(id); err != nil {
		return err
	}
	v, err := c.jsonBody()
	if err != nil {
		return err
	}
	e, err := parseEdit(&v)
	if err != nil {
		return err
	}
	e.id = id
	replicated := c.query.Get("new_edits") == "false"
	if err := c.takeRev(e); err != nil {
		return err
	}
	if replicated && len(e.path.hashes) == 0 {
		return errNeedsRev
	}
	return c.write(db, e, replicated)
}

// takeRev adds the revision that the query or If-Match names.
func (c *call) takeRev(e *edit) *apiError {
	named := c.query.Get("rev")
	if etag := strings.Trim(c.r.Header.Get("If-Match"), `"`); etag != "" {
		if named != "" && named != etag {
			return badRequest("Document rev and etag have different values")
		}
		named = etag
	}
	if named == "" {
		return nil
	}
	gen, hash, err := parseRev(named)
	if err != nil {
		return err
	}
	if len(e.path.hashes) == 0 {
		e.path = path{gen: gen, hashes: []string{hash}}
	} else if e.path.gen != gen || e.path.hashes[0] != hash {
		return badRequest("Document rev from request body and query string have different values")
	}
	return nil
}

// write applies one edit and answers with its new revision.
func (c *call) write(db *DB, e *edit, replicated bool) *apiError {
	outcomes, err := writing{db: db, user: c.user, replicated: replicated}.apply([]*edit{e})
	if err == nil {
		err = outcomes[0].err
	}
	if err != nil {
		return err
	}
	gen, hash := outcomes[0].gen, outcomes[0].hash
	if replicated && !e.isLocal() {
		gen, hash = e.path.gen, e.path.hashes[0]
	}
	status := http.StatusCreated
	if e.deleted {
		status = http.StatusOK
	}
	c.w.Header().Set("ETag", `"`+revText(gen, hash)+`"`)
	return c.send(status, appendOK(nil, e.id, gen, hash))
}

// appendOK is the answer to a successful write.
func appendOK(dst []byte, id string, gen int, hash string) []byte {
	dst = append(dst, `{"ok":true,"id":`...)
	dst = appendString(dst, id)
	dst = append(dst, `,"rev":`...)
	dst = appendString(dst, revText(gen, hash))
	return append(dst, '}')
}

// postDoc answers POST /{db}.
func (c *call) postDoc(db *DB) *apiError {
	v, err := c.postedObject()
	if err != nil {
		return err
	}
	e, err := parseEdit(&v)
	if err != nil {
		return err
	}
	if e.id == "" {
		e.id = randomID()
		e.path = path{}
	}
	return c.write(db, e, false)
}

// deleteDoc answers DELETE /{db}/{id}.
func (c *call) deleteDoc(db *DB, id string) *apiError {
	db.mu.RLock()
	d, isLocal := db.docs[id], db.locals[id] != nil
	exists := isLocal || d != nil && !d.deleted()
	db.mu.RUnlock()
	switch {
	case exists:
	case d != nil:
		return errDeleted
	default:
		return errMissing
	}
	e := &edit{id: id, deleted: true, body: value{kind: '{'}}
	if err := c.takeRev(e); err != nil {
		return err
	}
	return c.write(db, e, false)
}

func (c *call) getLocal(db *DB, id string) *apiError {
	db.mu.RLock()
	l := db.locals[id]
	db.mu.RUnlock()
	if l == nil {
		return errMissing
	}
	n := &node{hash: strconv.Itoa(l.rev), rev: &revision{body: l.body}}
	return c.send(http.StatusOK, appendDoc(nil, id, n, showing{revsLimit: math.MaxInt}))
}

var errNeedsRev = badRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
