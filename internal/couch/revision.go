package couch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/go-json-experiment/json/jsontext"
)

// row is what a server says of one revision that it was asked for.
type row struct {
	id       string // empty where the row doesn't say
	rev      couchmend.Rev
	revision *couchmend.Revision // nil: look at missing and bad
	missing  bool
	bad      error
}

// rowReader reads the entries of _bulk_get's docs and of open_revs.
type rowReader struct {
	dec  *jsontext.Decoder
	body []byte // the document under way; its memory serves the next one
}

// read reads one entry. They come as
//
//	{"ok":{document}}                                       all servers
//	{"error":{"id":…,"rev":…,"error":…,"reason":…}}         CouchDB
//	{"error":…,"reason":…}   {"missing":rev}                PouchDB
//
// An entry that says no, or whose document can't be used, is a row; an error
// means that the answer itself is broken.
func (r *rowReader) read() (row, error) {
	var got row
	var no refusal
	err := readObject(r.dec, func(name jsontext.Value) (err error) {
		switch string(name) {
		case `"ok"`:
			got, err = r.document()
		case `"missing"`:
			got.missing = true
			err = r.rev(&got)
		case `"error"`:
			if r.dec.PeekKind() == '{' {
				err = readObject(r.dec, func(name jsontext.Value) error { return r.complaint(name, &got, &no) })
			} else {
				no.Name, err = readText(r.dec)
			}
		default:
			err = r.complaint(name, &got, &no)
		}
		return err
	})
	switch {
	case got.revision != nil, got.missing, got.bad != nil:
	case no.Name == "not_found":
		got.missing = true
	default:
		got.bad = &no
	}
	return got, err
}

// complaint reads one member of an error.
func (r *rowReader) complaint(name jsontext.Value, got *row, no *refusal) (err error) {
	switch string(name) {
	case `"id"`:
		got.id, err = readText(r.dec)
	case `"rev"`:
		err = r.rev(got)
	case `"error"`, `"name"`:
		no.Name, err = readText(r.dec)
	case `"reason"`, `"message"`:
		no.Reason, err = readText(r.dec)
	default:
		err = r.dec.SkipValue()
	}
	return err
}

// rev reads a revision id; one that can't be read ("undefined") names none.
func (r *rowReader) rev(got *row) error {
	text, err := readText(r.dec)
	got.rev, _ = couchmend.ParseRev(text)
	return err
}

// special is what a document's members of CouchDB's own say.
type special struct {
	row
	deleted     bool
	start, ids  string // of _revisions
	attachments []byte
}

// document reads a document. Names and values of its body are copied as they
// stand in the text (I8); what begins with "_" is CouchDB's own.
func (r *rowReader) document() (row, error) {
	var own special
	r.body = append(r.body[:0], '{')
	err := readObject(r.dec, func(name jsontext.Value) error {
		if isSpecial(name) {
			return r.special(name, &own)
		}
		if len(r.body) > 1 {
			r.body = append(r.body, ',')
		}
		r.body = append(append(r.body, name...), ':')
		value, err := r.dec.ReadValue()
		r.body = append(r.body, value...)
		return err
	})
	if err != nil {
		return row{}, err
	}
	revision := couchmend.Revision{Rev: own.rev, Deleted: own.deleted, Body: slices.Clone(append(r.body, '}'))}
	if revision.Path, own.bad = readPath(own.rev, own.start, own.ids); own.bad == nil {
		revision.Attachments, own.bad = readAttachments(own.rev, own.attachments)
	}
	if own.bad == nil {
		own.revision = &revision
	}
	return own.row, nil
}

// special reads a member of CouchDB's own.
func (r *rowReader) special(name jsontext.Value, own *special) (err error) {
	switch string(name) {
	case `"_id"`:
		own.id, err = readText(r.dec)
	case `"_rev"`:
		err = r.rev(&own.row)
	case `"_deleted"`:
		own.deleted, err = readBool(r.dec)
	case `"_revisions"`:
		err = readObject(r.dec, func(name jsontext.Value) (err error) {
			switch string(name) {
			case `"start"`:
				own.start, err = readText(r.dec)
			case `"ids"`:
				own.ids, err = readText(r.dec)
			default:
				err = r.dec.SkipValue()
			}
			return err
		})
	case `"_attachments"`:
		var value jsontext.Value
		value, err = r.dec.ReadValue()
		own.attachments = bytes.Clone(value)
	default:
		err = r.dec.SkipValue()
	}
	return err
}

// isSpecial reports whether a quoted name begins with "_", however that is written.
func isSpecial(name jsontext.Value) bool {
	return len(name) > 2 && (name[1] == '_' || name[1] == '\\' && strings.HasPrefix(jsondoc.Value(name).Text(), "_"))
}

// readPath makes rev's path of its _revisions, {"start":3,"ids":["c…","b…","a…"]}.
func readPath(rev couchmend.Rev, start, ids string) ([]couchmend.Rev, error) {
	gen, err := strconv.Atoi(start)
	hashes := splitHashes(ids)
	switch {
	case err != nil || len(hashes) == 0:
		return nil, errors.New("the document came without its _revisions")
	case len(hashes) > gen:
		return nil, fmt.Errorf("its _revisions start at generation %d and have %d ids", gen, len(hashes))
	}
	mixedCase := strings.ContainsAny(ids, "ABCDEF")
	path := make([]couchmend.Rev, len(hashes))
	for i, hash := range hashes {
		path[i] = couchmend.Rev{Gen: gen - i, Hash: hash}
		if mixedCase { // 32 hexadecimal digits are one number in either case
			path[i], err = couchmend.ParseRev(path[i].String())
		}
		if err != nil || hash == "" {
			return nil, errors.New("its _revisions hold an id that is none")
		}
	}
	if path[0] != rev {
		return nil, fmt.Errorf("its _revisions begin with %s instead of %s", path[0], rev)
	}
	return path, nil
}

// splitHashes returns the strings of a JSON array, nil for anything else. They
// share the text's memory: a path may have a thousand.
func splitHashes(ids string) []string {
	if strings.IndexByte(ids, '\\') >= 0 {
		var list []string
		if json.Unmarshal([]byte(ids), &list) != nil {
			return nil
		}
		return list
	}
	list := make([]string, 0, strings.Count(ids, `"`)/2)
	for {
		between, rest, found := strings.Cut(ids, `"`)
		if strings.Trim(between, "[,] \t\r\n") != "" {
			return nil // something else than strings
		}
		if !found {
			return list
		}
		var hash string
		hash, ids, _ = strings.Cut(rest, `"`)
		list = append(list, hash)
	}
}

// readAttachments reads _attachments, in order.
func readAttachments(rev couchmend.Rev, text jsondoc.Value) ([]couchmend.Attachment, error) {
	members := text.Members()
	if len(members) == 0 {
		return nil, nil
	}
	attachments := make([]couchmend.Attachment, len(members))
	for i, m := range members {
		a := couchmend.Attachment{Name: m.Name, From: rev}
		var err error
		for _, f := range m.Value.Members() {
			switch f.Name {
			case "content_type":
				a.ContentType = f.Value.Text()
			case "digest":
				a.Digest = f.Value.Text()
			case "length":
				a.Length, err = strconv.ParseInt(string(f.Value), 10, 64)
			case "revpos":
				a.RevPos, err = strconv.Atoi(string(f.Value))
			case "data":
				if a.Data, err = base64.StdEncoding.DecodeString(f.Value.Text()); err == nil && a.Data == nil {
					a.Data = []byte{} // empty, and here
				}
			}
			if err != nil {
				return nil, fmt.Errorf("attachment %q: its %s can't be read", m.Name, f.Name)
			}
		}
		if a.Data != nil {
			a.Length = int64(len(a.Data))
		}
		attachments[i] = a
	}
	return attachments, nil
}
