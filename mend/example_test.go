package mend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/mend"
)

// A Go program embeds the whole: it follows a server's databases and mends
// them until its context ends. Here the server is one in memory, and Once
// stands for Run.
func Example() {
	node := couchtest.NewNode()
	server, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	clinic := node.CreateDB("clinic")
	save(clinic, `{"date":"2026-07-01","messages":0}`, "1-00")
	save(clinic, `{"date":"2026-08-01","messages":0}`, "2-aa", "1-00") // a nurse's phone
	save(clinic, `{"date":"2026-07-01","messages":3}`, "2-bb", "1-00") // the server

	state, err := os.MkdirTemp("", "couchmend-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(state)
	ctx := context.Background()
	c, err := mend.Open(ctx, mend.Options{URL: server.URL, StateDir: state})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if err := c.Once(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(clinic.Leaves("report")[0].Body))
	fmt.Println("open conflicts:", clinic.Conflicts())
	// Output:
	// {"date":"2026-08-01","messages":3}
	// open conflicts: []
}

// save writes one revision with its path, newest first, as a replica does.
func save(db *couchtest.DB, body string, path ...string) {
	var revs []couchmend.Rev
	for _, r := range path {
		revs = append(revs, couchmend.MustRev(r))
	}
	if err := db.Put(couchmend.Revision{Rev: revs[0], Path: revs, Body: json.RawMessage(body)}, "report"); err != nil {
		fmt.Println(err)
	}
}
