package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SplitStage is how far a split has got. Each is stored before the next step
// begins.
type SplitStage string

// The stages of a split, in their order, and those of taking one back.
const (
	SplitPlanned     SplitStage = "planned"      // documents are being created
	SplitCreated     SplitStage = "created"      // they are there; references are being changed
	SplitRepointed   SplitStage = "repointed"    // they are; old leaves are being buried
	SplitDone        SplitStage = "done"         // remembered for what comes late
	SplitRollingBack SplitStage = "rolling_back" // it is being taken back
	SplitRolledBack  SplitStage = "rolled_back"
)

// UnderWay reports whether something is left to be written.
func (s SplitStage) UnderWay() bool {
	return s != "" && s != SplitDone && s != SplitRolledBack
}

// Split is one document's split: what its plan is, and how far it has got. It
// is kept as long as the journal's entries are.
type Split struct {
	DB         string     `json:"db"`
	ID         string     `json:"id"`
	Stage      SplitStage `json:"stage"`
	By         string     `json:"by,omitempty"`
	Started    time.Time  `json:"started"` // set by PutSplit if zero
	Also       []string   `json:"also,omitempty"`
	Substrings bool       `json:"substrings,omitempty"`
	// Since is each database's place in its feed before references were looked
	// for: what changed after it may have been missed.
	Since map[string]string `json:"since,omitempty"`
	Plan  json.RawMessage   `json:"plan"` // a collision.Plan, without the bytes of attachments

	seq uint64 // of the message that it was read from, or stored as
}

// Anew returns what a new split of the same document takes the place of this
// one with.
func (s Split) Anew() Split { return Split{DB: s.DB, ID: s.ID, seq: s.seq} }

// splitHeader lets processes know of splits without reading their plans.
const splitHeader = "Couchmend-Split"

// PutSplit stores a split in place of the one that s was read as, and returns
// when it is on disk. The error is of KindConflict where what is stored is
// another one by now: of two processes only one begins a split, or goes on
// with it.
func (l *Ledger) PutSplit(ctx context.Context, s *Split) error {
	if s.Started.IsZero() {
		s.Started = l.cfg.Now()
	}
	data, err := encode(s)
	if err != nil {
		return wrapDoc("store split", s.DB, s.ID, err)
	}
	known, err := encode(s.known())
	if err != nil {
		return wrapDoc("store split", s.DB, s.ID, err)
	}
	m := nats.NewMsg(l.subject(splits, s.DB, s.ID))
	m.Header.Set(splitHeader, string(known))
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(s.seq, 10))
	if len(data) <= maxInline {
		m.Data = data
	} else if err := l.putLarge(ctx, m, data); err != nil {
		return wrapDoc("store split", s.DB, s.ID, err)
	}
	if err := l.room("store split", len(m.Data)); err != nil {
		return err
	}
	ack, err := l.js.PublishMsg(ctx, m)
	switch {
	case isMoved(err):
		return &couchmend.Error{Op: "store split", DB: s.DB, ID: s.ID, Kind: couchmend.KindConflict, Err: errors.New("somebody else splits it at this moment, or has")}
	case err != nil:
		return l.reason("store split", err)
	}
	s.seq = ack.Sequence
	l.learnSplit(m.Subject, s.seq, known)
	return nil
}

// Split returns what is stored of a document's split, if there was one.
func (l *Ledger) Split(ctx context.Context, db, id string) (Split, bool, error) {
	subject := l.subject(splits, db, id)
	latest, err := l.newest(ctx, splits, []string{subject})
	m, ok := latest[subject]
	if err != nil || !ok {
		return Split{}, false, wrapDoc("read split", db, id, err)
	}
	s, err := l.split(ctx, m)
	return s, err == nil, wrapDoc("read split", db, id, err)
}

// Splits goes through the splits of a database's documents, or of all where db
// is "", in the order in which they were last written. It ends at the first
// error.
func (l *Ledger) Splits(ctx context.Context, db string) iter.Seq2[Split, error] {
	return func(yield func(Split, error) bool) {
		err := l.each(ctx, splits, query{Subject: l.under(splits, db)}, func(m message) (bool, error) {
			s, err := l.split(ctx, m)
			return err == nil && yield(s, nil), err
		})
		if err != nil {
			yield(Split{}, wrapDB("read splits", db, err))
		}
	}
}

func (l *Ledger) split(ctx context.Context, m message) (Split, error) {
	data := m.Data
	if name := m.Header.Get(largeHeader); name != "" {
		var err error
		if data, err = l.large.GetBytes(ctx, name); err != nil {
			return Split{}, err
		}
	}
	s := Split{seq: m.Seq}
	err := json.Unmarshal(data, &s)
	return s, err
}
