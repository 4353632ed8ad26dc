package couch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/couchmend/couchmend"
)

// Write is one revision to write, as a replica does: with its own id and path.
type Write struct {
	ID       string
	Revision couchmend.Revision
}

// Written says what became of each revision of a Write call.
type Written struct {
	// Errs has one entry for each revision, in order: nil where the server has
	// it now (or had it before), otherwise a *couchmend.Error.
	Errs []error
	// Accepted says that at least one request was answered with 202: saved on
	// fewer copies of a cluster than its quorum.
	Accepted bool
}

const (
	// maxRequest is where a write is cut into several requests: Cloudant's
	// limit is 11 MB. One document's revisions are never cut apart.
	maxRequest = 8 << 20
	// writeTries is how often a request is sent whose outcome is unknown.
	writeTries = 3
)

// Write sends revisions with _bulk_docs and new_edits=false, and reads every
// row of the answer (I7):
//
//   - The revisions of one document travel in one request, in order. One that
//     must not be written (a path with a gap, a body with a member of CouchDB's
//     own) is of KindUsage, and nothing of its document is sent.
//   - A row's refusal is that revision's error, and no other's.
//   - A request refused whole (400, 412, 413) is halved until the document that
//     it was refused for stands alone; the others get written.
//   - Where the outcome is unknown (no answer, a broken one, 5xx) the same
//     revisions are sent again, three times in all. That is always safe: they
//     bear ids of ours. Then KindUnreachable: they may have been written or not.
//
// The error is not nil where the rest was given up: the server is not to be
// reached, the login or the database is refused, ctx has ended. Each revision
// not settled by then has it, too.
func (db *DB) Write(ctx context.Context, revisions []Write) (Written, error) {
	b := newBatch(db, revisions)
	for len(b.documents) > 0 {
		n, size := 1, b.documents[0].size()
		for n < len(b.documents) && size+b.documents[n].size() <= maxRequest {
			size += b.documents[n].size()
			n++
		}
		if err := b.write(ctx, b.documents[:n]); err != nil {
			b.fail(b.documents[n:], err)
			return b.written, err
		}
		b.documents = b.documents[n:]
	}
	return b.written, nil
}

// batch is the work of one Write call.
type batch struct {
	db        *DB
	revisions []Write
	text      []byte     // the documents' JSON, one after the other, a comma before each
	documents []document // still to be sent
	written   Written
}

// document is the revisions of one document: the smallest thing that is sent.
type document struct {
	revisions  []int // their places in batch.revisions
	start, end int   // in batch.text
}

func (d document) size() int { return d.end - d.start }

// newBatch checks the revisions and encodes the good ones, gathered by document.
func newBatch(db *DB, revisions []Write) *batch {
	b := &batch{db: db, revisions: revisions}
	b.written.Errs = make([]error, len(revisions))
	place := make(map[string]int, len(revisions))
	var documents []document
	size := 0
	for i, w := range revisions {
		at, known := place[w.ID]
		if !known {
			at = len(documents)
			place[w.ID] = at
			documents = append(documents, document{})
		}
		documents[at].revisions = append(documents[at].revisions, i)
		size += encodedSize(w.Revision)
	}
	b.text = make([]byte, 0, size)
	for _, d := range documents {
		if err := b.check(d); err != nil {
			b.fail([]document{d}, err)
			continue
		}
		d.start = len(b.text)
		for _, i := range d.revisions {
			b.text = appendRevision(append(b.text, ','), revisions[i].ID, revisions[i].Revision)
		}
		d.end = len(b.text)
		b.documents = append(b.documents, d)
	}
	return b
}

func (b *batch) check(d document) error {
	for _, i := range d.revisions {
		w := b.revisions[i]
		if err := check(w.ID, w.Revision); err != nil {
			return b.about(i, couchmend.KindUsage, fmt.Errorf("not sent: %s: %w", w.Revision.Rev, err))
		}
	}
	return nil
}

func (b *batch) about(i int, kind couchmend.Kind, err error) error {
	w := b.revisions[i]
	return &couchmend.Error{Op: "bulk_docs", DB: b.db.name, ID: w.ID, Rev: w.Revision.Rev, Kind: kind, Err: err}
}

// fail gives err to all revisions of documents, each under its own name.
func (b *batch) fail(documents []document, err error) {
	cause := err
	var e *couchmend.Error
	if errors.As(err, &e) && e.Err != nil {
		cause = e.Err
	}
	for _, d := range documents {
		for _, i := range d.revisions {
			b.written.Errs[i] = b.about(i, couchmend.KindOf(err), cause)
		}
	}
}

// write sends documents, in halves if they are refused together.
func (b *batch) write(ctx context.Context, documents []document) error {
	rows, err := b.send(ctx, documents)
	alone := len(documents) == 1
	switch kind := couchmend.KindOf(err); {
	case err == nil && (b.settle(documents, rows) || alone):
		return nil
	case err == nil: // a row doesn't say which revision it is about
	case kind != couchmend.KindRefused && kind != couchmend.KindTooLarge:
		b.fail(documents, err)
		return err
	case alone:
		b.fail(documents, err)
		return nil
	}
	half := len(documents) / 2
	if err := b.write(ctx, documents[:half]); err != nil {
		b.fail(documents[half:], err)
		return err
	}
	return b.write(ctx, documents[half:])
}

// settle gives each failed row's error to its revision. It reports false, and
// settles nothing, where a row can't be told to be about one revision: PouchDB
// names no revision and may name the wrong document. Of a single document, all
// its revisions get that error then.
func (b *batch) settle(documents []document, rows []docsRow) bool {
	if len(rows) == 0 {
		return true
	}
	places := map[Want]int{}
	for _, d := range documents {
		for _, i := range d.revisions {
			places[Want{b.revisions[i].ID, b.revisions[i].Revision.Rev}] = i
		}
	}
	for _, row := range rows {
		if _, known := places[row.about()]; known {
			continue
		}
		if len(documents) > 1 {
			return false
		}
		b.fail(documents, row.err(b.db))
	}
	for _, row := range rows {
		if i, known := places[row.about()]; known {
			b.written.Errs[i] = b.about(i, rowKind(row.name()), row.refusal())
		}
	}
	return true
}

// send makes the request until its outcome is known, and returns the rows that
// failed.
func (b *batch) send(ctx context.Context, documents []document) ([]docsRow, error) {
	for try := 1; ; try++ {
		if b.db.gate != nil {
			if err := b.db.gate(); err != nil {
				return nil, err
			}
		}
		rows, err := b.sendOnce(ctx, documents)
		kind := couchmend.KindOf(err)
		unknown := kind == couchmend.KindUnreachable || kind == couchmend.KindServer
		if !unknown && !anyUncertain(rows) {
			return rows, err
		}
		if try < writeTries && wait(ctx, b.db.server.pause<<(2*try-2)) == nil {
			continue
		}
		if unknown {
			err = b.db.call("bulk_docs", "", "").failed(couchmend.KindUnreachable,
				fmt.Errorf("outcome unknown, sent %d times: %w", try, errors.Unwrap(err)))
		}
		return rows, err
	}
}

func (b *batch) sendOnce(ctx context.Context, documents []document) ([]docsRow, error) {
	c := b.db.call("bulk_docs", http.MethodPost, "")
	c.path += "/_bulk_docs"
	text := b.text[documents[0].start+1 : documents[len(documents)-1].end] // without the first comma
	c.body = parts{[]byte(`{"new_edits":false,"docs":[`), text, []byte(`]}`)}
	resp, err := b.db.server.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer finish(resp.Body)
	rows, err := readDocsRows(resp.Body)
	if err != nil {
		return nil, c.broken(err)
	}
	b.written.Accepted = b.written.Accepted || resp.StatusCode == http.StatusAccepted
	return rows, nil
}

// docsRow is one row of the answer to _bulk_docs. With new_edits=false only
// those that failed are listed.
type docsRow struct {
	ID, Rev string
	Error   any // a word, or PouchDB's true beside a Name
	Name    string
	Reason  string
	Message string // PouchDB's Reason
}

// readDocsRows returns the rows of an answer that failed.
func readDocsRows(answer io.Reader) ([]docsRow, error) {
	var rows, failed []docsRow
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(&rows); err != nil {
		return nil, err
	}
	if rows == nil {
		return nil, errors.New("an array of rows was due")
	}
	for _, row := range rows {
		if row.Error != nil && row.Error != false {
			failed = append(failed, row)
		}
	}
	return failed, nil
}

func (r docsRow) about() Want {
	rev, _ := couchmend.ParseRev(r.Rev)
	return Want{r.ID, rev}
}

func (r docsRow) name() string {
	if word, ok := r.Error.(string); ok {
		return word
	}
	return r.Name
}

func (r docsRow) refusal() *refusal {
	return &refusal{Name: r.name(), Reason: strings.TrimSpace(r.Reason + " " + r.Message)}
}

func (r docsRow) err(db *DB) error {
	return db.call("bulk_docs", "", r.ID).failed(rowKind(r.name()), r.refusal())
}

// anyUncertain reports whether a row failed for the server's own reasons, such
// as a worker that timed out: that revision may have been written.
func anyUncertain(rows []docsRow) bool {
	for _, row := range rows {
		if rowKind(row.name()) == couchmend.KindServer {
			return true
		}
	}
	return false
}
