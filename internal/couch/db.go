package couch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// DB is one database of a Server. It holds no connection.
type DB struct {
	server *Server
	name   string
	gate   func() error
}

// DB names a database, which need not exist. No request is made.
func (s *Server) DB(name string) *DB { return &DB{server: s, name: name} }

// Gated returns the database with a gate before its writes: each request of a
// Write, repetitions included, is made only while gate returns nil. Write
// returns the gate's error otherwise.
func (db *DB) Gated(gate func() error) *DB { return &DB{server: db.server, name: db.name, gate: gate} }

// Name is the database's name.
func (db *DB) Name() string { return db.name }

// call begins a request to this database about the document id, if any.
func (db *DB) call(op, method, id string) call {
	return call{op: op, db: db.name, id: id, method: method, path: "/" + escape(db.name)}
}

// Info is what a database says of itself.
type Info struct {
	UpdateSeq string
	DocCount  int64 // live documents
	// InstanceStart changes when a database is deleted and created anew; empty
	// or "0" where the server doesn't say.
	InstanceStart string
	ClusterN      int // copies of each document; 1 on a single node
}

// Info asks for the database's own facts; KindNotFound where there is no such
// database.
func (db *DB) Info(ctx context.Context) (Info, error) {
	c := db.call("info", http.MethodGet, "")
	var answer struct {
		UpdateSeq     json.RawMessage `json:"update_seq"` // a string, or PouchDB's number
		InstanceStart json.RawMessage `json:"instance_start_time"`
		DocCount      int64           `json:"doc_count"`
		Cluster       struct{ N int }
	}
	if err := db.server.json(ctx, c, &answer); err != nil {
		return Info{}, err
	}
	return Info{
		UpdateSeq:     rawText(answer.UpdateSeq),
		InstanceStart: rawText(answer.InstanceStart),
		DocCount:      answer.DocCount,
		ClusterN:      max(answer.Cluster.N, 1),
	}, nil
}

func rawText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// DefaultRevsLimit is how many revisions of a document a database keeps in its
// path unless it was told otherwise.
const DefaultRevsLimit = 1000

// RevsLimit asks how long the paths of the database may become. A server that
// has no such setting to read (PouchDB) counts as keeping DefaultRevsLimit.
func (db *DB) RevsLimit(ctx context.Context) (int, error) {
	c := db.call("revs_limit", http.MethodGet, "")
	c.path += "/_revs_limit"
	var limit int
	err := db.server.json(ctx, c, &limit)
	if noSetting(err) {
		if _, err = db.Info(ctx); err == nil { // a database that isn't there is another matter
			return DefaultRevsLimit, nil
		}
	}
	return limit, err
}

func noSetting(err error) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains([]int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented,
	}, r.Status)
}

// Winner is what readers see of a document.
type Winner struct {
	Rev     couchmend.Rev // zero, too, where it can't be read: CouchDB takes 0-x from a careless replica
	Deleted bool          // every leaf is
	Missing bool          // there is no such document
}

// askAbout asks _all_docs about some documents. The call is for errors about
// single rows of the answer.
func (db *DB) askAbout(ctx context.Context, ids []string, query string, answer any) (call, error) {
	c := db.call("all_docs", http.MethodPost, "")
	c.path += "/_all_docs" + query
	body, err := json.Marshal(map[string][]string{"keys": ids})
	if err != nil {
		return c, c.failed(couchmend.KindUsage, err)
	}
	c.body = parts{body}
	return c, db.server.json(ctx, c, answer)
}

// Winners asks for the winners of many documents in one request. An id that
// the answer passes over is Missing.
func (db *DB) Winners(ctx context.Context, ids []string) (map[string]Winner, error) {
	winners := make(map[string]Winner, len(ids))
	if len(ids) == 0 {
		return winners, nil
	}
	var answer struct {
		Rows []struct {
			Key   string
			Error string
			Value struct {
				Rev     string
				Deleted bool
			}
		}
	}
	c, err := db.askAbout(ctx, ids, "", &answer)
	if err != nil {
		return nil, err
	}
	for _, row := range answer.Rows {
		if row.Error != "" && row.Error != "not_found" {
			return nil, c.failed(rowKind(row.Error), &refusal{Name: row.Error})
		}
		rev, _ := couchmend.ParseRev(row.Value.Rev)
		winners[row.Key] = Winner{Rev: rev, Deleted: row.Value.Deleted, Missing: row.Value.Rev == ""}
	}
	for _, id := range ids {
		if _, ok := winners[id]; !ok {
			winners[id] = Winner{Missing: true}
		}
	}
	return winners, nil
}

// Leaves reads all leaves of one document, live and dead, as CouchDB orders
// them: live ones first, the winner before all. Attachments are stubs.
// KindNotFound where there is no such document.
func (db *DB) Leaves(ctx context.Context, id string) ([]couchmend.Revision, error) {
	c := db.call("open_revs", http.MethodGet, id)
	c.path += "/" + escapeID(id) + "?open_revs=all&revs=true"
	resp, err := db.server.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer finish(resp.Body)
	var leaves []couchmend.Revision
	r := rowReader{dec: newDecoder(resp.Body)}
	err = readArray(r.dec, func() error {
		row, err := r.read()
		if err == nil && row.revision != nil {
			leaves = append(leaves, *row.revision)
		} else if err == nil {
			err = row.bad
		}
		return err
	})
	switch {
	case err != nil:
		return nil, c.broken(err)
	case len(leaves) == 0:
		return nil, c.failed(couchmend.KindNotFound, errors.New("the document has no leaves"))
	}
	slices.SortStableFunc(leaves, func(a, b couchmend.Revision) int {
		if a.Deleted != b.Deleted {
			if b.Deleted {
				return -1
			}
			return 1
		}
		return b.Rev.Compare(a.Rev)
	})
	return leaves, nil
}

// Attachment reads the bytes of one attachment of one revision.
func (db *DB) Attachment(ctx context.Context, id string, rev couchmend.Rev, name string) ([]byte, error) {
	c := db.call("attachment", http.MethodGet, id)
	segments := strings.Split(name, "/")
	for i := range segments {
		segments[i] = escape(segments[i])
	}
	c.path += "/" + escapeID(id) + "/" + strings.Join(segments, "/") + "?rev=" + escape(rev.String())
	resp, err := db.server.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.broken(fmt.Errorf("attachment %q: %w", name, err))
	}
	return data, nil
}
