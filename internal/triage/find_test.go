package triage

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/couchlog"
	"github.com/couchmend/couchmend/internal/ledger"
	"pgregory.net/rapid"
)

func TestEachEvidenceHasItsFindingAndNextCommand(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	server := Server{URL: "http://h:5984"}
	failing := func(state string, failures, grew int64) Replication {
		return Replication{Replication: couch.Replication{Database: "_replicator", DocID: "j", Source: "http://x/a", Target: "http://h:5984/b", State: state, Counted: true, WriteFailures: failures, Error: "it broke"}, TargetDB: "b", Grew: grew, Watched: 5}
	}
	for name, c := range map[string]struct {
		r          Report
		kind, next string
	}{
		"nothing":              {Report{}, "", ""},
		"failures, and no log": {Report{Replications: []Replication{failing("running", 3, 1)}}, "replication_write_failures", "couchmend triage --couch-log FILE"},
		"failures, and a log that has no refusal": {Report{Replications: []Replication{failing("running", 3, 0)}, Logs: &Logs{}}, "replication_write_failures",
			`curl -s -u "$COUCHDB_USER:$COUCHDB_PASSWORD" 'http://h:5984/b/_design_docs?include_docs=true'`},
		"a replication that crashes":   {Report{Replications: []Replication{failing("crashing", 0, 0)}}, "replication_broken", `curl -s -u "$COUCHDB_USER:$COUCHDB_PASSWORD" http://h:5984/_scheduler/docs/_replicator/j`},
		"merges refused":               {Report{Failures: []Failure{{DB: "m", Class: "forbidden", Reason: couchmend.ReasonRefused, Review: 2, Docs: []string{"d 1"}}}}, "merge_refused", "couchmend review show m 'd 1'"},
		"burials refused":              {Report{Failures: []Failure{{DB: "m", Class: "forbidden", Reason: couchmend.ReasonNotBuried, Review: 2, Docs: []string{"d"}}}}, "merge_refused", "couchmend review show m d"},
		"writes timed out":             {Report{Failures: []Failure{{DB: "m", Class: "write_timeout", Logged: 2, Docs: []string{"d"}}}}, "write_timeout", "couchmend show m d"},
		"a schema":                     {Report{Failures: []Failure{{DB: "m", Class: "schema", Reason: couchmend.ReasonSchema, Review: 1}}}, "schema", "couchmend review list --reason schema"},
		"a resolver's fault":           {Report{Failures: []Failure{{DB: "m", Class: "merge_logic", Reason: couchmend.ReasonResolverTimeout, Review: 1}}}, "resolver_failed", "couchmend review list --reason resolver_timeout"},
		"no strategy":                  {Report{Failures: []Failure{{DB: "m", Class: "merge_logic", Reason: couchmend.ReasonOverlap, Review: 1, Docs: []string{"d"}}}}, "merge_logic", "couchmend policy suggest m"},
		"two things under one id":      {Report{Failures: []Failure{{DB: "m", Class: "merge_logic", Reason: couchmend.ReasonTwoRoots, Review: 1, Docs: []string{"-d"}}}}, "two_roots", "couchmend diff m -- -d"},
		"nobody decided for a week":    {Report{At: at, Failures: []Failure{{DB: "m", Reason: couchmend.ReasonDeleted, Review: 1, Oldest: at.AddDate(0, 0, -9), Docs: []string{"d"}}}}, "review_age", "couchmend review list --db m --reason deleted"},
		"a pause":                      {Report{At: at, Pauses: []ledger.Pause{{DB: "m", By: "ann", Reason: "x", Since: at}}}, "paused", "couchmend resume m"},
		"a pause of all":               {Report{At: at, Pauses: []ledger.Pause{{By: "ann", Reason: "x", Since: at}}}, "paused", "couchmend resume"},
		"conflicts that nothing mends": {Report{Databases: []Database{{Name: "m", Documents: 9000, Conflicts: 3}}}, "unmended", "couchmend run --once --dry-run --db m"},
		"a database half in conflict":  {Report{Databases: []Database{{Name: "m", Documents: 20, Conflicts: 10, Mended: 1}}}, "conflict_rate", "couchmend scan m --summary"},
		"old lines alone":              {Report{Logs: &Logs{OldConflicts: 4}}, "old_409", `curl -s -u "$COUCHDB_USER:$COUCHDB_PASSWORD" http://h:5984/_node/_local/_config/log/level -X PUT -d '"info"'`},
		"an application after a merge": {Report{Logs: &Logs{Callers: []Caller{{Who: Application, DB: "m", User: "ann", Method: "PUT", N: 3, AfterOurs: 2, Docs: []DocN{{"d", 3}}}}}}, "application_409", "couchmend history m d"},
		"checkpoints are harmless":     {Report{Logs: &Logs{Callers: []Caller{{Who: Replicators, DB: "m", Method: "PUT", N: 300}}, Conflicts: map[Who]int64{Replicators: 300}}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.Server = server
			found := Find(&c.r, "")
			if c.kind == "" {
				if len(found) > 0 {
					t.Fatalf("found %+v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Kind != c.kind || found[0].Next != c.next {
				t.Fatalf("found %+v, want %s and %s", found, c.kind, c.next)
			}
		})
	}
}

// Findings are a pure function of the report, in order, and more of the same
// never weighs less.
func TestFindingsArePureOrderedAndGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1e12).Draw(t, "n")
		more := n + rapid.Int64Range(0, 1e12).Draw(t, "more")
		report := func(n int64) *Report {
			return &Report{
				Failures: []Failure{{DB: "m", Class: rapid.Just("forbidden").Draw(t, "class"), Reason: couchmend.ReasonRefused, Review: int(n)}},
				Logs:     &Logs{Callers: []Caller{{Who: Application, DB: "m", Method: "PUT", N: n}, {Who: Application, DB: "k", Method: "PUT", N: n}}},
			}
		}
		few, many := Find(report(n), ""), Find(report(more), "")
		if !reflect.DeepEqual(few, Find(report(n), "")) {
			t.Fatal("twice is not the same")
		}
		for _, all := range [][]Finding{few, many} {
			if !slices.IsSortedFunc(all, func(a, b Finding) int { return b.Weight - a.Weight }) {
				t.Fatalf("not in order: %+v", all)
			}
		}
		for i := range few {
			if few[i].Weight > many[i].Weight || few[i].Weight < 1 || many[i].Weight > 99 {
				t.Fatalf("%d of it weigh %d, %d weigh %d", n, few[i].Weight, more, many[i].Weight)
			}
		}
	})
}

// What documents are called can't reach a terminal's controls.
func TestTheTextHoldsNoControlCharacters(t *testing.T) {
	bad := "a\x1b[31m\x07\nb"
	r := &Report{
		Databases: []Database{{Name: bad, Conflicts: 1}}, Deep: []Deep{{DB: bad, ID: bad, Leaves: 9, Writers: []string{bad}, Signs: []Sign{SignOffline}}},
		Notes: []Note{{DB: bad, Says: bad, Error: bad}}, Clocks: []Clock{{DB: bad, ID: bad, Writer: bad, Field: bad, Ahead: 1e6}},
		Failures:  []Failure{{DB: bad, Class: "forbidden", Says: bad, Review: 1, Docs: []string{bad}}},
		Conflicts: Conflicts{Types: []Group{{DB: bad, Name: bad, Open: 1}}, WriterFields: map[string]int{bad: 1}, Writers: []Group{{DB: bad, Name: bad, Open: 1}}},
		Logs:      &Logs{Files: []string{bad}, Entries: 1, Callers: []Caller{{Who: Application, DB: bad, User: bad, Peer: bad, N: 1, Docs: []DocN{{bad, 1}}}}},
	}
	r.Findings = Find(r, "")
	for _, c := range r.Text() {
		if c != '\n' && (c < ' ' || c == 0x7f) {
			t.Fatalf("%q is in %q", c, r.Text())
		}
	}
	if !strings.Contains(r.Text(), "FINDINGS") || len(r.Findings) < 3 {
		t.Errorf("%d findings", len(r.Findings))
	}
}

// Whose a request was follows from its id, and its path.
func TestRequestsAreToldApart(t *testing.T) {
	at := time.Now()
	g := New(Options{Since: at.Add(-time.Hour)})
	o := &own{lines: map[string]int64{}, failed: map[string][]int{}}
	o.traces.add(hashOf(strings.Repeat("a", 32)), at)
	j := newJoin(g, o)
	for _, c := range []struct {
		request, path string
		want          Who
	}{
		{strings.Repeat("a", 32), "/m/d", Ours},
		{strings.Repeat("a", 32), "/m/_local/x", Ours},
		{strings.Repeat("b", 32), "/m/d", Traced},
		{strings.Repeat("B", 32), "/m/d", Application},
		{"0123456789", "/m/d", Application},
		{"", "/m/d", Application},
		{"0123456789", "/m/_local/x", Replicators},
	} {
		e := &couchlog.Entry{Request: c.request, Access: &couchlog.Access{Path: c.path, Method: "PUT", Status: 409}}
		if got := j.who(e); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	// Only what came shortly after a write of couchmend's is counted as such.
	o.writes.add(hashOf("m", "d"), at)
	for _, after := range []time.Duration{-time.Minute, 0, raceWindow - time.Second, raceWindow + time.Second} {
		j.add(&couchlog.Entry{Time: at.Add(after), Access: &couchlog.Access{Path: "/m/d", Method: "PUT", Status: 409, User: fmt.Sprint(after)}})
	}
	for _, c := range j.logs().Callers {
		if want := map[string]int64{"0s": 1, (raceWindow - time.Second).String(): 1}[c.User]; c.AfterOurs != want {
			t.Errorf("%s after: %d", c.User, c.AfterOurs)
		}
	}
}
