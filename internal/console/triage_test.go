package console

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
)

// incident is a clinic with conflicts, a replication whose writes fail and a
// merge that CouchDB refused. Replications are looked at once.
func incident(t *testing.T, db string) (*clinic, *couchtest.DB) {
	t.Helper()
	c := newClinic(t, nil)
	c.console.triages.watch = 0
	medic := c.node.CreateDB(db)
	for _, writer := range []string{"phone-a", "phone-b", "phone-c", "phone-d", "phone-e"} {
		body := `{"type":"data_record","updated_by":"` + writer + `","fields":{"lmp":"` + writer + `"}}`
		rev := couchmend.MustRev("2-" + writer)
		c.write(medic, "deep", body, rev, couchmend.MustRev("1-a"))
	}
	c.write(medic, "plain", `{"type":"data_record"}`)
	c.node.SetScheduled(couchtest.Scheduled{
		DocID: "to-clinic", Source: "http://clinic.example/medic", Target: c.server.URL + "/" + db,
		State: "running", Stats: couchtest.ReplicationStats{DocsRead: 900, DocsWritten: 500, DocWriteFailures: 400},
	})
	refused := ledger.Case{
		DB: db, ID: "plain", Reason: couchmend.ReasonRefused, FailureClass: "forbidden",
		Evidence: []string{"forbidden: only " + evil + " may write"},
	}
	if err := c.ledger.PutCases(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	return c, medic
}

// gathered has evidence gathered and returns the page with it.
func (b *browser) gathered() string {
	b.t.Helper()
	if got := b.post("/triage", "/triage", url.Values{"hours": {"24"}}); got.status != http.StatusOK || got.path != "/triage" {
		b.t.Fatalf("%d at %s: %s", got.status, got.path, got.text)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if page := b.get("/triage"); !strings.Contains(page.text, "data-progress") {
			return page.text
		}
	}
	b.t.Fatal("it does not end")
	return ""
}

func TestEvidenceIsGatheredWhenAskedForAndNotByLooking(t *testing.T) {
	c, _ := incident(t, "medic")
	asked := 0
	c.node.OnRequest(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_changes") && strings.HasPrefix(r.URL.Path, "/medic") {
			asked++
		}
	})
	b := c.browser()
	if page := b.get("/triage").text; strings.Contains(page, "findings") || asked > 0 {
		t.Errorf("looking has gathered: %d requests, %s", asked, page)
	}
	page := b.gathered()
	has(t, page, "the heaviest first", "deep", "to-clinic", "data_record", "phone-a", "forbidden", "data-copy")
	if strings.Index(page, `id="findings"`) > strings.Index(page, "Evidence</h2>") {
		t.Error("the findings do not come first")
	}
	if asked == 0 {
		t.Error("nothing was asked for")
	}
	before := asked
	b.gathered()
	b.get("/triage")
	if asked != before {
		t.Errorf("within a minute it is gathered anew: %d requests more", asked-before)
	}
}

func TestEvidenceIsOfTheDatabasesThatThePersonSees(t *testing.T) {
	c, _ := incident(t, "medic")
	secret := c.node.CreateDB("secret")
	c.write(secret, "hidden", `{"type":"secret_record"}`, couchmend.MustRev("2-a"), couchmend.MustRev("1-a"))
	c.write(secret, "hidden", `{"type":"other_secret"}`, couchmend.MustRev("2-b"), couchmend.MustRev("1-a"))
	for _, db := range []string{"medic", "secret"} {
		if err := c.ledger.PutCases(t.Context(), ledger.Case{DB: db, ID: "hidden", Reason: couchmend.ReasonOverlap}); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitBoard("secret")
	c.users()
	c.member("medic", "asha")
	asha, root := c.browser(), c.browser()
	asha.signIn("asha", "pw")
	root.signIn("root", "toor")
	page := asha.gathered()
	has(t, page, "medic", "Replications are told to server admins")
	for _, hidden := range []string{"secret", "to-clinic", "Download"} {
		if strings.Contains(page, hidden) || strings.Contains(asha.get("/api/v1/triage").text, hidden) {
			t.Errorf("asha is told of %q", hidden)
		}
	}
	has(t, root.gathered(), "secret", "to-clinic", "Download")
	if asha.get("/triage").text == root.get("/triage").text {
		t.Error("both see the same report")
	}
}

// awaitBoard waits until the board has heard of a database.
func (c *clinic) awaitBoard(db string) {
	c.t.Helper()
	everything := func(string) bool { return true }
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if page, err := c.console.Board.Cases(board.Query{DB: db, Limit: 1}, everything); err == nil && len(page.Cases) > 0 {
			return
		}
	}
	c.t.Fatalf("the board does not hear of %s", db)
}

func TestAReportIsForgottenWhenRightsAreTakenAway(t *testing.T) {
	c, _ := incident(t, "medic")
	c.awaitBoard("medic")
	c.users()
	c.member("medic", "asha")
	asha := c.browser()
	asha.signIn("asha", "pw")
	has(t, asha.gathered(), "phone-a")
	c.member("medic", "somebody-else")
	c.forgetRights()
	page := asha.get("/triage").text
	has(t, page, "your rights have changed")
	if strings.Contains(page, "phone-a") {
		t.Error("what was gathered is still told")
	}
}

// forgetRights has everybody's rights asked for anew, as half a minute does.
func (c *clinic) forgetRights() {
	c.console.sessions.mu.Lock()
	defer c.console.sessions.mu.Unlock()
	for _, s := range c.console.sessions.by {
		s.person.mu.Lock()
		clear(s.person.rights)
		s.person.mu.Unlock()
	}
}

func TestABundleIsRedactedAndForServerAdminsAlone(t *testing.T) {
	c, _ := incident(t, "medic")
	c.users()
	c.member("medic", "asha")
	asha, root := c.browser(), c.browser()
	asha.signIn("asha", "pw")
	root.signIn("root", "toor")
	if got := root.post("/triage", "/triage/bundle", nil); got.status != http.StatusNotFound {
		t.Errorf("a bundle of nothing: %d", got.status)
	}
	asha.gathered()
	if got := asha.post("/triage", "/triage/bundle", nil); got.status != http.StatusForbidden {
		t.Errorf("asha takes a bundle away: %d", got.status)
	}
	root.gathered()
	got := root.post("/triage", "/triage/bundle", url.Values{"plain": {"1"}, "no_redact": {"1"}})
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/gzip" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	files := untar(t, []byte(got.text))
	if len(files["couchmend-triage/report.json"]) == 0 || len(files) < 4 {
		t.Errorf("the bundle holds %d files", len(files))
	}
	for name, text := range files {
		for _, plain := range []string{"medic", "phone-a", "to-clinic", "clinic.example"} {
			if strings.Contains(text, plain) {
				t.Errorf("%s holds %q", name, plain)
			}
		}
	}
}

func untar(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		head, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[head.Name] = string(text)
	}
}

func TestNothingThatEvidenceHoldsBecomesMarkup(t *testing.T) {
	c, db := incident(t, "medic")
	key, _ := json.Marshal("k" + evil)
	value, _ := json.Marshal(evil)
	for i, writer := range []string{"a", "b", "c", "d", "e"} {
		body := `{"type":` + string(value) + `,"updated_by":` + string(value) + `,` + string(key) + `:` + string(rune('0'+i)) + `}`
		c.write(db, evil, body, couchmend.MustRev("2-"+writer), couchmend.MustRev("1-a"))
	}
	c.node.SetScheduled(couchtest.Scheduled{DocID: evil, Source: evil, Target: evil, State: "crashing", Error: evil})
	page := c.browser().gathered()
	has(t, page, html.EscapeString(evil))
	if strings.Contains(page, "<script>") {
		t.Errorf("there is markup: %s", page)
	}
}

func TestOnlySoManyPeopleHaveEvidenceGatheredAtATime(t *testing.T) {
	c, _ := incident(t, "medic")
	c.users()
	c.node.AddUser("joe", "pw", "_admin")
	c.node.AddUser("ann", "pw", "_admin")
	var people []*browser
	for name, password := range map[string]string{"root": "toor", "joe": "pw", "ann": "pw"} {
		b := c.browser()
		b.signIn(name, password)
		people = append(people, b)
	}
	c.node.Inject(&couchtest.Fault{Match: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/_scheduler") }, Delay: time.Minute})
	defer c.node.ClearFaults()
	for i, b := range people {
		got := b.post("/triage", "/triage", nil)
		if want := i >= maxGatherings; (got.status == http.StatusServiceUnavailable) != want {
			t.Errorf("person %d: %d", i, got.status)
		}
	}
}

func TestAReadOnlyConsoleTriages(t *testing.T) {
	c := newClinic(t, func(cfg *Config) { cfg.ReadOnly = true })
	c.console.triages.watch = 0
	c.node.CreateDB("medic")
	has(t, c.browser().gathered(), "No findings", "medic")
}

func TestEvidenceIsGatheredForNoOtherSitesForm(t *testing.T) {
	c, _ := incident(t, "medic")
	b := c.browser()
	b.get("/triage")
	for _, path := range []string{"/triage", "/triage/bundle"} {
		if got := b.do(b.request("POST", path, formKind, "hours=1")); got.status != http.StatusForbidden {
			t.Errorf("POST %s without the session's token: %d", path, got.status)
		}
	}
}

func TestTheAPITriages(t *testing.T) {
	c, _ := incident(t, "medic")
	c.users()
	b, promised := c.browser(), readContract(t)
	ask := func(method, path, body string) (answer, triageLook) {
		r := b.request(method, path, "application/json", body)
		r.SetBasicAuth("root", "toor")
		got := b.do(r)
		promised.valid(method, path, got)
		var l triageLook
		if err := json.Unmarshal([]byte(got.text), &l); err != nil {
			t.Fatalf("%d %s", got.status, got.text)
		}
		return got, l
	}
	if got, _ := ask("POST", "/api/v1/triage", `{"hours":0}`); got.status != http.StatusBadRequest {
		t.Errorf("no hours: %d", got.status)
	}
	if got, l := ask("POST", "/api/v1/triage", `{"hours":1}`); got.status != http.StatusAccepted || l.Hours != 1 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, l := ask("GET", "/api/v1/triage/progress", ""); l.Gathering {
			continue
		}
		_, l := ask("GET", "/api/v1/triage", "")
		if l.Report == nil || len(l.Report.Findings) == 0 || len(l.Report.Replications) != 1 {
			t.Errorf("%+v", l)
		}
		return
	}
	t.Error("it does not end")
}
