package mender

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/merge"
)

func TestConflictsOfABatchAreMendedInAHandfulOfRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var ids []string
	for i := range 80 {
		id := fmt.Sprintf("doc/%d ü", i)
		s.fork(id, `{"n":1,"a":0,"b":0}`, `{"n":2,"a":1,"b":0}`, `{"n":4,"a":0,"b":2}`)
		ids = append(ids, id)
	}
	s.offer(ids...)
	s.asked()
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		s.wantBody(id, `{"n":5,"a":1,"b":2}`)
	}
	writes := 0
	for _, r := range s.asked() {
		if r == "POST /_bulk_docs" {
			writes++
		}
	}
	if writes != 2 {
		t.Errorf("%d _bulk_docs, want 2: one for the merges, one for the tombstones", writes)
	}
}

// TestLoserIsNeverBuriedBeforeItsMergeIsConfirmed is I1: it listens to what
// the database is asked to write, while requests fail in every way.
func TestLoserIsNeverBuriedBeforeItsMergeIsConfirmed(t *testing.T) {
	t.Parallel()
	bulkDocs := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }
	for name, fault := range map[string]*couchtest.Fault{
		"no fault":            {Times: 1, Match: func(*http.Request) bool { return false }},
		"dropped before":      {DropBefore: true, Times: 1, Match: bulkDocs},
		"dropped after":       {DropAfter: true, Times: 1, Match: bulkDocs},
		"answer cut short":    {Truncate: 1, Times: 1, Match: bulkDocs},
		"500":                 {Status: 500, Times: 2, Match: bulkDocs},
		"503, longer":         {Status: 503, Times: 7, Match: bulkDocs},
		"413":                 {Status: 413, Body: `{"error":"document_too_large","reason":"d"}`, Times: 1, Match: bulkDocs},
		"merge refused":       {Match: bulkDocs, Times: 1, RowError: func(string, couchmend.Rev) (string, string) { return "forbidden", "no" }},
		"leaves can't be had": {Status: 500, Times: 6, Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_get") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
			var mu sync.Mutex
			merged := map[string]bool{}
			s.db.SetValidate(func(newDoc, _ json.RawMessage, _ couchtest.UserContext) error {
				mu.Lock()
				defer mu.Unlock()
				var doc struct {
					ID      string `json:"_id"`
					Deleted bool   `json:"_deleted"`
				}
				_ = json.Unmarshal(newDoc, &doc)
				if doc.Deleted && !merged[doc.ID] {
					t.Errorf("%s was buried before a merge was written", doc.ID)
				}
				if doc.Deleted {
					history, err := s.ledger.History(s.ctx, "clinic", doc.ID)
					if err != nil || len(history) == 0 || len(history[0].Leaves) != 2 {
						t.Errorf("%s was buried before its body was in the journal", doc.ID)
					}
				}
				merged[doc.ID] = merged[doc.ID] || !doc.Deleted
				return nil
			})
			s.offer("d")
			s.node.Inject(fault)
			_ = s.work()
			if fault.RowError != nil {
				s.wantCase("d", couchmend.ReasonRefused)
				if _, live := s.body("d"); live != 2 {
					t.Errorf("%d live leaves, want both: nothing is lost", live)
				}
				return
			}
			s.node.ClearFaults()
			if err := s.work(); err != nil {
				t.Fatal(err)
			}
			if name == "413" {
				s.wantCase("d", couchmend.ReasonRefused)
				return
			}
			s.wantBody("d", `{"n":5}`)
			s.wantNoCase("d")
		})
	}
}

func TestValidationFunctionsCostNoDocumentAndStopNoFeed(t *testing.T) {
	t.Parallel()
	refuse := func(what func(deleted bool) bool) func(json.RawMessage, json.RawMessage, couchtest.UserContext) error {
		return func(newDoc, _ json.RawMessage, _ couchtest.UserContext) error {
			var doc struct {
				ID      string `json:"_id"`
				Deleted bool   `json:"_deleted"`
			}
			_ = json.Unmarshal(newDoc, &doc)
			if doc.ID == "strict" && what(doc.Deleted) {
				return errors.New("not here")
			}
			return nil
		}
	}
	for _, c := range []struct {
		name    string
		refuses func(deleted bool) bool
		reason  couchmend.Reason
		live    int
	}{
		{"merges", func(deleted bool) bool { return !deleted }, couchmend.ReasonRefused, 2},
		{"tombstones", func(deleted bool) bool { return deleted }, couchmend.ReasonNotBuried, 2},
		{"both", func(bool) bool { return true }, couchmend.ReasonRefused, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for _, id := range []string{"strict", "free"} {
				s.fork(id, `{"n":1}`, `{"n":2}`, `{"n":4}`)
			}
			s.db.SetValidate(refuse(c.refuses))
			for range 3 {
				s.offer("strict", "free")
				if err := s.work(); err != nil {
					t.Fatal(err)
				}
			}
			s.wantBody("free", `{"n":5}`)
			s.wantCase("strict", c.reason)
			if _, live := s.body("strict"); live != c.live {
				t.Errorf("%d live leaves, want %d", live, c.live)
			}
			if n := s.Stats.Reviewed.Load(); n != 1 {
				t.Errorf("reported %d times, want once", n)
			}
			if c.reason == couchmend.ReasonNotBuried {
				if body, _ := s.body("strict"); body != `{"n":5}` {
					t.Errorf("merged to %s, want the sum once, however often it was tried", body)
				}
			}
		})
	}
}

func TestPauseStartsNoWriteAndListsWhatWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	if err := s.ledger.Pause(s.ctx, ledger.Pause{DB: "clinic", Reason: "incident"}); err != nil {
		t.Fatal(err)
	}
	s.offer("d")
	s.asked()
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	if asked := s.asked(); slices.Contains(asked, "POST /_bulk_docs") {
		t.Errorf("wrote while paused: %v", asked)
	}
	if c := s.wantCase("d", couchmend.ReasonPaused); c.Decision.Merge == nil {
		t.Error("the listed conflict does not say what it will become")
	}
	s.resumed()
	s.wantBody("d", `{"n":5}`)
	s.wantNoCase("d")
}

// resumed ends the pause and lets the waiting documents go on.
func (s *site) resumed() {
	s.Helper()
	if err := s.ledger.Resume(s.ctx, "clinic"); err != nil {
		s.Fatal(err)
	}
	for _, db := range s.resumable() {
		if err := s.requeue(s.ctx, db); err != nil {
			s.Fatal(err)
		}
	}
	if err := s.work(); err != nil {
		s.Fatal(err)
	}
}

func TestPauseBetweenMergeAndBurialStopsTheBurial(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.db.SetValidate(func(newDoc, _ json.RawMessage, _ couchtest.UserContext) error {
		if !strings.Contains(string(newDoc), `"_deleted":true`) {
			return s.ledger.Pause(s.ctx, ledger.Pause{DB: "clinic"})
		}
		t.Error("a burial was started while paused")
		return nil
	})
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantCase("d", couchmend.ReasonPaused)
	s.db.SetValidate(nil)
	s.resumed()
	s.wantBody("d", `{"n":5}`)
	s.wantNoCase("d")
}

func TestATombstoneIsReadOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	for i := range 3 {
		s.offer("d")
		if err := s.work(); err != nil {
			t.Fatal(err)
		}
		winner := s.db.Leaves("d")[0]
		s.put("d", winner.Path, fmt.Sprintf(`{"n":5,"edit":%d}`, i))
	}
	var graves int
	for _, leaf := range s.db.Leaves("d") {
		if _, ok := s.graves.find(couchmend.Conflict{DB: "clinic", ID: "d"}, leaf.Rev); ok {
			graves++
		}
	}
	if graves != 1 {
		t.Errorf("%d tombstones remembered, want 1", graves)
	}
}

func TestADocumentSavedBetweenReadAndWriteIsLeftToItsNextRow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	winner := s.db.Leaves("d")[0]
	once := sync.Once{}
	s.node.OnRequest(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_all_docs") {
			once.Do(func() { s.put("d", winner.Path, strings.Replace(string(winner.Body), "}", `,"late":true}`, 1)) })
		}
	})
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	if s.Stats.Stale.Load() != 1 {
		t.Errorf("stale: %d, want 1", s.Stats.Stale.Load())
	}
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantBody("d", `{"n":5,"late":true}`)
}

func TestOnAClusterABurialCarriesItsMergeOnceMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, couchtest.WithCluster(3))
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantBody("d", `{"n":5}`)
	var kinds []string
	for _, body := range s.written {
		kinds = append(kinds, fmt.Sprintf("%d documents, %d deleted", strings.Count(body, `"_id"`), strings.Count(body, `"_deleted"`)))
	}
	if got := strings.Join(kinds, "; "); got != "1 documents, 0 deleted; 2 documents, 1 deleted" {
		t.Errorf("wrote %s, want the merge, then the merge with the tombstone", got)
	}
}

func TestAnUnconfirmedMergeBuriesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.node.Inject(&couchtest.Fault{Status: 202, Body: `[]`, Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }})
	s.offer("d")
	_ = s.work()
	if leaves := s.db.Leaves("d"); len(leaves) != 2 || leaves[1].Deleted {
		t.Errorf("leaves: %v", leaves)
	}
}

func TestADocumentOfTwoThousandLeavesIsOneMerge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bodies := make([]string, 2000)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"n":%d}`, i+2)
	}
	s.fork("d", `{"n":1}`, bodies...)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	total := 1
	for i := range bodies {
		total += i + 1
	}
	s.wantBody("d", fmt.Sprintf(`{"n":%d}`, total))
}

func TestWithoutItsStateItFindsEveryConflictAgainAndDoublesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("merged", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("merged")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	before := s.db.Leaves("merged")
	s.fork("open", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	_ = s.ledger.Close()
	s.open(t.TempDir(), s.Server)
	s.offer("merged", "open")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantBody("open", `{"n":5}`)
	if after := s.db.Leaves("merged"); after[0].Rev != before[0].Rev || len(after) != len(before) {
		t.Errorf("%v became %v", before, after)
	}
}

func TestUndoBringsTheLeavesBackAndHoldsThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2,"who":"nurse"}`, `{"n":4,"who":"server"}`)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Undo(s.ctx, "clinic", "d", "ann", false); err != nil {
		t.Fatal(err)
	}
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantCase("d", couchmend.ReasonHeld)
	var live []string
	for _, leaf := range s.db.Leaves("d") {
		if !leaf.Deleted {
			live = append(live, string(leaf.Body))
		}
	}
	slices.Sort(live)
	if got := strings.Join(live, " "); got != `{"n":2,"who":"nurse"} {"n":4,"who":"server"}` {
		t.Errorf("live leaves %s", got)
	}
	if _, err := s.Undo(s.ctx, "clinic", "d", "ann", false); couchmend.KindOf(err) != couchmend.KindNotFound {
		t.Errorf("undone twice: %v", err)
	}
}

func TestAPersonsDecisionIsRefusedWhenTheLeavesHaveChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	c, d, err := s.Look(s.ctx, "clinic", "d")
	if err != nil {
		t.Fatal(err)
	}
	s.put("d", c.Leaves[1].Path, `{"n":9}`)
	err = s.Apply(s.ctx, c, d, "resolve", "ann", "")
	if couchmend.KindOf(err) != couchmend.KindConflict || !strings.Contains(err.Error(), "is new") {
		t.Errorf("%v", err)
	}
	if _, live := s.body("d"); live != 2 {
		t.Errorf("%d live leaves: something was written", live)
	}
}

func TestARowOlderThanACompactionIsDecidedOnTheLeavesOfNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.fork("e", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d", "e")
	late := s.db.Leaves("e")[1]
	s.put("e", late.Path, `{"n":7}`)
	s.db.Compact()
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.wantCase("d", couchmend.ReasonNoBase)
	c := s.wantCase("e", couchmend.ReasonNoBase)
	if slices.Contains(c.Leaves, late.Rev) {
		t.Errorf("decided on %s, which is no leaf any more", late.Rev)
	}
}

func TestABaseOutlivesCompactionWhileAPersonIsAwaited(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Rules = func(string) (decide.Rules, string) {
		rule := &merge.Rule{Name: "nothing"}
		return func(string, jsondoc.Value) *merge.Rule { return rule }, "test"
	}
	s.fork("d", `{"n":1}`, `{"n":2}`, `{"n":4}`)
	s.offer("d")
	if err := s.work(); err != nil {
		t.Fatal(err)
	}
	s.db.Compact()
	c, d, err := s.Look(s.ctx, "clinic", "d")
	if err != nil || len(c.Bases) != 1 || d.Reason != couchmend.ReasonOverlap {
		t.Errorf("%v: %d bases, %s; want the base from the journal, and an overlap", err, len(c.Bases), d.Reason)
	}
}
