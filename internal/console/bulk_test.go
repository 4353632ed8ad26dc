package console

import (
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// items are the documents that a preview would act on, as its form sends them.
func items(page answer) []string {
	var found []string
	for _, m := range regexp.MustCompile(`name="item" value="([^"]+)"`).FindAllStringSubmatch(page.text, -1) {
		found = append(found, html.UnescapeString(m[1]))
	}
	return found
}

func (c *clinic) liveRevs(db, id string) (live []couchmend.Rev) {
	for _, leaf := range c.node.DB(db).Leaves(id) {
		if !leaf.Deleted {
			live = append(live, leaf.Rev)
		}
	}
	return live
}

func (b *browser) preview(action string, ids ...string) answer {
	form := url.Values{"action": {action}, "back": {"/cases?db=ward"}}
	for _, id := range ids {
		form.Add("item", itemKey("ward", id))
	}
	return b.post("/cases", "/cases/preview", form)
}

func (b *browser) apply(action string, preview answer) answer {
	return b.post("/cases", "/cases/apply", url.Values{"action": {action}, "item": items(preview), "back": {"/cases?db=ward"}, "note": {"seen"}})
}

func TestABulkActionWritesWhatItsPreviewShowedAndNothingBefore(t *testing.T) {
	c := newClinic(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		c.waits("ward", id, "person")
	}
	b := c.browser()
	shown := b.preview("winner", "a", "b")
	if shown.status != 200 || len(items(shown)) != 2 || len(c.liveRevs("ward", "a")) != 2 {
		t.Fatalf("preview: %d, %d items, %v live", shown.status, len(items(shown)), c.liveRevs("ward", "a"))
	}
	var pinned bulkItem
	if err := json.Unmarshal([]byte(items(shown)[0]), &pinned); err != nil {
		t.Fatal(err)
	}
	if got := b.apply("winner", shown); got.path != "/cases?db=ward" || !strings.Contains(got.text, "Keep the winner: done for 2 documents.") {
		t.Fatalf("applied: %d at %s: %s", got.status, got.path, got.text)
	}
	if live := c.liveRevs("ward", "a"); len(live) != 1 || live[0] != pinned.Writes[0] {
		t.Errorf("a is %v, the preview said %v", live, pinned.Writes)
	}
	if live := c.liveRevs("ward", "c"); len(live) != 2 {
		t.Errorf("c was not marked, and is %v", live)
	}
	history, err := c.ledger.History(t.Context(), "ward", "a")
	if err != nil || len(history) != 1 || history[0].By != "nobody" || history[0].Note != "seen" || history[0].Kind != "resolve" {
		t.Errorf("the journal: %v %v", history, err)
	}
}

func TestADocumentThatChangedSinceThePreviewIsLeftAlone(t *testing.T) {
	c := newClinic(t, nil)
	c.waits("ward", "a", "person")
	c.waits("ward", "b", "person")
	b := c.browser()
	shown := b.preview("winner", "a", "b")
	c.write(c.node.DB("ward"), "a", `{"type":"person","late":true}`, couchmend.MustRev("3-d"), couchmend.MustRev("2-c"), couchmend.MustRev("1-a"))
	got := b.apply("winner", shown)
	if got.status != 200 || !strings.Contains(got.text, "done for 1 of 2 documents") || !strings.Contains(got.text, "3-d is new") {
		t.Errorf("%d: %s", got.status, got.text)
	}
	if live := c.liveRevs("ward", "a"); len(live) != 2 {
		t.Errorf("a is %v: it was written over (I3)", live)
	}
	if live := c.liveRevs("ward", "b"); len(live) != 1 {
		t.Errorf("b is %v", live)
	}
}

func TestDeletingManyBuriesEveryLeaf(t *testing.T) {
	c := newClinic(t, nil)
	c.waits("ward", "a", "person")
	b := c.browser()
	if got := b.apply("delete", b.preview("delete", "a")); got.path != "/cases?db=ward" {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if live := c.liveRevs("ward", "a"); len(live) != 0 {
		t.Errorf("it is %v", live)
	}
}

func TestDismissingAndRetryingWriteNothingToCouchDB(t *testing.T) {
	c := newClinic(t, nil)
	c.waits("ward", "a", "person")
	b := c.browser()
	if got := b.apply("dismiss", b.preview("dismiss", "a")); got.path != "/cases?db=ward" {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if waits, _, err := c.ledger.Case(t.Context(), "ward", "a"); err != nil || !waits.Dismissed {
		t.Errorf("dismissed: %+v %v", waits, err)
	}
	if got := b.apply("retry", b.preview("retry", "a")); got.path != "/cases?db=ward" {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if waiting, err := c.ledger.Waiting(t.Context(), "ward", "a"); err != nil || len(waiting) != 1 {
		t.Errorf("in the queue: %v %v", waiting, err)
	}
	if live := c.liveRevs("ward", "a"); len(live) != 2 {
		t.Errorf("it is %v", live)
	}
}

func TestWhatThePolicyHasNoAnswerForIsLeftAloneWithTheReason(t *testing.T) {
	c := newClinic(t, nil)
	c.waits("ward", "a", "person")
	b := c.browser()
	shown := b.preview("policy", "a", "not there")
	if len(items(shown)) != 0 || !strings.Contains(shown.text, "nothing to write") {
		t.Errorf("%d: %s", shown.status, shown.text)
	}
}

func TestABulkActionTakesNothingUnseen(t *testing.T) {
	b := newClinic(t, nil).browser()
	for name, form := range map[string]url.Values{
		"no action":      {"item": {itemKey("ward", "a")}},
		"another action": {"action": {"drop"}, "item": {itemKey("ward", "a")}},
		"nothing marked": {"action": {"retry"}},
		"not an item":    {"action": {"retry"}, "item": {"ward/a"}},
		"not pinned":     {"action": {"retry"}, "item": {itemKey("ward", "a")}},
	} {
		if got := b.post("/cases", "/cases/apply", form); got.status != 400 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}
