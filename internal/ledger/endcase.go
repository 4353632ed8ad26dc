package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// EndCase takes a case out of review if it is still the one that was read; false
// where it was written again or taken out since. So nothing gets lost that came
// to a document while somebody dealt with what had come before.
func (l *Ledger) EndCase(ctx context.Context, c Case) (bool, error) {
	return l.putOver(ctx, c, remover(l.subject(review, c.DB, c.ID)))
}

// ReplaceCase writes a case over the one that it was read as, if that is still
// there; false where it was written again or taken out since.
func (l *Ledger) ReplaceCase(ctx context.Context, c Case) (bool, error) {
	c.Last = time.Time{}
	m, err := l.caseMessage(&c)
	if err != nil {
		return false, wrapDoc("put in review", c.DB, c.ID, err)
	}
	if err := l.room("put in review", len(m.Data)); err != nil {
		return false, err
	}
	return l.putOver(ctx, c, m)
}

func (l *Ledger) putOver(ctx context.Context, c Case, m *nats.Msg) (bool, error) {
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(c.seq, 10))
	_, err := l.js.PublishMsg(ctx, m)
	if isMoved(err) {
		return false, nil
	}
	return err == nil, l.reason("put in review", err)
}
