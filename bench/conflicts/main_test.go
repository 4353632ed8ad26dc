package main

import (
	"context"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/conflictgen"
	"github.com/couchmend/couchmend/internal/couch"
)

func TestReviewsAreReadAsAnArrayAndLineByLine(t *testing.T) {
	for _, text := range []string{
		`[{"db":"a","id":"x","reason":"overlap","leaves":["1-a"]},{"db":"b","id":"y","reason":"no_base"}]`,
		`{"db":"a","id":"x","reason":"overlap"}` + "\n" + `{"db":"b","id":"y","reason":"no_base"}` + "\n",
	} {
		got, err := readReviews(strings.NewReader(text), "a")
		if err != nil || len(got) != 1 || got["x"] != couchmend.ReasonOverlap {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := readReviews(strings.NewReader(`[{"id":`), "a"); err == nil {
		t.Error("half a file was taken for a whole one")
	}
}

func TestTheBaselineLeavesNoConflict(t *testing.T) {
	ctx := context.Background()
	node := couchtest.NewServer(t, couchtest.NewNode())
	cases := conflictgen.New(1, conflictgen.Options{Docs: 300}).Docs()
	if err := conflictgen.Load(ctx, node.URL, "load", cases); err != nil {
		t.Fatal(err)
	}
	server, err := couch.Open(couch.Config{URL: node.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b := baseline{db: server.DB("load")}
	if err := b.follow(ctx); err != nil {
		t.Fatal(err)
	}
	conflicts := 0
	for c := range cases {
		if len(c.Want.Leaves) > 1 {
			conflicts++
		}
		leaves, err := server.DB("load").Leaves(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		live := 0
		for _, leaf := range leaves {
			if !leaf.Deleted {
				live++
			}
		}
		if live != 1 {
			t.Errorf("%s has %d live leaves", c.ID, live)
		}
	}
	if b.report.Documents != conflicts {
		t.Errorf("%d documents were mended, want %d", b.report.Documents, conflicts)
	}
}
