package couch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/go-json-experiment/json/jsontext"
)

// Want names one revision to read. Both fields must be given: asked for a
// document without a revision, PouchDB answers with one leaf only.
type Want struct {
	ID  string
	Rev couchmend.Rev
}

// Get says how revisions are wanted.
type Get struct {
	Attachments bool // with their bytes; otherwise stubs
}

// Got is the answer to one Want.
type Got struct {
	ID  string
	Rev couchmend.Rev
	// Revision is nil where Missing or Err says why. Its attachments' From is
	// Rev.
	Revision *couchmend.Revision
	Missing  bool // not there, or its body is gone (compaction)
	Err      error
}

// maxWanted is how many revisions are asked for in one request: CouchDB holds
// the whole answer in memory before it sends it.
const maxWanted = 2000

// BulkGet reads revisions with their paths, in the order of want, one Got for
// each. It holds no more than one in memory, unless the server answers in
// another order (PouchDB gathers by document). An error is the last thing it
// yields: the request failed, or the answer broke off.
func (db *DB) BulkGet(ctx context.Context, want []Want, get Get) iter.Seq2[Got, error] {
	return func(yield func(Got, error) bool) {
		size := maxWanted
		for len(want) > 0 {
			chunk := want[:min(size, len(want))]
			more, err := db.bulkGet(ctx, chunk, get, yield)
			if couchmend.KindOf(err) == couchmend.KindTooLarge && len(chunk) > 1 {
				size = len(chunk) / 2
				continue
			}
			if err != nil {
				yield(Got{}, err)
				return
			}
			if !more {
				return
			}
			want = want[len(chunk):]
		}
	}
}

func (db *DB) bulkGet(ctx context.Context, want []Want, get Get, yield func(Got, error) bool) (more bool, err error) {
	c := db.call("bulk_get", http.MethodPost, "")
	c.path += "/_bulk_get?revs=true"
	if get.Attachments {
		c.path += "&attachments=true"
	}
	body, err := encodeWants(want, get)
	if err != nil {
		return false, c.failed(couchmend.KindUsage, err)
	}
	c.body = parts{body}
	resp, err := db.server.do(ctx, c)
	if err != nil {
		return false, err
	}
	r := newGetReader(resp.Body, c, want)
	more, err = r.readAll(func(got Got) bool { return yield(got, nil) })
	if !more || err != nil {
		_ = resp.Body.Close() // the rest of the answer may be long
		return more, err
	}
	finish(resp.Body)
	return true, nil
}

func encodeWants(want []Want, get Get) ([]byte, error) {
	text := make([]byte, 0, 100*len(want))
	text = append(text, `{"docs":[`...)
	for i, w := range want {
		if w.ID == "" || w.Rev.Gen < 1 || w.Rev.Hash == "" {
			return nil, fmt.Errorf("document %q: an id and a revision are needed, found %q", w.ID, w.Rev)
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(text, `{"id":`...), jsondoc.String(w.ID)...)
		text = append(append(text, `,"rev":`...), jsondoc.String(w.Rev.String())...)
		if get.Attachments { // PouchDB looks for it here
			text = append(text, `,"attachments":true`...)
		}
		text = append(text, '}')
	}
	return append(text, "]}"...), nil
}

// getReader reads the answer to one _bulk_get,
//
//	{"results":[{"id":…,"docs":[row,…]},…]}
//
// and brings the rows into the order of want.
type getReader struct {
	call call
	rows rowReader
	want []Want // not yet answered to the caller, in order
	// held are answers whose turn has not come; unnamed, by document, are those
	// that don't say which revision they are about: about all of them.
	held    map[Want]row
	unnamed map[string]row
	yield   func(Got) bool
}

// errEnough ends the reading of an answer whose reader wants no more of it.
var errEnough = errors.New("enough")

func ifNotEnough(err error) error {
	if err == errEnough {
		return nil
	}
	return err
}

func newGetReader(answer io.Reader, c call, want []Want) *getReader {
	return &getReader{
		call: c, want: want, rows: rowReader{dec: newDecoder(answer)},
		held: map[Want]row{}, unnamed: map[string]row{},
	}
}

// readAll reads to the end of the answer, or until yield has enough.
func (r *getReader) readAll(yield func(Got) bool) (more bool, err error) {
	r.yield = yield
	dec := r.rows.dec
	err = readObject(dec, func(name jsontext.Value) error {
		if string(name) != `"results"` {
			return dec.SkipValue()
		}
		return readArray(dec, r.result)
	})
	if err == errEnough {
		return false, nil
	}
	if err != nil {
		return true, r.call.broken(err)
	}
	for len(r.want) > 0 { // the answer was shorter than the question
		row, ok := r.take(r.want[0])
		if !ok {
			row.bad = errors.New("the answer passes over this revision")
		}
		if r.next(row) == errEnough {
			return false, nil
		}
	}
	return true, nil
}

// result reads one entry of results. Its id may follow its docs (CouchDB 3.5).
func (r *getReader) result() error {
	var id string
	var docs []row
	dec := r.rows.dec
	err := readObject(dec, func(name jsontext.Value) (err error) {
		switch string(name) {
		case `"id"`:
			id, err = readText(dec)
		case `"docs"`:
			err = readArray(dec, func() error {
				row, err := r.rows.read()
				docs = append(docs, row)
				return err
			})
		default:
			err = dec.SkipValue()
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range docs {
		if row.id == "" {
			row.id = id
		}
		if err := r.answer(row); err != nil {
			return err
		}
	}
	return nil
}

// answer takes one row, and yields it if its turn has come, with all that
// waited for it.
func (r *getReader) answer(got row) error {
	w := Want{ID: got.id, Rev: got.rev}
	switch {
	case w.Rev == couchmend.Rev{}:
		r.unnamed[w.ID] = got
	case len(r.want) > 0 && r.want[0] == w:
		if err := r.next(got); err != nil {
			return err
		}
	default:
		r.held[w] = got
	}
	for len(r.want) > 0 {
		got, ok := r.take(r.want[0])
		if !ok {
			break
		}
		if err := r.next(got); err != nil {
			return err
		}
	}
	return nil
}

func (r *getReader) take(w Want) (row, bool) {
	if got, ok := r.held[w]; ok {
		delete(r.held, w)
		return got, true
	}
	got, ok := r.unnamed[w.ID]
	return got, ok
}

// next yields what came for the first of want.
func (r *getReader) next(from row) error {
	w := r.want[0]
	r.want = r.want[1:]
	got := Got{ID: w.ID, Rev: w.Rev, Revision: from.revision, Missing: from.missing}
	if from.bad != nil {
		kind := couchmend.KindServer
		if no, ok := from.bad.(*refusal); ok {
			kind = rowKind(no.Name)
		}
		got.Err = &couchmend.Error{Op: r.call.op, DB: r.call.db, ID: w.ID, Rev: w.Rev, Kind: kind, Err: from.bad}
	}
	if !r.yield(got) {
		return errEnough
	}
	return nil
}
