package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
)

// ward is a clinic with a database, and a rule whose schema wants visits to be
// a number.
func newWard(t testing.TB, change func(*Config)) *clinic {
	c := newClinic(t, func(cfg *Config) {
		rule := &merge.Rule{Name: "ward/reports", Merged: func(_ string, body jsondoc.Value) []couchmend.Violation {
			if kind := body.Get("visits").Kind(); kind != '0' && kind != 0 {
				return []couchmend.Violation{{Pointer: "/visits", Message: "got something, want number"}}
			}
			return nil
		}}
		cfg.Rules = func(string) (decide.Rules, string) {
			return func(string, jsondoc.Value) *merge.Rule { return rule }, "ward"
		}
		if change != nil {
			change(cfg)
		}
	})
	c.node.CreateDB("ward")
	return c
}

// save writes revisions as a replica does.
func (c *clinic) save(docs ...string) {
	c.t.Helper()
	resp, err := http.Post(c.server.URL+"/ward/_bulk_docs", "application/json", strings.NewReader(`{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
}

// revision is a document's text; path is newest first, as in _revisions.
func revision(id, path, rest string) string {
	hashes := strings.Fields(path)
	quoted, _ := json.Marshal(id)
	ids, _ := json.Marshal(hashes)
	return fmt.Sprintf(`{"_id":%s,"_revisions":{"start":%d,"ids":%s}%s}`, quoted, len(hashes), ids, rest)
}

// dispute saves a conflict that no rule decides.
func (c *clinic) dispute(id string) {
	c.save(
		revision(id, "aa", `,"visits":3,"phone":12345678901234567890,"same":1.0`),
		revision(id, "bb aa", `,"visits":4,"phone":12345678901234567891,"same":1.0`),
		revision(id, "cc aa", `,"visits":5,"phone":12345678901234567890,"same":1.0`),
	)
}

func at(db, id string) string { return documentQuery(db, id) }

// form is that of a document's page, its pins included.
func (b *browser) form(id string) url.Values {
	b.t.Helper()
	form := url.Values{"db": {"ward"}, "id": {id}}
	for _, pin := range regexp.MustCompile(`name="leaf" value="([^"]+)"`).FindAllStringSubmatch(b.get("/document"+at("ward", id)).text, -1) {
		if !strings.Contains(strings.Join(form["leaf"], " "), pin[1]) {
			form.Add("leaf", pin[1])
		}
	}
	return form
}

func with(form url.Values, more ...string) url.Values {
	changed := url.Values{}
	for name, values := range form {
		changed[name] = values
	}
	for i := 0; i < len(more); i += 2 {
		changed.Set(more[i], more[i+1])
	}
	return changed
}

// winner is what readers see of a document.
func (c *clinic) winner(id string) string {
	c.t.Helper()
	for _, leaf := range c.leaves(id) {
		if !leaf.Deleted {
			return string(leaf.Body)
		}
	}
	return ""
}

func (c *clinic) leaves(id string) []couchmend.Revision {
	c.t.Helper()
	leaves, err := c.console.Server.DB("ward").Leaves(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return leaves
}

func (c *clinic) live(id string) (n int) {
	for _, leaf := range c.leaves(id) {
		if !leaf.Deleted {
			n++
		}
	}
	return n
}

func TestADocumentShowsItsTreeItsSidesAndExactValues(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	got := c.browser().get("/document" + at("ward", "d"))
	for _, want := range []string{
		`<svg `, `class="dot k-winner"`, `class="dot k-leaf"`, `class="dot k-base"`, "3 revisions, 2 live leaves",
		"12345678901234567890", "12345678901234567891", `>1.0<`, "1 field alike on all sides", `<span class="tag warn">choose</span>`,
		"both sides changed a field",
	} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	// A field that one side alone changed is picked for the person.
	if !strings.Contains(got.text, `aria-label="phone: winner 2-cc" `) && !regexp.MustCompile(`aria-label="phone: leaf 2-bb" checked`).MatchString(got.text) {
		t.Errorf("of phone nothing, or the wrong side, is picked: %s", regexp.MustCompile(`<input type="radio"[^>]+phone[^>]+>`).FindAllString(got.text, -1))
	}
}

func TestAnIdCanBeAnythingAndIsShownAsText(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	b := c.browser()
	for _, id := range []string{`<script>alert(1)</script>`, "../../x", "a/b/../c", "ü ☃ \u202e", `"'&<>`, "a?b=c&d#e", "%2e%2e", "new\nline"} {
		c.save(revision(id, "aa", ``), revision(id, "bb aa", `,"<script>k</script>":"<img src=x onerror=alert(1)>","v":1`), revision(id, "cc aa", `,"<script>k</script>":"</textarea><script>","v":2`))
		got := b.get("/document" + at("ward", id))
		if got.status != 200 {
			t.Errorf("%q: %d", id, got.status)
		}
		for _, bad := range []string{"<script>alert", "<script>k", "<img src=x", "</textarea><script>"} {
			if strings.Contains(got.text, bad) {
				t.Errorf("%q: the page has %s as it is", id, bad)
			}
		}
		form := with(b.form(id), "document", `{"v":9}`)
		if b.post("/document"+at("ward", id), "/document/apply", form); c.winner(id) != `{"v":9}` {
			t.Errorf("%q: it was not written: %s", id, c.winner(id))
		}
	}
}

func TestPickingAFieldMakesADraftWithoutAScript(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	form := with(b.form("d"), `pick:["visits"]`, "2-bb", `pick:["phone"]`, "1-aa", "document", "ignored")
	got := b.post("/document"+at("ward", "d"), "/document/compose", form)
	draft := regexp.MustCompile(`(?s)<textarea name="document"[^>]*>(.*?)</textarea>`).FindStringSubmatch(got.text)
	if got.status != 200 || draft == nil || !strings.Contains(draft[1], "&#34;visits&#34;: 4") || !strings.Contains(draft[1], "12345678901234567890") {
		t.Errorf("%d: the draft is %v", got.status, draft)
	}
	if !regexp.MustCompile(`aria-label="visits: leaf 2-bb" checked`).MatchString(got.text) {
		t.Error("what was picked is not picked any more")
	}
}

func TestASideCanBeTakenWhole(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	got := b.post("/document"+at("ward", "d"), "/document/compose", with(b.form("d"), "all", "2-bb", `pick:["visits"]`, "2-cc"))
	for _, want := range []string{`aria-label="visits: leaf 2-bb" checked`, `aria-label="phone: leaf 2-bb" checked`, "&#34;visits&#34;: 4"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestAPickLeavesWhatWasWrittenByHand(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	form := with(b.form("d"), "only", `pick:["visits"]`, `pick:["visits"]`, "2-bb", "document", `{"visits":5,"hand":1.10,"phone":1}`)
	form.Set("csrf", b.token("d"))
	r := b.request("POST", "/document/compose", formKind, form.Encode())
	r.Header.Set("Accept", "application/json")
	got := b.do(r)
	var answer struct{ Document string }
	if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
		t.Fatalf("%s: %v", got.text, err)
	}
	var flat bytes.Buffer
	_ = json.Compact(&flat, []byte(answer.Document))
	if want := `{"_id":"d","visits":4,"hand":1.10,"phone":1}`; flat.String() != want {
		t.Errorf("%s, want %s", flat.String(), want)
	}
}

func (b *browser) token(id string) string {
	b.t.Helper()
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get("/document" + at("ward", id)).text)
	if found == nil {
		b.t.Fatal("the page has no form")
	}
	return found[1]
}

func TestTheSchemasErrorsSayWhereTheyAre(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	for text, want := range map[string]string{
		"{\n\"visits\": \"x\"}": `{"rule":"ward/reports","problems":[{"of":"schema","message":"got something, want number","pointer":"/visits","from":{"line":2,"column":11},"to":{"line":2,"column":14}}]}`,
		`{"visits":1}`:          `{"rule":"ward/reports","problems":[]}`,
	} {
		got := b.post("/document"+at("ward", "d"), "/document/check", with(b.form("d"), "document", text))
		if strings.TrimSpace(got.text) != want {
			t.Errorf("%s: %s, want %s", text, got.text, want)
		}
	}
}

func TestWhatThePreviewShowsIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	form := with(b.form("d"), "document", `{"visits": 12345678901234567892, "f": 1.0}`)
	got := b.post("/document"+at("ward", "d"), "/document/preview", form)
	merge := regexp.MustCompile(`merge</span> <code>([^<]+)<`).FindStringSubmatch(got.text)
	tombstone := regexp.MustCompile(`tombstone</span> <code>([^<]+)<`).FindStringSubmatch(got.text)
	if merge == nil || tombstone == nil {
		t.Fatalf("the preview does not say what is written: %s", got.text)
	}
	if n := c.live("d"); n != 2 {
		t.Fatalf("a preview has written: %d live leaves", n)
	}
	b.post("/document"+at("ward", "d"), "/document/apply", with(form, "note", "by phone"))
	var revs []string
	for _, leaf := range c.leaves("d") {
		revs = append(revs, leaf.Rev.String())
	}
	if want := merge[1] + " " + tombstone[1]; strings.Join(revs, " ") != want {
		t.Errorf("the leaves are %v, want %s", revs, want)
	}
	if got := c.winner("d"); got != `{"visits":12345678901234567892,"f":1.0}` {
		t.Errorf("it says %s", got)
	}
	history, err := c.ledger.History(t.Context(), "ward", "d")
	if err != nil || len(history) != 1 || history[0].By != "nobody" || history[0].Note != "by phone" || history[0].Kind != "resolve" {
		t.Errorf("the journal says %+v, %v", history, err)
	}
}

func TestNothingIsWrittenOverALeafThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/document/preview", "/document/apply", "/document/undo"} {
		c := newWard(t, nil)
		c.dispute("d")
		b := c.browser()
		form := with(b.form("d"), "document", `{"mine":"my draft"}`)
		c.save(revision("d", "dd bb aa", `,"visits":9`))
		got := b.post("/document"+at("ward", "d"), path, form)
		if got.status != http.StatusConflict {
			t.Errorf("%s: %d", path, got.status)
		}
		for _, want := range []string{"Nothing was written", "New: 3-dd.", "No longer a leaf: 2-bb.", `<span class="tag warn">new</span>`} {
			if !strings.Contains(got.text, want) {
				t.Errorf("%s: the page does not say %s", path, want)
			}
		}
		if path != "/document/undo" && !strings.Contains(got.text, "my draft") {
			t.Errorf("%s: the draft is lost", path)
		}
		if !strings.Contains(got.text, `name="leaf" value="3-dd"`) {
			t.Errorf("%s: the page is not about the leaves that there are", path)
		}
		if n := c.live("d"); n != 2 {
			t.Errorf("%s: %d live leaves, want both", path, n)
		}
	}
}

func TestADraftThatTheSchemaRefusesIsWrittenOnlyIfThatIsSaid(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	form := with(b.form("d"), "document", `{"visits":"many"}`)
	if got := b.post("/document"+at("ward", "d"), "/document/apply", form); got.status != http.StatusUnprocessableEntity || c.live("d") != 2 {
		t.Errorf("%d, and %d live leaves", got.status, c.live("d"))
	}
	if b.post("/document"+at("ward", "d"), "/document/apply", with(form, "anyway", "1")); c.winner("d") != `{"visits":"many"}` {
		t.Errorf("it says %s", c.winner("d"))
	}
}

func TestADraftThatIsNoDocumentComesBackWithItsErrors(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	for _, text := range []string{`{"a":`, `[1]`, `{"_id":"other"}`, `{"_deleted":true}`} {
		for _, path := range []string{"/document/preview", "/document/apply"} {
			got := b.post("/document"+at("ward", "d"), path, with(b.form("d"), "document", text))
			if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text, `<ol id="problems"><li>`) {
				t.Errorf("%s at %s: %d", text, path, got.status)
			}
		}
	}
	if c.live("d") != 2 {
		t.Error("something was written")
	}
}

func TestWhatWasWrittenCanBeTakenBack(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	page := "/document" + at("ward", "d")
	b.post(page, "/document/apply", with(b.form("d"), "document", `{"visits":1}`))
	got := b.post(page, "/document/undo", b.form("d"))
	entry := regexp.MustCompile(`name="entry" value="([^"]+)"`).FindStringSubmatch(got.text)
	if entry == nil || c.live("d") != 1 {
		t.Fatalf("asked to undo it shows %d: %s", got.status, got.text)
	}
	if b.post(page, "/document/undo", with(b.form("d"), "entry", entry[1])); c.live("d") != 2 {
		t.Errorf("%d live leaves after the undo, want 2", c.live("d"))
	}
}

func TestADocumentCanBeDeleted(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	form := with(b.form("d"), "what", "delete")
	if got := b.post("/document"+at("ward", "d"), "/document/preview", form); !strings.Contains(got.text, "Delete the document") || c.live("d") != 2 {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if b.post("/document"+at("ward", "d"), "/document/apply", form); c.live("d") != 0 {
		t.Errorf("%d live leaves", c.live("d"))
	}
}

func TestACaseCanBeDismissedAndRetried(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	waits := ledger.Case{DB: "ward", ID: "d", Reason: couchmend.ReasonOverlap, Evidence: []string{"both <b>changed</b> visits"}}
	for _, leaf := range c.leaves("d") {
		waits.Leaves = append(waits.Leaves, leaf.Rev)
	}
	if err := c.ledger.PutCases(t.Context(), waits); err != nil {
		t.Fatal(err)
	}
	b := c.browser()
	page := "/document" + at("ward", "d")
	if got := b.get(page); !strings.Contains(got.text, "both &lt;b&gt;changed&lt;/b&gt; visits") {
		t.Error("the page does not show the case's evidence")
	}
	if got := b.post(page, "/document/dismiss", b.form("d")); !strings.Contains(got.text, "dismissed by nobody") {
		t.Errorf("%d: %s", got.status, got.text)
	}
	if got := b.post(page, "/document/retry", b.form("d")); got.status != 200 || strings.Contains(got.text, "dismissed by") {
		t.Errorf("%d: %s", got.status, got.text)
	}
	if waiting, err := c.ledger.Waiting(t.Context(), "ward", "d"); err != nil || len(waiting) != 1 {
		t.Errorf("the queue has %v, %v", waiting, err)
	}
}

func TestADraftThatCouchDBRefusesIsKept(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	c.node.DB("ward").SetValidate(func(json.RawMessage, json.RawMessage, couchtest.UserContext) error {
		return errors.New("only on <i>Mondays</i>")
	})
	b := c.browser()
	got := b.post("/document"+at("ward", "d"), "/document/apply", with(b.form("d"), "document", `{"mine":"my draft"}`))
	if got.status != http.StatusForbidden || !strings.Contains(got.text, "my draft") || !strings.Contains(got.text, "only on &lt;i&gt;Mondays&lt;/i&gt;") || c.live("d") != 2 {
		t.Errorf("%d with %d live leaves: %s", got.status, c.live("d"), got.text)
	}
}

func TestReadOnlyShowsNoFormAndWritesNothing(t *testing.T) {
	t.Parallel()
	c := newWard(t, func(cfg *Config) { cfg.ReadOnly = true })
	c.dispute("d")
	b := c.browser()
	got := b.get("/document" + at("ward", "d"))
	if got.status != 200 || strings.Contains(got.text, `action="/document`) || strings.Contains(got.text, `type="radio"`) || strings.Contains(got.text, "<textarea") {
		t.Errorf("%d: the page has forms: %s", got.status, got.text)
	}
	form := url.Values{"db": {"ward"}, "id": {"d"}, "leaf": {"2-cc", "2-bb"}, "document": {"{}"}}
	if got := b.post("/", "/document/apply", form); got.status != http.StatusForbidden || c.live("d") != 2 {
		t.Errorf("%d, %d live leaves", got.status, c.live("d"))
	}
}

func TestWhoMayNotReadADatabaseFindsNoDocumentInIt(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	c.users()
	c.member("ward", "somebody")
	b := c.browser()
	b.signIn("asha", "pw")
	absent := b.get("/document" + at("nowhere", "d"))
	for _, path := range []string{"/document", "/document/attachment", "/document/events", "/api/v1/document", "/api/v1/document/tree", "/api/v1/document/diff", "/api/v1/document/history"} {
		if got := b.get(path + at("ward", "d")); got.status != http.StatusNotFound || strings.Contains(got.text, "2-bb") {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if there := b.get("/document" + at("ward", "d")); strings.ReplaceAll(there.text, "ward", "nowhere") != absent.text {
		t.Error("one can tell a database that one may not read from one that is not there")
	}
}

func TestADocumentLargerThanCouchDBTakesIsRefused(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("d")
	b := c.browser()
	body := "document=" + strings.Repeat("x", documentBody)
	if got := b.do(b.request("POST", "/document/preview", formKind, body)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", got.status)
	}
}
