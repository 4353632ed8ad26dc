package couch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// AllDocsOptions says which documents are wanted, and how much of each. The
// zero one reads the ids of all there are.
type AllDocsOptions struct {
	Docs      bool   // with the winner's body
	Conflicts bool   // and in it _conflicts, where there are other live leaves; means Docs
	Start     string // the first id that is wanted, where it is there; "" for the beginning
	End       string // the last one; "" for the end
}

// DocRow is one live document of a list.
type DocRow struct {
	ID string
	// Text is the row as the server sent it, good until the next one:
	//
	//	{"id":"a","key":"a","value":{"rev":"1-…"},"doc":{"_id":"a","_rev":"1-…",…}}
	//
	// That it begins and ends where its brackets say is all that was checked:
	// most rows are looked through for a few bytes and never parsed.
	Text []byte
}

const (
	// pageRows is how many rows are asked for in one request. A request holds
	// on to the state in which it found the database, which keeps a compaction
	// from freeing what it replaced.
	pageRows = 20_000
	// listTries is how many answers in a row may break off of which none but the
	// first brought a row.
	listTries = 5
)

// AllDocs reads the live documents, design documents too, in the order of the
// server: CouchDB's is that of the ids' bytes. It reads page by page and holds
// one row in memory. Where an answer breaks off it goes on behind the last row; the
// fifth in a row that brings none ends it. An error is the last thing that it
// yields.
//
// What is written while it reads is seen if it stands behind the place it has
// come to.
func (db *DB) AllDocs(ctx context.Context, o AllDocsOptions) iter.Seq2[DocRow, error] {
	return db.list(ctx, db.listCall("all_docs", "/_all_docs", o), o.Start)
}

// listCall is the request for a whole list: where it starts and how long it is
// is left open.
func (db *DB) listCall(op, path string, o AllDocsOptions) call {
	q := url.Values{}
	if o.Docs || o.Conflicts {
		q.Set("include_docs", "true")
	}
	if o.Conflicts {
		q.Set("conflicts", "true")
	}
	if o.End != "" {
		q.Set("endkey", string(jsondoc.String(o.End)))
	}
	c := db.call(op, http.MethodGet, "")
	c.path += path + "?" + q.Encode()
	return c
}

func (db *DB) list(ctx context.Context, c call, start string) iter.Seq2[DocRow, error] {
	return func(yield func(DocRow, error) bool) {
		l := listing{db: db, call: c, start: start, yield: yield}
		for try := 0; ; {
			full, err := l.page(ctx)
			if l.enough || err == nil && !full {
				return
			}
			if l.moved {
				try = 0
			}
			if err == nil {
				continue
			}
			try++
			if !mayPass(err) || try == listTries || wait(ctx, db.server.pause<<(2*try-2)) != nil {
				yield(DocRow{}, err)
				return
			}
		}
	}
}

// mayPass reports whether a request that failed may fare better later: where
// the server said no for reasons of its own, not where it made no sense.
func mayPass(err error) bool {
	var no *refusal
	kind := couchmend.KindOf(err)
	return kind == couchmend.KindUnreachable || kind == couchmend.KindServer && errors.As(err, &no)
}

// listing is a list under way.
type listing struct {
	db     *DB
	call   call
	first  string // the id of the first row
	start  string // the id to begin at
	begun  bool   // a row of that id has been yielded
	moved  bool   // the last request brought new rows
	enough bool   // no more rows are wanted
	yield  func(DocRow, error) bool
}

// page makes one request and yields its rows. It reports whether there were as
// many as were asked for.
func (l *listing) page(ctx context.Context) (full bool, err error) {
	limit := pageRows
	if l.begun {
		limit++ // for the row where it begins, which is the last one that was yielded
	}
	c := l.call
	c.path += "&limit=" + strconv.Itoa(limit)
	if l.start != "" {
		c.path += "&startkey=" + url.QueryEscape(string(jsondoc.String(l.start)))
	}
	l.moved = false
	resp, err := l.db.server.do(ctx, c)
	if err != nil {
		return false, err
	}
	n, err := l.rows(c, newSplitter(resp.Body))
	if err != nil || l.enough {
		_ = resp.Body.Close() // the rest may be long, or never come
	} else {
		finish(resp.Body)
	}
	return n >= limit, err
}

// rows yields the rows of one answer, but for that of the place where it was
// to begin, and counts them.
func (l *listing) rows(c call, s *splitter) (n int, err error) {
	for {
		text, err := s.next()
		if err != nil {
			return n, c.unread(err)
		}
		if text == nil {
			return n, nil
		}
		id, err := rowID(text)
		if err != nil {
			return n, c.unread(err)
		}
		n++
		switch {
		case n == 1 && l.begun && id == l.start:
			continue
		case n == 1 && l.begun && id == l.first: // it would go on for ever
			return n, c.failed(couchmend.KindServer, errors.New("the list begins anew instead of going on"))
		case l.first == "":
			l.first = id
		}
		l.start, l.begun, l.moved = id, true, true
		if !l.yield(DocRow{ID: id, Text: text}, nil) {
			l.enough = true
			return n, nil
		}
	}
}

// rowID reads a row's id. It is the first member everywhere; a row without one
// is the server's way to say that it can't go on.
func rowID(text []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(text, []byte(`{"id":"`)); ok {
		if end := bytes.IndexByte(rest, '"'); end > 0 && bytes.IndexByte(rest[:end], '\\') < 0 {
			return string(rest[:end]), nil
		}
	}
	row, err := jsondoc.Parse(text)
	if err != nil {
		return "", err
	}
	if id := row.Get("id").Text(); id != "" {
		return id, nil
	}
	if name := row.Get("error").Text(); name != "" {
		return "", &refusal{Name: name, Reason: row.Get("reason").Text()}
	}
	return "", errors.New("a row has no id")
}

// unread is the error of a list that can't be read on.
func (c call) unread(err error) error {
	var no *refusal
	if errors.As(err, &no) {
		return c.failed(rowKind(no.Name), fmt.Errorf("the answer ends with %w", no))
	}
	return c.broken(err)
}
