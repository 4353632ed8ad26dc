package couchtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// follow opens a continuous feed and returns its lines.
func follow(t *testing.T, url string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		defer answer.Body.Close()
		scanner := bufio.NewScanner(answer.Body)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return lines
}

// next waits for a line that is no heartbeat.
func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	for {
		select {
		case line, ok := <-lines:
			if !ok || line != "" {
				return line
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nothing came")
		}
	}
}

func TestContinuousFeedBringsWhatIsWrittenLater(t *testing.T) {
	db, url := newDBServer(t)
	put(t, db, "a", "1-a", `{}`)
	lines := follow(t, url+"/_changes?feed=continuous&style=all_docs&heartbeat=10")
	if got := next(t, lines); !strings.Contains(got, `"id":"a"`) {
		t.Errorf("first: %s", got)
	}
	put(t, db, "b", "1-a 2-b", `{}`)
	if got := next(t, lines); !strings.Contains(got, `"id":"b"`) {
		t.Errorf("then: %s", got)
	}
	put(t, db, "b", "1-a 2-c*", `{}`)
	if got := next(t, lines); !strings.HasSuffix(got, `"id":"b","changes":[{"rev":"2-b"},{"rev":"2-c"}]}`) {
		t.Errorf("a tombstone beside a live leaf: %s", got)
	}
}

func TestHeartbeatIsAnEmptyLine(t *testing.T) {
	_, url := newDBServer(t)
	lines := follow(t, url+"/_changes?feed=continuous&heartbeat=5")
	for range 3 {
		select {
		case line := <-lines:
			if line != "" {
				t.Errorf("line: %s", line)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no heartbeat")
		}
	}
}

func TestFeedEndsWithItsDatabaseAndItsNode(t *testing.T) {
	node := NewNode()
	s := NewServer(t, node)
	node.CreateDB("db")
	lines := follow(t, s.URL+"/db/_changes?feed=continuous&heartbeat=60000")
	node.DeleteDB("db")
	if got := next(t, lines); !strings.HasPrefix(got, `{"last_seq":"0-`) {
		t.Errorf("at the end: %s", got)
	}
	updates := follow(t, s.URL+"/_db_updates?feed=continuous&since=now&heartbeat=60000")
	node.Close()
	if line, ok := <-updates; ok && line != "" {
		t.Errorf("after Close: %s", line)
	}
	if status, _ := ask(t, "GET", s.URL+"/", ""); status != 503 {
		t.Errorf("a closed node answers %d", status)
	}
}

type changesPage struct {
	Results []struct {
		Seq *string
		ID  string
	}
	LastSeq string `json:"last_seq"`
	Pending int
}

func page(t *testing.T, url string) changesPage {
	t.Helper()
	_, answer := ask(t, "GET", url, "")
	var p changesPage
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		t.Fatalf("%s: %v in %s", url, err, answer)
	}
	return p
}

func TestFeedIsReadToItsEndPageByPage(t *testing.T) {
	db, url := newDBServer(t)
	const docs = 2500 // more than are made at once
	for i := range docs {
		put(t, db, fmt.Sprintf("doc-%04d", i), "1-a", `{}`)
	}
	put(t, db, "doc-0000", "1-a 2-b", `{}`) // moves to the end
	seen := make(map[string]int)
	since := "0"
	for {
		p := page(t, url+"/_changes?limit=700&since="+since)
		for _, row := range p.Results {
			seen[row.ID]++
		}
		if left := docs - len(seen); p.Pending != left {
			t.Fatalf("pending %d, but %d are left", p.Pending, left)
		}
		since = p.LastSeq
		if len(p.Results) < 700 {
			break
		}
	}
	if len(seen) != docs {
		t.Errorf("%d documents", len(seen))
	}
	if p := page(t, url+"/_changes"); len(p.Results) != docs || p.Results[docs-1].ID != "doc-0000" {
		t.Errorf("%d rows, the last is %v", len(p.Results), p.Results[len(p.Results)-1])
	}
	if p := page(t, url+"/_changes?seq_interval=1000"); p.Results[0].Seq == nil || p.Results[1].Seq != nil || p.Results[1000].Seq == nil {
		t.Error("seq_interval does not thin out the sequence ids")
	}
}

func TestLongpollAnswersAtTheFirstChange(t *testing.T) {
	db, url := newDBServer(t)
	put(t, db, "a", "1-a", `{}`)
	since := page(t, url+"/_changes").LastSeq
	if p := page(t, url+"/_changes?feed=longpoll&timeout=10&since="+since); len(p.Results) != 0 || p.LastSeq != since {
		t.Errorf("with nothing new: %+v", p)
	}
	answered := make(chan changesPage)
	go func() { answered <- page(t, url+"/_changes?feed=longpoll&since="+since) }()
	put(t, db, "b", "1-b", `{}`)
	if p := <-answered; len(p.Results) != 1 || p.Results[0].ID != "b" {
		t.Errorf("with news: %+v", p)
	}
}

func TestSinceOfAnEarlierCreationStartsFromTheBeginning(t *testing.T) {
	node := NewNode(WithClock(func() time.Time { return time.Unix(1000, 0) }))
	s := NewServer(t, node)
	url := s.URL + "/db"
	info := func() (started string) {
		_, answer := ask(t, "GET", url, "")
		var info struct {
			Start string `json:"instance_start_time"`
		}
		json.Unmarshal([]byte(answer), &info)
		return info.Start
	}
	old := node.CreateDB("db")
	for _, id := range []string{"a", "b", "c"} {
		put(t, old, id, "1-a", `{}`)
	}
	since, started := page(t, url+"/_changes").LastSeq, info()
	node.DeleteDB("db")
	put(t, node.CreateDB("db"), "new", "1-a", `{}`)
	if p := page(t, url+"/_changes?since="+since); len(p.Results) != 1 {
		t.Errorf("%+v", p)
	}
	if again := info(); again == started {
		t.Errorf("both creations began at %s", again)
	}
}

func TestDBUpdatesTellsOfEachDatabaseOnce(t *testing.T) {
	node := NewNode()
	s := NewServer(t, node)
	a := node.CreateDB("a")
	node.CreateDB("b")
	for i := range 3000 { // enough for superseded events to be thrown away
		put(t, a, fmt.Sprint(i), "1-a", `{}`)
	}
	node.DeleteDB("b")
	_, answer := ask(t, "GET", s.URL+"/_db_updates", "")
	var updates struct {
		Results []struct {
			DB   string `json:"db_name"`
			Type string
		}
		LastSeq string `json:"last_seq"`
	}
	if err := json.Unmarshal([]byte(answer), &updates); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(updates.Results); got != "[{a created} {b created} {a updated} {b deleted}]" {
		t.Errorf("updates: %s", got)
	}
	lines := follow(t, s.URL+"/_db_updates?feed=continuous&heartbeat=10&since="+updates.LastSeq)
	node.CreateDB("c")
	if got := next(t, lines); !strings.HasPrefix(got, `{"db_name":"c","type":"created","seq":"3004-`) {
		t.Errorf("next: %s", got)
	}
}
