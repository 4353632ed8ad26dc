package cases

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// document is a revision as a file of cases has it: as CouchDB shows it, with
// _rev and the like.
type document struct {
	at          *yaml.Node
	id          string
	rev         couchmend.Rev   // zero: made up
	path        []couchmend.Rev // nil: made up
	deleted     bool
	body        jsondoc.Value
	attachments []couchmend.Attachment
}

// document reads a document; it is false where there is none.
func (r *reader) document(n *yaml.Node, what string) (document, bool) {
	d := document{at: n}
	v := r.object(n, what)
	if v == nil {
		return d, false
	}
	body := []jsondoc.Member{}
	for _, m := range v.Members() {
		if !strings.HasPrefix(m.Name, "_") {
			body = append(body, m)
			continue
		}
		if err := d.own(m); err != nil {
			r.problem(n, "%s of %s: %v", m.Name, what, err)
		}
	}
	if d.path != nil && d.rev == (couchmend.Rev{}) {
		d.rev = d.path[0]
	}
	if d.path != nil && d.path[0] != d.rev {
		r.problem(n, "_revisions of %s begin with %s, and its _rev is %s", what, d.path[0], d.rev)
	}
	d.body = jsondoc.Object(body)
	return d, true
}

// own takes one of CouchDB's own members in.
func (d *document) own(m jsondoc.Member) (err error) {
	switch m.Name {
	case "_id":
		if d.id = m.Value.Text(); d.id == "" {
			err = errors.New("want text")
		}
	case "_rev":
		d.rev, err = couchmend.ParseRev(m.Value.Text())
	case "_revisions":
		d.path, err = revisions(m.Value)
	case "_deleted":
		d.deleted = m.Value.Kind() == 't'
		if k := m.Value.Kind(); k != 't' && k != 'f' {
			err = errors.New("want true or false")
		}
	case "_attachments":
		for _, file := range m.Value.Members() {
			a, fault := attachment(file.Name, file.Value)
			if err == nil && fault != nil {
				err = fmt.Errorf("%q: %w", file.Name, fault)
			}
			d.attachments = append(d.attachments, a)
		}
		if m.Value.Kind() != '{' {
			err = errors.New("want a mapping from names to attachments")
		}
	default:
		err = errors.New("take it out: a case knows _id, _rev, _revisions, _deleted and _attachments")
	}
	return err
}

// revisions reads {"start": 3, "ids": ["c", "b", "a"]}, newest first.
func revisions(v jsondoc.Value) ([]couchmend.Rev, error) {
	wrong := errors.New(`want {"start": 3, "ids": ["c…", "b…", "a…"]}, newest first`)
	start, err := strconv.Atoi(string(v.Get("start")))
	ids := v.Get("ids").Elements()
	if err != nil || len(ids) == 0 || len(ids) > start {
		return nil, wrong
	}
	path := make([]couchmend.Rev, len(ids))
	for i, id := range ids {
		if path[i], err = couchmend.ParseRev(fmt.Sprintf("%d-%s", start-i, id.Text())); err != nil {
			return nil, wrong
		}
	}
	return path, nil
}

// defaultType is the type of an attachment that says none.
const defaultType = "application/octet-stream"

// attachment reads an attachment: its content as text or as data (Base64), or
// what CouchDB says in a stub, length and digest.
func attachment(name string, v jsondoc.Value) (couchmend.Attachment, error) {
	a := couchmend.Attachment{Name: name, ContentType: defaultType}
	if v.Kind() != '{' {
		return a, errors.New(`want {content_type: …} with text, data, or length and digest`)
	}
	var err error
	for _, m := range v.Members() {
		switch m.Name {
		case "content_type":
			a.ContentType = m.Value.Text()
		case "text":
			a.Data = []byte(m.Value.Text())
		case "data":
			a.Data, err = base64.StdEncoding.DecodeString(m.Value.Text())
		case "digest":
			a.Digest = m.Value.Text()
		case "length":
			a.Length, err = strconv.ParseInt(string(m.Value), 10, 64)
		case "revpos":
			a.RevPos, err = strconv.Atoi(string(m.Value))
		case "stub":
		default:
			err = errors.New("its keys are content_type, text, data, digest, length, revpos, stub")
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	switch {
	case v.Get("text") != nil || v.Get("data") != nil:
		a.Data = append([]byte{}, a.Data...) // not nil, also where empty
		a.Length = int64(len(a.Data))
		if a.Digest == "" {
			a.Digest = digest(a.Data)
		}
	case a.Digest == "" || v.Get("length") == nil:
		err = errors.New("want text, data, or length and digest")
	}
	return a, err
}

// digest is that of CouchDB, for what it does not compress.
func digest(data []byte) string {
	sum := md5.Sum(data)
	return "md5-" + base64.StdEncoding.EncodeToString(sum[:])
}

// sameContent compares attachments as far as they are known.
func sameContent(a, b couchmend.Attachment) bool {
	return a.ContentType == b.ContentType && a.Length == b.Length &&
		(a.Digest == b.Digest || a.Data != nil && b.Data != nil && bytes.Equal(a.Data, b.Data))
}

// attachmentsOf reads the attachments that a merge is to have: a list of names.
func (r *reader) attachmentsOf(n *yaml.Node, what string) []couchmend.Attachment {
	named := []couchmend.Attachment{}
	for _, name := range r.list(n, what) {
		text := r.text(name, what, "an attachment's name")
		if slices.ContainsFunc(named, func(a couchmend.Attachment) bool { return a.Name == text }) {
			r.problem(name, "%q stands twice in %s", text, what)
		}
		named = append(named, couchmend.Attachment{Name: text})
	}
	return named
}
