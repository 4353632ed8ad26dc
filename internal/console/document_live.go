package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

const documentEvents = "/document/events"

// documentQuery names a document in an address.
func documentQuery(db, id string) string {
	return "?" + url.Values{"db": {db}, "id": {id}}.Encode()
}

// documentLive tells the browser by server-sent events which leaves the
// document has, now and whenever it has others. It follows the document's
// changes with the person's rights.
func (v *visit) documentLive() error {
	db, id, err := v.document()
	if err != nil {
		return err
	}
	leaves := make(chan []couchmend.Rev)
	done := v.follow(db, id, leaves)
	defer done()
	return stream(v, leaves, func() error { return nil }, func(now []couchmend.Rev) error {
		text, err := json.Marshal(map[string]any{"leaves": now})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(v.w, "event: leaves\ndata: %s\n\n", text)
		return err
	})
}

// follow sends a document's leaves, and again whenever they change, until done
// is called or CouchDB ends it: then the channel closes.
func (v *visit) follow(db, id string, leaves chan<- []couchmend.Rev) (done func()) {
	ctx, cancel := context.WithCancel(v.r.Context())
	ended := make(chan struct{})
	send := func(now []couchmend.Rev) bool {
		select {
		case leaves <- now:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(ended)
		defer close(leaves)
		info, err := v.server.DB(db).Info(ctx)
		if err != nil {
			return
		}
		first, err := v.server.DB(db).Leaves(ctx, id)
		if err != nil && couchmend.KindOf(err) != couchmend.KindNotFound {
			return
		}
		if !send(revsOf(first)) {
			return
		}
		changes := couch.ChangesOptions{Since: info.UpdateSeq, Feed: couch.Continuous, IDs: []string{id}}
		for change, err := range v.server.DB(db).Changes(ctx, changes) {
			if err != nil || change.ID == id && !send(change.Leaves) {
				return
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func revsOf(leaves []couchmend.Revision) []couchmend.Rev {
	revs := []couchmend.Rev{}
	for _, leaf := range leaves {
		revs = append(revs, leaf.Rev)
	}
	return revs
}
