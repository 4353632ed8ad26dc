package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
)

// script is an id that must not become markup.
const script = `<script>alert("x")</script>`

// hospital is a clinic with people and a database that asha sees and ben does
// not; root is the server's admin.
func hospital(t *testing.T, change func(*Config)) (*clinic, *couchtest.DB) {
	t.Helper()
	c := newClinic(t, change)
	c.node.AddUser("root", "toor", "_admin")
	c.node.AddUser("asha", "pw", "nurse")
	c.node.AddUser("ben", "pw", "cook")
	db := c.node.CreateDB("medic")
	c.secure("medic", "", "nurse")
	return c, db
}

// secure gives a database an admin and a role whose members see it.
func (c *clinic) secure(db, admin, role string) {
	c.t.Helper()
	names := []string{}
	if admin != "" {
		names = append(names, admin)
	}
	text, err := json.Marshal(map[string]any{
		"admins": map[string]any{"names": names, "roles": []string{"_admin"}}, "members": map[string]any{"names": []string{}, "roles": []string{role}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequest("PUT", c.server.URL+"/"+db+"/_security", strings.NewReader(string(text)))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("root", "toor")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("_security: %s", resp.Status)
	}
}

// fork saves a document and two edits of it that know nothing of each other.
func (c *clinic) fork(db *couchtest.DB, id, base, left, right string) {
	c.t.Helper()
	first := couchmend.MustRev("1-aa")
	c.write(db, id, base, first)
	c.write(db, id, left, couchmend.MustRev("2-aa"), first)
	c.write(db, id, right, couchmend.MustRev("2-bb"), first)
}

// mend has couchmend itself deal with documents.
func (c *clinic) mend(db string, ids ...string) {
	c.t.Helper()
	server, err := couch.Open(couch.Config{URL: c.server.URL, Username: "root", Password: "toor"})
	if err != nil {
		c.t.Fatal(err)
	}
	defer server.Close()
	m := mender.New(mender.Config{Server: server, Ledger: c.ledger, Rules: c.console.Rules})
	for _, id := range ids {
		if _, err := c.ledger.Put(c.t.Context(), ledger.Item{DB: db, ID: id}); err != nil {
			c.t.Fatal(err)
		}
		tasks, err := c.ledger.Fetch(c.t.Context(), 1, 5*time.Second)
		if err == nil {
			err = m.Mend(c.t.Context(), tasks)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// as signs somebody in.
func (c *clinic) as(name string) *browser {
	c.t.Helper()
	b := c.browser()
	password := "pw"
	if name == "root" {
		password = "toor"
	}
	if got := b.signIn(name, password); got.status != http.StatusOK {
		c.t.Fatalf("%s can't sign in: %d", name, got.status)
	}
	return b
}

// lacks checks that a page says nothing of some words.
func lacks(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(page, w) {
			t.Errorf("the page has %q", w)
		}
	}
}

var entryLinks = regexp.MustCompile(`/history/entry\?n=\d+`)

func TestHistoryListsWhatWasDoneNewestFirstAndByWhom(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
	c.fork(db, script, `{"n":1}`, `{"n":1,"<b>":1}`, `{"n":1,"b":1}`)
	c.mend("medic", "one", script)
	page := c.as("asha").get("/history").text
	has(t, page, "&lt;script&gt;", "builtin", "merged", "&lt;b&gt;")
	lacks(t, page, "<script>alert", "<b>:")
	if strings.Index(page, "&lt;script&gt;") > strings.Index(page, "<bdi>one</bdi>") {
		t.Error("the newest does not stand first")
	}
	has(t, c.as("asha").get("/history?db=medic&id="+url.QueryEscape(script)).text, "History of", "&lt;script&gt;")
}

func TestHistoryOfADatabaseIsForThoseWhoSeeIt(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
	c.mend("medic", "one")
	entry := entryLinks.FindString(c.as("asha").get("/history").text)
	number := strings.TrimPrefix(entry, "/history/entry?n=")
	ben := c.as("ben")
	lacks(t, ben.get("/history").text, "medic", "/history/entry")
	for path, want := range map[string]int{
		"/history?db=medic": 404, entry: 404, "/api/v1/history/" + number: 404, "/api/v1/history?db=medic": 404,
		"/api/v1/history": 200, "/history/entry?n=99999": 404, "/history/entry?n=x": 400, "/history?id=one": 400, "/history?what=x": 400,
	} {
		got := ben.get(path)
		if got.status != want {
			t.Errorf("%s: %d, want %d", path, got.status, want)
		}
		if want != 200 && strings.Contains(path, "n") && !strings.Contains(path, "medic") {
			lacks(t, got.text, "medic")
		}
	}
	hidden := ben.get(entry).text
	missing := ben.get("/history/entry?n=99999").text
	if mainOf(hidden) != mainOf(missing) {
		t.Error("an entry that ben may not see is told from one that there is not")
	}
}

func mainOf(page string) string {
	_, main, _ := strings.Cut(page, "<main")
	return main
}

func TestHistoryIsFiltered(t *testing.T) {
	c, db := hospital(t, nil)
	for i := range 3 {
		id := fmt.Sprint("auto", i)
		c.fork(db, id, `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
		c.mend("medic", id)
	}
	entry := ledger.Entry{DB: "medic", ID: "byhand", Kind: "resolve", By: "asha", Decision: couchmend.Decision{Outcome: couchmend.Merge}}
	old := ledger.Entry{DB: "medic", ID: "other", Kind: "merge", By: "couchmend", Decision: couchmend.Decision{Outcome: couchmend.Merge, Rule: "medic/reports"}}
	asked := ledger.Entry{DB: "medic", ID: "asked", Kind: "review", By: "couchmend", Decision: couchmend.Decision{Outcome: couchmend.Review}}
	if err := c.ledger.Append(t.Context(), entry, old, asked); err != nil {
		t.Fatal(err)
	}
	b := c.as("asha")
	for query, want := range map[string]string{
		"":                           "other byhand auto2 auto1 auto0",
		"what=manual":                "byhand",
		"what=automatic":             "other auto2 auto1 auto0",
		"what=resolve":               "byhand",
		"what=review":                "asked",
		"db=medic&id=asked":          "asked",
		"who=ASHA":                   "byhand",
		"who=reports":                "other",
		"who=medic%2Freports":        "other",
		"who=builtin&what=merge":     "auto2 auto1 auto0",
		"db=medic&id=auto1":          "auto1",
		"since=1h":                   "other byhand auto2 auto1 auto0",
		"since=2199-01-01T00:00:00Z": "",
	} {
		got := b.get("/api/v1/history?" + query)
		readContract(t).valid("GET", "/api/v1/history", got)
		var page history
		if err := json.Unmarshal([]byte(got.text), &page); err != nil {
			t.Fatalf("%s: %v: %s", query, err, got.text)
		}
		var ids []string
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		if strings.Join(ids, " ") != want {
			t.Errorf("%s: %v, want %s", query, ids, want)
		}
		has(t, b.get("/history?"+query).text, `name="who"`)
	}
}

func TestHistoryGoesOnWhereAPageEnded(t *testing.T) {
	c, _ := hospital(t, nil)
	var entries []ledger.Entry
	for i := range historyPageSize + 10 {
		entries = append(entries, ledger.Entry{DB: "medic", ID: fmt.Sprintf("doc%02d", i), Kind: "merge"})
	}
	if err := c.ledger.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	b := c.as("asha")
	first := b.get("/history?what=merge").text
	has(t, first, "doc59", "doc10", ">Older</a>")
	lacks(t, first, "doc09")
	older := regexp.MustCompile(`/history\?after=\d+&amp;what=merge`).FindString(first)
	second := b.get(strings.ReplaceAll(older, "&amp;", "&")).text
	has(t, second, "doc09", "doc00", ">Newest</a>")
	lacks(t, second, "doc10", ">Older</a>")
}

func TestAnEntryOpensIntoWhatItWasMadeFrom(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1,"same":true}`, `{"n":1,"a":"`+`<i>`+`","same":true}`, `{"n":1,"b":12345678901234567891,"same":true}`)
	c.mend("medic", "one")
	b := c.as("asha")
	link := entryLinks.FindString(b.get("/history").text)
	page := b.get(link).text
	has(t, page, "changed on one side", "12345678901234567891", "&lt;i&gt;", "2-aa", "2-bb", "1-aa", "builtin", "2 fields alike", "Undo …")
	lacks(t, page, "<i>", "What an undo would write")
	var e ledger.Entry
	got := b.get("/api/v1/history/" + strings.TrimPrefix(link, "/history/entry?n="))
	if err := json.Unmarshal([]byte(got.text), &e); err != nil || e.ID != "one" || len(e.Leaves) != 2 {
		t.Errorf("the API says %s", got.text)
	}
}

// undoForm is what the page with an undo's preview sends.
func undoForm(page string) url.Values {
	form := url.Values{}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="(n|leaf)" value="([^"]+)">`).FindAllStringSubmatch(page, -1) {
		form.Add(field[1], field[2])
	}
	return form
}

func liveLeaves(db *couchtest.DB, id string) int {
	n := 0
	for _, leaf := range db.Leaves(id) {
		if !leaf.Deleted {
			n++
		}
	}
	return n
}

func TestAnUndoIsShownAndThenWrittenInThePersonsName(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
	c.mend("medic", "one")
	b := c.as("asha")
	preview := entryLinks.FindString(b.get("/history").text) + "&undo=1"
	page := b.get(preview).text
	has(t, page, "What an undo would write", "Take it back", "&#34;b&#34;: 1")
	if liveLeaves(db, "one") != 1 {
		t.Fatal("looking wrote something")
	}
	got := b.post(preview, "/history/undo", undoForm(page))
	if got.path != historyLink("medic", "one") {
		t.Fatalf("at %s: %s", got.path, mainOf(got.text))
	}
	has(t, got.text, "Taken back", "undone", "asha")
	if n := liveLeaves(db, "one"); n != 2 {
		t.Errorf("%d live leaves, want the 2 that there were", n)
	}
	again := entryLinks.FindAllString(b.get("/history?what=merge").text, 1)[0] + "&undo=1"
	has(t, b.get(again).text, "no decision on it that can be undone")
}

func TestAnUndoThatWasOvertakenIsAnnouncedAndNothingIsWritten(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
	c.mend("medic", "one")
	b := c.as("asha")
	preview := entryLinks.FindString(b.get("/history").text) + "&undo=1"
	form := undoForm(b.get(preview).text)
	winner := db.Leaves("one")[0]
	next := couchmend.Rev{Gen: winner.Rev.Gen + 1, Hash: "ff"}
	c.write(db, "one", `{"n":9}`, append([]couchmend.Rev{next}, winner.Path...)...)
	got := b.post(preview, "/history/undo", form)
	if got.status != http.StatusConflict {
		t.Errorf("status %d, want 409", got.status)
	}
	has(t, got.text, "Nothing was written", next.String(), "Take it back")
	if liveLeaves(db, "one") != 1 {
		t.Error("something was written")
	}
	if got = b.post(preview, "/history/undo", undoForm(got.text)); got.path != historyLink("medic", "one") {
		t.Errorf("confirmed anew, at %s: %s", got.path, mainOf(got.text))
	}
}

func TestAnUndoNeedsTheSessionsTokenAndRightsAndIsNotInAReadOnlyConsole(t *testing.T) {
	c, db := hospital(t, nil)
	c.fork(db, "one", `{"n":1}`, `{"n":1,"a":1}`, `{"n":1,"b":1}`)
	c.mend("medic", "one")
	asha, ben := c.as("asha"), c.as("ben")
	preview := entryLinks.FindString(asha.get("/history").text) + "&undo=1"
	form := undoForm(asha.get(preview).text)
	forged := url.Values{"csrf": {"guessed"}, "n": form["n"], "leaf": form["leaf"]}
	if got := asha.do(asha.request("POST", "/history/undo", formKind, forged.Encode())); got.status != http.StatusForbidden {
		t.Errorf("without the token: %d", got.status)
	}
	if got := ben.post("/history", "/history/undo", form); got.status != http.StatusNotFound {
		t.Errorf("without rights: %d", got.status)
	}
	if liveLeaves(db, "one") != 1 {
		t.Error("something was written")
	}
	c.console.ReadOnly = true
	page := asha.get(preview).text
	has(t, page, "What an undo would write")
	lacks(t, page, "Take it back", `action="/history/undo"`)
	lacks(t, asha.get(strings.TrimSuffix(preview, "&undo=1")).text, "Undo …")
	if got := asha.post("/history", "/history/undo", form); got.status != http.StatusForbidden {
		t.Errorf("read-only: %d", got.status)
	}
}
