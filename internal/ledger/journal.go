package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
)

// Entry is one line of the journal: what was decided about a document, by whom,
// and the bodies that it was decided from. Undo, history and bases after
// compaction are made from it.
type Entry struct {
	Time time.Time `json:"time"` // set by Append if zero
	DB   string    `json:"db"`
	ID   string    `json:"id"`
	Seq  string    `json:"seq,omitempty"`
	// Kind is what was done: "merge", "bury", "undo", "resolve", "delete",
	// "dismiss", "hold"…
	Kind string `json:"kind"`
	// Status is how far it got: "decided", "merged", "buried"…
	Status   string             `json:"status,omitempty"`
	Type     string             `json:"type,omitempty"`   // what the document says that it is
	By       string             `json:"by,omitempty"`     // the person; "couchmend" if none
	Policy   string             `json:"policy,omitempty"` // digest of the policy that applied
	Note     string             `json:"note,omitempty"`   // that person's words
	Trace    string             `json:"trace,omitempty"`
	Decision couchmend.Decision `json:"decision"`
	// Leaves and Bases are the revisions that it was decided from. Bodies
	// come back as they were, insignificant white space aside.
	Leaves []couchmend.Revision `json:"leaves,omitempty"`
	Bases  []couchmend.Revision `json:"bases,omitempty"`
}

// maxInline is how large an entry may be to travel in a message, in bytes of
// JSON; a larger one is an object that its message names.
const maxInline = 256 << 10

const largeHeader = "Couchmend-Large"

// Append adds entries, in order, and returns when all are on disk. It waits
// once for every 500 entries or 8 MB, and once for each entry over 256 KB. If
// it errs, some may have been added: appending them again is harmless. When the
// journal or the disk is full the error's kind is KindFull, and nothing may be
// buried (I1).
func (l *Ledger) Append(ctx context.Context, entries ...Entry) error {
	msgs := make([]*nats.Msg, 0, len(entries))
	size := 0
	for _, e := range entries {
		if e.Time.IsZero() {
			e.Time = l.cfg.Now()
		}
		data, err := encode(e)
		if err != nil {
			return wrapDoc("journal", e.DB, e.ID, err)
		}
		m := nats.NewMsg(l.subject(journal, e.DB, e.ID))
		setLine(m, entryLine(e))
		if len(data) <= maxInline {
			m.Data = data
			size += len(data)
		} else if err := l.putLarge(ctx, m, data); err != nil {
			return wrapDoc("journal", e.DB, e.ID, err)
		}
		msgs = append(msgs, m)
	}
	if err := l.room("journal", size); err != nil {
		return err
	}
	return l.reason("journal", l.commit(ctx, msgs))
}

// encode is json.Marshal that leaves <, > and & in bodies as they are (I8).
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// putLarge stores data as an object and makes m name it.
func (l *Ledger) putLarge(ctx context.Context, m *nats.Msg, data []byte) error {
	if err := l.room("journal", len(data)); err != nil {
		return err
	}
	name := rand.Text()
	if _, err := l.large.PutBytes(ctx, name, data); err != nil {
		return err
	}
	m.Header.Set(largeHeader, name)
	return nil
}

func (l *Ledger) entry(ctx context.Context, m message) (Entry, error) {
	data := m.Data
	if name := m.Header.Get(largeHeader); name != "" {
		var err error
		if data, err = l.large.GetBytes(ctx, name); err != nil {
			return Entry{}, fmt.Errorf("large entry %s: %w", name, err)
		}
	}
	var e Entry
	err := json.Unmarshal(data, &e)
	return e, err
}

// History returns a document's entries, oldest first.
func (l *Ledger) History(ctx context.Context, db, id string) ([]Entry, error) {
	var entries []Entry
	err := l.entries(ctx, query{Subject: l.subject(journal, db, id)}, func(e Entry) (bool, error) {
		entries = append(entries, e)
		return true, nil
	})
	if err != nil {
		return nil, wrapDoc("read journal", db, id, err)
	}
	return entries, nil
}

// Each hands f the entries of a database, or of all where db is "", that were
// added at since or later, oldest first. It stops at f's first error and
// returns it.
func (l *Ledger) Each(ctx context.Context, db string, since time.Time, f func(Entry) error) error {
	q := query{Subject: l.under(journal, db)}
	if !since.IsZero() {
		q.Since = &since
	}
	var stopped error
	err := l.entries(ctx, q, func(e Entry) (bool, error) {
		stopped = f(e)
		return stopped == nil, nil
	})
	if stopped != nil {
		return stopped
	}
	return wrap("read journal", err)
}

func (l *Ledger) entries(ctx context.Context, q query, f func(Entry) (more bool, err error)) error {
	return l.each(ctx, journal, q, func(m message) (bool, error) {
		e, err := l.entry(ctx, m)
		if err != nil {
			return false, err
		}
		return f(e)
	})
}

// Bodies returns those of the document's revisions whose bodies the journal
// kept, be it as leaf, base or merge.
func (l *Ledger) Bodies(ctx context.Context, db, id string, revs []couchmend.Rev) (map[couchmend.Rev]couchmend.Revision, error) {
	found, err := l.BodiesOf(ctx, db, map[string][]couchmend.Rev{id: revs})
	return found[id], err
}

// searches is how many documents' histories are read at once.
const searches = 8

// BodiesOf is Bodies for many documents of one database, by document id. What
// was kept because its document is warm (see Warm) comes first; it has no path.
// It waits once for every 500 documents, and reads the whole history of those
// whose latest entry has not all that is wanted.
func (l *Ledger) BodiesOf(ctx context.Context, db string, want map[string][]couchmend.Rev) (map[string]map[couchmend.Rev]couchmend.Revision, error) {
	found, err := l.Kept(ctx, db, want)
	if err != nil {
		return nil, err
	}
	lacking := make(map[string][]couchmend.Rev, len(want))
	for id, revs := range want {
		for _, rev := range revs {
			if _, ok := found[id][rev]; !ok {
				lacking[id] = append(lacking[id], rev)
			}
		}
	}
	decided, err := l.decidedFrom(ctx, db, lacking)
	if err != nil {
		return nil, err
	}
	for id, revisions := range decided {
		if found[id] == nil {
			found[id] = revisions
			continue
		}
		maps.Copy(found[id], revisions)
	}
	return found, nil
}

// decidedFrom looks for bodies among those that decisions were made from, or
// made.
func (l *Ledger) decidedFrom(ctx context.Context, db string, want map[string][]couchmend.Rev) (map[string]map[couchmend.Rev]couchmend.Revision, error) {
	subjects := make([]string, 0, len(want))
	for id, revs := range want {
		if len(revs) > 0 {
			subjects = append(subjects, l.subject(journal, db, id))
		}
	}
	latest, err := l.newest(ctx, journal, subjects)
	if err != nil {
		return nil, wrapDB("read journal", db, err)
	}
	var (
		found  = make(map[string]map[couchmend.Rev]couchmend.Revision, len(latest))
		failed error
		mu     sync.Mutex
		all    sync.WaitGroup
		free   = make(chan struct{}, searches)
	)
	for id, revs := range want {
		m, ok := latest[l.subject(journal, db, id)]
		if !ok {
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			bodies, err := l.search(ctx, m, revs)
			<-free
			mu.Lock()
			defer mu.Unlock()
			found[id] = bodies
			if err != nil {
				failed = wrapDoc("read journal", db, id, err)
			}
		})
	}
	all.Wait()
	if failed != nil {
		return nil, failed
	}
	return found, nil
}

// search looks for bodies in a document's latest entry, then in all others.
func (l *Ledger) search(ctx context.Context, latest message, revs []couchmend.Rev) (map[couchmend.Rev]couchmend.Revision, error) {
	wanted := make(map[couchmend.Rev]bool, len(revs))
	for _, r := range revs {
		wanted[r] = true
	}
	found := map[couchmend.Rev]couchmend.Revision{}
	keep := func(e Entry) (bool, error) {
		e.eachRevision(func(r couchmend.Revision) {
			if wanted[r.Rev] && r.Body != nil {
				found[r.Rev] = r
			}
		})
		return len(found) < len(wanted), nil
	}
	e, err := l.entry(ctx, latest)
	if err != nil {
		return nil, err
	}
	if more, _ := keep(e); more {
		err = l.entries(ctx, query{Subject: latest.Subject}, keep)
	}
	return found, err
}

func (e *Entry) eachRevision(f func(couchmend.Revision)) {
	for _, revisions := range [][]couchmend.Revision{e.Leaves, e.Bases, e.Decision.Bury} {
		for _, r := range revisions {
			f(r)
		}
	}
	if e.Decision.Merge != nil {
		f(*e.Decision.Merge)
	}
}
