package couch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/couchmend/couchmend"
)

// ConflictRow is a row of a view of conflicts: a document, and as its key the
// live leaves that are not its winner.
type ConflictRow struct {
	ID  string          `json:"id"`
	Key json.RawMessage `json:"key"`
}

// viewPage is how many rows of a view of conflicts are asked for at a time.
const viewPage = 1000

// ConflictView reads a view that has a row for each document in conflict, its
// key the list of the conflicting revisions, in the order of the view. The
// design document's name stands without "_design/". It reads page by page. An
// error is the last thing that it yields: KindNotFound where there is no such
// view, KindServer where its keys are no lists of revisions.
//
// CouchDB answers when the view is built: where that may take long, StartView
// first and wait for ViewPending.
func (db *DB) ConflictView(ctx context.Context, design, view string) iter.Seq2[ConflictRow, error] {
	return func(yield func(ConflictRow, error) bool) {
		c := db.call("view", http.MethodGet, "")
		c.path += designPath(design) + "/_view/" + escape(view) + "?reduce=false&limit=" + strconv.Itoa(viewPage)
		c.silence = buildSilence
		place := viewPlace{}
		for first := ""; ; {
			rows, err := db.conflictPage(ctx, c, place)
			if err == nil && len(rows) > 0 && rows[0].ID == first { // it would go on for ever
				err = c.failed(couchmend.KindServer, errors.New("the view begins anew instead of going on"))
			}
			if err != nil {
				yield(ConflictRow{}, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
				place.pass(row)
			}
			if len(rows) < viewPage {
				return
			}
			if first == "" {
				first = rows[0].ID
			}
		}
	}
}

// viewPlace is how far a view has been read: to the rows of a key, and past how
// many of them. (CouchDB could be told the document to go on from; PouchDB's
// server takes no notice of that.)
type viewPlace struct {
	key  json.RawMessage
	past int
}

func (p *viewPlace) pass(row ConflictRow) {
	if !bytes.Equal(p.key, row.Key) {
		p.key, p.past = row.Key, 0
	}
	p.past++
}

// conflictPage reads the rows that follow a place.
func (db *DB) conflictPage(ctx context.Context, c call, from viewPlace) ([]ConflictRow, error) {
	if from.key != nil {
		c.path += "&startkey=" + url.QueryEscape(string(from.key)) + "&skip=" + strconv.Itoa(from.past)
	}
	var answer struct{ Rows []ConflictRow }
	if err := db.server.json(ctx, c, &answer); err != nil {
		return nil, err
	}
	for _, row := range answer.Rows {
		var revs []string
		if json.Unmarshal(row.Key, &revs) != nil || len(revs) == 0 || row.ID == "" {
			return nil, c.failed(couchmend.KindServer, errors.New("this is no view of conflicts: a key is no list of revisions"))
		}
	}
	return answer.Rows, nil
}
