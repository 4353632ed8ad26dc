package splitter

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// couchEnv names the environment variable with the URL of a real CouchDB, an
// admin's credentials in it.
const couchEnv = "COUCHMEND_TEST_COUCHDB"

const old = "7FADDF76-55E4-4E50-9444-5E468E61EA83"

var errCut = errors.New("the process was killed")

// site is one database with a splitter of its own.
type site struct {
	*testing.T
	ctx    context.Context
	url    string
	name   string
	dir    string
	server *couch.Server
	rules  decide.Rules
	ledger *ledger.Ledger
	*Splitter

	transport *http.Transport
	asked     int
	after     int             // the requests that get through; negative: all
	lost      bool            // the next one arrives, too, and its answer is lost
	before    func(op string) // is told of each request
}

// RoundTrip counts requests, and lets none through once the process is dead.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	if s.after >= 0 && s.asked > s.after {
		if s.lost && s.asked == s.after+1 {
			if resp, err := s.transport.RoundTrip(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		} else if r.Body != nil {
			r.Body.Close()
		}
		return nil, errCut
	}
	if s.before != nil {
		s.before(r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
	}
	return s.transport.RoundTrip(r)
}

// newSite creates a database at a server, and a splitter whose rules are the
// builtin policy's and what more says.
func newSite(t *testing.T, server string) *site {
	t.Helper()
	s := &site{T: t, ctx: t.Context(), url: server, name: "couchmend-split-" + strings.ToLower(rand.Text()[:10]), dir: t.TempDir(), after: -1}
	s.transport = &http.Transport{}
	ask := func(method string) {
		u, _ := url.Parse(server)
		req, _ := http.NewRequestWithContext(context.Background(), method, u.Scheme+"://"+u.Host+"/"+s.name, nil)
		if u.User != nil {
			password, _ := u.User.Password()
			req.SetBasicAuth(u.User.Username(), password)
		}
		resp, err := s.transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}
	ask(http.MethodPut)
	t.Cleanup(func() {
		ask(http.MethodDelete)
		s.transport.CloseIdleConnections()
	})
	builtin := policy.Builtin()
	s.rules = func(id string, body jsondoc.Value) *merge.Rule { return builtin.Select(body, id) }
	s.open()
	t.Cleanup(func() { _ = s.ledger.Close() })
	return s
}

// open starts the process: a client, the state and a splitter.
func (s *site) open() {
	s.Helper()
	var err error
	if s.server, err = couch.Open(couch.Config{URL: s.url, Transport: s}); err != nil {
		s.Fatal(err)
	}
	if s.ledger, err = ledger.Open(s.ctx, ledger.Config{Dir: s.dir}); err != nil {
		s.Fatal(err)
	}
	s.Splitter = &Splitter{By: "ann", Mender: mender.New(mender.Config{
		Server: s.server, Ledger: s.ledger,
		Rules: func(string) (decide.Rules, string) { return s.rules, "test" },
	})}
}

// reopen is a restart after a kill.
func (s *site) reopen() {
	s.Helper()
	if err := s.ledger.Close(); err != nil {
		s.Fatal(err)
	}
	s.after, s.asked = -1, 0
	s.open()
}

// put writes a revision: its path, newest first, as words.
func (s *site) put(id, path, body string, attachments ...couchmend.Attachment) {
	s.Helper()
	s.write(write(id, path, body, attachments...))
}

func write(id, path, body string, attachments ...couchmend.Attachment) couch.Write {
	r := couchmend.Revision{Body: json.RawMessage(body), Attachments: attachments}
	for word := range strings.FieldsSeq(path) {
		gen, hash, _ := strings.Cut(word, "-")
		r.Path = append(r.Path, couchmend.MustRev(gen+"-"+fmt.Sprintf("%032x", hash)))
	}
	r.Rev = r.Path[0]
	return couch.Write{ID: id, Revision: r}
}

func (s *site) write(writes ...couch.Write) {
	s.Helper()
	if len(writes) == 0 {
		return
	}
	client, err := couch.Open(couch.Config{URL: s.url, Transport: s.transport})
	if err != nil {
		s.Fatal(err)
	}
	written, err := client.DB(s.name).Write(s.ctx, writes)
	if err := errors.Join(append(written.Errs, err)...); err != nil {
		s.Fatal(err)
	}
}

// docs returns the bodies of all live leaves, by id; sorted where there are
// several. Attachments are told with their bytes.
func (s *site) docs() map[string][]string {
	s.Helper()
	db := s.server.DB(s.name)
	all := map[string][]string{}
	for row, err := range db.AllDocs(s.ctx, couch.AllDocsOptions{}) {
		if err != nil {
			s.Fatal(err)
		}
		leaves, err := db.Leaves(s.ctx, row.ID)
		if err != nil {
			s.Fatal(err)
		}
		for _, leaf := range leaves {
			if leaf.Deleted {
				continue
			}
			text := string(jsondoc.Canonical(jsondoc.Value(leaf.Body)))
			for _, a := range leaf.Attachments {
				data, err := db.Attachment(s.ctx, row.ID, leaf.Rev, a.Name)
				if err != nil {
					s.Fatal(err)
				}
				text += fmt.Sprintf(" %s(%s)=%s", a.Name, a.ContentType, data)
			}
			all[row.ID] = append(all[row.ID], text)
		}
		slices.Sort(all[row.ID])
	}
	return all
}

// revs returns the live leaves of all documents.
func (s *site) revs() map[string][]couchmend.Rev {
	s.Helper()
	var ids []string
	db := s.server.DB(s.name)
	for row, err := range db.AllDocs(s.ctx, couch.AllDocsOptions{}) {
		if err != nil {
			s.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	live, err := db.LiveLeaves(s.ctx, ids)
	if err != nil {
		s.Fatal(err)
	}
	return live
}

func (s *site) request() Request { return Request{DB: s.name, ID: old} }

// apply plans and carries out.
func (s *site) apply(r Request) (Report, error) {
	s.Helper()
	split, err := s.Plan(s.ctx, r)
	if err != nil {
		return Report{}, err
	}
	return s.Apply(s.ctx, split)
}

func same(a, b map[string][]string) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
