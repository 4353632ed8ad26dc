package console

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// file is an attachment in a document's text.
func file(name, kind, content string) string {
	return fmt.Sprintf(`%q:{"content_type":%q,"revpos":2,"data":%q}`, name, kind, base64.StdEncoding.EncodeToString([]byte(content)))
}

// illustrated saves a conflict about attachments.
func (c *clinic) illustrated() {
	c.save(
		revision("d", "aa", ``),
		revision("d", "cc aa", `,"_attachments":{`+file("p.png", "image/png", "winner")+","+file("x.svg", "image/svg+xml", "<svg><script/></svg>")+`}`),
		revision("d", "bb aa", `,"_attachments":{`+file("p.png", "image/png", "loser")+`}`),
	)
}

func fileAddress(rev, name string, more ...string) string {
	q := url.Values{"db": {"ward"}, "id": {"d"}, "rev": {rev}, "name": {name}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/document/attachment?" + q.Encode()
}

func TestOnlyRasterPicturesAreShownAndNothingRuns(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.illustrated()
	b := c.browser()
	for _, want := range []struct {
		rev, name, content, kind, disposition string
		show                                  bool
	}{
		{"2-cc", "p.png", "winner", "image/png", "inline", true},
		{"2-bb", "p.png", "loser", "image/png", "inline", true},
		{"2-bb", "p.png", "loser", "application/octet-stream", "attachment", false},
		{"2-cc", "x.svg", "<svg><script/></svg>", "application/octet-stream", "attachment", true},
	} {
		more := []string{}
		if want.show {
			more = []string{"show", "1"}
		}
		got := b.get(fileAddress(want.rev, want.name, more...))
		if got.status != 200 || got.text != want.content || got.header.Get("Content-Type") != want.kind || !strings.HasPrefix(got.header.Get("Content-Disposition"), want.disposition) {
			t.Errorf("%+v: %d %q %v", want, got.status, got.text, got.header)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%+v: it might run: %v", want, got.header)
		}
	}
	if got := b.get(fileAddress("2-bb", "x.svg")); got.status != http.StatusNotFound {
		t.Errorf("an attachment that is not there: %d", got.status)
	}
}

func TestAttachmentsStandBesideEachOther(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.illustrated()
	page := c.browser().get("/document" + at("ward", "d")).text
	for _, want := range []string{"2 attachments differ", `<img class="thumb" src="/document/attachment?db=ward&amp;id=d&amp;name=p.png&amp;rev=2-bb&amp;show=1"`, "image/svg&#43;xml, 20 bytes", "no such attachment"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	if strings.Contains(page, "name=x.svg&amp;rev=2-cc&amp;show=1") {
		t.Error("an SVG is shown as a picture")
	}
}

func TestAPickedAttachmentIsWrittenWithItsBytes(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.illustrated()
	b := c.browser()
	page := "/document" + at("ward", "d")
	form := with(b.form("d"), `pick:["_attachments","p.png"]`, "2-bb", `pick:["_attachments","x.svg"]`, "1-aa")
	form.Set("csrf", b.token("d"))
	r := b.request("POST", "/document/compose", formKind, form.Encode())
	draft := b.do(r).text
	text := draft[strings.Index(draft, `id="draft"`):]
	text = text[strings.Index(text, ">")+1:]
	text = strings.NewReplacer("&#34;", `"`).Replace(text[:strings.Index(text, "</textarea>")])
	b.post(page, "/document/apply", with(b.form("d"), "document", text))
	leaves := c.leaves("d")
	if len(leaves[0].Attachments) != 1 || leaves[0].Attachments[0].Name != "p.png" {
		t.Fatalf("it has %+v, made from %s", leaves[0].Attachments, text)
	}
	if got := b.get(fileAddress(leaves[0].Rev.String(), "p.png")).text; got != "loser" {
		t.Errorf("its bytes are %q", got)
	}
}
