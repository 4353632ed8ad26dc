package couchtest

import (
	"net/http"

	"github.com/couchmend/couchmend"
)

// Put writes a revision of the document id with its path, as a replica does
// (new_edits=false): it is taken whatever leaves there are. Without a Path,
// the revision is taken for the root of its own. Attachments with Data are
// written, those without must be the same as in the revision below. The
// validation function is asked; the error is a *couchmend.Error.
func (db *DB) Put(rev couchmend.Revision, id string) error {
	e, err := newEdit(rev, id)
	if err == nil {
		err = db.replicate([]*edit{e})[0].err
	}
	if err != nil {
		return err.explain("put", db.name, id, rev.Rev)
	}
	return nil
}

// replicate writes edits with their own revision ids, as an administrator.
func (db *DB) replicate(edits []*edit) []outcome {
	w := writing{db: db, user: UserContext{Roles: []string{adminRole}}, replicated: true}
	outcomes, err := w.apply(edits)
	if err != nil {
		for i := range outcomes {
			outcomes[i].err = err
		}
	}
	return outcomes
}

// newEdit turns a revision into the edit that writes it.
func newEdit(rev couchmend.Revision, id string) (*edit, *apiError) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	e := &edit{id: id, deleted: rev.Deleted, body: value{kind: '{'}}
	line := rev.Path
	if len(line) == 0 {
		line = []couchmend.Rev{rev.Rev}
	}
	e.path.gen = line[0].Gen
	for i, r := range line {
		hash, ok := rawHash(r.Hash)
		if !ok || r.Gen != e.path.gen-i || line[0] != rev.Rev {
			return nil, errBadRev
		}
		e.path.hashes = append(e.path.hashes, hash)
	}
	if len(rev.Body) > 0 {
		body, err := decode(rev.Body)
		if err != nil || body.kind != '{' {
			return nil, errInvalid
		}
		e.body = body
	}
	if e.tooLarge() {
		return nil, &apiError{http.StatusRequestEntityTooLarge, "document_too_large", id}
	}
	for _, a := range rev.Attachments {
		e.atts = append(e.atts, upload{
			attachment: attachment{name: a.Name, contentType: a.ContentType, data: a.Data, revpos: a.RevPos},
			stub:       a.Data == nil, hasRevpos: true,
		})
	}
	return e, nil
}

// explain puts err into the words of package couchmend.
func (e *apiError) explain(op, db, id string, rev couchmend.Rev) error {
	kind := couchmend.KindRefused
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = couchmend.KindForbidden
	case http.StatusNotFound:
		kind = couchmend.KindNotFound
	case http.StatusConflict:
		kind = couchmend.KindConflict
	case http.StatusRequestEntityTooLarge:
		kind = couchmend.KindTooLarge
	}
	return &couchmend.Error{Op: op, DB: db, ID: id, Rev: rev, Kind: kind, Err: e}
}
