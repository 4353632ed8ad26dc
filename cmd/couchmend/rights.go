package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/mend"
)

type rightsCmd struct {
	connection
	DBs   []string `arg:"" optional:"" name:"db" help:"Databases or globs. Default: those that the policy names, or all but CouchDB's own."`
	For   []string `default:"mend" enum:"scan,mend,views,triage" help:"What the rights are needed for: scan, mend, views, triage. May be several."`
	Limit int      `default:"100" placeholder:"N" help:"Ask about so many databases at most; 0: about all."`
	JSON  bool     `name:"json" help:"Print a JSON object a right, then one with the summary."`
}

// Help is the long help.
func (rightsCmd) Help() string {
	return "Asks the server what this login may do, and says what each missing right costs. Writes nothing, and stops at the first refused password.\n\nExit code 1 says that something is missing which --for needs. That a validation function will take a merge can't be known without writing one: those that exist are named."
}

// The things that rights are needed for.
const (
	forScan   = "scan"
	forMend   = "mend"
	forViews  = "views"
	forTriage = "triage"
)

// right is one thing that a login may do or not, on the server or in a database.
type right struct {
	DB      string   `json:"db,omitempty"` // "" is the server
	To      string   `json:"to"`
	Needs   []string `json:"requests"`
	May     bool     `json:"may"`
	Needed  bool     `json:"needed"`
	Answer  string   `json:"answer,omitempty"`  // the server's words, where it refused
	Without string   `json:"without,omitempty"` // what is not had without the right
	Note    string   `json:"note,omitempty"`

	uses   []string
	probes []couch.Probe
}

func serverRights(globs bool) []right {
	list := right{
		To: "list databases", probes: []couch.Probe{couch.ProbeAllDBs},
		Without: "only databases that are named without a wildcard are looked after",
	}
	if globs {
		list.uses = []string{forScan, forMend}
	}
	return []right{list, {
		To: "be told which databases change", probes: []couch.Probe{couch.ProbeDBUpdates},
		Without: "new databases are found after 10 s; where more than 32 are followed, each is read once in 5 min",
	}, {
		To: "see replications", uses: []string{forTriage},
		probes:  []couch.Probe{couch.ProbeSchedulerJobs, couch.ProbeSchedulerDocs, couch.ProbeActiveTasks},
		Without: "triage says nothing of replications and their write failures",
	}}
}

func databaseRights(db string) []right {
	return []right{{
		DB: db, To: "read", uses: []string{forScan, forMend, forViews},
		probes:  []couch.Probe{couch.ProbeChanges, couch.ProbeBulkGet, couch.ProbeAllDocs},
		Without: "no conflict is found: make this user a member of the database",
	}, {
		DB: db, To: "write", uses: []string{forMend}, probes: []couch.Probe{couch.ProbeBulkDocs},
		Without: "conflicts are found, and none is mended",
	}}
}

// Run asks what the login may do.
func (r *rightsCmd) Run(a *app) error {
	done, err := r.glance()
	if err != nil {
		return err
	}
	defer done()
	r.Databases = append(r.Databases, r.DBs...)
	return r.visit(a, func(c *mend.Couchmend) error {
		q := &rightsQuery{cmd: r, app: a, c: c}
		if err := q.ask(); err != nil {
			return err
		}
		if r.JSON {
			return q.json()
		}
		return q.print()
	})
}

// rightsQuery is one run of the verb.
type rightsQuery struct {
	cmd *rightsCmd
	app *app
	c   *mend.Couchmend

	who      couch.Identity
	known    bool // who the server takes us for
	unasked  int  // databases beyond the limit
	answered []right
}

// ask asks about the server, and then about each database.
func (q *rightsQuery) ask() (err error) {
	q.who, err = q.c.Server.WhoAmI(q.app.ctx)
	switch couchmend.KindOf(err) {
	case "":
		q.known = true
	case couchmend.KindNotFound: // PouchDB's server, made small
	default:
		return err
	}
	for _, r := range serverRights(q.globs()) {
		if err := q.try(&r, q.c.Server.Try); err != nil {
			return err
		}
	}
	names, err := q.databases()
	if err != nil {
		return err
	}
	if limit := q.cmd.Limit; limit > 0 && len(names) > limit {
		q.unasked = len(names) - limit
		names = names[:limit]
	}
	for _, name := range names {
		if err := q.database(name); err != nil {
			return err
		}
	}
	return nil
}

// named are the databases, globs among them, that are to be looked after; none
// means all.
func (q *rightsQuery) named() []string {
	named := q.cmd.Databases
	if len(named) == 0 && q.c.Policy != nil {
		for _, d := range q.c.Policy.Databases {
			named = append(named, d.Match)
		}
	}
	return named
}

func isGlob(name string) bool { return strings.ContainsAny(name, `*?[\`) }

// globs reports whether databases must be listed to know which are meant.
func (q *rightsQuery) globs() bool {
	named := q.named()
	return len(named) == 0 || slices.ContainsFunc(named, isGlob)
}

// databases are those that are there, and those that should be.
func (q *rightsQuery) databases() ([]string, error) {
	names, err := q.c.Feed.Databases(q.app.ctx)
	for _, name := range q.named() {
		if !isGlob(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err
}

func (q *rightsQuery) database(name string) error {
	db := q.c.Server.DB(name)
	for _, r := range databaseRights(name) {
		if err := q.try(&r, db.Try); err != nil {
			return err
		}
	}
	last := q.answered[len(q.answered)-2:]
	if !last[0].May { // then there is nothing more to be had
		return nil
	}
	if err := q.remark(db, last); err != nil {
		return err
	}
	return q.views(db)
}

// shortRevsLimit is the _revs_limit below which nothing is merged.
const shortRevsLimit = 50

// remark notes beside the rights to read and write what may yet be in the way.
func (q *rightsQuery) remark(db *couch.DB, of []right) error {
	limit, err := db.RevsLimit(q.app.ctx)
	if err != nil {
		return err
	}
	if limit < shortRevsLimit {
		of[1].Note = fmt.Sprintf("_revs_limit is %d: under %d every conflict waits for a person", limit, shortRevsLimit)
	}
	validators, err := db.Validators(q.app.ctx)
	if err == nil && of[1].May && len(validators) > 0 {
		of[1].Note = strings.TrimPrefix(of[1].Note+"; "+strings.Join(validators, ", ")+" may refuse a merge: only writing one tells", "; ")
	}
	return err
}

// views says whether the login may put up design documents. No request tells
// without writing one; _security does.
func (q *rightsQuery) views(db *couch.DB) error {
	r := right{
		DB: db.Name(), To: "put up views", Needs: []string{"GET /_security"}, uses: []string{forViews},
		Without: "views install and refs --view are refused: they take an admin of the database",
	}
	security, err := db.Security(q.app.ctx)
	switch {
	case err == nil && q.known:
		r.May = security.Admin(q.who)
	case err == nil || isRefusal(err):
		r.Answer = "the server does not tell"
	default:
		return err
	}
	q.note(r)
	return nil
}

// try makes the probes of a right, up to the first that is refused.
func (q *rightsQuery) try(r *right, try probing) error {
	r.May = true
	for _, p := range r.probes {
		r.Needs = append(r.Needs, p.String())
		if !r.May {
			continue
		}
		err := try(q.app.ctx, p)
		if err != nil && !isRefusal(err) {
			return err
		}
		if err != nil {
			r.May, r.Answer = false, p.String()+": "+errors.Unwrap(err).Error()
			if r.DB != "" && couchmend.KindOf(err) == couchmend.KindNotFound {
				r.Without = "there is no such database"
			}
		}
	}
	q.note(*r)
	return nil
}

// isRefusal reports whether an error is an answer to the question: this login
// may not, or there is no such thing.
func isRefusal(err error) bool {
	switch couchmend.KindOf(err) {
	case couchmend.KindForbidden, couchmend.KindNotFound, couchmend.KindAuth:
		return true
	}
	return false
}

func (q *rightsQuery) note(r right) {
	r.Needed = slices.ContainsFunc(r.uses, func(use string) bool { return slices.Contains(q.cmd.For, use) })
	if r.May {
		r.Without = ""
	}
	q.answered = append(q.answered, r)
}
