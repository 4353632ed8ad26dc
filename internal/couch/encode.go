package couch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/go-json-experiment/json/jsontext"
)

// check says what is wrong with a revision before any server sees it. A wrong
// generation or path can't be taken back: it becomes part of the tree.
func check(id string, r couchmend.Revision) error {
	switch {
	case id == "" || id[0] == '_' && (len(id) < 9 || id[:8] != "_design/"):
		return errors.New("no document of that id can be written")
	case len(r.Path) == 0 || r.Path[0] != r.Rev:
		return errors.New("its path must begin with the revision itself")
	case r.Body == nil && !r.Deleted:
		return errors.New("it has no body and is no tombstone")
	}
	for i, rev := range r.Path {
		if rev.Gen != r.Rev.Gen-i || rev.Gen < 1 || rev.Hash == "" {
			return fmt.Errorf("step %d of its path is %q: generations must descend by one, to 1 at least", i, rev)
		}
	}
	for _, a := range r.Attachments {
		// A stub's revpos is whatever its branch shows, 0 among them.
		if a.Name == "" || a.RevPos < 0 || a.Data != nil && (a.RevPos < 1 || a.RevPos > r.Rev.Gen) {
			return fmt.Errorf("attachment %q: revpos %d is no generation of its path", a.Name, a.RevPos)
		}
	}
	if r.Body == nil {
		return nil
	}
	return checkBody(r.Body)
}

// checkBody wants one JSON object without members of CouchDB's own.
func checkBody(body []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body)) // a *bytes.Buffer is read in place
	err := readObject(dec, func(name jsontext.Value) error {
		if isSpecial(name) {
			return fmt.Errorf("its body has a member %s: names that begin with _ are CouchDB's", name)
		}
		return dec.SkipValue()
	})
	if err != nil {
		return fmt.Errorf("its body is not right: %w", err)
	}
	if len(bytes.TrimSpace(body[dec.InputOffset():])) > 0 {
		return errors.New("its body is followed by more text")
	}
	return nil
}

// appendRevision writes a revision that passed check as _bulk_docs wants it:
// the body's bytes as they are (I8), between CouchDB's own members.
func appendRevision(text []byte, id string, r couchmend.Revision) []byte {
	text = append(append(text, `{"_id":`...), jsondoc.String(id)...)
	text = append(text, `,"_rev":"`...)
	text = strconv.AppendInt(text, int64(r.Rev.Gen), 10)
	text = append(text, '-')
	text = append(appendHash(text, r.Rev.Hash), `","_revisions":{"start":`...)
	text = strconv.AppendInt(text, int64(r.Rev.Gen), 10)
	text = append(text, `,"ids":[`...)
	for i, rev := range r.Path {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, '"')
		text = append(appendHash(text, rev.Hash), '"')
	}
	text = append(text, "]}"...)
	if r.Deleted {
		text = append(text, `,"_deleted":true`...)
	}
	if members := inside(r.Body); len(members) > 0 {
		text = append(append(text, ','), members...)
	}
	return append(appendAttachments(text, r.Attachments), '}')
}

// inside returns what stands between the braces of an object.
func inside(body []byte) []byte {
	body = bytes.TrimSpace(body)
	if len(body) < 2 {
		return nil
	}
	return bytes.TrimSpace(body[1 : len(body)-1])
}

// appendHash writes a hash as the inside of a JSON string.
func appendHash(text []byte, hash string) []byte {
	for i := range len(hash) {
		if c := hash[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted := jsondoc.String(hash)
			return append(text, quoted[1:len(quoted)-1]...)
		}
	}
	return append(text, hash...)
}

// appendAttachments writes _attachments. One with data is sent inline; any
// other as a stub, which the server takes from the revision's own branch. Both
// say their revpos: with new_edits=false a missing one becomes 0, and a stub
// with a wrong one is refused.
func appendAttachments(text []byte, attachments []couchmend.Attachment) []byte {
	if len(attachments) == 0 {
		return text
	}
	text = append(text, `,"_attachments":{`...)
	for i, a := range attachments {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(text, jsondoc.String(a.Name)...), `:{"content_type":`...)
		text = append(append(text, jsondoc.String(a.ContentType)...), `,"revpos":`...)
		text = strconv.AppendInt(text, int64(a.RevPos), 10)
		if a.Data != nil {
			text = append(text, `,"data":"`...)
			text = append(base64.StdEncoding.AppendEncode(text, a.Data), `"}`...)
			continue
		}
		text = append(append(text, `,"digest":`...), jsondoc.String(a.Digest)...)
		text = append(text, `,"length":`...)
		text = strconv.AppendInt(text, a.Length, 10)
		text = append(text, `,"stub":true}`...)
	}
	return append(text, '}')
}

// encodedSize is about how many bytes appendRevision adds.
func encodedSize(r couchmend.Revision) int {
	size := 200 + len(r.Body) + 36*len(r.Path)
	for _, a := range r.Attachments {
		size += 200 + len(a.Name) + base64.StdEncoding.EncodedLen(len(a.Data))
	}
	return size
}
