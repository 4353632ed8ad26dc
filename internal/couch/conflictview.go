package couch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// ViewPlace is how far a view of conflicts has been read: to the rows of a key,
// and past how many of them. The zero one is its beginning. (CouchDB could be
// told the document to go on from; PouchDB's server takes no notice of that.)
type ViewPlace struct {
	key  json.RawMessage
	past int
	page string // the first document of the page before
}

func (p *ViewPlace) pass(row ConflictRow) {
	if !bytes.Equal(p.key, row.Key) {
		p.key, p.past = row.Key, 0
	}
	p.past++
}

// ConflictRows reads the next rows of a view that has one for each document in
// conflict, its key the list of the conflicting revisions. It moves the place
// on, and reports whether there may be more. The design document's name stands
// without "_design/". KindNotFound: there is no such view; KindServer: its keys
// are no lists of revisions.
//
// CouchDB answers when the view is built: where that may take long, StartView
// first and wait for ViewPending.
func (db *DB) ConflictRows(ctx context.Context, design, view string, at *ViewPlace) (rows []ConflictRow, more bool, err error) {
	c := db.call("view", http.MethodGet, "")
	c.path += designPath(design) + "/_view/" + escape(view) + "?reduce=false&limit=" + strconv.Itoa(viewPage)
	c.silence = buildSilence
	if rows, err = db.conflictPage(ctx, c, *at); err != nil || len(rows) == 0 {
		return nil, false, err
	}
	if rows[0].ID == at.page { // it would go on for ever
		return nil, false, c.failed(couchmend.KindServer, errors.New("the view begins anew instead of going on"))
	}
	at.page = rows[0].ID
	for _, row := range rows {
		at.pass(row)
	}
	return rows, len(rows) == viewPage, nil
}

// conflictPage reads the rows that follow a place.
func (db *DB) conflictPage(ctx context.Context, c call, from ViewPlace) ([]ConflictRow, error) {
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
