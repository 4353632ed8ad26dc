package console

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
)

// feedLag is how far couchmend's reading of a database is behind what is in it.
type feedLag struct {
	DB      string    `json:"db"`
	Open    int       `json:"open"`              // cases
	Pending int64     `json:"pending"`           // changes not dealt with yet; -1: the server doesn't say
	At      time.Time `json:"at,omitzero"`       // when the checkpoint was saved; zero: never
	Problem string    `json:"problem,omitempty"` // why it is not known
}

const (
	// lagged is how many databases a page tells of, lagAge how long an answer is
	// good, lagWait how long the page waits for all of them.
	lagged  = 25
	lagAge  = 10 * time.Second
	lagWait = 2 * time.Second
	lagAsks = 8
)

// lags remembers answers, whoever asked: whether a person may know of a
// database is a question of its own.
type lags struct {
	mu sync.Mutex
	by map[string]knownLag
}

type knownLag struct {
	feedLag
	asked time.Time
}

// feedLags returns the lag of the databases that matter most to the person:
// those with most open cases, then by name.
func (v *visit) feedLags(ctx context.Context, waiting board.Waiting) ([]feedLag, error) {
	open := map[string]int{}
	var names []string
	for _, d := range waiting.Databases {
		open[d.Name] = d.N
		names = append(names, d.Name)
	}
	followed, err := v.followed(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range followed {
		if _, ok := open[db]; !ok && len(names) < lagged {
			names = append(names, db)
		}
	}
	names = names[:min(len(names), lagged)]
	all := make([]feedLag, len(names))
	ctx, cancel := context.WithTimeout(ctx, lagWait)
	defer cancel()
	var asking sync.WaitGroup
	free := make(chan struct{}, lagAsks)
	for i, db := range names {
		free <- struct{}{}
		asking.Go(func() {
			defer func() { <-free }()
			all[i] = v.lag(ctx, db)
			all[i].Open = open[db]
		})
	}
	asking.Wait()
	return all, nil
}

// followed lists the databases that couchmend looks after, as far as the person
// may know of them: those that the server lists to an admin, to others those
// that the board has heard of.
func (v *visit) followed(ctx context.Context) ([]string, error) {
	names := v.Board.Databases()
	if v.Admin() {
		listed, err := v.server.AllDBs(ctx)
		switch couchmend.KindOf(err) {
		case "":
			names = listed
		case couchmend.KindForbidden, couchmend.KindNotFound, couchmend.KindAuth:
		default:
			return nil, err
		}
	}
	visible, err := v.sight(ctx, names)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(db string) bool { return !v.Follows(db) || !visible(db) }), nil
}

// lag asks how many changes of a database stand behind its checkpoint.
func (v *visit) lag(ctx context.Context, db string) feedLag {
	v.lags.mu.Lock()
	known, ok := v.lags.by[db]
	v.lags.mu.Unlock()
	if ok && v.Now().Sub(known.asked) < lagAge {
		return known.feedLag
	}
	l := feedLag{DB: db}
	if err := v.askLag(ctx, &l); err != nil {
		l.Problem = words(err)
	}
	v.lags.mu.Lock()
	defer v.lags.mu.Unlock()
	if v.lags.by == nil || len(v.lags.by) >= maxRights {
		v.lags.by = map[string]knownLag{}
	}
	v.lags.by[db] = knownLag{l, v.Now()}
	return l
}

func (v *visit) askLag(ctx context.Context, l *feedLag) error {
	checkpoint, err := v.Ledger.Checkpoint(ctx, l.DB)
	if err != nil {
		return err
	}
	l.At = checkpoint.At
	database := v.server.DB(l.DB)
	info, err := database.Info(ctx)
	if err != nil {
		return err
	}
	if info.InstanceStart != checkpoint.InstanceStart { // created anew: it is read from its beginning
		checkpoint.Since = ""
	}
	rows := int64(0)
	for row, err := range database.Changes(ctx, couch.ChangesOptions{Since: checkpoint.Since, Limit: 1}) {
		if err != nil {
			return err
		}
		if row.ID != "" {
			rows++
			continue
		}
		if l.Pending = row.Pending; row.Pending >= 0 {
			l.Pending += rows
		}
	}
	return nil
}
