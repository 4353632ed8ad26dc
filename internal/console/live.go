package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/couchmend/couchmend/internal/board"
)

const (
	livePath      = "/events"
	liveHeartbeat = 20 * time.Second
	// liveLife ends a connection, so that the browser comes again and is asked
	// who it is.
	liveLife = 10 * time.Minute
)

func liveRoutes() []route {
	return []route{{pattern: "GET " + livePath, serve: (*visit).live}}
}

// live tells the browser by server-sent events that something on the board has
// changed, and of which kind; what it has become, it asks for itself.
func (v *visit) live() error {
	return stream(v, v.Board.Subscribe(v.r.Context()), v.tellMissed, v.tell)
}

// stream answers with server-sent events: what begin writes, then what tell
// writes of each event. It ends with the browser's leaving, the person's
// session, the console, the events, or when it is time to come again.
func stream[E any](v *visit, events <-chan E, begin func() error, tell func(E) error) error {
	ctx := v.r.Context()
	v.w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(v.w)
	withoutEnd(out)
	fmt.Fprint(v.w, "retry: 3000\n\n")
	if begin() != nil || out.Flush() != nil {
		return nil // the browser has gone, or comes again
	}
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
		case e, more := <-events:
			if !more || v.person.confirm(ctx, false) != nil || tell(e) != nil {
				return nil
			}
		}
		if out.Flush() != nil {
			return nil
		}
	}
}

// withoutEnd lifts the server's time-out for writing: it is for answers that end.
func withoutEnd(stream *http.ResponseController) {
	_ = stream.SetWriteDeadline(time.Time{}) // not every ResponseWriter has one
}

// tellMissed has the page look again where the board has changed since it was
// made. What of that concerns the person is not known any more: so whoever may
// not know of everything looks in any case, which tells them nothing.
func (v *visit) tellMissed() error {
	if v.Admin() && v.r.FormValue("since") == strconv.FormatUint(v.Board.Changes(), 10) {
		return nil
	}
	return v.write([]board.Topic{board.Cases, board.Pauses, board.Work})
}

// tell writes what of an event the person may know of.
func (v *visit) tell(e board.Event) error {
	var topics []board.Topic
	for topic, databases := range e {
		visible, err := v.sight(v.r.Context(), databases)
		if err != nil {
			return err
		}
		mine := func(db string) bool { return visible(db) || topic == board.Pauses && db == "" }
		if slices.ContainsFunc(databases, mine) {
			topics = append(topics, topic)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	slices.Sort(topics)
	return v.write(topics)
}

// write writes an event: look again at these.
func (v *visit) write(topics []board.Topic) error {
	text, err := json.Marshal(map[string][]board.Topic{"topics": topics})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(v.w, "event: board\ndata: %s\n\n", text)
	return err
}
