package mender

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/ledger"
)

// TestACrashAtAnyRequestChangesNothingInTheEnd lets the process die at each of
// the requests that a batch of all sorts of conflicts takes, before or after it
// had its effect, and begin again: with its state, and without (I9). All leaves
// are at last those of an undisturbed run, revision ids and bodies.
func TestACrashAtAnyRequestChangesNothingInTheEnd(t *testing.T) {
	t.Parallel()
	undisturbed := newSite(t)
	ids := undisturbed.mixture()
	undisturbed.asked()
	undisturbed.offer(ids...)
	undisturbed.workUntil("the queue is empty", undisturbed.emptied)
	requests := len(undisturbed.asked())
	undisturbed.runAgain(ids)
	want := undisturbed.leaves(ids)
	undisturbed.wantMixture()
	if requests < 7 || requests > 20 {
		t.Fatalf("%d requests for a batch", requests)
	}
	for k := 1; k <= requests; k++ {
		for _, c := range []struct {
			name          string
			effect, state bool
		}{{"before it, with its state", false, true}, {"after it, with its state", true, true}, {"after it, without its state", true, false}} {
			t.Run(fmt.Sprintf("request %d, %s", k, c.name), func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				s.mixture()
				s.dieAt(k, c.effect, ids)
				dir := s.dir
				if !c.state {
					dir = t.TempDir()
				}
				s.open(dir, s.Server)
				s.runAgain(ids)
				if got := s.leaves(ids); !reflect.DeepEqual(got, want) {
					for id := range want {
						if !reflect.DeepEqual(got[id], want[id]) {
							t.Errorf("%s ended as\n%v\nand undisturbed as\n%v", id, got[id], want[id])
						}
					}
				}
				s.wantMixture()
			})
		}
	}
}

// mixture makes one conflict of each sort, two times over, and returns the ids.
func (s *site) mixture() (ids []string) {
	s.Helper()
	for i := range 2 {
		add := func(name string) string {
			ids = append(ids, fmt.Sprint(name, i))
			return ids[len(ids)-1]
		}
		s.fork(add("sum"), `{"n":1}`, `{"n":2}`, `{"n":4}`)
		s.fork(add("same"), `{"n":1}`, `{"n":2,"a":1}`, `{"n":2,"a":1 }`)
		s.fork(add("many"), `{"n":1}`, `{"n":2}`, `{"n":4}`, `{"n":8}`, `{"n":16}`, `{"n":32}`, `{"n":64}`)
		s.fork(add("winner"), `{"x":1}`, `{"x":2}`, `{"x":3}`)
		s.fork(add("nothing"), `{"n":1}`, `{"n":2}`)
		s.fork(add("_design/code"), `{"n":1}`, `{"n":2}`, `{"n":4}`)
		roots := add("roots")
		s.put(roots, nil, `{"n":1,"of":"one"}`)
		s.put(roots, nil, `{"n":1,"of":"another"}`)
		dead := add("deleted")
		s.fork(dead, `{"n":1}`, `{"n":2}`, `{"n":4}`)
		s.bury(dead, s.db.Leaves(dead)[1])
		deep := add("deep")
		first := s.put(deep, nil, `{"n":1}`)
		s.put(deep, s.put(deep, s.put(deep, first, `{"n":2}`), `{"n":3}`), `{"n":4}`)
		s.put(deep, first, `{"n":10}`)
		s.scans(add("scans"))
	}
	return ids
}

// bury lets a user delete a leaf.
func (s *site) bury(id string, leaf couchmend.Revision) {
	s.Helper()
	grave := couchmend.Rev{Gen: leaf.Rev.Gen + 1, Hash: strings.Repeat("d", 32)}
	r := couchmend.Revision{Rev: grave, Path: append([]couchmend.Rev{grave}, leaf.Path...), Deleted: true, Body: json.RawMessage(`{}`)}
	if err := s.db.Put(r, id); err != nil {
		s.Fatal(err)
	}
}

// scans makes a conflict of which each side brought an attachment.
func (s *site) scans(id string) {
	s.Helper()
	first := s.put(id, nil, `{"n":1}`)
	for k := range 2 {
		rev := couchmend.Rev{Gen: 2, Hash: fmt.Sprintf("%032x", k+1)}
		r := couchmend.Revision{Rev: rev, Path: append([]couchmend.Rev{rev}, first...), Body: json.RawMessage(`{"n":2}`), Attachments: []couchmend.Attachment{
			{Name: fmt.Sprint("scan", k), ContentType: "image/png", RevPos: 2, Length: 3, Data: []byte("png")},
		}}
		if err := s.db.Put(r, id); err != nil {
			s.Fatal(err)
		}
	}
}

// wantMixture checks the end of a mixture by what it must be.
func (s *site) wantMixture() {
	s.Helper()
	for i := range 2 {
		for name, body := range map[string]string{"sum": `{"n":5}`, "many": `{"n":121}`, "deep": `{"n":13}`, "nothing": `{"n":2}`} {
			s.wantBody(fmt.Sprint(name, i), body)
			s.wantNoCase(fmt.Sprint(name, i))
		}
		if leaf := s.db.Leaves(fmt.Sprint("scans", i))[0]; len(leaf.Attachments) != 2 {
			s.Errorf("scans%d has %d attachments, want both", i, len(leaf.Attachments))
		}
		s.wantCase(fmt.Sprint("roots", i), couchmend.ReasonTwoRoots)
		s.wantCase(fmt.Sprint("_design/code", i), couchmend.ReasonDesignDoc)
	}
}

// dieAt works until its k-th request: that one fails, before or after its
// effect, all others too, and the process is gone.
func (s *site) dieAt(k int, effect bool, ids []string) {
	s.Helper()
	ctx, die := context.WithCancel(s.ctx)
	defer die()
	s.offer(ids...)
	var tasks []ledger.Task
	for len(tasks) < len(ids) {
		some, err := s.ledger.Fetch(s.ctx, 100, time.Second)
		if err != nil {
			s.Fatal(err)
		}
		tasks = append(tasks, some...)
	}
	sent := 0
	s.answering(func(*http.Request, string) (int, string) {
		switch sent++; {
		case sent > k: // the k-th is over, and failed: this is its repetition, or the next
			die()
			return dropped, ""
		case sent == k:
			s.node.Inject(&couchtest.Fault{DropBefore: !effect, DropAfter: effect})
		}
		return 0, ""
	})
	_ = s.Mend(ctx, tasks)
	s.answering(nil)
	s.node.ClearFaults()
	if err := s.ledger.Close(); err != nil {
		s.Fatal(err)
	}
}

// runAgain is a feed that reads all rows until no row is new.
func (s *site) runAgain(ids []string) {
	s.Helper()
	for range 2 {
		s.offer(ids...)
		s.workUntil("the queue is empty", s.emptied)
	}
}

// leaves returns all leaves of documents, revision ids and bodies.
func (s *site) leaves(ids []string) map[string][]string {
	all := map[string][]string{}
	for _, id := range ids {
		for _, leaf := range s.db.Leaves(id) {
			all[id] = append(all[id], fmt.Sprint(leaf.Rev, leaf.Deleted, string(leaf.Body), len(leaf.Attachments), leaf.Path))
		}
	}
	return all
}
