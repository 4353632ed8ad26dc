package feed

import (
	"context"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// A phone that has not seen a split goes on writing the old id. While splits of
// a database are remembered, each page's documents are looked through for that,
// in one request; those in which an old id may stand go into the queue with the
// conflicts. Else a row with one leaf is nothing to work on.

// seeker looks for what was split in the reader's database; nil where nothing was.
func (r *reader) seeker() *collision.Seeker {
	if r.Seeker == nil {
		return nil
	}
	return r.Seeker(r.name)
}

// mayBeLate reports whether a row of one leaf is looked at. Design documents are
// never edited.
func mayBeLate(row couch.Change) bool {
	return len(row.Leaves) == 1 && !row.Deleted && !strings.HasPrefix(row.ID, "_design/")
}

// withoutQuiet leaves out of a page's items the rows of one leaf in which no id
// stands that was split. Where they can't be read they all stay: a document
// that the server can't serve must not stop the feed (I6), and stands alone
// once it is worked on.
func (r *reader) withoutQuiet(ctx context.Context, items []ledger.Item, seeker *collision.Seeker) []ledger.Item {
	var want []couch.Want
	for _, item := range items {
		if len(item.Leaves) == 1 {
			want = append(want, couch.Want{ID: item.ID, Rev: item.Leaves[0]})
		}
	}
	quiet := make(map[couch.Want]bool, len(want))
	for got, err := range r.db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			r.Log.Debug("what refers to ids that were split can't be looked for: all is worked on", "db", r.name, "error", err)
			break
		}
		read := got.Revision != nil && !seeker.MayHold(got.Revision.Body)
		quiet[couch.Want{ID: got.ID, Rev: got.Rev}] = read || got.Missing // saved over: a later row names its successor
	}
	return slices.DeleteFunc(items, func(item ledger.Item) bool {
		return len(item.Leaves) == 1 && quiet[couch.Want{ID: item.ID, Rev: item.Leaves[0]}]
	})
}
