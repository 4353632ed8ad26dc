package console

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/ledger"
)

// apiSplit is the API's answer.
type apiSplit struct {
	Phase string
	Pin   string
	Plan  *collision.Plan
	Split *struct {
		Stage ledger.SplitStage
		Pin   string
	}
	Error string
}

// call asks the API with a JSON body.
func (b *browser) call(method, path string, order any) (answer, apiSplit) {
	b.t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		b.t.Fatal(err)
	}
	r := b.request(method, path, "application/json", string(text))
	if found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(b.get("/splits").text); found != nil {
		r.Header.Set(csrfHeader, found[1])
	}
	got := b.do(r)
	readContract(b.t).valid(method, path, got)
	var s apiSplit
	if err := json.Unmarshal([]byte(got.text), &s); err != nil {
		b.t.Fatalf("%d %s: %v", got.status, got.text, err)
	}
	return got, s
}

// until asks the API until nothing is under way.
func (b *browser) until(phase string) apiSplit {
	b.t.Helper()
	promised := readContract(b.t)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		got := b.get("/api/v1/split?db=medic&id=" + shared)
		promised.valid("GET", "/api/v1/split", got)
		var s apiSplit
		if err := json.Unmarshal([]byte(got.text), &s); err != nil {
			b.t.Fatalf("%d %s", got.status, got.text)
		}
		if s.Phase == phase {
			return s
		}
	}
	b.t.Fatal("it does not end")
	return apiSplit{}
}

func TestTheAPISplitsAndTakesBack(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	c.write(db, "note", `{"type":"note","about":"`+shared+`"}`)
	c.users()
	b := c.browser()
	b.signIn("root", "toor")
	order := func(more map[string]any) map[string]any {
		o := map[string]any{"db": "medic", "id": shared}
		for name, value := range more {
			o[name] = value
		}
		return o
	}
	if got, _ := b.call("POST", "/api/v1/split/search", order(nil)); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.text)
	}
	s := b.until("planned")
	if len(s.Plan.References) != 3 || len(s.Plan.Open()) != 1 {
		t.Fatalf("planned: %+v", s.Plan.References)
	}
	choices := []map[string]string{{"db": "medic", "at": "about", "to": "data_record"}}
	got, s := b.call("POST", "/api/v1/split/choose", order(map[string]any{"pin": s.Pin, "choices": choices}))
	if got.status != http.StatusAccepted || len(s.Plan.Open()) != 0 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if got, _ := b.call("POST", "/api/v1/split/apply", order(map[string]any{"pin": s.Pin})); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.text)
	}
	readContract(t).valid("GET", "/api/v1/splits", b.get("/api/v1/splits"))
	if s = b.until(""); s.Split == nil || s.Split.Stage != ledger.SplitDone || s.Error != "" {
		t.Fatalf("%+v", s)
	}
	if got, _ := b.call("POST", "/api/v1/split/rollback", order(map[string]any{"pin": "another"})); got.status != http.StatusConflict {
		t.Errorf("another split than was shown is taken back: %d %s", got.status, got.text)
	}
	if got, _ := b.call("POST", "/api/v1/split/rollback", order(map[string]any{"pin": s.Split.Pin})); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if s = b.until(""); s.Split.Stage != ledger.SplitRolledBack {
		t.Fatalf("%+v", s)
	}
	ids := slices.DeleteFunc(db.IDs(), func(id string) bool { return body(db, id) == "" })
	if slices.Contains(ids, idOf(personRev)) || !slices.Contains(ids, shared) {
		t.Errorf("there are %v", ids)
	}
}

func TestAVersionKeepsTheIDWhereThePersonSaysSo(t *testing.T) {
	c := newClinic(t, nil)
	db := c.collide("medic")
	archive := c.node.CreateDB("archive")
	c.write(archive, "old-card", `{"type":"card","fields":{"of":"card `+shared+`"}}`)
	c.users()
	b := c.browser()
	b.signIn("root", "toor")
	search := map[string]any{"db": "medic", "id": shared, "keep": personRev, "also": []string{"archive"}, "substrings": true}
	if got, _ := b.call("POST", "/api/v1/split/search", search); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.text)
	}
	s := b.until("planned")
	choice := []map[string]string{{"db": "archive", "at": "fields.of", "to": "data_record"}}
	_, s = b.call("POST", "/api/v1/split/choose", map[string]any{"db": "medic", "id": shared, "pin": s.Pin, "choices": choice})
	b.call("POST", "/api/v1/split/apply", map[string]any{"db": "medic", "id": shared, "pin": s.Pin})
	if s = b.until(""); s.Error != "" {
		t.Fatal(s.Error)
	}
	for got, want := range map[string]string{
		body(db, shared):          `{"name":"Amina","type":"person"}`,
		body(db, idOf(recordRev)): `{"form":"P","type":"data_record"}`,
		body(archive, "old-card"): `{"fields":{"of":"card ` + idOf(recordRev) + `"},"type":"card"}`,
		body(db, idOf(personRev)): "",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
