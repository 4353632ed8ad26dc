package couch

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/couchmend/couchmend"
)

// buildSilence is how long a view may be silent: while it is built no byte
// comes.
const buildSilence = 30 * time.Minute

func designPath(name string) string { return "/_design/" + escape(name) }

// View is AllDocs for the documents that a view has as its keys, each id once,
// in the order of the server's collation. The design document's name stands
// without "_design/". CouchDB answers when the view is built: where that may
// take long, StartView first and wait for ViewPending.
func (db *DB) View(ctx context.Context, design, view string, o AllDocsOptions) iter.Seq2[DocRow, error] {
	c := db.listCall("view", designPath(design)+"/_view/"+escape(view), o)
	c.silence = buildSilence
	return db.list(ctx, c, o.Start)
}

// PutDesign creates a design document. It is a write (Gated), and needs a
// database admin: KindForbidden otherwise. KindConflict: it is there already.
func (db *DB) PutDesign(ctx context.Context, name string, body json.RawMessage) error {
	c := db.call("put_design", http.MethodPut, "_design/"+name)
	c.path += designPath(name)
	c.body = parts{body}
	return db.ask(ctx, c)
}

// DropDesign deletes a design document, whatever its revision; nothing where
// there is none. It is a write (Gated). The files of its views stay until
// CleanViews.
func (db *DB) DropDesign(ctx context.Context, name string) error {
	winners, err := db.Winners(ctx, []string{"_design/" + name})
	if err != nil {
		return err
	}
	winner := winners["_design/"+name]
	if winner.Missing || winner.Deleted {
		return nil
	}
	c := db.call("drop_design", http.MethodDelete, "_design/"+name)
	c.path += designPath(name) + "?rev=" + escape(winner.Rev.String())
	err = db.ask(ctx, c)
	if couchmend.KindOf(err) == couchmend.KindNotFound { // somebody else did
		return nil
	}
	return err
}

// CleanViews deletes the files of views that no design document has any more.
// It needs a database admin: KindForbidden otherwise.
func (db *DB) CleanViews(ctx context.Context) error {
	c := db.call("view_cleanup", http.MethodPost, "")
	c.path += "/_view_cleanup"
	c.body = parts{[]byte("{}")} // CouchDB wants the type of a body here
	return db.ask(ctx, c)
}

// ask makes a request that changes something and whose answer says no more
// than that it did.
func (db *DB) ask(ctx context.Context, c call) error {
	if db.gate != nil {
		if err := db.gate(); err != nil {
			return err
		}
	}
	resp, err := db.server.do(ctx, c)
	if err != nil {
		return err
	}
	finish(resp.Body)
	return nil
}

// StartView makes the server build a view, and does not wait for it.
func (db *DB) StartView(ctx context.Context, design, view string) error {
	c := db.call("view", http.MethodGet, "")
	c.path += designPath(design) + "/_view/" + escape(view) + "?limit=0&update=lazy"
	c.silence = buildSilence // PouchDB's server knows no update=lazy
	resp, err := db.server.do(ctx, c)
	if err != nil {
		return err
	}
	finish(resp.Body)
	return nil
}

// ViewPending asks how many changes of the database a design document's views
// have not seen yet, and whether the server is at it; 0 where the server
// doesn't say (PouchDB).
func (db *DB) ViewPending(ctx context.Context, design string) (pending int64, building bool, err error) {
	c := db.call("view_info", http.MethodGet, "")
	c.path += designPath(design) + "/_info"
	var answer struct {
		Index struct {
			Running bool                      `json:"updater_running"`
			Pending struct{ Preferred int64 } `json:"updates_pending"`
		} `json:"view_index"`
	}
	err = db.server.json(ctx, c, &answer)
	return answer.Index.Pending.Preferred, answer.Index.Running, err
}
