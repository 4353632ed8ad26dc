package couchtest

import (
	"math"
	"net/http"
	"slices"
	"strconv"
)

// attachment answers /{db}/{id}/{name}.
func (c *call) attachment(db *DB, id, name string) *apiError {
	switch c.method() {
	case http.MethodGet:
		return c.getAttachment(db, id, name)
	case http.MethodPut, http.MethodDelete:
		return c.setAttachment(db, id, name)
	default:
		return notAllowed("DELETE,GET,HEAD,PUT")
	}
}

func (c *call) getAttachment(db *DB, id, name string) *apiError {
	db.mu.RLock()
	n, err := c.find(db, id)
	db.mu.RUnlock()
	if err != nil {
		return err
	}
	a := n.rev.attachment(name)
	if a == nil {
		return errNoAtt
	}
	h := c.w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", `"`+a.digest()[len("md5-"):]+`"`)
	h.Set("Cache-Control", "must-revalidate")
	h.Set("Content-Length", strconv.Itoa(len(a.data)))
	c.w.Write(a.data)
	return nil
}

// setAttachment writes a new revision with the attachment put or taken away:
// the other attachments and the body are the previous revision's.
func (c *call) setAttachment(db *DB, id, name string) *apiError {
	if err := checkID(id); err != nil {
		return err
	}
	if err := checkAttachmentName(name); err != nil {
		return err
	}
	e := &edit{id: id, body: value{kind: '{'}}
	if err := c.takeRev(e); err != nil {
		return err
	}
	removing := c.r.Method == http.MethodDelete
	if len(e.path.hashes) > 0 || removing {
		if err := c.continueDoc(db, e, name, removing); err != nil {
			return err
		}
	}
	if !removing {
		data, err := c.body()
		if err != nil {
			return err
		}
		u := upload{attachment: attachment{name: name, contentType: c.r.Header.Get("Content-Type"), data: data}}
		if u.contentType == "" {
			u.contentType = "application/octet-stream"
		}
		e.atts = slices.Insert(e.atts, 0, u)
	}
	return c.write(db, e, false)
}

// continueDoc fills e with what its previous revision holds, but for the
// attachment of that name.
func (c *call) continueDoc(db *DB, e *edit, name string, mustHave bool) *apiError {
	db.mu.RLock()
	defer db.mu.RUnlock()
	d := db.docs[e.id]
	if d == nil || len(e.path.hashes) == 0 && d.deleted() {
		return errMissing
	}
	n := d.leaves[0]
	if len(e.path.hashes) > 0 {
		if n = d.tree.get(e.path.gen, e.path.hashes[0]); n.stored() == nil {
			return &apiError{http.StatusConflict, "not_found", "missing_rev"}
		}
		e.path = n.path(math.MaxInt)
	}
	if mustHave && n.rev.attachment(name) == nil {
		return errNoAtt
	}
	e.body, _ = decode(slices.Concat([]byte{'{'}, n.rev.body, []byte{'}'}))
	e.deleted = n.rev.deleted
	for _, a := range n.rev.atts {
		if a.name != name {
			e.atts = append(e.atts, upload{attachment: *a, stub: true})
		}
	}
	return nil
}
