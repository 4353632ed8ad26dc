package console

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// person is somebody who is signed in: what they ask of CouchDB, they ask as
// themselves.
type person struct {
	server *couch.Server
	mender *mender.Mender
	now    func() time.Time

	mu        sync.Mutex
	identity  couch.Identity
	confirmed time.Time       // when CouchDB last said so
	rights    map[string]seen // by database
}

// seen is whether a database may be read.
type seen struct {
	ok bool
	at time.Time
}

const (
	// rightsAge is how long an answer about somebody's rights is believed.
	rightsAge = 30 * time.Second
	// maxRights bounds how many such answers are kept for a person (I11).
	maxRights = 10_000
	// askers is how many databases are asked about at a time.
	askers = 16
)

func (c *Console) newPerson(server *couch.Server, who couch.Identity) *person {
	return &person{
		server: server, now: c.Now, identity: who, confirmed: c.Now(), rights: map[string]seen{},
		mender: mender.New(mender.Config{Server: server, Ledger: c.Ledger, Rules: c.Rules, Log: c.Log}),
	}
}

// who is the person as CouchDB knows them.
func (p *person) who() couch.Identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.identity
}

// Name is the person's, for the journal and the page: "nobody" where CouchDB
// lets everybody in.
func (p *person) Name() string {
	if name := p.who().Name; name != "" {
		return name
	}
	return "nobody"
}

// Admin reports whether the person is a server admin.
func (p *person) Admin() bool { return p.who().ServerAdmin() }

// errEnded is the error of a session that CouchDB has ended.
var errEnded = &couchmend.Error{Op: "session", Kind: couchmend.KindAuth, Err: errors.New("the session has ended")}

// confirm asks CouchDB whether the person still is who they were: it answers
// requests of an ended session as if they were nobody's, and what nobody may
// write must not be written in somebody's name. For reading, an answer of the
// last half minute will do.
func (p *person) confirm(ctx context.Context, writes bool) error {
	p.mu.Lock()
	name, fresh := p.identity.Name, p.now().Sub(p.confirmed) < rightsAge
	p.mu.Unlock()
	if fresh && !writes {
		return nil
	}
	who, err := p.server.WhoAmI(ctx)
	switch {
	case err == nil && (who.Name != name || name == "" && !who.ServerAdmin()): // by now there are admins, who let nobody in
		return errEnded
	case couchmend.KindOf(err) == couchmend.KindNotFound && name == "": // a server without sessions
	case err != nil:
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.identity = who
	}
	p.confirmed = p.now()
	return nil
}

// sees reports whether the person may read a database, by CouchDB's word of the
// last half minute. An error means that CouchDB could not be asked.
func (p *person) sees(ctx context.Context, db string) (bool, error) {
	if ok, known := p.known(db); known {
		return ok, nil
	}
	_, err := p.server.DB(db).Info(ctx)
	switch couchmend.KindOf(err) {
	case "":
	case couchmend.KindNotFound, couchmend.KindForbidden, couchmend.KindRefused, couchmend.KindOther:
	case couchmend.KindAuth:
		if p.who().Name != "" {
			return false, errEnded
		}
	default:
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.rights) >= maxRights {
		clear(p.rights)
	}
	p.rights[db] = seen{ok: err == nil, at: p.now()}
	return err == nil, nil
}

func (p *person) known(db string) (ok, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.rights[db]
	return s.ok, !s.at.IsZero() && p.now().Sub(s.at) < rightsAge
}

// sight returns what of some databases the person may know of. A server admin
// may know of all, those named "" too: what the board could not tell apart.
// Others are asked for, at most maxRights databases of them.
func (p *person) sight(ctx context.Context, dbs []string) (visible func(db string) bool, err error) {
	if p.Admin() {
		return func(string) bool { return true }, nil
	}
	may := make(map[string]bool, len(dbs))
	var (
		mu     sync.Mutex
		failed error
		all    sync.WaitGroup
		free   = make(chan struct{}, askers)
	)
	for _, db := range dbs[:min(len(dbs), maxRights)] {
		if db == "" { // is shown to server admins only
			continue
		}
		if ok, known := p.known(db); known {
			mu.Lock()
			may[db] = ok
			mu.Unlock()
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			ok, err := p.sees(ctx, db)
			mu.Lock()
			defer mu.Unlock()
			may[db] = ok
			if err != nil {
				failed = err
			}
		})
	}
	all.Wait()
	return func(db string) bool { return may[db] }, failed
}

// sightOfAll is sight of what the board knows of. First is a database that is
// asked about before all others; "" for none.
func (v *visit) sightOfAll(first string) (visible func(db string) bool, err error) {
	if v.Admin() {
		return v.sight(v.r.Context(), nil)
	}
	return v.sight(v.r.Context(), append([]string{first}, v.Board.Databases()...))
}

// mayPause checks that the person may pause a database, or with "" all of
// them: its admin may, or a server admin.
func (p *person) mayPause(ctx context.Context, db string) error {
	if p.Admin() {
		return nil
	}
	if db != "" {
		security, err := p.server.DB(db).Security(ctx)
		if err != nil {
			return err
		}
		if security.Admin(p.who()) {
			return nil
		}
	}
	return &couchmend.Error{Op: "pause", DB: db, Kind: couchmend.KindForbidden, Err: errors.New("only an admin of the database, or of the server for all of them, may pause and resume")}
}

// pausesSeen are the pauses in force that the person may know of: those of all
// databases, and of those that they see.
func (p *person) pausesSeen(ctx context.Context, l *ledger.Ledger) ([]ledger.Pause, error) {
	all, err := l.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	var seen []ledger.Pause
	for _, pause := range all {
		ok := pause.DB == ""
		if !ok {
			if ok, err = p.sees(ctx, pause.DB); err != nil {
				return nil, err
			}
		}
		if ok {
			seen = append(seen, pause)
		}
	}
	return seen, nil
}
