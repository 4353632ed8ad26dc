package console

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
)

// shared is the id that two phones drew.
const shared = "7FADDF76-55E4-4E50-9444-5E468E61EA83"

var (
	personRev = couchmend.MustRev("1-e4da228c29dc4ebc8b156967bbf48bd1")
	recordRev = couchmend.MustRev("1-ce40d1dc470643e2b9be9368ea9ff240")
)

// write puts a first revision, or a child of path.
func (c *clinic) write(db *couchtest.DB, id, body string, path ...couchmend.Rev) {
	c.t.Helper()
	if len(path) == 0 {
		path = []couchmend.Rev{couchmend.MustRev("1-a")}
	}
	if err := db.Put(couchmend.Revision{Rev: path[0], Path: path, Body: json.RawMessage(body)}, id); err != nil {
		c.t.Fatal(err)
	}
}

// collide makes the example: a person and a data_record under one id, a report
// that refers to it twice, and some that tell what stands at these places.
func (c *clinic) collide(name string) *couchtest.DB {
	c.t.Helper()
	db := c.node.CreateDB(name)
	c.write(db, shared, `{"type":"person","name":"Amina"}`, personRev)
	c.write(db, shared, `{"type":"data_record","form":"P"}`, recordRev)
	report := func(id string) string {
		return `{"type":"report","fields":{"inputs":{"contact":{"_id":"` + id + `"}},"patient_id":"` + id + `"}}`
	}
	for _, n := range []string{"a", "b", "c", "d"} {
		c.write(db, "person-"+n, `{"type":"person"}`)
		c.write(db, "about-"+n, report("person-"+n))
	}
	c.write(db, "1B7922A6", report(shared))
	return db
}

// target is a form about the shared id.
func target(db string, more ...string) url.Values {
	form := url.Values{"db": {db}, "id": {shared}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// settled waits until nothing is under way on the page of a split.
func (b *browser) settled(db, id string) string {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if page := b.get(splitAddress(db, id)); !strings.Contains(page.text, "data-progress") {
			return page.text
		}
	}
	b.t.Fatal("it does not end")
	return ""
}

// planned has references looked for and returns the page with the plan.
func (b *browser) planned(db string, more ...string) string {
	b.t.Helper()
	at := splitAddress(db, shared)
	if got := b.post(at, "/split/search", target(db, more...)); got.status != http.StatusOK || got.path != at {
		b.t.Fatalf("%d at %s: %s", got.status, got.path, got.text)
	}
	return b.settled(db, shared)
}

var pinned = regexp.MustCompile(`name="plan" value="([^"]+)"`)

// pin is that of the plan on a page.
func (b *browser) pin(page string) string {
	b.t.Helper()
	found := pinned.FindStringSubmatch(page)
	if found == nil {
		b.t.Fatalf("no plan on the page: %s", page)
	}
	return found[1]
}

func idOf(first couchmend.Rev) string { return collision.NewID(shared, first) }

func body(db *couchtest.DB, id string) string {
	for _, leaf := range db.Leaves(id) {
		if !leaf.Deleted {
			return string(jsondoc.Canonical(jsondoc.Value(leaf.Body)))
		}
	}
	return ""
}

func has(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(page, w) {
			_, main, _ := strings.Cut(page, "<main")
			t.Errorf("the page lacks %q:\n%s", w, main)
		}
	}
}

func TestACollisionIsSplitFromTheBrowserAndTakenBack(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	b := c.browser()
	at := splitAddress("medic", shared)
	has(t, b.get(at).text, "Amina", "data_record", "two things that drew one id", "Look for references")

	page := b.planned("medic")
	has(t, page, "fields.inputs.contact._id", "fields.patient_id", "1B7922A6", idOf(personRev), idOf(recordRev), "2 documents created", "2 references changed, in 1 document")
	if len(db.Leaves(idOf(personRev))) != 0 {
		t.Error("looking has written")
	}
	b.post(at, "/split/apply", target("medic", "plan", b.pin(page), "note", "on the phone"))
	has(t, b.settled("medic", shared), "Written:", "It is split", "Take it back")
	for id, want := range map[string]string{
		idOf(personRev): `{"name":"Amina","type":"person"}`,
		idOf(recordRev): `{"form":"P","type":"data_record"}`,
		shared:          "",
		"1B7922A6":      `{"fields":{"inputs":{"contact":{"_id":"` + idOf(personRev) + `"}},"patient_id":"` + idOf(personRev) + `"},"type":"report"}`,
	} {
		if got := body(db, id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	history, err := c.ledger.History(t.Context(), "medic", shared)
	if err != nil || len(history) == 0 || history[0].By != "nobody" || history[0].Note != "on the phone" {
		t.Errorf("the journal has %+v, %v", history, err)
	}
	has(t, b.get("/splits").text, shared, "done")

	preview := b.get(at + "&back=1").text
	has(t, preview, "Taking it back", "2 references in 1 document say the old id again", idOf(personRev))
	split := regexp.MustCompile(`name="split" value="([^"]+)"`).FindStringSubmatch(preview)
	b.post(at, "/split/rollback", target("medic", "split", split[1]))
	has(t, b.settled("medic", shared), "The split was taken back")
	if body(db, idOf(personRev)) != "" || !strings.Contains(body(db, "1B7922A6"), shared) {
		t.Error("it was not taken back")
	}
}

func TestAReferenceMeansWhatThePersonSays(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	c.write(db, "note", `{"type":"note","about":"`+shared+`"}`)
	c.write(db, "card", `{"type":"card","of":["`+shared+`","`+shared+`"]}`)
	b := c.browser()
	at := splitAddress("medic", shared)
	page := b.planned("medic")
	has(t, page, "not known what it means")
	got := b.post(at, "/split/apply", target("medic", "plan", b.pin(page)))
	if got.status != http.StatusBadRequest || len(db.Leaves(idOf(personRev))) != 0 {
		t.Fatalf("written with an open question: %d", got.status)
	}
	form := target("medic", "plan", b.pin(page), group(t, page, "about"), "data_record", group(t, page, "of.*"), "person")
	got = b.post(at, "/split/choose", form)
	has(t, got.text, "5 references changed")
	form = target("medic", "plan", b.pin(got.text))
	for _, one := range regexp.MustCompile(`name="(ref\.\d+)" aria-label="What of.1 in card`).FindAllStringSubmatch(got.text, -1) {
		form.Set(one[1], "leave")
	}
	got = b.post(at, "/split/apply", form)
	has(t, got.text, "chosen otherwise", "4 references changed")
	if len(db.Leaves(idOf(personRev))) != 0 {
		t.Fatal("a plan was written that nobody has seen")
	}
	b.post(at, "/split/apply", target("medic", "plan", b.pin(got.text)))
	has(t, b.settled("medic", shared), "Written:")
	if got := body(db, "note"); !strings.Contains(got, idOf(recordRev)) {
		t.Errorf("the note says %s", got)
	}
	if got := body(db, "card"); !strings.Contains(got, idOf(personRev)) || !strings.Contains(got, shared) {
		t.Errorf("the card says %s", got)
	}
}

// slowSearch has a search take as long as nobody stops it.
var slowSearch = &couchtest.Fault{
	Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_all_docs") }, Delay: time.Minute,
}

// group is the name of the radio buttons for the references at a place.
func group(t *testing.T, page, at string) string {
	t.Helper()
	found := regexp.MustCompile(`id="group-(\d+)">\s*<legend><code>` + regexp.QuoteMeta(html.EscapeString(at)) + `</code>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no group at %s: %s", at, page)
	}
	return "group." + found[1]
}

func TestNothingIsWrittenOverADocumentThatChangedSinceItsPlanWasShown(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	b := c.browser()
	pin := b.pin(b.planned("medic"))
	c.write(db, shared, `{"type":"person","name":"Amina B."}`, couchmend.MustRev("2-b"), personRev)
	b.post(splitAddress("medic", shared), "/split/apply", target("medic", "plan", pin))
	has(t, b.settled("medic", shared), "new leaves")
	if len(db.Leaves(idOf(personRev))) != 0 {
		t.Error("something was written")
	}
}

func TestAPlanOfAnotherWindowIsNotCarriedOut(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	b := c.browser()
	old := b.pin(b.planned("medic"))
	b.planned("medic")
	if got := b.post(splitAddress("medic", shared), "/split/apply", target("medic", "plan", old)); got.status != http.StatusConflict {
		t.Errorf("got %d: %s", got.status, got.text)
	}
}

func TestASearchCanBeStopped(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	b := c.browser()
	c.node.Inject(slowSearch)
	at := splitAddress("medic", shared)
	b.post(at, "/split/search", target("medic"))
	has(t, b.get(at).text, "Looking for references", "Stop the search", "<noscript><meta")
	if got := b.post(splitAddress("medic", shared), "/split/search", target("medic")); got.status != http.StatusConflict {
		t.Errorf("a second search of the same begins: %d", got.status)
	}
	b.post(at, "/split/drop", target("medic"))
	has(t, b.settled("medic", shared), "the search was stopped")
	c.node.ClearFaults()
	has(t, b.planned("medic"), "2 references")
}

func TestOnlySoManySearchesAreUnderWayAtATime(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	b := c.browser()
	c.node.Inject(slowSearch)
	defer c.node.ClearFaults()
	for i := range maxSearches + 1 {
		id := fmt.Sprintf("twice-%d", i)
		c.write(db, id, `{"type":"person"}`, personRev)
		c.write(db, id, `{"type":"data_record"}`, recordRev)
		form := url.Values{"db": {"medic"}, "id": {id}}
		got := b.post(splitAddress("medic", shared), "/split/search", form)
		if want := i == maxSearches; (got.status == http.StatusServiceUnavailable) != want {
			t.Errorf("search %d: %d", i, got.status)
		}
	}
}

func TestWhoSeesNoDatabaseSplitsNothingInIt(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	c.node.CreateDB("secret")
	c.users()
	admin, asha := c.browser(), c.browser()
	admin.signIn("root", "toor")
	asha.signIn("asha", "pw")
	admin.do(admin.request("GET", "/", "", ""))
	b := admin.planned("medic")
	admin.post("/splits", "/split/apply", target("medic", "plan", admin.pin(b)))
	admin.settled("medic", shared)
	for path, form := range map[string]url.Values{
		"/split/search": target("medic"), "/split/apply": target("medic", "plan", "x"), "/split/drop": target("medic"),
		"/split/choose": target("medic", "plan", "x"), "/split/resume": target("medic"), "/split/rollback": target("medic", "split", "x"),
	} {
		if got := asha.post("/splits", path, form); got.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
	for _, path := range []string{splitAddress("medic", shared), "/api/v1/split?db=medic&id=" + shared, "/api/v1/split/progress?db=medic&id=" + shared} {
		if got := asha.get(path); got.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, got.status)
		}
	}
	if got := asha.get("/splits"); got.status != http.StatusOK || strings.Contains(got.text, shared) || strings.Contains(got.text, "medic") {
		t.Errorf("the list tells of it: %s", got.text)
	}
	if got := asha.get("/api/v1/splits"); strings.Contains(got.text, shared) {
		t.Errorf("the list tells of it: %s", got.text)
	}
}

func TestWhatASplitChangedInOtherDatabasesIsToldToWhoSeesThemAlone(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	archive := c.node.CreateDB("archive")
	c.write(archive, "hidden-report", `{"type":"report","fields":{"patient_id":"`+shared+`"}}`)
	c.users()
	c.member("medic", "asha")
	admin, asha := c.browser(), c.browser()
	admin.signIn("root", "toor")
	asha.signIn("asha", "pw")
	if got := asha.post("/splits", "/split/search", target("medic", "also", "archive")); got.status != http.StatusNotFound {
		t.Errorf("a database is searched without rights on it: %d", got.status)
	}
	page := admin.planned("medic", "also", "archive")
	has(t, page, "hidden-report")
	choice := target("medic", "plan", admin.pin(page))
	for _, g := range regexp.MustCompile(`id="group-(\d+)">`).FindAllStringSubmatch(page, -1) {
		choice.Set("group."+g[1], "person")
	}
	page = admin.post("/splits", "/split/choose", choice).text
	admin.post("/splits", "/split/apply", target("medic", "plan", admin.pin(page)))
	has(t, admin.settled("medic", shared), "It is split")

	page = asha.get(splitAddress("medic", shared)).text
	has(t, page, "databases that you have no rights on", "1B7922A6")
	for _, secret := range []string{"archive", "hidden-report"} {
		if strings.Contains(page, secret) || strings.Contains(asha.get("/api/v1/split?db=medic&id="+shared).text, secret) {
			t.Errorf("%q is told to who has no rights on it", secret)
		}
	}
	if got := asha.post("/splits", "/split/rollback", target("medic", "split", "x")); got.status != http.StatusForbidden {
		t.Errorf("it is taken back by somebody who can't: %d", got.status)
	}
}

func TestAPlanIsDroppedWhenRightsOnOneOfItsDatabasesAreTakenAway(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	archive := c.node.CreateDB("archive")
	c.write(archive, "hidden-report", `{"type":"report","fields":{"patient_id":"`+shared+`"}}`)
	c.users()
	c.member("medic", "asha")
	c.member("archive", "asha")
	asha := c.browser()
	asha.signIn("asha", "pw")
	has(t, asha.planned("medic", "also", "archive"), "hidden-report")
	c.member("archive", "somebody-else")
	c.forgetRights()
	page := asha.get(splitAddress("medic", shared)).text
	has(t, page, "your rights have changed")
	if strings.Contains(page, "hidden-report") {
		t.Error("what is in the other database is still told")
	}
}

func TestReferencesThatComeAfterASplitAreFoundAndChanged(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	b := c.browser()
	at := splitAddress("medic", shared)
	b.post(at, "/split/apply", target("medic", "plan", b.pin(b.planned("medic"))))
	has(t, b.settled("medic", shared), "Look for references that came late")
	has(t, b.planned("medic"), "there is nothing to do")
	c.write(db, "late", `{"type":"report","fields":{"patient_id":"`+shared+`"}}`)
	page := b.planned("medic")
	has(t, page, "1 reference that came since it was split", "Change these references")
	b.post(at, "/split/apply", target("medic", "plan", b.pin(page)))
	has(t, b.settled("medic", shared), "1 document edited")
	if got := body(db, "late"); !strings.Contains(got, idOf(personRev)) {
		t.Errorf("it says %s", got)
	}
}

// member makes somebody a member of a database.
func (c *clinic) member(db, name string) {
	c.t.Helper()
	b := c.browser()
	r := b.request("PUT", "", "application/json", `{"members":{"names":["`+name+`"],"roles":[]},"admins":{"names":[],"roles":["_admin"]}}`)
	to, err := url.Parse(c.server.URL + "/" + db + "/_security")
	if err != nil {
		c.t.Fatal(err)
	}
	r.URL, r.Host = to, to.Host
	r.SetBasicAuth("root", "toor")
	if got := b.do(r); got.status >= 300 {
		c.t.Fatal(got.text)
	}
}

func TestAReadOnlyConsolePlansSplitsAndWritesNone(t *testing.T) {
	c := newClinic(t, func(cfg *Config) { cfg.ReadOnly = true })
	db := c.collide("medic")
	b := c.browser()
	page := b.planned("medic")
	has(t, page, "This console is read-only")
	if strings.Contains(page, "Split it") {
		t.Error("it offers to write")
	}
	for _, path := range []string{"/split/apply", "/split/resume", "/split/rollback"} {
		if got := b.post(splitAddress("medic", shared), path, target("medic", "plan", b.pin(page))); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if len(db.Leaves(idOf(personRev))) != 0 {
		t.Error("something was written")
	}
}

func TestASplitIsWrittenForNoOtherSitesForm(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	b := c.browser()
	pin := b.pin(b.planned("medic"))
	for _, path := range []string{"/split/search", "/split/apply", "/split/choose", "/split/drop", "/split/resume", "/split/rollback"} {
		if got := b.do(b.request("POST", path, formKind, target("medic", "plan", pin).Encode())); got.status != http.StatusForbidden {
			t.Errorf("%s without the session's token: %d", path, got.status)
		}
	}
}

// evil is what a document, an id and a key may hold.
const evil = `<script>alert("x")</script>`

func TestNothingThatDocumentsHoldBecomesMarkupOnASplitsPage(t *testing.T) {
	c := newClinic(t, nil)
	db := c.node.CreateDB("medic")
	id, key := evil+`'"&`, `<img src=x onerror=alert(1)>`
	value, _ := json.Marshal(evil)
	name, _ := json.Marshal(key)
	ref, _ := json.Marshal(id)
	c.write(db, id, `{"type":`+string(value)+`,`+string(name)+`:`+string(value)+`}`, personRev)
	c.write(db, id, `{"type":"data_record","note":`+string(value)+`}`, recordRev)
	c.write(db, "doc "+evil, `{"type":`+string(value)+`,`+string(name)+`:`+string(ref)+`}`)
	b := c.browser()
	form := url.Values{"db": {"medic"}, "id": {id}}
	pages := []string{b.get(splitAddress("medic", id)).text}
	b.post(splitAddress("medic", id), "/split/search", form)
	page := b.settled("medic", id)
	has(t, page, html.EscapeString("doc "+evil))
	pages = append(pages, page)
	form.Set("plan", b.pin(page))
	form.Set("group.0", "data_record")
	b.post(splitAddress("medic", id), "/split/choose", form)
	form.Set("plan", b.pin(b.get(splitAddress("medic", id)).text))
	b.post(splitAddress("medic", id), "/split/apply", form)
	pages = append(pages, b.settled("medic", id), b.get(splitAddress("medic", id)+"&back=1").text, b.get("/splits").text)
	has(t, pages[2], "Written:")
	for i, page := range pages {
		if strings.Contains(page, "<script>") || strings.Contains(page, "<img") {
			t.Errorf("page %d: %s", i, page)
		}
	}
}

func TestCollisionsThatWaitAreListedBesideSplits(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	waits := ledger.Case{DB: "medic", ID: shared, Reason: couchmend.ReasonTwoRoots, Evidence: []string{"types differ"}}
	if err := c.ledger.PutCases(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	has(t, c.browser().get("/splits").text, "types differ", html.EscapeString(splitAddress("medic", shared)))
}

func TestADocumentWithOneHistoryIsSaidToHaveNothingToSplit(t *testing.T) {
	c := newClinic(t, nil)
	c.collide("medic")
	got := c.browser().get(splitAddress("medic", "1B7922A6"))
	if got.status != http.StatusOK {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	has(t, got.text, "there is nothing to split")
	if got := c.browser().get(splitAddress("medic", "nothing")); got.status != http.StatusNotFound {
		t.Errorf("a document that is not there: %d", got.status)
	}
}

func TestASplitThatBrokeOffIsGoneOnWith(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	b := c.browser()
	page := b.planned("medic")
	c.node.Inject(&couchtest.Fault{
		Match:  func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") },
		Status: http.StatusForbidden, Body: `{"error":"forbidden","reason":"not now"}`,
	})
	b.post(splitAddress("medic", shared), "/split/apply", target("medic", "plan", b.pin(page)))
	has(t, b.settled("medic", shared), `role="alert"`, "Go on with it", "Take it back")
	c.node.ClearFaults()
	b.post(splitAddress("medic", shared), "/split/resume", target("medic"))
	has(t, b.settled("medic", shared), "It is split")
	if body(db, shared) != "" || body(db, idOf(personRev)) == "" {
		t.Error("it was not carried to its end")
	}
}
