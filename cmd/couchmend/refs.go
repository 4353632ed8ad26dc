package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
)

type refsCmd struct {
	connection
	DB         string   `arg:"" name:"db" help:"The database."`
	IDs        []string `arg:"" name:"id" help:"The ids, as they are. Write -- before one that begins with a dash."`
	Also       []string `placeholder:"DB" sep:"none" help:"Another database to look through. May be repeated."`
	Substrings bool     `short:"s" help:"Also find ids that are a word in a longer string, or in a document's id: A in read:report:A, not in AB."`
	View       bool     `help:"Let CouchDB look: with a design document that is removed again. For servers behind a slow line; it takes a database admin, and CouchDB several times as long."`
	JSON       bool     `name:"json" help:"Print a JSON object a reference, then one with the summary."`
}

// Help is the long help.
func (refsCmd) Help() string {
	return `Reads whole databases and lists each place where one of the ids stands: the document, the path, and what it is there. Writes nothing to CouchDB, except with --view.

KIND is value (a string), key (the name of a member: the path ends with it), id (the document's own id) or self (the document that bears the id). After it may stand: substring, own (within the document that bears the id), design (in a design document: an index or a function), losing (in a leaf that is not the winner: readers don't see it).

Deleted and local documents, attachments and their names are left out. What is written meanwhile is seen or not.

Exit code 1 says that something could not be read: the list may lack references.`
}

// Run lists references.
func (r *refsCmd) Run(a *app) error {
	server, err := r.server(a)
	if err != nil {
		return err
	}
	defer server.Close()
	bar := a.progress()
	defer bar.close()
	report := newRefsReport(a, r, bar)
	dbs := append([]string{r.DB}, r.Also...)
	for i, name := range dbs {
		if slices.Contains(dbs[:i], name) {
			continue
		}
		if err := r.search(a, server.DB(name), report, bar); err != nil {
			return errors.Join(report.flush(), err)
		}
	}
	bar.close()
	if err := report.end(a); err != nil {
		return err
	}
	if report.summary.Unread > 0 {
		return fmt.Errorf("%s could not be read: the list may lack references", plural(report.summary.Unread, "revision"))
	}
	return nil
}

// search lists the references in one database.
func (r *refsCmd) search(a *app, db *couch.DB, report *refsReport, bar *progress) (err error) {
	report.summary.Databases++
	before := report.summary.Documents
	o := collision.Options{Substrings: r.Substrings, Progress: func(done, total int64) {
		bar.set(done, total)
		report.summary.Documents = before + done
	}}
	bar.begin(db.Name())
	if !r.View {
		return report.all(collision.Find(a.ctx, db, r.IDs, o))
	}
	view, err := collision.OpenView(a.ctx, db, r.IDs, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close(a.ctx)) }()
	for _, name := range view.Leftovers {
		fmt.Fprintf(bar.out(a.stderr), "%s/%s belongs to another search: under way, or broken off. Delete it in that case.\n", clean(db.Name()), clean(name))
	}
	return report.all(view.Find(a.ctx))
}

// refsSummary is what a search found in all.
type refsSummary struct {
	Databases  int            `json:"databases"`
	Documents  int64          `json:"documents"` // looked at
	References int            `json:"references"`
	IDs        map[string]int `json:"ids"`   // references to each
	Found      []string       `json:"found"` // documents that bear an id, as db/id: no references
	Unread     int            `json:"unread,omitempty"`
}

// foundReference is a reference as it is printed.
type foundReference struct {
	collision.Reference
	Path  string `json:"path"`
	Error string `json:"error,omitempty"`
}

// refsReport prints references as they are found.
type refsReport struct {
	summary refsSummary
	json    bool
	out     io.Writer
	table   *table
	flushed time.Time
}

func newRefsReport(a *app, cmd *refsCmd, bar *progress) *refsReport {
	out := bar.out(a.stdout)
	r := &refsReport{json: cmd.JSON, out: out, flushed: time.Now(), table: a.table(out, "DB", "DOCUMENT", "REV", "PATH", "ID", "KIND").cut(2)}
	r.summary.IDs, r.summary.Found = map[string]int{}, []string{}
	for _, id := range cmd.IDs {
		r.summary.IDs[id] = 0
	}
	return r
}

// all takes the references of one database in.
func (r *refsReport) all(refs iter.Seq2[collision.Reference, error]) error {
	for ref, err := range refs {
		if err != nil {
			return err
		}
		if err := r.add(ref); err != nil {
			return err
		}
	}
	return nil
}

// flushEvery is how long rows of a table wait for others, to be aligned with.
const flushEvery = time.Second

func (r *refsReport) add(ref collision.Reference) error {
	r.count(ref)
	if r.json {
		printed := foundReference{Reference: ref, Path: ref.Place.String()}
		if ref.Err != nil {
			printed.Error = ref.Err.Error()
		}
		return writeJSON(r.out, printed)
	}
	r.table.add(ref.DB, ref.Doc, ref.Rev.String(), ref.Place.String(), ref.ID, refKind(ref))
	if time.Since(r.flushed) < flushEvery {
		return nil
	}
	return r.flush()
}

func (r *refsReport) count(ref collision.Reference) {
	s := &r.summary
	switch {
	case ref.Err != nil:
		s.Unread++
	case ref.Self && ref.Kind == collision.DocID:
		if where := ref.DB + "/" + ref.Doc; !slices.Contains(s.Found, where) {
			s.Found = append(s.Found, where)
		}
	default:
		s.References++
		s.IDs[ref.ID]++
	}
}

// refKind writes what a reference is, in words.
func refKind(ref collision.Reference) string {
	if ref.Err != nil {
		return "unreadable: " + ref.Err.Error()
	}
	words := []string{string(ref.Kind)}
	switch {
	case ref.Self && ref.Kind == collision.DocID:
		words[0] = "self"
	case ref.Self:
		words = append(words, "own")
	}
	for _, more := range []struct {
		is   bool
		word string
	}{{ref.Part, "substring"}, {ref.Design, "design"}, {ref.Losing, "losing"}} {
		if more.is {
			words = append(words, more.word)
		}
	}
	return strings.Join(words, ", ")
}

func (r *refsReport) flush() error {
	r.flushed = time.Now()
	return r.table.flush()
}

// end prints the summary.
func (r *refsReport) end(a *app) error {
	r.out, r.table.out = a.stdout, a.stdout // the bar is gone
	if err := r.flush(); err != nil {
		return err
	}
	s := r.summary
	if r.json {
		return a.printJSON(map[string]refsSummary{"summary": s})
	}
	if s.References+len(s.Found)+s.Unread > 0 {
		a.printf("\n")
	}
	a.printf("%s in %s, of %s looked at.\n", plural(s.References, "reference"), plural(s.Databases, "database"), plural(s.Documents, "document"))
	printCounts(a, "to", s.IDs)
	return nil
}
