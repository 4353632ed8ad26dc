package couch

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/couchmend/couchmend"
)

// Index is a Mango index in a design document of its own.
type Index struct {
	Design  string          // without "_design/"
	Name    string          // of the index in it
	Fields  []string        // ascending
	Partial json.RawMessage // a selector: only documents that it lets through are in the index
}

// PutIndex creates an index; nothing where it is there already. It is a write
// (Gated), and needs a database admin: KindForbidden otherwise. A server that
// has no Mango (PouchDB's) is KindNotFound or KindRefused.
func (db *DB) PutIndex(ctx context.Context, i Index) error {
	c := db.call("put_index", http.MethodPost, "_design/"+i.Design)
	c.path += "/_index"
	body, err := json.Marshal(map[string]any{
		"index": map[string]any{"fields": i.Fields, "partial_filter_selector": i.Partial},
		"ddoc":  i.Design, "name": i.Name, "type": "json",
	})
	if err != nil {
		return c.failed(couchmend.KindUsage, err)
	}
	c.body = parts{body}
	return db.ask(ctx, c)
}

// Design reads a design document as the server shows it, _id and _rev
// included. KindNotFound where there is none. The name stands without
// "_design/".
func (db *DB) Design(ctx context.Context, name string) (json.RawMessage, error) {
	c := db.call("design", http.MethodGet, "_design/"+name)
	c.path += designPath(name)
	var body json.RawMessage
	err := db.server.json(ctx, c, &body)
	return body, err
}

// DropDesignAt deletes a design document if it is still of this revision:
// KindConflict otherwise. It is a write (Gated). The files of its views stay
// until CleanViews.
func (db *DB) DropDesignAt(ctx context.Context, name string, rev couchmend.Rev) error {
	c := db.call("drop_design", http.MethodDelete, "_design/"+name)
	c.path += designPath(name) + "?rev=" + escape(rev.String())
	return db.ask(ctx, c)
}
