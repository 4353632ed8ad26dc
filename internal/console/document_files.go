package console

import (
	"errors"
	"mime"
	"net/url"
	"slices"
	"strconv"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

// fileTable is the attachments of a comparison, a row a name.
type fileTable struct {
	Columns []fieldColumn
	Rows    []fileRow
	Pick    bool
}

// fileRow is one name.
type fileRow struct {
	fieldRow
	File    string
	Differs bool
}

// Differ are the attachments that are not the same on all sides, Alike the
// others.
func (t fileTable) Differ() []fileRow { return t.rows(true) }

// Alike are those that are the same on all sides.
func (t fileTable) Alike() []fileRow { return t.rows(false) }

func (t fileTable) rows(differs bool) []fileRow {
	return slices.DeleteFunc(slices.Clone(t.Rows), func(r fileRow) bool { return r.Differs != differs })
}

// File is the attachment that stands behind an option, nil where there is none.
func (o fieldOption) File() *couchmend.Attachment { return o.file }

// FileBytes is its size in words.
func (o fieldOption) FileBytes() string {
	return bytesWords(max(o.file.Length, int64(len(o.file.Data))))
}

// optionView is an option as a template draws it.
type optionView struct {
	DB, ID string
	Option fieldOption
	Name   string // of its radio button
	Edit   bool
}

// Of adds to an option what drawing it needs.
func (d documentView) Of(o fieldOption, name string, edit bool) optionView {
	return optionView{d.DB, d.ID, o, name, edit}
}

// IsFile reports whether the option is an attachment, or the want of one.
func (o fieldOption) IsFile() bool { return o.isFile }

// FileLink is where its content is served.
func (o fieldOption) FileLink(db, id string) string {
	return fileLink(db, id, o.from, o.file.Name, false)
}

// FileImage is where it is served to be shown in the page, "" for what is no
// picture that a browser shows without running anything.
func (o fieldOption) FileImage(db, id string) string {
	if _, ok := rasters[o.file.ContentType]; !ok || o.file.Length > shownImage {
		return ""
	}
	return fileLink(db, id, o.from, o.file.Name, true)
}

func fileLink(db, id string, rev couchmend.Rev, name string, show bool) string {
	q := url.Values{"db": {db}, "id": {id}, "rev": {rev.String()}, "name": {name}}
	if show {
		q.Set("show", "1")
	}
	return "/document/attachment?" + q.Encode()
}

func fileNamed(files []couchmend.Attachment, name string) *couchmend.Attachment {
	i := slices.IndexFunc(files, func(a couchmend.Attachment) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &files[i]
}

// rasters are the types that are shown: pictures made of points. SVG runs
// scripts, and is none.
var rasters = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true, "image/bmp": true,
}

const (
	shownImage = 16 << 20  // bytes of a picture that is shown
	servedFile = 256 << 20 // of an attachment that is served: one is held in memory
)

// attachment serves the content of one attachment, as CouchDB gives it to the
// person. Whatever it is, it runs nowhere: all but pictures are to be saved, the
// type is not guessed at, and the page it would be is a sandbox.
func (v *visit) attachment() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	rev, err := couchmend.ParseRev(v.r.FormValue("rev"))
	if err != nil {
		return refuse(couchmend.KindUsage, err.Error())
	}
	name := v.r.FormValue("name")
	file, err := v.stub(db, id, rev, name)
	if err != nil {
		return err
	}
	if file.Length > servedFile {
		return refuse(couchmend.KindTooLarge, "the attachment is larger than the console serves: ask CouchDB itself")
	}
	data, err := v.server.DB(db).Attachment(v.r.Context(), id, rev, name)
	if err != nil {
		return err
	}
	h := v.w.Header()
	kind, disposition := "application/octet-stream", "attachment"
	if rasters[file.ContentType] && v.r.FormValue("show") != "" {
		kind, disposition = file.ContentType, "inline"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = v.w.Write(data) // the client has gone: nobody to tell
	return nil
}

// stub is what CouchDB says of an attachment.
func (v *visit) stub(db, id string, rev couchmend.Rev, name string) (couchmend.Attachment, error) {
	for got, err := range v.server.DB(db).BulkGet(v.r.Context(), []couch.Want{{ID: id, Rev: rev}}, couch.Get{}) {
		if err != nil {
			return couchmend.Attachment{}, err
		}
		if got.Revision == nil {
			break
		}
		if file := fileNamed(got.Revision.Attachments, name); file != nil {
			return *file, nil
		}
	}
	return couchmend.Attachment{}, &couchmend.Error{Op: "attachment", DB: db, ID: id, Rev: rev, Kind: couchmend.KindNotFound, Err: errors.New("there is no such attachment, or no such revision any more")}
}
