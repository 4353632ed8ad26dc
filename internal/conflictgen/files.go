package conflictgen

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"maps"

	"github.com/couchmend/couchmend"
)

// file is one attachment's history: a register of contents.
type file struct {
	name, contentType string
	register          // values are the raw bytes
	// settled are the names and contents that the merge has, where branches
	// differ; nil: the one that stands.
	settled map[string][]byte
}

// attachment is the file as the body of n has it. Its bytes always come along,
// so that no writer depends on a stub.
func (f *file) attachment(n *node) (couchmend.Attachment, bool) {
	data := f.at(n)
	if data == nil {
		return couchmend.Attachment{}, false
	}
	sum := md5.Sum(data)
	a := couchmend.Attachment{
		Name:        f.name,
		ContentType: f.contentType,
		Digest:      "md5-" + base64.StdEncoding.EncodeToString(sum[:]),
		Length:      int64(len(data)),
		RevPos:      1,
		Data:        data,
	}
	if w := f.last(n); w.at != nil {
		a.RevPos = w.at.rev.Gen
	}
	return a, true
}

func (d *draft) filesAt(n *node) map[string][]byte {
	files := map[string][]byte{}
	for _, f := range d.files {
		if data := f.at(n); data != nil {
			files[f.name] = data
		}
	}
	return files
}

func (d *draft) filesMerged() map[string][]byte {
	files := map[string][]byte{}
	for _, f := range d.files {
		switch {
		case f.settled != nil:
			maps.Copy(files, f.settled)
		default:
			if data := f.truth(d); data != nil {
				files[f.name] = data
			}
		}
	}
	return files
}

func sameFiles(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }
