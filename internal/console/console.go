package console

import (
	"context"
	"crypto/rand"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
)

// Config is what a Console works with. Server, Ledger, Board and Rules are
// required.
type Config struct {
	// Server names the CouchDB and lends its connections. Nothing is asked of it
	// with couchmend's own login.
	Server *couch.Server
	Ledger *ledger.Ledger
	Board  *board.Board
	// Rules returns a database's rules and the digest of the policy, as
	// mender.Config wants them.
	Rules func(db string) (decide.Rules, string)
	// Policy is the policy file; nil: the built-in policy.
	Policy *policy.File
	// Follows reports whether a database is one that couchmend looks after; nil:
	// all are.
	Follows func(db string) bool
	// ReadOnly refuses every request that could write, but signing in and out.
	ReadOnly bool
	// Loopback says that the listener is bound to this machine. Then requests
	// must name it so: a page elsewhere whose name was made to point here (DNS
	// rebinding) is refused. Hosts are further names, those of a proxy say.
	Loopback bool
	Hosts    []string
	Version  string
	Log      *slog.Logger
	Now      func() time.Time
}

// Console is the console, an http.Handler. Close ends it.
type Console struct {
	Config
	sessions  *sessions
	pages     map[string]*template.Template
	mux       *http.ServeMux
	origins   *http.CrossOriginProtection
	throttle  *throttle
	nobody    nobody
	lags      lags
	splits    *splitDesk
	triages   *triageDesk
	trying    sync.Mutex      // held while a policy is tried
	basicKey  string          // goes into the names of sessions that Basic logins made
	closing   context.Context // ends when Close begins; live connections with it
	stop      context.CancelFunc
	cleanedUp sync.WaitGroup
}

// New returns a Console. It asks CouchDB nothing yet.
func New(cfg Config) (*Console, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Follows == nil {
		cfg.Follows = func(string) bool { return true }
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	c := &Console{
		Config: cfg, pages: pages, sessions: newSessions(cfg.Now), throttle: newThrottle(cfg.Now),
		origins: http.NewCrossOriginProtection(), mux: http.NewServeMux(), basicKey: randomText(),
	}
	c.closing, c.stop = context.WithCancel(context.Background())
	c.splits, c.triages = newSplitDesk(c.closing, cfg.Now), newTriageDesk(c.closing, cfg.Now)
	for _, r := range routes() {
		c.mux.Handle(r.pattern, c.handler(r))
	}
	c.cleanedUp.Go(func() { c.sessions.sweep(c.closing) })
	return c, nil
}

// Close ends all sessions, live connections and work in the background. What is
// being answered goes on.
func (c *Console) Close() {
	c.stop()
	c.cleanedUp.Wait()
	c.splits.wait()
	c.triages.wait()
	c.sessions.clear()
}

// randomText is 256 bits that nobody guesses.
func randomText() string { return rand.Text() + rand.Text() }
