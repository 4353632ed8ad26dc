package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
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
	DB         string          `json:"db"`
	ID         string          `json:"id"`
	Stage      SplitStage      `json:"stage"`
	By         string          `json:"by,omitempty"`
	Started    time.Time       `json:"started"` // set by PutSplit if zero
	Also       []string        `json:"also,omitempty"`
	Substrings bool            `json:"substrings,omitempty"`
	Plan       json.RawMessage `json:"plan"` // a collision.Plan, without the bytes of attachments
}

// PutSplit stores a split in place of what was stored of its document, and
// returns when it is on disk.
func (l *Ledger) PutSplit(ctx context.Context, s Split) error {
	if s.Started.IsZero() {
		s.Started = l.cfg.Now()
	}
	data, err := encode(s)
	if err != nil {
		return wrapDoc("store split", s.DB, s.ID, err)
	}
	m := nats.NewMsg(l.subject(splits, s.DB, s.ID))
	if len(data) <= maxInline {
		m.Data = data
	} else if err := l.putLarge(ctx, m, data); err != nil {
		return wrapDoc("store split", s.DB, s.ID, err)
	}
	if err := l.room("store split", len(m.Data)); err != nil {
		return err
	}
	return l.reason("store split", l.commit(ctx, []*nats.Msg{m}))
}

// Split returns what is stored of a document's split, if there was one.
func (l *Ledger) Split(ctx context.Context, db, id string) (Split, bool, error) {
	subject := l.subject(splits, db, id)
	latest, err := l.newest(ctx, splits, []string{subject})
	m, ok := latest[subject]
	if err != nil || !ok {
		return Split{}, false, wrapDoc("read split", db, id, err)
	}
	data := m.Data
	if name := m.Header.Get(largeHeader); name != "" {
		if data, err = l.large.GetBytes(ctx, name); err != nil {
			return Split{}, false, wrapDoc("read split", db, id, err)
		}
	}
	var s Split
	err = json.Unmarshal(data, &s)
	return s, err == nil, wrapDoc("read split", db, id, err)
}
