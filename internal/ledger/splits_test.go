package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestHowFarASplitHasGotOutlivesTheProcess(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	large := json.RawMessage(`{"id":"` + strings.Repeat("x", 600<<10) + `"}`)
	for _, plan := range []json.RawMessage{json.RawMessage(`{"id":"a<b"}`), large} {
		l := open(t, c)
		s, _, err := l.Split(t.Context(), "d", "a")
		check(t, err)
		s = s.Anew()
		s.DB, s.ID, s.Stage, s.Plan = "d", "a", ledger.SplitPlanned, json.RawMessage(`{}`)
		check(t, l.PutSplit(t.Context(), &s))
		s.Stage, s.Also, s.Plan = ledger.SplitCreated, []string{"e"}, plan
		check(t, l.PutSplit(t.Context(), &s))
		check(t, l.Close())
		l = open(t, c)
		s, ok, err := l.Split(t.Context(), "d", "a")
		check(t, err)
		if !ok || s.Stage != ledger.SplitCreated || string(s.Plan) != string(plan) || len(s.Also) != 1 || s.Started.IsZero() {
			t.Errorf("%v %.200v", ok, s)
		}
		check(t, l.Close())
	}
}

func TestADocumentWithoutASplitHasNone(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		check(t, l.PutSplit(t.Context(), &ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitDone, Plan: json.RawMessage(`{}`)}))
		for _, doc := range [][2]string{{"d", "b"}, {"e", "a"}} {
			if _, ok, err := l.Split(t.Context(), doc[0], doc[1]); ok || err != nil {
				t.Errorf("%v %v %v", doc, ok, err)
			}
		}
	})
}

func TestOfTwoProcessesOneBeginsASplit(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		one := ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitPlanned, By: "ann", Plan: json.RawMessage(`{}`)}
		two := one
		check(t, l.PutSplit(t.Context(), &one))
		if err := l.PutSplit(t.Context(), &two); couchmend.KindOf(err) != couchmend.KindConflict {
			t.Errorf("the second one began, too: %v", err)
		}
		resumed, _, err := l.Split(t.Context(), "d", "a")
		check(t, err)
		resumed.Stage = ledger.SplitCreated
		check(t, l.PutSplit(t.Context(), &resumed))
		one.Stage = ledger.SplitCreated
		if err := l.PutSplit(t.Context(), &one); couchmend.KindOf(err) != couchmend.KindConflict {
			t.Errorf("both go on: %v", err)
		}
	})
}

func TestSplitsAreListedByDatabase(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		for _, s := range []ledger.Split{{DB: "d", ID: "a"}, {DB: "e", ID: "b"}, {DB: "d", ID: "c"}} {
			s.Stage, s.Plan = ledger.SplitDone, json.RawMessage(`{"id":"`+strings.Repeat("x", 300<<10)+`"}`)
			check(t, l.PutSplit(t.Context(), &s))
		}
		for db, want := range map[string]string{"d": "ac", "e": "b", "": "abc", "f": ""} {
			got := ""
			for s, err := range l.Splits(t.Context(), db) {
				check(t, err)
				got += s.ID
			}
			if got != want {
				t.Errorf("of %q: %q, want %q", db, got, want)
			}
		}
	})
}

func TestWhichIDsWereSplitIsKnownUntilThatIsTakenBackOrForgotten(t *testing.T) {
	now := time.Now()
	c := ledger.Config{Dir: t.TempDir(), Now: func() time.Time { return now }}
	l := open(t, c)
	old := ledger.Split{DB: "d", ID: "first", Stage: ledger.SplitDone, Plan: json.RawMessage(`{}`)}
	check(t, l.PutSplit(t.Context(), &old))
	a, err := l.FollowSplits(t.Context())
	check(t, err)
	known := func(db, want string) {
		t.Helper()
		var ids []string
		for _, s := range a.In(db) {
			ids = append(ids, s.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("in %s: %q, want %q", db, got, want)
		}
	}
	known("d", "first")
	s := ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitPlanned, By: "couchmend", Also: []string{"e"}, Plan: json.RawMessage(`{}`)}
	check(t, l.PutSplit(t.Context(), &s))
	known("d", "a first")
	known("e", "a")
	if under := a.UnderWay("couchmend"); len(under) != 1 || under[0].ID != "a" || len(a.UnderWay("ann")) != 0 {
		t.Errorf("%v", under)
	}
	s.Stage = ledger.SplitRolledBack
	check(t, l.PutSplit(t.Context(), &s))
	known("d", "first")
	known("e", "")
	now = now.Add(31 * 24 * time.Hour)
	known("d", "")
	var none *ledger.Apart
	if len(none.In("d")) != 0 {
		t.Error("it knows something")
	}
}
