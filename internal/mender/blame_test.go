package mender

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
)

// TestAPoisonDocumentGoesToReviewAlone is I7: whatever way a document has to
// make a request fail as a whole.
func TestAPoisonDocumentGoesToReviewAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		status     int
		text       string
		reason     couchmend.Reason
	}{
		{"can't be asked for", "/_bulk_get", 400, `{"error":"bad_request","reason":"bad"}`, couchmend.ReasonFailed},
		{"can't be read", "/_bulk_get", 500, `{"error":"internal_server_error","reason":"corrupt"}`, couchmend.ReasonFailed},
		{"breaks the connection", "/_bulk_get", dropped, "", couchmend.ReasonFailed},
		{"is refused", "/_bulk_docs", 400, `{"error":"bad_request","reason":"bad"}`, couchmend.ReasonRefused},
		{"can't be written", "/_bulk_docs", 500, `{"error":"internal_server_error","reason":"bad"}`, couchmend.ReasonFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			ids := []string{"a", "b", "poison", "c", "d"}
			for _, id := range ids {
				s.fork(id, `{"n":1}`, `{"n":2}`, `{"n":4}`)
			}
			s.answering(func(r *http.Request, body string) (int, string) {
				if strings.HasSuffix(r.URL.Path, c.path) && strings.Contains(body, `"poison"`) {
					return c.status, c.text
				}
				return 0, ""
			})
			s.offer(ids...)
			s.workUntil("the poison is in review", s.reviewed("poison"))
			s.workUntil("the queue is empty", s.emptied)
			s.wantCase("poison", c.reason)
			for _, id := range ids {
				if id != "poison" {
					s.wantBody(id, `{"n":5}`)
					s.wantNoCase(id)
				}
			}
		})
	}
}

func TestADismissedPoisonDocumentComesBackWhenItChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("poison", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.answering(func(r *http.Request, _ string) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/_bulk_get") {
			return 400, `{"error":"bad_request","reason":"bad"}`
		}
		return 0, ""
	})
	again := func() ledger.Case {
		s.offer("poison")
		s.workUntil("the queue is empty", s.emptied)
		return s.wantCase("poison", couchmend.ReasonFailed)
	}
	c := again()
	if c.Dismissed = true; len(c.Leaves) != 2 {
		t.Errorf("the case names the leaves %v", c.Leaves)
	}
	if err := s.ledger.PutCases(s.ctx, c); err != nil {
		t.Fatal(err)
	}
	if c := again(); !c.Dismissed {
		t.Error("it came back though nothing has changed")
	}
	s.put("poison", s.db.Leaves("poison")[1].Path, `{"n":9}`)
	if c := again(); c.Dismissed {
		t.Error("it stayed away though a leaf is new")
	}
}

func TestARowThatFailsIsNotItsNeighboursFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("ill", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.fork("well", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.node.Inject(&couchtest.Fault{RowError: func(id string, _ couchmend.Rev) (string, string) {
		if id == "ill" {
			return "internal_server_error", "function_clause"
		}
		return "", ""
	}})
	s.offer("ill", "well")
	s.workUntil("the queue is empty", s.emptied)
	s.wantBody("well", `{"n":5}`)
	s.wantCase("ill", couchmend.ReasonFailed)
}

func TestAServerThatFailsPutsNoDocumentIntoReview(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		ids  []string
	}{{"/_bulk_get", []string{"a", "b", "c", "d", "e"}}, {"/_all_docs", []string{"a", "b", "c", "d", "e"}}, {"/_all_docs", []string{"a", "b"}}} {
		t.Run(fmt.Sprint(c.path, len(c.ids)), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			path, ids := c.path, c.ids
			for _, id := range ids {
				s.fork(id, `{"n":1}`, `{"n":2}`, `{"n":4}`)
			}
			s.answering(func(r *http.Request, _ string) (int, string) {
				if strings.HasSuffix(r.URL.Path, path) {
					return 500, `{"error":"internal_server_error","reason":"no space left"}`
				}
				return 0, ""
			})
			s.offer(ids...)
			failures := 0
			s.workUntil("it failed often", func() bool { failures = max(failures, s.failures("clinic")); return failures > 6 })
			for _, id := range ids {
				s.wantNoCase(id)
			}
			s.answering(nil)
			s.workUntil("the queue is empty", s.emptied)
			for _, id := range ids {
				s.wantBody(id, `{"n":5}`)
			}
		})
	}
}

func TestADatabaseThatFailsHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Pace = func(int) time.Duration { return time.Minute }
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	s.answering(func(r *http.Request, _ string) (int, string) {
		if strings.HasPrefix(r.URL.Path, "/clinic") {
			return 500, `{"error":"internal_server_error","reason":"shard"}`
		}
		return 0, ""
	})
	ctx, cancel := context.WithCancel(s.ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { _ = s.Work(ctx, 1) })
	eventually(t, "the ill one was tried", func() bool { return s.failures("clinic") > 0 })
	clinic := s.db
	s.fork("e", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("e")
	s.db = s.node.CreateDB("other")
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	item := ledger.Item{DB: "other", ID: "d", Since: "0"}
	if _, err := s.ledger.Put(ctx, item); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other is mended", func() bool { body, live := s.body("d"); return body == `{"n":5}` && live == 1 })
	if s.db = clinic; s.failures("clinic") != 1 {
		t.Errorf("the ill database was tried %d times in a moment", s.failures("clinic"))
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestADecisionThatPanicsIsThatDocumentsOwnFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Rules = func(string) (decide.Rules, string) {
		return func(id string, _ jsondoc.Value) *merge.Rule {
			if id == "bad" {
				panic("a bug")
			}
			return numbers
		}, "test"
	}
	s.fork("bad", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.fork("good", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("bad", "good")
	s.workUntil("the queue is empty", s.emptied)
	s.wantBody("good", `{"n":5}`)
	if c := s.wantCase("bad", couchmend.ReasonFailed); !strings.Contains(strings.Join(c.Evidence, ""), "a bug") {
		t.Errorf("evidence %v", c.Evidence)
	}
}

// TestALaggingCopysWinnerIsNotTakenForANewerSave: a cluster's copies do not all
// know the same at the same moment, and no row of the feed tells of that.
func TestALaggingCopysWinnerIsNotTakenForANewerSave(t *testing.T) {
	t.Parallel()
	for name, lags := range map[string]int{"for a moment": 2, "for good": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
			old := s.db.Leaves("d")[0].Path[1]
			asked := 0
			s.answering(func(r *http.Request, _ string) (int, string) {
				if !strings.HasSuffix(r.URL.Path, "/_all_docs") {
					return 0, ""
				}
				if asked++; asked > lags {
					return 0, ""
				}
				return 200, fmt.Sprintf(`{"rows":[{"id":"d","key":"d","value":{"rev":%q}}]}`, old)
			})
			s.offer("d")
			s.workUntil("the queue is empty", s.emptied)
			if lags > 2 {
				s.wantCase("d", couchmend.ReasonFailed)
			} else {
				s.wantBody("d", `{"n":5}`)
			}
		})
	}
}

func TestWhatAPersonAskedForIsDecidedOnTheLeavesOfNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	item := ledger.Item{DB: "clinic", ID: "d"} // no feed's row: none will follow
	for _, leaf := range s.db.Leaves("d") {
		item.Leaves = append(item.Leaves, leaf.Rev)
	}
	s.put("d", s.db.Leaves("d")[0].Path, `{"n":10}`)
	if _, err := s.ledger.Put(s.ctx, item); err != nil {
		t.Fatal(err)
	}
	s.workUntil("the queue is empty", s.emptied)
	if _, live := s.body("d"); live != 1 {
		t.Errorf("%d live leaves", live)
	}
}

func TestAMergeThatIsThereAlreadyIsOnlyBuried(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d") // once: the item is the old one to its end
	writes := 0
	s.answering(func(r *http.Request, _ string) (int, string) {
		if strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			if writes++; writes > 1 && writes < 8 {
				return dropped, ""
			}
		}
		return 0, ""
	})
	s.workUntil("the queue is empty", s.emptied)
	s.wantBody("d", `{"n":5}`)
	if s.Stats.Overlapping.Load() == 0 {
		t.Error("that the merge was there already is not counted")
	}
}

func TestAPauseStopsTheRepetitionsOfAWrite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	s.answering(func(r *http.Request, _ string) (int, string) {
		if !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			return 0, ""
		}
		if s.ledger.Paused("clinic") {
			t.Error("a write was started while paused")
		}
		_ = s.ledger.Pause(s.ctx, ledger.Pause{DB: "clinic"})
		return 503, `{"error":"timeout","reason":"busy"}`
	})
	s.workUntil("the queue is empty", s.emptied)
	s.wantCase("d", couchmend.ReasonPaused)
	s.answering(nil)
	s.resumed()
	s.wantBody("d", `{"n":5}`)
}

func TestADismissedCaseStaysDismissedWhileItsLeavesAreTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Rules = func(string) (decide.Rules, string) {
		return func(string, jsondoc.Value) *merge.Rule { return nil }, "test"
	}
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	again := func() ledger.Case {
		s.offer("d")
		s.workUntil("the queue is empty", s.emptied)
		return s.wantCase("d", couchmend.ReasonNoRule)
	}
	c := again()
	c.Dismissed, c.By = true, "ann"
	if err := s.ledger.PutCases(s.ctx, c); err != nil {
		t.Fatal(err)
	}
	if c := again(); !c.Dismissed {
		t.Error("it came back though nothing has changed")
	}
	s.put("d", s.db.Leaves("d")[1].Path, `{"n":9}`)
	if c := again(); c.Dismissed {
		t.Error("it stayed away though a leaf is new")
	}
	for _, leaf := range s.db.Leaves("d")[1:] { // somebody else resolves it
		grave := leaf
		grave.Rev = couchmend.Rev{Gen: leaf.Rev.Gen + 1, Hash: "dead"}
		grave.Path, grave.Deleted = append([]couchmend.Rev{grave.Rev}, leaf.Path...), true
		if err := s.db.Put(grave, "d"); err != nil {
			t.Fatal(err)
		}
	}
	s.offer("d")
	s.workUntil("the queue is empty", s.emptied)
	s.wantNoCase("d")
}

func TestADocumentThatIsGoneLeavesReview(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.ledger.PutCases(s.ctx, ledger.Case{DB: "clinic", ID: "gone", Reason: couchmend.ReasonOverlap}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ledger.Put(s.ctx, ledger.Item{DB: "clinic", ID: "gone"}); err != nil {
		t.Fatal(err)
	}
	s.workUntil("the queue is empty", s.emptied)
	s.wantNoCase("gone")
}

func TestADeletedDatabaseLeavesNoWorkBehind(t *testing.T) {
	t.Parallel()
	for name, deleted := range map[string]string{"before": "/clinic", "while it is mended": "/_all_docs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
			s.offer("d")
			s.answering(func(r *http.Request, _ string) (int, string) {
				if strings.HasSuffix(r.URL.Path, deleted) {
					s.node.DeleteDB("clinic")
				}
				return 0, ""
			})
			s.workUntil("the queue is empty", s.emptied)
			s.wantNoCase("d")
		})
	}
}

func TestAttachmentsCountAsMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.BatchBytes = 1000
	for i := range 6 {
		id := fmt.Sprint("doc", i)
		first := s.put(id, nil, `{}`)
		for k := range 2 {
			rev := couchmend.Rev{Gen: 2, Hash: fmt.Sprintf("%032x", k+1)}
			data := []byte(strings.Repeat(fmt.Sprint(k), 400))
			r := couchmend.Revision{Rev: rev, Path: append([]couchmend.Rev{rev}, first...), Body: []byte(`{}`), Attachments: []couchmend.Attachment{
				{Name: "scan", ContentType: "image/png", RevPos: 2, Length: int64(len(data)), Data: data},
			}}
			if err := s.db.Put(r, id); err != nil {
				t.Fatal(err)
			}
		}
		s.offer(id)
	}
	var most int
	s.answering(func(r *http.Request, body string) (int, string) {
		if r.URL.Query().Get("attachments") == "true" {
			most = max(most, strings.Count(body, `"rev"`))
		}
		return 0, ""
	})
	s.workUntil("the queue is empty", s.emptied)
	if most != 2 {
		t.Errorf("the attachments of %d leaves were fetched at once: each has 400 bytes, and 1000 are allowed", most)
	}
}

func TestRememberedTombstonesAreBounded(t *testing.T) {
	t.Parallel()
	g := newGraves()
	path := make([]couchmend.Rev, 1000)
	for i := range 5000 {
		rev := couchmend.Rev{Gen: 1000, Hash: fmt.Sprint(i)}
		g.keep(couchmend.Conflict{DB: "a", ID: "d"}, couchmend.Revision{Rev: rev, Path: path, Deleted: true})
	}
	if n := len(g.young) + len(g.old); n*len(path)*64 > 2*maxGraves || n == 0 {
		t.Errorf("%d tombstones of %d revisions each", n, len(path))
	}
	if g.forget("a"); len(g.young)+len(g.old) > 0 {
		t.Error("those of a database that is gone stay")
	}
}

func TestAnUndoneDeletionHasItsAttachmentsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Rules = func(string) (decide.Rules, string) {
		rule := &merge.Rule{Name: "gone is gone", Deletes: merge.DeleteWins}
		return func(string, jsondoc.Value) *merge.Rule { return rule }, "test"
	}
	first := s.put("d", nil, `{}`)
	live := couchmend.MustRev("2-a")
	dead := couchmend.MustRev("2-b")
	for _, r := range []couchmend.Revision{
		{Rev: live, Path: append([]couchmend.Rev{live}, first...), Body: []byte(`{"edited":true}`), Attachments: []couchmend.Attachment{
			{Name: "scan", ContentType: "image/png", RevPos: 2, Length: 3, Data: []byte("png")},
		}},
		{Rev: dead, Path: append([]couchmend.Rev{dead}, first...), Deleted: true, Body: []byte(`{}`)},
	} {
		if err := s.db.Put(r, "d"); err != nil {
			t.Fatal(err)
		}
	}
	s.offer("d")
	s.workUntil("the queue is empty", s.emptied)
	if _, live := s.body("d"); live != 0 {
		t.Fatalf("%d live leaves, want none", live)
	}
	s.db.Compact()
	undone, err := s.Undo(s.ctx, "clinic", "d", "ann", false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(undone.Restored, func(r couchmend.Revision) bool {
		return len(r.Attachments) == 1 && string(r.Attachments[0].Data) == "png"
	}) {
		t.Errorf("restored %v", undone.Restored)
	}
}
