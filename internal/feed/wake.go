package feed

import (
	"context"
	"errors"
	"sync"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// woken is how many databases are read at once where no connection is held.
const woken = 8

// wake follows many databases: those that the server says have changed, and
// all of them now and then. It returns nil when they are few enough to hold.
func (f *Follower) wake(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	queue := newQueue()
	f.visiting(queue)
	defer f.visiting(nil)
	var group sync.WaitGroup
	defer group.Wait()
	defer queue.close()
	defer cancel(nil)
	for range woken {
		group.Go(func() {
			for name, ok := queue.next(); ok; name, ok = queue.next() {
				if err := f.visit(ctx, name); err != nil {
					cancel(err)
				}
				queue.done(name)
			}
		})
	}
	group.Go(func() { f.listen(ctx, func(u couch.DBUpdate) { queue.add(u.DB) }) })
	for {
		f.turn()
		names, err := f.Databases(ctx)
		wait := f.Sweep
		switch {
		case ctx.Err() != nil:
			if err := context.Cause(ctx); fatal(err) {
				return err
			}
			return nil
		case fatal(err):
			return err
		case err != nil:
			f.Log.Warn("databases can't be listed", "error", err)
			wait = f.Refresh
		case len(names) <= f.Held:
			return nil
		}
		for _, name := range names {
			queue.add(name)
		}
		_ = sleep(ctx, wait)
	}
}

// visit reads one database's feed to its end.
func (f *Follower) visit(ctx context.Context, name string) error {
	err := f.lease(ctx, name, false)
	switch {
	case fatal(err):
		return err
	case ctx.Err() != nil, errors.Is(err, ledger.ErrHeld), couchmend.KindOf(err) == couchmend.KindNotFound:
	case err != nil:
		f.complain(name, err)
	}
	return nil
}

// listen tells of databases that the server says were created or have changed.
// Where that feed is forbidden or missing, listing and sweeps alone find them.
func (f *Follower) listen(ctx context.Context, tell func(couch.DBUpdate)) {
	since := "now"
	for pause := (patience{}); ctx.Err() == nil; pause.wait(ctx) {
		updates, err := f.Server.DBUpdates(ctx, since)
		if kind := couchmend.KindOf(err); kind == couchmend.KindForbidden || kind == couchmend.KindNotFound {
			f.Log.Info("the server does not tell which databases appear and change: they are listed and read now and then", "listed", f.Refresh, "read", f.Sweep)
			return
		}
		if err != nil {
			continue
		}
		for update, err := range updates {
			if err != nil {
				break
			}
			pause = patience{}
			since = update.Seq
			if update.DB != "" && update.Type != "deleted" && f.Match(update.DB) {
				tell(update)
			}
		}
	}
}
