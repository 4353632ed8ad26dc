package ledger

import (
	"context"

	"github.com/couchmend/couchmend"
)

// Waiting returns those of a database's documents that are in the work queue,
// in workers' hands included. It waits once for every 500 documents.
func (l *Ledger) Waiting(ctx context.Context, db string, ids ...string) ([]string, error) {
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = l.subject(work, db, id)
	}
	found, err := l.newest(ctx, work, subjects)
	if err != nil {
		return nil, &couchmend.Error{Op: "look for work", DB: db, Kind: kindOf(err), Err: err}
	}
	var waiting []string
	for i, id := range ids {
		if _, ok := found[subjects[i]]; ok {
			waiting = append(waiting, id)
		}
	}
	return waiting, nil
}
