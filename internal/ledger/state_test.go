package ledger_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestACheckpointIsMovedByOneReaderOnly(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		mine := must(l.Checkpoint(t.Context(), "db"))(t)
		theirs := must(l.Checkpoint(t.Context(), "db"))(t)
		if mine.Since != "" || mine.DB != "db" {
			t.Errorf("got %+v of a database without checkpoint", mine)
		}
		mine.Since, mine.InstanceStart = "5", "i"
		check(t, l.SaveCheckpoint(t.Context(), &mine))
		mine.Since = "6"
		check(t, l.SaveCheckpoint(t.Context(), &mine))
		theirs.Since = "9"
		wantError(t, l.SaveCheckpoint(t.Context(), &theirs), ledger.ErrStale)
		theirs = must(l.Checkpoint(t.Context(), "db"))(t)
		if theirs.Since != "6" || theirs.InstanceStart != "i" || theirs.At.IsZero() {
			t.Errorf("read %+v, want what was saved last", theirs)
		}
		check(t, l.SaveCheckpoint(t.Context(), &theirs))
		wantError(t, l.SaveCheckpoint(t.Context(), &mine), ledger.ErrStale)
	})
}

func TestALeaseHasOneHolder(t *testing.T) {
	onBoth(t, ledger.Config{LeaseTTL: time.Second}, func(t *testing.T, l *ledger.Ledger) {
		mine := must(l.Lease(t.Context(), "feed a/b", "me"))(t)
		other := must(l.Lease(t.Context(), "feed *", "me"))(t)
		time.Sleep(1500 * time.Millisecond) // it is renewed
		if _, err := l.Lease(t.Context(), "feed a/b", "you"); err == nil {
			t.Fatal("two have the lease")
		} else {
			wantError(t, err, ledger.ErrHeld)
		}
		check(t, mine.Release(t.Context()))
		check(t, mine.Release(t.Context()))
		yours := must(l.Lease(t.Context(), "feed a/b", "you"))(t)
		select {
		case <-mine.Lost():
			t.Error("a lease that was given back is not lost")
		case <-yours.Lost():
			t.Error("yours is lost")
		case <-other.Lost():
			t.Error("the other one is lost")
		default:
		}
	})
}

func TestALeaseIsFreeSomeTimeAfterItsHolderDied(t *testing.T) {
	url := natsServer(t)
	c := ledger.Config{URL: url, LeaseTTL: time.Second}
	dead, alive := open(t, c), open(t, c)
	lease := must(dead.Lease(t.Context(), "feed", "dead"))(t)
	ledger.Disconnect(dead)
	within(t, 5*time.Second, "the lease is free", func() bool {
		l, err := alive.Lease(t.Context(), "feed", "alive")
		return err == nil && l != nil
	})
	select {
	case <-lease.Lost():
	case <-time.After(5 * time.Second):
		t.Error("the holder that was cut off does not know")
	}
}

func TestReviewHoldsOneCaseADocument(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		want := ledger.Case{
			DB: "db", ID: "a/ *", Reason: couchmend.ReasonOverlap, FailureClass: "merge_logic", Leaves: []couchmend.Rev{couchmend.MustRev("2-b")},
			First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Attempts: 3, Evidence: []string{"a < b"},
			Decision: couchmend.Decision{Outcome: couchmend.Review, Reason: couchmend.ReasonOverlap},
		}
		old := want
		old.Reason = couchmend.ReasonNoBase
		check(t, l.PutCases(t.Context(), old, ledger.Case{DB: "db", ID: "b", Reason: couchmend.ReasonOverlap}, ledger.Case{DB: "x", ID: "b", Reason: couchmend.ReasonHeld}))
		check(t, l.PutCases(t.Context(), want))
		got, found, err := l.Case(t.Context(), "db", "a/ *")
		if err != nil || !found || !reflect.DeepEqual(ledger.Unread(got), want) {
			t.Errorf("got %+v, %v, %v", got, found, err)
		}
		list := func(f ledger.Filter) (ids string) {
			for c, err := range l.Cases(t.Context(), f) {
				check(t, err)
				ids += c.DB + ":" + c.ID + " "
			}
			return ids
		}
		for f, want := range map[ledger.Filter]string{
			{}:                                      "db:b x:b db:a/ * ",
			{DB: "db"}:                              "db:b db:a/ * ",
			{Reason: couchmend.ReasonOverlap}:       "db:b db:a/ * ",
			{DB: "x", Reason: couchmend.ReasonHeld}: "x:b ",
			{DB: "x", Reason: couchmend.ReasonOverlap}: "",
		} {
			if got := list(f); got != want {
				t.Errorf("%+v lists %q, want %q", f, got, want)
			}
		}
		check(t, l.DropCases(t.Context(), "db", "b", "never there"))
		check(t, l.DropCases(t.Context(), "db"))
		counts := must(l.CountCases(t.Context()))(t)
		if !maps.Equal(counts, map[couchmend.Reason]int{couchmend.ReasonOverlap: 1, couchmend.ReasonHeld: 1}) {
			t.Errorf("counts are %v", counts)
		}
		if _, found, _ := l.Case(t.Context(), "db", "b"); found {
			t.Error("a dropped case is still there")
		}
	})
}

func TestACaseTooLargeForAMessageKeepsItsLeaves(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		merge := revision("3-m", `"`+strings.Repeat("x", 2<<20)+`"`)
		c := ledger.Case{DB: "db", ID: "a", Reason: couchmend.ReasonRefused, Evidence: []string{"413"},
			Leaves:   []couchmend.Rev{couchmend.MustRev("2-b")},
			Decision: couchmend.Decision{Outcome: couchmend.Merge, Merge: &merge}}
		check(t, l.PutCases(t.Context(), c))
		got, _, err := l.Case(t.Context(), "db", "a")
		if err != nil || got.Decision.Outcome != couchmend.Merge || got.Decision.Merge != nil || len(got.Leaves) != 1 || got.Evidence[0] != "413" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestAPauseInOneProcessHoldsInAnother(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	run := open(t, ledger.Config{Dir: dir, Now: func() time.Time { return now }})
	command := must(ledger.Connect(t.Context(), ledger.Config{Dir: dir, Now: func() time.Time { return now }}))(t)
	defer command.Close()
	holds := func(want bool, db string) {
		t.Helper()
		within(t, time.Second, fmt.Sprintf("%s paused: %v", db, want), func() bool { return run.Paused(db) == want })
	}
	holds(false, "db")
	check(t, command.Pause(t.Context(), ledger.Pause{DB: "db", Reason: "audit", By: "ann", Until: now.Add(time.Hour)}))
	holds(true, "db")
	holds(false, "other")
	if !command.Paused("db") {
		t.Error("not at once where it was said")
	}
	check(t, command.Pause(t.Context(), ledger.Pause{Reason: "emergency"}))
	holds(true, "other")
	in := must(run.Pauses(t.Context()))(t)
	if len(in) != 2 || in[0].By != "ann" || !in[0].Since.Equal(now) || in[1].DB != "" {
		t.Errorf("pauses are %+v", in)
	}
	check(t, command.Resume(t.Context(), ""))
	holds(false, "other")
	holds(true, "db")
	now = now.Add(2 * time.Hour)
	holds(false, "db")
	if in := must(run.Pauses(t.Context()))(t); len(in) != 0 {
		t.Errorf("pauses that are over: %+v", in)
	}
}

func TestAPauseOutlivesTheProcess(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	l := open(t, c)
	check(t, l.Pause(t.Context(), ledger.Pause{DB: "a"}))
	check(t, l.Pause(t.Context(), ledger.Pause{DB: "b"}))
	check(t, l.Resume(t.Context(), "b"))
	check(t, l.Close())
	l = open(t, c)
	if !l.Paused("a") || l.Paused("b") {
		t.Errorf("a paused: %v, b paused: %v; want true, false", l.Paused("a"), l.Paused("b"))
	}
}

func TestASecondHolderOfADirectoryIsToldWhoHasIt(t *testing.T) {
	c := ledger.Config{Dir: filepath.Join(t.TempDir(), "new", "state")}
	l := open(t, c)
	_, err := ledger.Open(t.Context(), c)
	wantKind(t, err, couchmend.KindLocked)
	if !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("%q names neither process nor directory", err)
	}
	check(t, l.Close())
	check(t, l.Close())
	open(t, c)
}

func TestACommandWorksBesideTheHolderAndWithoutOne(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	for _, beside := range []bool{false, true} {
		var run *ledger.Ledger
		if beside {
			run = open(t, c)
		}
		command := must(ledger.Connect(t.Context(), c))(t)
		check(t, command.Append(t.Context(), entry("db", "d", "undo")))
		check(t, command.Close())
		if beside {
			if history := must(run.History(t.Context(), "db", "d"))(t); len(history) != 2 {
				t.Errorf("%d entries, want one of each command", len(history))
			}
		}
	}
}

func TestTheHolderWaitsForACommandThatIsAboutToLeave(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	command := must(ledger.Connect(t.Context(), c))(t)
	time.AfterFunc(100*time.Millisecond, func() { command.Close() })
	open(t, c)
}

func TestOthersOnTheMachineCannotReadTheState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	open(t, ledger.Config{Dir: dir})
	for name, want := range map[string]os.FileMode{"": 0o700, "server.json": 0o600, "jetstream": 0o700} {
		if info := must(os.Stat(filepath.Join(dir, name)))(t); info.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

func TestErrorsNeverShowAPassword(t *testing.T) {
	for _, url := range []string{"nats://ann:s3cret@127.0.0.1:1", "nats://ann:s3cret@%zz:1", natsServer(t) + "wrong"} {
		_, err := ledger.Open(t.Context(), ledger.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	for _, c := range []ledger.Config{{}, {Dir: "a", URL: "b"}, {Dir: "a", Name: "a.b"}, {Dir: "a", LeaseTTL: time.Millisecond}} {
		_, err := ledger.Open(t.Context(), c)
		wantKind(t, err, couchmend.KindUsage)
	}
}

func TestACaseThatWasWrittenAgainIsNotEndedForWhatCameBefore(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		put := func(reason couchmend.Reason) ledger.Case {
			check(t, l.PutCases(t.Context(), ledger.Case{DB: "d", ID: "a", Reason: reason}))
			c, _, err := l.Case(t.Context(), "d", "a")
			check(t, err)
			return c
		}
		before := put(couchmend.ReasonSplitting)
		now := put(couchmend.ReasonOverlap)
		for _, act := range []func(context.Context, ledger.Case) (bool, error){l.EndCase, l.ReplaceCase} {
			if ok, err := act(t.Context(), before); ok || err != nil {
				t.Errorf("%v %v", ok, err)
			}
		}
		now.Evidence = []string{"seen"}
		if ok, err := l.ReplaceCase(t.Context(), now); !ok || err != nil {
			t.Fatalf("%v %v", ok, err)
		}
		c, ok, err := l.Case(t.Context(), "d", "a")
		check(t, err)
		if !ok || c.Reason != couchmend.ReasonOverlap || len(c.Evidence) != 1 {
			t.Errorf("%+v", c)
		}
		if ok, err := l.EndCase(t.Context(), c); !ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		if _, ok, _ := l.Case(t.Context(), "d", "a"); ok {
			t.Error("it is still there")
		}
	})
}
