package couch

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/go-json-experiment/json/jsontext"
)

// Feed is a way to read a database's changes.
type Feed string

// The feeds.
const (
	Normal     Feed = "normal"     // what there is, then the end; the zero Feed too
	Longpoll   Feed = "longpoll"   // waits for a first change where there is none yet
	Continuous Feed = "continuous" // goes on until one side ends it
)

// ChangesOptions says which changes are wanted. The zero one reads all there are.
type ChangesOptions struct {
	Since string // a Seq, "now", or "" for the beginning
	Feed  Feed
	Limit int // rows at most; 0 is no limit
	// Heartbeat is how often the server is to show that a waiting feed lives.
	// Three of them without a byte, and the connection counts as dead. 0 is
	// DefaultHeartbeat where the feed waits, unless Timeout is given.
	Heartbeat time.Duration
	// Timeout ends the server's waiting. CouchDB heeds it only without
	// Heartbeat, PouchDB never.
	Timeout time.Duration
	// SeqInterval makes CouchDB work out Seq for each so many rows only, which
	// halves its work; the others have an empty Seq.
	SeqInterval int
	Descending  bool // newest first
	// IDs are the documents that are wanted; none are all.
	IDs []string
}

// DefaultHeartbeat is the heartbeat of a feed that waits.
const DefaultHeartbeat = 10 * time.Second

// Change is one row of the feed: a document, and all its leaves. The last row
// has an empty ID: its Seq is where to go on, and Pending is set.
type Change struct {
	Seq string
	ID  string
	// Leaves are all of them, tombstoned ones too: several are not yet a
	// conflict. CouchDB puts the winner first, PouchDB any.
	Leaves  []couchmend.Rev
	Deleted bool // every leaf is
	// Err says that a leaf has no readable revision id and is not among Leaves.
	// CouchDB takes ids such as 0-x and 1- from a careless replica, and lists
	// them for ever; the feed goes on.
	Err error
	// Pending is how many changes follow the last row; -1 where the server
	// doesn't say (PouchDB).
	Pending int64
}

// Changes reads the feed with style=all_docs, row by row as it arrives. An
// error is the last thing it yields: KindUnreachable for a connection that
// ended before the feed did or fell silent. A feed that ended properly yields
// the row with the empty ID last.
func (db *DB) Changes(ctx context.Context, o ChangesOptions) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		c := db.changesCall(o)
		give := func(row Change) bool {
			if row.Err != nil {
				row.Err = &couchmend.Error{Op: c.op, DB: c.db, ID: row.ID, Kind: couchmend.KindServer, Err: row.Err}
			}
			return yield(row, nil)
		}
		resp, err := db.server.do(ctx, c)
		if err != nil {
			yield(Change{}, err)
			return
		}
		read := readChanges
		if o.Feed == Continuous {
			read = readContinuous
		}
		more, err := read(newDecoder(resp.Body), give)
		if more && err == nil {
			finish(resp.Body)
			return
		}
		_ = resp.Body.Close() // the rest may be long, or never come
		if err != nil {
			yield(Change{}, c.broken(err))
		}
	}
}

func (db *DB) changesCall(o ChangesOptions) call {
	q := url.Values{"style": {"all_docs"}}
	c := db.call("changes", http.MethodGet, "")
	if o.Since != "" {
		q.Set("since", o.Since)
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.SeqInterval > 0 {
		q.Set("seq_interval", strconv.Itoa(o.SeqInterval))
	}
	if o.Descending {
		q.Set("descending", "true")
	}
	if len(o.IDs) > 0 {
		body, _ := json.Marshal(map[string][]string{"doc_ids": o.IDs}) // strings can be marshalled
		c.method, c.body = http.MethodPost, parts{body}
		q.Set("filter", "_doc_ids")
	}
	if o.Feed == Longpoll || o.Feed == Continuous {
		c.waits = true
		q.Set("feed", string(o.Feed))
		if o.Timeout > 0 {
			q.Set("timeout", millis(o.Timeout))
			c.silence = o.Timeout + db.server.timeout
		} else if o.Heartbeat <= 0 {
			o.Heartbeat = DefaultHeartbeat
		}
		if o.Heartbeat > 0 {
			q.Set("heartbeat", millis(o.Heartbeat))
			c.silence = 3 * o.Heartbeat
		}
	}
	c.path += "/_changes?" + q.Encode()
	return c
}

// readChanges reads the answer of the normal and longpoll feeds:
//
//	{"results":[{"seq":…,"id":…,"changes":[{"rev":…},…]},…],"last_seq":…,"pending":0}
//
// It reports whether more was wanted.
func readChanges(dec *jsontext.Decoder, yield func(Change) bool) (more bool, err error) {
	more = true
	last := Change{Pending: -1}
	err = readObject(dec, func(name jsontext.Value) (err error) {
		switch string(name) {
		case `"results"`:
			err = readArray(dec, func() error {
				row, err := readChange(dec)
				if err != nil {
					return err
				}
				if more = yield(row); !more {
					return errEnough
				}
				return nil
			})
		case `"last_seq"`:
			last.Seq, err = readText(dec)
		case `"pending"`:
			last.Pending, err = readInt(dec)
		default:
			err = dec.SkipValue()
		}
		return err
	})
	if err != nil || !more {
		return more, ifNotEnough(err)
	}
	return yield(last), nil
}

// readContinuous reads the continuous feed: a row a line, empty lines for
// heartbeats, and {"last_seq":…,"pending":…} where the server ends it.
func readContinuous(dec *jsontext.Decoder, yield func(Change) bool) (more bool, err error) {
	for {
		row, err := readChange(dec)
		if err != nil {
			return true, err
		}
		if !yield(row) {
			return false, nil
		}
		if row.ID == "" {
			return true, nil
		}
	}
}

func readChange(dec *jsontext.Decoder) (Change, error) {
	row := Change{Pending: -1}
	var broken error
	err := readObject(dec, func(name jsontext.Value) (err error) {
		switch string(name) {
		case `"seq"`, `"last_seq"`:
			row.Seq, err = readText(dec)
		case `"id"`:
			row.ID, err = readText(dec)
		case `"changes"`:
			err = readLeaves(dec, &row)
		case `"deleted"`:
			row.Deleted, err = readBool(dec)
		case `"pending"`:
			row.Pending, err = readInt(dec)
		case `"error"`: // CouchDB's way to end a feed that it can't go on with
			var word string
			word, err = readText(dec)
			broken = &refusal{Name: word}
		default:
			err = dec.SkipValue()
		}
		return err
	})
	if err == nil {
		err = broken
	}
	return row, err
}

func readLeaves(dec *jsontext.Decoder, row *Change) error {
	row.Leaves = make([]couchmend.Rev, 0, 2)
	return readArray(dec, func() error {
		return readObject(dec, func(name jsontext.Value) error {
			if string(name) != `"rev"` {
				return dec.SkipValue()
			}
			text, err := readText(dec)
			if err != nil {
				return err
			}
			if rev, err := couchmend.ParseRev(text); err != nil {
				row.Err = err
			} else {
				row.Leaves = append(row.Leaves, rev)
			}
			return nil
		})
	})
}

func readInt(dec *jsontext.Decoder) (int64, error) {
	text, err := readText(dec)
	if err != nil || text == "" {
		return -1, err
	}
	return strconv.ParseInt(text, 10, 64)
}
