package couchtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

// Two replicas edit one document; after replication both have a conflict.
func Example() {
	clinic, phone := couchtest.NewNode(), couchtest.NewNode()
	defer clinic.Close()
	defer phone.Close()
	server, local := clinic.CreateDB("medic"), phone.CreateDB("medic")
	ctx := context.Background()

	first := couchmend.MustRev("1-a1")
	server.Put(couchmend.Revision{Rev: first, Body: json.RawMessage(`{"visits":1}`)}, "report")
	couchtest.Replicate(ctx, server, local)

	edit := func(db *couchtest.DB, rev, body string) {
		r := couchmend.MustRev(rev)
		db.Put(couchmend.Revision{Rev: r, Path: []couchmend.Rev{r, first}, Body: json.RawMessage(body)}, "report")
	}
	edit(server, "2-b1", `{"visits":2}`)
	edit(local, "2-c1", `{"visits":1,"note":"offline"}`)

	couchtest.Replicate(ctx, local, server)
	couchtest.Replicate(ctx, server, local)
	fmt.Println("in conflict:", server.Conflicts(), local.Conflicts())
	for _, leaf := range server.Leaves("report") {
		fmt.Println(leaf.Rev, string(leaf.Body))
	}
	// Output:
	// in conflict: [report] [report]
	// 2-c1 {"visits":1,"note":"offline"}
	// 2-b1 {"visits":2}
}

// A test points the program under test at the server's URL.
func ExampleNewServer() {
	test := func(t *testing.T) {
		server := couchtest.NewServer(t, couchtest.NewNode()) // closed when the test ends
		server.Node.CreateDB("medic")
		answer, err := http.Get(server.URL + "/medic/_all_docs")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	_ = test
}

// Revision ids are those that a real CouchDB gives to the same document.
func ExampleListen() {
	server, err := couchtest.Listen(couchtest.NewNode(), "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Node.CreateDB("medic")
	fmt.Print(request("PUT", server.URL+"/medic/report", `{"x":1}`))
	fmt.Print(request("GET", server.URL+"/medic/report", ""))
	// Output:
	// {"ok":true,"id":"report","rev":"1-0785e9eb543380151003dc452c3a001a"}
	// {"_id":"report","_rev":"1-0785e9eb543380151003dc452c3a001a","x":1}
}

// The first _bulk_docs is applied, but its answer never arrives.
func ExampleNode_Inject() {
	server, _ := couchtest.Listen(couchtest.NewNode(), "127.0.0.1:0")
	defer server.Close()
	db := server.Node.CreateDB("medic")
	server.Node.Inject(&couchtest.Fault{
		Match:     func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") },
		Times:     1,
		DropAfter: true,
	})
	const docs = `{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a"}]}`
	fmt.Println("first:", request("POST", server.URL+"/medic/_bulk_docs", docs))
	fmt.Println("written:", db.IDs())
	fmt.Print("again: ", request("POST", server.URL+"/medic/_bulk_docs", docs))
	// Output:
	// first: no answer
	// written: [a]
	// again: []
}

// Single rows of a request fail, as when a shard is overloaded.
func ExampleFault_rowError() {
	server, _ := couchtest.Listen(couchtest.NewNode(), "127.0.0.1:0")
	defer server.Close()
	server.Node.CreateDB("medic")
	server.Node.Inject(&couchtest.Fault{RowError: func(id string, rev couchmend.Rev) (string, string) {
		if id == "b" {
			return "internal_server_error", "try again"
		}
		return "", ""
	}})
	fmt.Print(request("POST", server.URL+"/medic/_bulk_docs",
		`{"new_edits":false,"docs":[{"_id":"a","_rev":"1-a"},{"_id":"b","_rev":"1-b"}]}`))
	// Output:
	// [{"id":"b","rev":"1-b","error":"internal_server_error","reason":"try again"}]
}

// A validation function refuses documents row by row.
func ExampleDB_SetValidate() {
	node := couchtest.NewNode()
	defer node.Close()
	db := node.CreateDB("medic")
	db.SetValidate(func(newDoc, oldDoc json.RawMessage, user couchtest.UserContext) error {
		if !strings.Contains(string(newDoc), `"type"`) {
			return errors.New("a document needs a type")
		}
		return nil
	})
	rev := couchmend.Revision{Rev: couchmend.MustRev("1-a"), Body: json.RawMessage(`{"x":1}`)}
	fmt.Println(db.Put(rev, "report"))
	// Output:
	// put medic/"report"@1-a: forbidden: a document needs a type
}

// A replication that broke off in the midst of a document: the losing leaf's
// tombstone arrived, the merge did not.
func ExampleOnlyLeaves() {
	node := couchtest.NewNode()
	defer node.Close()
	from, to := node.CreateDB("from"), node.CreateDB("to")
	put := func(deleted bool, path ...string) {
		r := couchmend.Revision{Deleted: deleted}
		for _, rev := range path {
			r.Path = append(r.Path, couchmend.MustRev(rev))
		}
		r.Rev = r.Path[0]
		from.Put(r, "d")
	}
	put(false, "3-merge", "2-winner", "1-root")
	put(true, "3-tombstone", "2-loser", "1-root")
	stats, _ := couchtest.Replicate(context.Background(), from, to,
		couchtest.OnlyLeaves(func(id string, leaf couchmend.Revision) bool { return leaf.Deleted }))
	fmt.Println(stats.DocsWritten, "written:", to.Leaves("d")[0].Path)
	// Output:
	// 1 written: [3-tombstone 2-loser 1-root]
}

// The node's own clock says when a database was created and when a lockout
// ends.
func ExampleWithClock() {
	now := time.Unix(1_700_000_000, 0)
	server, _ := couchtest.Listen(couchtest.NewNode(couchtest.WithClock(func() time.Time { return now })), "127.0.0.1:0")
	defer server.Close()
	server.Node.CreateDB("medic")
	fmt.Print(request("POST", server.URL+"/medic/_ensure_full_commit", "{}"))
	// Output:
	// {"ok":true,"instance_start_time":"1700000000"}
}

// request is a small client.
func request(method, url, body string) string {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true // a connection of its own, so that Go never sends it twice
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "no answer"
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}
