package document

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// NotInReview is the error of KindNotFound for a document that has no case.
func NotInReview(db, id string) error {
	return &couchmend.Error{Op: "review", DB: db, ID: id, Kind: couchmend.KindNotFound, Err: errors.New("it is not in review")}
}

// UnchangedCase reads a document's case and checks that it is about the leaves
// that the document has: KindConflict otherwise, in words what changed (I3).
// CouchDB is asked first, so that who may not read the document is told nothing.
func UnchangedCase(ctx context.Context, m *mender.Mender, db, id string) (ledger.Case, error) {
	leaves, err := m.Server.DB(db).Leaves(ctx, id)
	if err != nil {
		return ledger.Case{}, err
	}
	waits, found, err := m.Ledger.Case(ctx, db, id)
	if err != nil {
		return waits, err
	}
	if !found {
		return waits, NotInReview(db, id)
	}
	return waits, Moved(db, id, waits.Leaves, leaves)
}

// Dismiss lets a conflict stand as it is, by a person's word, until its leaves
// change. Nothing is written to CouchDB; the journal gets an entry. See
// UnchangedCase for the errors.
func Dismiss(ctx context.Context, m *mender.Mender, db, id, by, note string) error {
	waits, err := UnchangedCase(ctx, m, db, id)
	if err != nil {
		return err
	}
	waits.Dismissed, waits.By, waits.Last = true, by, time.Time{}
	err = m.Ledger.Append(ctx, ledger.Entry{
		DB: db, ID: id, Kind: "dismiss", By: by, Note: note,
		Decision: couchmend.Decision{Outcome: couchmend.Review, Rule: waits.Rule, Reason: waits.Reason},
	})
	if err != nil {
		return err
	}
	return m.Ledger.PutCases(ctx, waits)
}

// Retry puts documents that are in review back into the work queue, where a run
// takes them from; dismissals are lifted. The cases' leaves do not matter: they
// may be of yesterday. ErrFull, wrapped, where the queue has no room for all.
func Retry(ctx context.Context, l *ledger.Ledger, cases ...ledger.Case) error {
	var lifted []ledger.Case
	items := make([]ledger.Item, len(cases))
	for i, waits := range cases {
		items[i] = ledger.Item{DB: waits.DB, ID: waits.ID}
		if waits.Dismissed {
			waits.Dismissed, waits.By, waits.Last = false, "", time.Time{}
			lifted = append(lifted, waits)
		}
	}
	if len(lifted) > 0 {
		if err := l.PutCases(ctx, lifted...); err != nil {
			return err
		}
	}
	taken, err := l.Put(ctx, items...)
	if errors.Is(err, ledger.ErrFull) {
		return fmt.Errorf("%d of %d documents were taken: %w", taken, len(items), err)
	}
	return err
}
