package document_test

import (
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a CouchDB with a database "ward", and a Mender before it.
type desk struct {
	*mender.Mender
	t   *testing.T
	db  *couchtest.DB
	url string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	node := couchtest.NewNode()
	db := node.CreateDB("ward")
	listening, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listening.Close)
	server, err := couch.Open(couch.Config{URL: listening.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	rule := &merge.Rule{Name: "ward/all"}
	m := mender.New(mender.Config{Server: server, Ledger: l, Rules: func(string) (decide.Rules, string) {
		return func(string, jsondoc.Value) *merge.Rule { return rule }, ""
	}})
	return &desk{m, t, db, listening.URL}
}

func (d *desk) save(docs string) {
	d.t.Helper()
	resp, err := http.Post(d.url+"/ward/_bulk_docs", "application/json", strings.NewReader(`{"new_edits":false,"docs":[`+docs+`]}`))
	if err != nil {
		d.t.Fatal(err)
	}
	resp.Body.Close()
}

func (d *desk) look() *document.Sight {
	d.t.Helper()
	seen, err := document.Look(d.t.Context(), d.Mender, "ward", "d")
	if err != nil {
		d.t.Fatal(err)
	}
	return seen
}

const dispute = `{"_id":"d","_revisions":{"start":1,"ids":["aa"]},"n":1},
	{"_id":"d","_revisions":{"start":2,"ids":["ab","aa"]},"n":1},
	{"_id":"d","_revisions":{"start":3,"ids":["bb","ab","aa"]},"n":2},
	{"_id":"d","_revisions":{"start":3,"ids":["cc","ab","aa"]},"n":3}`

func TestADecisionIsMadeFromWhatWasSeen(t *testing.T) {
	d := newDesk(t)
	d.save(dispute)
	seen := d.look()
	if got := seen.State(); got != "in conflict: 2 live leaves" {
		t.Error(got)
	}
	choice, err := seen.Choice([]byte(`{"n":12345678901234567890}`))
	if err != nil {
		t.Fatal(err)
	}
	choice.By = "asha"
	decision, err := seen.Decide(t.Context(), d.Mender, choice)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(t.Context(), seen.Conflict, decision, "resolve", "asha", ""); err != nil {
		t.Fatal(err)
	}
	after := d.look()
	if got := string(after.Leaves()[0].Body); got != `{"n":12345678901234567890}` || len(after.Conflict.Leaves) != 1 {
		t.Errorf("%s, %s", got, after.State())
	}
	if last := after.Last(); last == nil || last.By != "asha" {
		t.Errorf("the journal's newest is %+v", last)
	}
	if change := after.Since(seen.LeafRevs()); change == nil || len(change.New) != 2 || len(change.Gone) != 2 {
		t.Errorf("since then: %+v", change)
	}
	if change := after.Since(after.LeafRevs()); change != nil {
		t.Errorf("since now: %+v", change)
	}
}

func TestABodyIsHereInTheJournalOrGone(t *testing.T) {
	d := newDesk(t)
	d.save(dispute)
	bodies := func() map[string]document.Body {
		t.Helper()
		seen := d.look()
		if err := seen.AskBodies(t.Context(), d.Mender); err != nil {
			t.Fatal(err)
		}
		got := map[string]document.Body{}
		for _, rev := range []string{"1-aa", "2-ab", "3-cc"} {
			got[rev] = seen.Tree.Node(couchmend.MustRev(rev)).Body
		}
		return got
	}
	for rev, body := range bodies() {
		if body != document.BodyHere {
			t.Errorf("%s is %q at first", rev, body)
		}
	}
	err := d.Ledger.Append(t.Context(), ledger.Entry{DB: "ward", ID: "d", Kind: "merge", Leaves: []couchmend.Revision{{Rev: couchmend.MustRev("1-aa"), Body: []byte(`{"n":1}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	d.db.Compact()
	want := map[string]document.Body{"1-aa": document.BodyKept, "2-ab": document.BodyGone, "3-cc": document.BodyHere}
	for rev, body := range bodies() {
		if body != want[rev] {
			t.Errorf("%s is %q after a compaction, want %q", rev, body, want[rev])
		}
	}
	seen := d.look()
	if r, err := seen.Revision(t.Context(), d.Mender, couchmend.MustRev("1-aa")); err != nil || string(r.Body) != `{"n":1}` {
		t.Errorf("the journal's body: %s, %v", r.Body, err)
	}
	if _, err := seen.Revision(t.Context(), d.Mender, couchmend.MustRev("2-ab")); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Errorf("a body that is gone: %v", err)
	}
}

func TestADismissalIsAboutTheLeavesThatTheCaseIsAbout(t *testing.T) {
	d := newDesk(t)
	d.save(dispute)
	if err := document.Dismiss(t.Context(), d.Mender, "ward", "d", "asha", ""); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Errorf("without a case: %v", err)
	}
	waits := ledger.Case{DB: "ward", ID: "d", Reason: couchmend.ReasonOverlap, Leaves: d.look().LeafRevs()}
	if err := d.Ledger.PutCases(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	if err := document.Dismiss(t.Context(), d.Mender, "ward", "d", "asha", "fine so"); err != nil {
		t.Fatal(err)
	}
	seen := d.look()
	if !seen.Case.Dismissed || seen.Case.By != "asha" || seen.Last().Note != "fine so" {
		t.Errorf("%+v, %+v", seen.Case, seen.Last())
	}
	if err := document.Retry(t.Context(), d.Ledger, *seen.Case); err != nil {
		t.Fatal(err)
	}
	if waiting, err := d.Ledger.Waiting(t.Context(), "ward", "d"); err != nil || len(waiting) != 1 || d.look().Case.Dismissed {
		t.Errorf("after a retry: %v, %v, %+v", waiting, err, d.look().Case)
	}
	d.save(`{"_id":"d","_revisions":{"start":4,"ids":["dd","bb","ab","aa"]},"n":4}`)
	if err := document.Dismiss(t.Context(), d.Mender, "ward", "d", "asha", ""); couchmend.KindOf(err) != couchmend.KindConflict {
		t.Errorf("with other leaves: %v", err)
	}
}

func TestAPutFieldLeavesTheRestOfTheDraft(t *testing.T) {
	d := newDesk(t)
	d.save(dispute)
	seen := d.look()
	c := seen.Compare()
	got, err := seen.Put(c, []byte(`{"mine":1.10,"n":9,"_attachments":{"new":{"data":"aGk="}}}`), c.Fields[0], 2)
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.NewReplacer("\n", "", " ", "").Replace(string(got))
	if want := `{"_id":"d","mine":1.10,"n":2,"_attachments":{"new":{"content_type":"application/octet-stream","data":"aGk="}}}`; flat != want {
		t.Errorf("%s, want %s", flat, want)
	}
	if _, err := seen.Put(c, []byte("{"), c.Fields[0], 2); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("into what is no document: %v", err)
	}
}

func TestWhatTombstonesDeletedCanBeRestored(t *testing.T) {
	d := newDesk(t)
	d.save(`{"_id":"d","_revisions":{"start":1,"ids":["aa"]},"n":1},
		{"_id":"d","_revisions":{"start":2,"ids":["bb","aa"]},"n":2,"_attachments":{"a.txt":{"content_type":"text/plain","data":"aGk="}}},
		{"_id":"d","_revisions":{"start":2,"ids":["cc","aa"]},"n":3},
		{"_id":"d","_revisions":{"start":3,"ids":["bx","bb","aa"]},"_deleted":true},
		{"_id":"d","_revisions":{"start":3,"ids":["cx","cc","aa"]},"_deleted":true}`)
	seen := d.look()
	c, err := seen.Beside(t.Context(), d.Mender)
	if err != nil {
		t.Fatal(err)
	}
	var sides []string
	for _, side := range c.Sides {
		sides = append(sides, side.Rev.String())
	}
	if got := strings.Join(sides, " "); got != "2-cc 2-bb" {
		t.Fatalf("beside each other stand %s", got)
	}
	choice, err := seen.Choice(c.Assemble(func(document.Field) int { return 1 }))
	if err != nil {
		t.Fatal(err)
	}
	decision, err := seen.Decide(t.Context(), d.Mender, choice)
	if err == nil {
		err = d.Apply(t.Context(), seen.Conflict, decision, "resolve", "asha", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	restored := d.look().Conflict.Leaves
	if len(restored) != 1 || string(restored[0].Body) != `{"n":2}` || len(restored[0].Attachments) != 1 {
		t.Errorf("restored is %+v", restored)
	}
}
