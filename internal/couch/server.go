package couch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/go-json-experiment/json/jsontext"
)

// Welcome is what a server says of itself.
type Welcome struct {
	Version string // "3.5.0"
	Vendor  string // "The Apache Software Foundation", "IBM Cloudant"
	UUID    string
	PouchDB bool // PouchDB's HTTP server
}

// Ping asks for the welcome at the server's root. Anything else that answers
// there is an error of KindServer that says so.
func (s *Server) Ping(ctx context.Context) (Welcome, error) {
	c := call{op: "welcome", method: http.MethodGet, path: "/"}
	var answer struct {
		CouchDB json.RawMessage `json:"couchdb"`
		PouchDB json.RawMessage `json:"express-pouchdb"`
		Version string
		UUID    string
		Vendor  struct{ Name string }
	}
	err := s.json(ctx, c, &answer)
	switch couchmend.KindOf(err) {
	case couchmend.KindServer, couchmend.KindNotFound, couchmend.KindRefused, couchmend.KindOther:
		return Welcome{}, c.failed(couchmend.KindServer, fmt.Errorf("%s is not a CouchDB: %w", s.url, err))
	}
	if err != nil {
		return Welcome{}, err
	}
	if answer.CouchDB == nil && answer.PouchDB == nil {
		return Welcome{}, c.failed(couchmend.KindServer, fmt.Errorf("%s is not a CouchDB: its answer holds no welcome", s.url))
	}
	return Welcome{
		Version: answer.Version, Vendor: answer.Vendor.Name, UUID: answer.UUID,
		PouchDB: answer.PouchDB != nil,
	}, nil
}

// AllDBs lists the names of all databases, in the server's order. CouchDB
// tells server admins only, by default: KindForbidden otherwise.
func (s *Server) AllDBs(ctx context.Context) ([]string, error) {
	var names []string
	err := s.json(ctx, call{op: "all_dbs", method: http.MethodGet, path: "/_all_dbs"}, &names)
	return names, err
}

// DBUpdate says that a database was created, changed or deleted.
type DBUpdate struct {
	DB   string // empty in the last one, which only carries Seq
	Type string // "created", "updated", "deleted"
	Seq  string // where to go on after this update
}

// UpdatesHeartbeat is how often the server is asked to show that the feed of
// database updates lives; three of them missed end it.
const UpdatesHeartbeat = 20 * time.Second

// DBUpdates follows the changes of all databases after since ("now", "", or a
// Seq) until ctx ends or the connection does. The right to is asked for first,
// so where there is none (KindForbidden) or the server has no such feed
// (KindNotFound: PouchDB, and a node without a _global_changes database) it is
// the returned error that says so.
func (s *Server) DBUpdates(ctx context.Context, since string) (iter.Seq2[DBUpdate, error], error) {
	path := "/_db_updates?since=" + escape(since)
	if since == "" {
		path = "/_db_updates?since=0"
	}
	may := call{op: "db_updates", method: http.MethodGet, path: path + "&feed=normal&limit=1"}
	resp, err := s.do(ctx, may)
	if err != nil {
		return nil, err
	}
	finish(resp.Body)

	follow := may
	follow.path = path + "&feed=continuous&heartbeat=" + millis(UpdatesHeartbeat)
	follow.silence, follow.waits = 3*UpdatesHeartbeat, true
	return func(yield func(DBUpdate, error) bool) {
		resp, err := s.do(ctx, follow)
		if err != nil {
			yield(DBUpdate{}, err)
			return
		}
		defer resp.Body.Close()
		dec := newDecoder(resp.Body)
		for {
			update, err := readUpdate(dec)
			if err != nil {
				yield(DBUpdate{}, follow.broken(err))
				return
			}
			if !yield(update, nil) || update.DB == "" {
				return
			}
		}
	}, nil
}

func readUpdate(dec *jsontext.Decoder) (update DBUpdate, err error) {
	return update, readObject(dec, func(name jsontext.Value) (err error) {
		switch string(name) {
		case `"db_name"`:
			update.DB, err = readText(dec)
		case `"type"`:
			update.Type, err = readText(dec)
		case `"seq"`, `"last_seq"`:
			update.Seq, err = readText(dec)
		default:
			err = dec.SkipValue()
		}
		return err
	})
}

func millis(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
