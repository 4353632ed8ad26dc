package console

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAPageHearsThatItsDocumentHasChanged(t *testing.T) {
	t.Parallel()
	c := newWard(t, nil)
	c.dispute("a/b")
	b := c.browser()
	resp, err := b.client.Do(b.request("GET", documentEvents+at("ward", "a/b"), "", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			if text, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				lines <- text
			}
		}
	}()
	next := func() string {
		select {
		case text := <-lines:
			return text
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was heard")
			return ""
		}
	}
	if got := next(); got != `{"leaves":["2-cc","2-bb"]}` {
		t.Errorf("at first it hears %s", got)
	}
	c.save(revision("other", "aa", ""), revision("a/b", "dd bb aa", ""))
	if got := next(); got != `{"leaves":["3-dd","2-cc"]}` {
		t.Errorf("then it hears %s", got)
	}
	c.console.Close()
	for range lines { // until the stream ends
	}
}
