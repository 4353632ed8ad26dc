package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

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
	ctx := v.r.Context()
	v.w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(v.w)
	withoutEnd(stream)
	fmt.Fprint(v.w, "retry: 3000\n\n")
	if stream.Flush() != nil {
		return nil // the browser has gone
	}
	leaves := make(chan []couchmend.Rev)
	done := v.follow(db, id, leaves)
	defer done()
	beat := time.NewTicker(liveHeartbeat)
	defer beat.Stop()
	end := time.NewTimer(liveLife)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.closing.Done():
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			fmt.Fprint(v.w, ": still here\n\n")
		case now, ok := <-leaves:
			if !ok || v.person.confirm(ctx, false) != nil { // the feed or the session has ended: the browser comes again
				return nil
			}
			text, _ := json.Marshal(map[string]any{"leaves": now}) // ids can be marshalled
			fmt.Fprintf(v.w, "event: leaves\ndata: %s\n\n", text)
		}
		if stream.Flush() != nil {
			return nil
		}
	}
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
