package feed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// Once reads each database to the end of what there is now, waits until all of
// it is resolved or in review, and saves the checkpoints. Somebody else must
// work the queue meanwhile.
func (f *Follower) Once(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := f.once(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// freeLease takes the lease of a database's feed, once it is free.
func (f *Follower) freeLease(ctx context.Context, name string) (*ledger.Lease, error) {
	for end := time.Now().Add(f.LeaseWait); ; {
		lease, err := f.Ledger.Lease(ctx, "feed "+name, f.owner)
		if !errors.Is(err, ledger.ErrHeld) {
			return lease, err
		}
		if time.Now().After(end) {
			return nil, &couchmend.Error{Op: "read feed", DB: name, Kind: couchmend.KindLocked, Err: fmt.Errorf("another couchmend follows this database: %w", err)}
		}
		if err := sleep(ctx, fullWait); err != nil {
			return nil, err
		}
	}
}

func (f *Follower) once(ctx context.Context, name string) error {
	lease, err := f.freeLease(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = lease.Release(context.WithoutCancel(ctx)) }()
	r, err := f.open(ctx, name)
	if couchmend.KindOf(err) == couchmend.KindNotFound { // deleted since it was listed
		f.complain(name, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	return r.drain(ctx, math.MaxInt64)
}
