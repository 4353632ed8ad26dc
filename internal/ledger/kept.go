package ledger

import (
	"context"
	"encoding/json"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
)

const (
	// maxKept and maxKeptBytes bound what is kept of warm documents; what was
	// kept longest ago goes first.
	maxKept      = 100_000
	maxKeptBytes = 256 << 20
	// maxKnown is how many of them a process knows it has kept: it does not
	// fetch those again.
	maxKnown = 10_000
	// maxBody is how large a revision may be to be kept, in bytes of JSON; a
	// NATS message has at most 1 MB.
	maxBody = 512 << 10
)

// Body is one revision of a document, to be kept.
type Body struct {
	ID       string
	Revision couchmend.Revision
}

// Lacks reports whether a document is warm and this process has not kept that
// revision of it yet.
func (w *Warm) Lacks(db, id string, rev couchmend.Rev) bool {
	if !w.Has(db, id) {
		return false
	}
	subject := w.ledger.bodySubject(db, id, rev)
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.kept.get(subject)
	return !ok
}

// Keep stores those of a database's revisions that Lacks reports, up to 512 KB
// each, without their paths and the contents of attachments. The journal's age
// is theirs too, but they have a stream of their own: when that is full its
// oldest go, while a full journal stops all mending.
func (w *Warm) Keep(ctx context.Context, db string, revisions ...Body) error {
	var msgs []*nats.Msg
	size := 0
	for _, b := range revisions {
		if b.Revision.Deleted || b.Revision.Body == nil || !w.Lacks(db, b.ID, b.Revision.Rev) {
			continue
		}
		data, err := encode(slim(b.Revision))
		if err != nil {
			return wrapDoc("keep bodies", db, b.ID, err)
		}
		if len(data) > maxBody {
			continue
		}
		m := nats.NewMsg(w.ledger.bodySubject(db, b.ID, b.Revision.Rev))
		m.Data = data
		msgs = append(msgs, m)
		if size += len(data); size >= pageBytes {
			if err := w.store(ctx, msgs, size); err != nil {
				return wrapDB("keep bodies", db, err)
			}
			msgs, size = nil, 0
		}
	}
	return wrapDB("keep bodies", db, w.store(ctx, msgs, size))
}

func (w *Warm) store(ctx context.Context, msgs []*nats.Msg, size int) error {
	if len(msgs) == 0 {
		return nil
	}
	if err := w.ledger.room("keep bodies", size); err != nil {
		return err
	}
	stored, err := w.ledger.send(ctx, msgs)
	w.bodies.Add(int64(stored))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range msgs[:stored] {
		w.kept.put(m.Subject, struct{}{})
	}
	return err
}

// slim leaves out what a base is not asked for. A path of 1,000 ids is larger
// than most documents, and each of its document's leaves has it.
func slim(r couchmend.Revision) couchmend.Revision {
	attachments := make([]couchmend.Attachment, len(r.Attachments))
	for i, a := range r.Attachments {
		a.Data = nil
		attachments[i] = a
	}
	return couchmend.Revision{Rev: r.Rev, Body: r.Body, Attachments: attachments}
}

// bodySubject is a revision's place. Hashes of other writers' revision ids may
// hold anything.
func (l *Ledger) bodySubject(db, id string, rev couchmend.Rev) string {
	return l.subject(bodies, db, id) + "." + digest(rev.String(), 16)
}

// Kept returns those of the revisions whose bodies were kept because their
// documents are, or were, warm; by document id, and without paths. It waits once
// for every 500 revisions.
func (l *Ledger) Kept(ctx context.Context, db string, want map[string][]couchmend.Rev) (map[string]map[couchmend.Rev]couchmend.Revision, error) {
	var subjects []string
	for id, revs := range want {
		for _, rev := range revs {
			subjects = append(subjects, l.bodySubject(db, id, rev))
		}
	}
	latest, err := l.newest(ctx, bodies, subjects)
	if err != nil {
		return nil, wrapDB("read kept bodies", db, err)
	}
	found := map[string]map[couchmend.Rev]couchmend.Revision{}
	for id, revs := range want {
		for _, rev := range revs {
			var r couchmend.Revision
			m, ok := latest[l.bodySubject(db, id, rev)]
			if !ok || json.Unmarshal(m.Data, &r) != nil || r.Rev != rev { // another version's: as if it were not kept
				continue
			}
			if found[id] == nil {
				found[id] = map[couchmend.Rev]couchmend.Revision{}
			}
			found[id][rev] = r
		}
	}
	return found, nil
}
