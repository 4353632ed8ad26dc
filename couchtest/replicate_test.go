package couchtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"pgregory.net/rapid"
)

// sources fills a database with a conflict, a tombstone, a compacted ancestor
// and an attachment.
func fill(t tester, db *DB) {
	put(t, db, "conflict", "1-a 2-b", `{"x":1.0}`)
	put(t, db, "conflict", "1-a 2-c", `{"x":12345678901234567890}`)
	put(t, db, "dead", "1-a 2-b*", `{"why":"é"}`)
	put(t, db, "deep", "1-a", `{"x":1}`)
	put(t, db, "deep", "1-a 2-b 3-c", `{"x":3}`)
	rev := couchmend.MustRev("1-f")
	db.Put(couchmend.Revision{Rev: rev, Attachments: []couchmend.Attachment{
		{Name: "f", ContentType: "text/plain", Data: []byte("hello"), RevPos: 1}}}, "file")
}

// state is all that replication carries.
func state(db *DB) string {
	all := make(map[string][]couchmend.Revision)
	for _, id := range db.allIDs() {
		all[id] = db.Leaves(id)
	}
	text, _ := json.Marshal(all)
	return string(text)
}

func TestReplicationCarriesLeavesWithTheirPaths(t *testing.T) {
	ctx := context.Background()
	node := NewNode()
	from, to := node.CreateDB("from"), node.CreateDB("to")
	fill(t, from)
	stats, err := Replicate(ctx, from, to)
	if err != nil || stats != (ReplicationStats{MissingChecked: 5, MissingFound: 5, DocsRead: 5, DocsWritten: 5}) {
		t.Errorf("%+v, %v", stats, err)
	}
	if got, want := state(to), state(from); got != want {
		t.Errorf("arrived\n%s\nof\n%s", got, want)
	}
	if n := to.docs["deep"].tree.get(1, "a"); n == nil || n.rev != nil {
		t.Error("an ancestor came with its body, or not at all")
	}
	before := to.seq
	if stats, err = Replicate(ctx, from, to); err != nil || stats != (ReplicationStats{MissingChecked: 5}) || to.seq != before {
		t.Errorf("once more: %+v, %v", stats, err)
	}
}

func TestReplicationOverHTTPIsTheSame(t *testing.T) {
	one, two := NewServer(t, NewNode()), NewServer(t, NewNode())
	from := one.Node.CreateDB("from")
	fill(t, from)
	for i := range 450 { // several pages
		put(t, from, fmt.Sprintf("more-%d", i), "1-a", `{}`)
	}
	for name, c := range map[string]struct{ server, source, target string }{
		"by names":         {one.URL, `"from"`, `"local"`},
		"pushed to a URL":  {one.URL, `"from"`, `"` + two.URL + `/pushed"`},
		"pulled from one":  {two.URL, `"` + one.URL + `/from"`, `"pulled"`},
		"with a URL apart": {two.URL, `{"url":"` + one.URL + `/from/"}`, `{"url":"` + two.URL + `/apart"}`},
	} {
		status, answer := ask(t, "POST", c.server+"/_replicate", `{"create_target":true,"source":`+c.source+`,"target":`+c.target+`}`)
		if status != 200 || !strings.Contains(answer, `"docs_written":455`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for _, db := range []*DB{one.Node.DB("local"), two.Node.DB("pushed"), two.Node.DB("pulled"), two.Node.DB("apart")} {
		if !reflect.DeepEqual(state(db), state(from)) {
			t.Errorf("%s differs", db.Name())
		}
	}
	_, answer := ask(t, "POST", one.URL+"/_replicate", `{"create_target":true,"source":"from","target":"some","doc_ids":["dead","deep"]}`)
	if some := one.Node.DB("some"); !strings.Contains(answer, `"docs_written":2`) || len(some.docs) != 2 {
		t.Errorf("two named documents: %s", answer)
	}
}

func TestReplicationThatFailsSaysSoWithoutThePassword(t *testing.T) {
	s := NewServer(t, NewNode(WithAdmin("root", "secret")))
	s.Node.CreateDB("from")
	status, answer := ask(t, "POST", as(s.URL, "root:secret")+"/_replicate",
		`{"source":"from","target":"`+as(s.URL, "root:guess")+`/from"}`)
	if status != 500 || !strings.Contains(answer, "status 401") || strings.Contains(answer, "guess") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer = ask(t, "POST", as(s.URL, "root:secret")+"/_replicate", `{"source":"from","target":"from"}`); status != 200 {
		t.Errorf("with the caller's own login: %d %s", status, answer)
	}
}

func TestReplicationCanBeCut(t *testing.T) {
	ctx := context.Background()
	node := NewNode()
	from, to := node.CreateDB("from"), node.CreateDB("to")
	fill(t, from)
	Replicate(ctx, from, to, OnlyIDs("dead", "conflict"), OnlyLeaves(func(id string, leaf couchmend.Revision) bool {
		return id != "conflict" || leaf.Rev.Hash == "b" && string(leaf.Body) == `{"x":1.0}`
	}))
	if got := leaves(to, "conflict") + ", " + leaves(to, "dead") + ", " + leaves(to, "deep"); got != "2-b, 2-b*, " {
		t.Errorf("arrived: %s", got)
	}
	to.SetValidate(func(newDoc, oldDoc json.RawMessage, user UserContext) error { return errors.New("closed") })
	if stats, err := Replicate(ctx, from, to); err != nil || stats.DocWriteFailures != stats.DocsRead || stats.DocsWritten != 0 {
		t.Errorf("into a database that refuses all: %+v, %v", stats, err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Replicate(ended, from, to); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}

func TestReplicationInAnyOrderMakesReplicasEqual(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		node := NewNode()
		var dbs []*DB
		for i := range 3 {
			dbs = append(dbs, node.CreateDB(fmt.Sprint("r", i)))
		}
		anyDB := rapid.SampledFrom(dbs)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			db := anyDB.Draw(t, "db")
			if rapid.Bool().Draw(t, "replicate") {
				Replicate(ctx, db, anyDB.Draw(t, "to"))
				continue
			}
			e := &edit{id: "d", deleted: rapid.IntRange(0, 4).Draw(t, "delete") == 0, body: value{kind: '{'}}
			if d := db.docs["d"]; d != nil && !d.deleted() {
				leaf := rapid.SampledFrom(d.leaves).Draw(t, "leaf")
				e.path = path{gen: leaf.gen, hashes: []string{leaf.hash}}
			}
			e.text = []byte(fmt.Sprintf(`"x":%d`, rapid.IntRange(0, 3).Draw(t, "x")))
			e.body, _ = decode([]byte("{" + string(e.text) + "}"))
			writing{db: db}.apply([]*edit{e})
		}
		for range 2 {
			for _, from := range dbs {
				for _, to := range dbs {
					Replicate(ctx, from, to)
				}
			}
		}
		for _, db := range dbs[1:] {
			if state(db) != state(dbs[0]) {
				t.Fatalf("%s\n%s", state(dbs[0]), state(db))
			}
		}
	})
}
