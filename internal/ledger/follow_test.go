package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// heard collects what a follower is told.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

func (h *heard) waitFor(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for range 500 {
		h.mu.Lock()
		got = slices.Clone(h.lines)
		h.mu.Unlock()
		if slices.Equal(got, want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("heard %q, want %q", got, want)
}

func TestAFollowerHasWhatThereWasAndThenWhatAnyProcessAdds(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: dir})
	check(t, err)
	defer l.Close()
	entry := func(id string) ledger.Entry {
		return ledger.Entry{DB: "db", ID: id, Kind: "merge", By: "couchmend", Type: "report", Decision: couchmend.Decision{
			Outcome: couchmend.Merge, Rule: "p/r", Fields: []couchmend.Origin{{Path: "a.b"}, {}}}}
	}
	check(t, l.Append(t.Context(), entry("a"), entry(`"<b>`+"\n")))
	other, err := ledger.Connect(t.Context(), ledger.Config{Dir: dir})
	check(t, err)
	defer other.Close()
	var h heard
	check(t, other.FollowJournal(t.Context(), time.Now().Add(-time.Hour), func(line ledger.EntryLine) {
		h.add(fmt.Sprintf("%s %q %s %s %s %v", line.Kind, line.ID, line.Type, line.Outcome, line.Rule, line.Fields))
	}))
	was := []string{`merge "a" report merge p/r [a.b]`, `merge "\"<b>\n" report merge p/r [a.b]`}
	h.waitFor(t, was...)
	check(t, l.Append(t.Context(), entry("c")))
	h.waitFor(t, append(was, `merge "c" report merge p/r [a.b]`)...)
}

func TestAFollowerOfCasesLearnsOfEachThatComesAndGoes(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()})
	check(t, err)
	defer l.Close()
	put := func(id string, reason couchmend.Reason) {
		t.Helper()
		check(t, l.PutCases(t.Context(), ledger.Case{DB: "db", ID: id, Reason: reason, Type: "person", Fields: []string{"name"}, Live: 3}))
	}
	put("a", couchmend.ReasonOverlap)
	put("b", couchmend.ReasonOverlap)
	check(t, l.DropCases(t.Context(), "db", "b"))
	put("a", couchmend.ReasonSchema)
	names := map[string]string{}
	var h heard
	check(t, l.FollowCases(t.Context(), func(key string, line *ledger.CaseLine) {
		if line == nil {
			h.add("gone " + names[key])
			return
		}
		names[key] = line.ID
		h.add(fmt.Sprint(line.ID, line.Reason, line.Type, line.Fields, line.Live))
	}))
	h.waitFor(t, "gone ", "aschemaperson[name] 3")
	check(t, l.DropCases(t.Context(), "db", "a"))
	h.waitFor(t, "gone ", "aschemaperson[name] 3", "gone a")
}

func TestALineThatIsTooLongForAHeaderIsReadFromItsMessage(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()})
	check(t, err)
	defer l.Close()
	long := string(make([]byte, 16<<10))
	check(t, l.Append(t.Context(), ledger.Entry{DB: "db", ID: long, Kind: "merge"}))
	check(t, l.PutCases(t.Context(), ledger.Case{DB: "db", ID: long, Reason: couchmend.ReasonOverlap}))
	var h heard
	check(t, l.FollowJournal(t.Context(), time.Now().Add(-time.Hour), func(line ledger.EntryLine) { h.add(fmt.Sprint(line.Kind, line.ID == long)) }))
	check(t, l.FollowCases(t.Context(), func(_ string, line *ledger.CaseLine) { h.add(fmt.Sprint(line.Reason, line.ID == long)) }))
	h.waitFor(t, "mergetrue", "overlaptrue")
}

func TestAFollowerOfPausesIsToldUntilItsContextEnds(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Config{Dir: t.TempDir()})
	check(t, err)
	defer l.Close()
	ctx, end := context.WithCancel(t.Context())
	var h heard
	l.FollowPauses(ctx, func() { h.add("turned") })
	check(t, l.Pause(t.Context(), ledger.Pause{DB: "db"}))
	check(t, l.Resume(t.Context(), "db"))
	h.waitFor(t, "turned", "turned")
	end()
	time.Sleep(20 * time.Millisecond)
	check(t, l.Pause(t.Context(), ledger.Pause{DB: "db"}))
	h.waitFor(t, "turned", "turned")
}
