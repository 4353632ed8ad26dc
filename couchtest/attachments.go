package couchtest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// attachment is a file that belongs to a revision.
type attachment struct {
	name        string
	contentType string
	data        []byte // as it was sent
	revpos      int    // generation that brought it
	md5         [16]byte
	gzipped     int // length in the store, where it is kept compressed; else 0
}

// compressible are the types that CouchDB keeps gzipped by default. The digest
// of such an attachment is that of its gzipped bytes.
var compressible = regexp.MustCompile(`(?i)^\s*(text/.*|application/javascript|application/json|application/xml)(?:\s*;.*?)?\s*$`)

// seal computes the digest, once the content is known.
func (a *attachment) seal(gzipDigests bool) {
	if !gzipDigests || !compressible.MatchString(a.contentType) {
		a.md5 = md5.Sum(a.data)
		return
	}
	packed := gzipLikeCouchDB(a.data)
	a.md5 = md5.Sum(packed)
	a.gzipped = len(packed)
}

// gzipLikeCouchDB compresses as CouchDB's zlib does at level 8.
func gzipLikeCouchDB(data []byte) []byte {
	packed := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3} // no name, no time, Unix
	packed = deflate(packed, data)
	packed = binary.LittleEndian.AppendUint32(packed, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(packed, uint32(len(data)))
}

func (a *attachment) digest() string {
	return "md5-" + base64.StdEncoding.EncodeToString(a.md5[:])
}

// appendJSON writes a's entry in _attachments, with its bytes or as a stub.
func (a *attachment) appendJSON(dst []byte, withData bool) []byte {
	dst = appendString(dst, a.name)
	dst = append(dst, `:{"content_type":`...)
	dst = appendString(dst, a.contentType)
	dst = append(dst, `,"revpos":`...)
	dst = strconv.AppendInt(dst, int64(a.revpos), 10)
	dst = append(dst, `,"digest":"`...)
	dst = append(dst, a.digest()...)
	if withData {
		dst = append(dst, `","data":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, a.data)
		return append(dst, `"}`...)
	}
	dst = append(dst, `","length":`...)
	dst = strconv.AppendInt(dst, int64(len(a.data)), 10)
	return append(dst, `,"stub":true}`...)
}

// settle replaces the stubs of e by the attachments of previous, the revision
// that e replaces (nil: there is none), and completes the rest. A stub is
// matched by name, and by revpos where it says one; its digest is not looked
// at. So a stub that belongs to another branch is either refused or silently
// stands for this branch's bytes.
func (e *edit) settle(previous *revision, gzipDigests bool) ([]*attachment, *apiError) {
	if len(e.atts) == 0 {
		return nil, nil
	}
	atts := make([]*attachment, 0, len(e.atts))
	for i := range e.atts {
		u := &e.atts[i]
		if !u.stub {
			a := u.attachment
			a.seal(gzipDigests)
			atts = append(atts, &a)
			continue
		}
		a := previous.attachment(u.name)
		if a == nil || u.hasRevpos && u.revpos != a.revpos {
			return nil, missingStub(e.id, u.name)
		}
		atts = append(atts, a)
	}
	return atts, nil
}

// attachment returns the one with that name, or nil.
func (r *revision) attachment(name string) *attachment {
	if r == nil {
		return nil
	}
	for _, a := range r.atts {
		if a.name == name {
			return a
		}
	}
	return nil
}

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
	a, err := c.findAttachment(db, id, name)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", `"`+a.digest()[len("md5-"):]+`"`)
	h.Set("Cache-Control", "must-revalidate")
	h.Set("Content-Length", strconv.Itoa(len(a.data)))
	c.w.Write(a.data)
	return nil
}

func (c *call) findAttachment(db *DB, id, name string) (*attachment, *apiError) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	n, err := c.find(db, id)
	if err != nil {
		return nil, err
	}
	a := n.rev.attachment(name)
	if a == nil {
		return nil, errNoAtt
	}
	return a, nil
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
