package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
)

// medicPolicy leaves a report's lmp to people.
const medicPolicy = `couchdb: { url: "http://127.0.0.1:5984", username: mender, password_file: s3cret-place }
databases:
  - { match: medic, policy: medic }
  - { match: "cellar", policy: other }
policies:
  medic:
    rules:
      - name: reports
        when: { type: report }
        fields: { visits: sum }
      - name: scripted
        when: { type: scripted }
        resolver: { exec: [./touch.sh] }
    otherwise: review
  other:
    rules:
      - { name: concealed, when: { type: "</textarea><script>" } }
`

// governed is a hospital under medicPolicy.
func governed(t *testing.T) (*clinic, *couchtest.DB, *policy.File) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"couchmend.yaml": medicPolicy, "touch.sh": "#!/bin/sh\ntouch ran\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := policy.Load(filepath.Join(dir, "couchmend.yaml"), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	c, db := hospital(t, func(cfg *Config) {
		cfg.Policy = f
		cfg.Rules = func(db string) (decide.Rules, string) {
			p := f.For(db)
			if p == nil {
				return nil, ""
			}
			return func(id string, body jsondoc.Value) *merge.Rule { return p.Select(body, id) }, f.Digest
		}
	})
	return c, db, f
}

// wait puts documents before people, and waits for the board to know.
func (c *clinic) wait(db *couchtest.DB, ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		c.fork(db, id, `{"type":"report","lmp":1}`, `{"type":"report","lmp":2}`, `{"type":"report","lmp":3}`)
	}
	c.mend(db.Name(), ids...)
	for range 500 {
		n := 0
		for one, err := range c.ledger.Cases(c.t.Context(), ledger.Filter{}) {
			if err == nil && one.DB == db.Name() {
				n++
			}
		}
		if n >= len(ids) && c.console.Board.Waiting(func(string) bool { return true }).Total >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("they do not come to review")
}

func TestPoliciesAreShownInWordsWithWhatEachRuleDid(t *testing.T) {
	c, db, f := governed(t)
	c.fork(db, "auto", `{"type":"report","visits":1}`, `{"type":"report","visits":2}`, `{"type":"report","visits":4}`)
	c.mend("medic", "auto")
	c.wait(db, "one", "two")
	root := c.as("root").get("/policies").text
	has(t, root, f.Digest, "medic/reports", "visits by sum", "exec ./touch.sh", "&#34;report&#34;", "2 documents", "2 both sides changed a field",
		"/history?who=medic%2freports&amp;since=24h", "other/concealed", "cellar", "every other document waits for a person", "# couchdb: is not shown")
	lacks(t, root, "s3cret", "</textarea><script>")
	var api struct {
		Policies []struct {
			Rules []struct {
				Name string
				Day  map[string]int `json:"last_day"`
				Open int
			}
		}
	}
	got := c.as("root").get("/api/v1/policies?days=30")
	readContract(t).valid("GET", "/api/v1/policies", got)
	if err := json.Unmarshal([]byte(got.text), &api); err != nil {
		t.Fatal(err)
	}
	if r := api.Policies[0].Rules[0]; r.Name != "medic/reports" || r.Day["mended"] != 1 || r.Open != 2 {
		t.Errorf("the API says %+v", r)
	}
	has(t, c.as("root").get("/policies?days=30").text, "The count of 30 days begins", `data-label="30 days" class="num">1<`)
}

func TestWhoIsNoAdminIsToldOfTheRulesOfTheirDatabasesOnly(t *testing.T) {
	c, db, _ := governed(t)
	c.node.CreateDB("cellar")
	c.secure("cellar", "", "_admin")
	c.wait(db, "one")
	asha := c.as("asha").get("/policies").text
	has(t, asha, "medic/reports", "1 document")
	lacks(t, asha, "concealed", "cellar", "s3cret", "<textarea", "couchmend.yaml")
	ben := c.as("ben").get("/policies").text
	lacks(t, ben, "medic", "reports", "concealed", "cellar", "s3cret", "<textarea")
	for _, name := range []string{"asha", "ben"} {
		b := c.as(name)
		if got := b.post("/policies", "/policies/try", url.Values{"text": {medicPolicy}}); got.status != http.StatusForbidden {
			t.Errorf("%s may try a policy: %d", name, got.status)
		}
	}
}

func TestAnEditedPolicyIsTriedWithoutWriting(t *testing.T) {
	c, db, f := governed(t)
	c.wait(db, "one", script)
	edited := strings.Replace(medicPolicy, "visits: sum", "lmp: max", 1)
	root := c.as("root")
	history := root.get("/api/v1/history").text
	got := root.post("/policies", "/policies/try", url.Values{"text": {strings.ReplaceAll(edited, "\n", "\r\n")}})
	if got.status != http.StatusOK {
		t.Fatalf("%d: %s", got.status, mainOf(got.text))
	}
	has(t, got.text, "Tried on 2 conflicts", "<strong>2</strong> would end otherwise", "review: both sides changed a field", "merge", "&#34;lmp&#34;: 3", "lmp: max", "&lt;script&gt;alert")
	lacks(t, got.text, "<script>alert")
	if liveLeaves(db, "one") != 2 || root.get("/api/v1/history").text != history {
		t.Error("it wrote something")
	}
	if cases, err := c.ledger.CountCases(t.Context()); err != nil || cases[couchmend.ReasonOverlap] != 2 {
		t.Errorf("review has %v, %v", cases, err)
	}
	if c.console.Policy != f || f.For("medic").Rules[0].Fields[0].Pattern.String() != "visits" {
		t.Error("the loaded policy was edited")
	}
	has(t, root.post("/policies", "/policies/try", url.Values{"text": {medicPolicy}}).text, "<strong>0</strong> would end otherwise", "the same")
	gone := strings.Replace(medicPolicy, "match: medic,", "match: nowhere,", 1)
	has(t, root.post("/policies", "/policies/try", url.Values{"text": {gone}}).text, "<strong>2</strong> would end otherwise", "not followed")
}

func TestAMistakeInAnEditedPolicyIsShownAtItsPlaceAndTheTextStays(t *testing.T) {
	c, db, _ := governed(t)
	c.wait(db, "one")
	edited := strings.Replace(medicPolicy, "visits: sum", "visits: <summ>", 1)
	got := c.as("root").post("/policies", "/policies/try", url.Values{"text": {edited}})
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got.status)
	}
	has(t, got.text, "<bdi>couchmend.yaml</bdi>:10:27", "        fields: { visits: &lt;summ&gt; }\n                          ^", "It was not tried: 1 mistake.", "visits: &lt;summ&gt; }\n      - name: scripted")
}

func TestAnEditedPolicyRunsNoProgramAndReadsNoFile(t *testing.T) {
	c, db, f := governed(t)
	c.wait(db, "one")
	root := c.as("root")
	for name, edited := range map[string]string{
		"a program":   strings.Replace(medicPolicy, "fields: { visits: sum }", "resolver: { exec: [/bin/sh, -c, touch ran] }", 1),
		"a script":    strings.Replace(medicPolicy, "fields: { visits: sum }", "resolver: { starlark: couchmend.yaml }", 1),
		"a module":    strings.Replace(medicPolicy, "fields: { visits: sum }", "resolver: { python: touch.py }", 1),
		"a schema":    strings.Replace(medicPolicy, "fields: { visits: sum }", "schema: couchmend.yaml", 1),
		"a password":  strings.Replace(medicPolicy, "fields: { visits: sum }", "schema: /etc/passwd", 1),
		"a yaml bomb": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
	} {
		if got := root.post("/policies", "/policies/try", url.Values{"text": {edited}}); got.status != http.StatusUnprocessableEntity || strings.Contains(got.text, "Tried on") {
			t.Errorf("%s: %d %s", name, got.status, mainOf(got.text))
		}
	}
	if _, err := os.Stat(filepath.Join(f.Dir, "ran")); err == nil {
		t.Error("a program ran")
	}
	if got := root.post("/policies", "/policies/try", url.Values{"text": {strings.Repeat("#", policy.MaxText+1)}}); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a text of over 1 MiB: %d", got.status)
	}
	if got := root.post("/policies", "/policies/try", url.Values{"text": {strings.Repeat("#", trialBody+1)}}); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of over 4 MiB: %d", got.status)
	}
}

func TestTryingAPolicyNeedsTheSessionsTokenAndIsNotInAReadOnlyConsole(t *testing.T) {
	c, _, _ := governed(t)
	root := c.as("root")
	form := url.Values{"text": {medicPolicy}}
	if got := root.do(root.request("POST", "/policies/try", formKind, form.Encode())); got.status != http.StatusForbidden {
		t.Errorf("without the token: %d", got.status)
	}
	c.console.ReadOnly = true
	lacks(t, root.get("/policies").text, "<textarea", "/policies/try")
	if got := root.post("/", "/policies/try", form); got.status != http.StatusForbidden {
		t.Errorf("read-only: %d", got.status)
	}
}

func TestWithoutAPolicyFileTheBuiltInPolicyIsShownAndCanBeEdited(t *testing.T) {
	c, db := hospital(t, nil)
	c.wait(db, "one")
	root := c.as("root")
	has(t, root.get("/policies").text, "No policy file is loaded", "builtin", "otherwise: merge", "1 document")
	edited := "databases: [medic]\npolicies:\n  default:\n    rules:\n      - { name: all, fields: { lmp: min } }\n"
	has(t, root.post("/policies", "/policies/try", url.Values{"text": {edited}}).text, "<strong>1</strong> would end otherwise", "&#34;lmp&#34;: 2")
	r := root.request("POST", "/api/v1/policies/try", "application/json", fmt.Sprintf(`{"text":%q}`, edited))
	r.SetBasicAuth("root", "toor")
	b := c.browser()
	var tried trial
	got := b.do(r)
	readContract(t).valid("POST", "/api/v1/policies/try", got)
	if json.Unmarshal([]byte(got.text), &tried) != nil || tried.Changed != 1 || tried.Changes[0].After.Outcome != couchmend.Merge {
		t.Errorf("the API says %d %s", got.status, got.text)
	}
}
