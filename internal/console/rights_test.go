package console

import (
	"bufio"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// wards are two databases with a case each; asha may see one of them.
func wards(t *testing.T) *clinic {
	c := newClinic(t, nil)
	c.users()
	c.waits("open", "in-the-open", "person", "name")
	c.waits("secret", "hush", "dossier", "whistle")
	c.member("open", "asha")
	for _, e := range []ledger.Entry{
		{DB: "secret", ID: "hush", Kind: "merge", By: "couchmend", Type: "dossier", Decision: couchmend.Decision{Rule: "p/secret-rule", Fields: []couchmend.Origin{{Path: "whistle"}}}},
		{DB: "secret", ID: "hush", Kind: "resolve", By: "secret-agent", Type: "dossier"},
	} {
		if err := c.ledger.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ledger.Pause(t.Context(), ledger.Pause{DB: "secret", Reason: "hush", By: "root"}); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if _, today := c.console.Board.Done(func(string) bool { return true }); today.Decided() == 1 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return c
}

func TestADatabaseWithoutRightsDoesNotExistAnywhere(t *testing.T) {
	c := wards(t)
	asha, root := c.browser(), c.browser()
	asha.signIn("asha", "pw")
	root.signIn("root", "toor")
	for _, path := range []string{"/", "/cases", "/api/v1/overview", "/api/v1/cases", "/cases?db=secret", "/api/v1/cases?db=secret", "/cases?q=hush"} {
		got := asha.get(path)
		if got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.text)
		}
		for _, hidden := range []string{">hush<", `"hush"`, "dossier", "whistle", "secret-rule", "secret-agent", `"secret"`, "<bdi>secret"} {
			asked := strings.Contains(path, strings.Trim(strings.TrimPrefix(hidden, "<bdi>"), `"<>`)) // and so in the form again
			if strings.Contains(got.text, hidden) && !asked {
				t.Errorf("%s tells asha of %s", path, hidden)
			}
		}
	}
	if got := asha.get("/api/v1/cases").text; !strings.Contains(got, `"total":1`) {
		t.Errorf("asha's list: %s", got)
	}
	if got := root.get("/api/v1/cases").text; !strings.Contains(got, `"total":2`) || !strings.Contains(got, "dossier") {
		t.Errorf("root's list: %s", got)
	}
	if got := root.get("/").text; !strings.Contains(got, "Paused: <bdi>secret</bdi>") {
		t.Error("root is not told of the pause")
	}
}

func TestAHiddenDatabaseAndOneThatIsNotThereAreAnsweredAlike(t *testing.T) {
	c := wards(t)
	asha := c.browser()
	asha.signIn("asha", "pw")
	preview := func(db string) answer {
		return asha.post("/cases", "/cases/preview", url.Values{"action": {"winner"}, "item": {itemKey(db, "hush")}})
	}
	hidden, absent := preview("secret"), preview("nowhere")
	if hidden.status != 404 || absent.status != 404 {
		t.Errorf("hidden %d, absent %d", hidden.status, absent.status)
	}
	if a, b := strings.ReplaceAll(hidden.text, "secret", "X"), strings.ReplaceAll(absent.text, "nowhere", "X"); evidence(a) != evidence(b) {
		t.Errorf("hidden: %s\nabsent: %s", evidence(a), evidence(b))
	}
}

// evidence is what an error page says.
func evidence(text string) string {
	_, text, _ = strings.Cut(text, `<p class="evidence">`)
	text, _, _ = strings.Cut(text, "</p>")
	return text
}

// listen follows the events that a browser is sent once it is told to look
// again at all.
func (b *browser) listen() <-chan string {
	b.t.Helper()
	lines := b.listenTo(livePath)
	select {
	case <-lines:
	case <-time.After(5 * time.Second):
		b.t.Fatal("not told to look again")
	}
	return lines
}

func (b *browser) listenTo(path string) <-chan string {
	b.t.Helper()
	resp, err := b.client.Do(b.request("GET", path, "", ""))
	if err != nil {
		b.t.Fatal(err)
	}
	lines := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if text, ok := strings.CutPrefix(s.Text(), "data: "); ok {
				lines <- text
			}
		}
	}()
	b.t.Cleanup(func() {
		resp.Body.Close()
		<-done
	})
	return lines
}

func TestEventsTellOfWhatThePersonMaySeeAlone(t *testing.T) {
	c := wards(t)
	asha, root := c.browser(), c.browser()
	asha.signIn("asha", "pw")
	root.signIn("root", "toor")
	hers, his := asha.listen(), root.listen()
	c.waits("secret", "more", "dossier")
	select {
	case got := <-his:
		if got != `{"topics":["cases"]}` {
			t.Errorf("root hears %s", got)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("root hears nothing")
	}
	select {
	case got := <-hers:
		t.Errorf("asha hears of a database that she may not see: %s", got)
	case <-time.After(300 * time.Millisecond):
	}
	c.waits("open", "more", "person")
	select {
	case <-hers:
	case <-time.After(5 * time.Second):
		t.Error("asha does not hear of her own")
	}
}

func TestAPageIsToldOfWhatChangedBeforeItListened(t *testing.T) {
	c := wards(t)
	root := c.browser()
	root.signIn("root", "toor")
	at := func() string { return fmt.Sprintf("%s?since=%d", livePath, c.console.Board.Changes()) }
	before := at()
	c.waits("open", "b", "person")
	for end := time.Now().Add(5 * time.Second); at() == before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case <-root.listenTo(before):
	case <-time.After(5 * time.Second):
		t.Error("not told of what came while the page was made")
	}
	select {
	case got := <-root.listenTo(at()):
		t.Errorf("told to look again where nothing changed: %s", got)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestRightsThatAreTakenAwayAreGoneWithinHalfAMinute(t *testing.T) {
	hand := turning()
	c := newClinic(t, func(cfg *Config) { cfg.Now = hand.now })
	c.users()
	c.waits("open", "a", "person")
	c.member("open", "asha")
	asha := c.browser()
	asha.signIn("asha", "pw")
	if got := asha.get("/api/v1/cases").text; !strings.Contains(got, `"total":1`) {
		t.Fatal(got)
	}
	c.member("open", "somebody else")
	hand.turn(rightsAge)
	if got := asha.get("/api/v1/cases").text; !strings.Contains(got, `"total":0`) {
		t.Errorf("she still sees %s", got)
	}
}
