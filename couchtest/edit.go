package couchtest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
)

// maxDocument is the largest body CouchDB takes, in bytes as it counts them.
const maxDocument = 8_000_000

// edit is one document as a client sent it, to be written.
type edit struct {
	id      string
	path    path // without hashes: no revision was named
	deleted bool
	body    value  // the object without the members whose names begin with "_"
	text    []byte // body's members as they are stored, where that is known
	atts    []upload
}

// upload is one attachment of an edit: its bytes, or a stub for those that the
// document's previous revision has.
type upload struct {
	attachment
	stub      bool
	hasRevpos bool
}

// rev is the revision that e names: its own one under new_edits=false, else
// the one that it replaces; zero where it names none.
func (e *edit) rev() couchmend.Rev {
	if len(e.path.hashes) == 0 {
		return couchmend.Rev{}
	}
	return couchmend.Rev{Gen: e.path.gen, Hash: hashText(e.path.hashes[0])}
}

// stored is e's body as it is stored.
func (e *edit) stored() []byte {
	if e.text == nil {
		e.text = e.body.appendMembers(make([]byte, 0, encodedSize(&e.body)))
	}
	return e.text
}

func (e *edit) isLocal() bool  { return strings.HasPrefix(e.id, "_local/") }
func (e *edit) isDesign() bool { return strings.HasPrefix(e.id, "_design/") }

func (e *edit) hasStubs() bool {
	return slices.ContainsFunc(e.atts, func(u upload) bool { return u.stub })
}

// ignored are the members that CouchDB reads from its own answers and drops.
var ignored = []string{"_revs_info", "_local_seq", "_conflicts", "_deleted_conflicts"}

// kept are the members with an underscore that are a document's own: those of
// replication documents, and one reserved for access control.
var kept = []string{
	"_access", "_replication_state", "_replication_state_time",
	"_replication_state_reason", "_replication_id", "_replication_stats",
}

// parseEdit reads a document. What it refuses refuses the whole request.
func parseEdit(v *value) (*edit, *apiError) {
	if v.kind != '{' {
		return nil, badRequest("Document must be a JSON object")
	}
	e := &edit{body: value{kind: '{'}}
	e.body.names = make([]string, 0, len(v.names))
	e.body.children = make([]value, 0, len(v.names))
	for i, name := range v.names {
		member := &v.children[i]
		if !strings.HasPrefix(name, "_") || slices.Contains(kept, name) {
			e.body.names = append(e.body.names, name)
			e.body.children = append(e.body.children, *member)
		} else if err := e.special(name, member); err != nil {
			return nil, err
		}
	}
	if e.tooLarge() {
		return nil, &apiError{413, "document_too_large", e.id}
	}
	return e, nil
}

// special reads a member whose name begins with an underscore.
func (e *edit) special(name string, v *value) *apiError {
	switch {
	case name == "_id":
		e.id = v.text
		if v.kind != '"' {
			return illegalID("Document id must be a string")
		}
		return checkID(v.text)
	case name == "_rev":
		return e.readRev(v)
	case name == "_revisions" && v.kind == '{':
		return e.readRevisions(v)
	case name == "_attachments" && v.kind == '{':
		return e.readAttachments(v)
	case name == "_deleted" && (v.kind == 't' || v.kind == 'f'):
		e.deleted = v.kind == 't'
		return nil
	case slices.Contains(ignored, name):
		return nil
	}
	return badDocument("Bad special document member: " + name)
}

func checkID(id string) *apiError {
	switch {
	case id == "":
		return illegalID("Document id must not be empty")
	case id == "_design/" || id == "_local/":
		return illegalID("Illegal document id `" + id + "`")
	case !utf8.ValidString(id):
		return illegalID("Document id must be valid UTF-8")
	case strings.HasPrefix(id, "_") && !strings.HasPrefix(id, "_design/") && !strings.HasPrefix(id, "_local/"):
		return illegalID("Only reserved document ids may start with underscore.")
	}
	return nil
}

func (e *edit) readRev(v *value) *apiError {
	if len(e.path.hashes) > 0 { // _revisions said it already
		return nil
	}
	if v.kind != '"' {
		return errBadRev
	}
	gen, hash, err := parseRev(v.text)
	if err != nil {
		return err
	}
	e.path = path{gen: gen, hashes: []string{hash}}
	return nil
}

func (e *edit) readRevisions(v *value) *apiError {
	start, _ := v.get("start")
	ids, _ := v.get("ids")
	gen, err := strconv.Atoi(start.text)
	if start.kind != '0' || err != nil {
		return badDocument("_revisions.start isn't an integer.")
	}
	if ids.kind != '[' {
		return badDocument("_revisions.ids isn't a array.")
	}
	hashes := make([]string, len(ids.children))
	for i, id := range ids.children {
		if id.kind != '"' {
			return badDocument("RevId isn't a string")
		}
		var ok bool
		if hashes[i], ok = rawHash(id.text); !ok {
			return badDocument("RevId isn't a valid hexadecimal")
		}
	}
	e.path = path{gen: gen, hashes: hashes}
	return nil
}

func (e *edit) readAttachments(v *value) *apiError {
	for i, name := range v.names {
		u, err := readUpload(name, &v.children[i])
		if err != nil {
			return err
		}
		e.atts = append(e.atts, u)
	}
	return nil
}

func readUpload(name string, v *value) (upload, *apiError) {
	u := upload{attachment: attachment{name: name, contentType: "application/octet-stream"}}
	if err := checkAttachmentName(name); err != nil {
		return u, err
	}
	if v.kind != '{' {
		return u, badRequest("Invalid attachment data for " + name)
	}
	if contentType, ok := v.get("content_type"); ok {
		u.contentType = contentType.text
	}
	if revpos, ok := v.get("revpos"); ok {
		u.revpos, _ = strconv.Atoi(revpos.text)
		u.hasRevpos = true
	}
	if stub, _ := v.get("stub"); stub.kind == 't' {
		u.stub = true
		return u, nil
	}
	data, _ := v.get("data")
	content, err := base64.StdEncoding.DecodeString(data.text)
	if err != nil || data.kind != '"' {
		return u, badRequest("Invalid attachment data for " + name)
	}
	u.data = content
	return u, nil
}

func checkAttachmentName(name string) *apiError {
	if strings.HasPrefix(name, "_") {
		return badRequest("Attachment name '" + name + "' starts with prohibited character '_'")
	}
	if !utf8.ValidString(name) {
		return badRequest("Attachment name is not UTF-8 encoded")
	}
	return nil
}

func (e *edit) tooLarge() bool { return encodedSize(&e.body) > maxDocument }

// encodedSize is about the length of v's JSON text. CouchDB counts characters
// that JSON escapes as one byte; of floats it only guesses the length, which
// is not imitated.
func encodedSize(v *value) int {
	switch v.kind {
	case '"':
		return 2 + len(v.text)
	case '0':
		return len(v.text)
	case '{', '[':
		size := 2 + max(0, len(v.children)-1)
		for i := range v.children {
			size += encodedSize(&v.children[i])
		}
		for _, name := range v.names {
			size += 3 + len(name)
		}
		return size
	case 'f':
		return 5
	default:
		return 4
	}
}
