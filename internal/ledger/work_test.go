package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func item(db, id string, row int) ledger.Item {
	return ledger.Item{DB: db, ID: id, Seq: fmt.Sprint(row), Since: fmt.Sprintf("before %d", row)}
}

func put(t *testing.T, l *ledger.Ledger, items ...ledger.Item) {
	t.Helper()
	if n, err := l.Put(t.Context(), items...); err != nil || n != len(items) {
		t.Fatalf("Put took %d of %d: %v", n, len(items), err)
	}
}

func fetch(t *testing.T, l *ledger.Ledger, want int) []ledger.Task {
	t.Helper()
	var tasks []ledger.Task
	for len(tasks) < want {
		more, err := l.Fetch(t.Context(), want-len(tasks), 3*time.Second)
		check(t, err)
		if len(more) == 0 {
			t.Fatalf("fetched %d items, want %d", len(tasks), want)
		}
		tasks = append(tasks, more...)
	}
	return tasks
}

func pending(t *testing.T, l *ledger.Ledger, want int) {
	t.Helper()
	within(t, 3*time.Second, fmt.Sprintf("%d items wait", want), func() bool {
		return must(l.Pending(t.Context()))(t) == want
	})
}

func TestAnItemComesBackAsItWasPut(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		names := []string{"a/b *.>", "naïve ☃", "x y", "", "*", "\x00\n"}
		for i, name := range names {
			it := item(name, name, i)
			it.Leaves = []couchmend.Rev{couchmend.MustRev("2-b"), couchmend.MustRev("2-a")}
			it.Deleted, it.Trace, it.Enqueued = true, "t", time.Unix(5, 0).UTC()
			put(t, l, it)
			got := fetch(t, l, 1)[0]
			if fmt.Sprint(got.Item) != fmt.Sprint(it) || got.Delivered != 1 {
				t.Errorf("got %+v, want %+v", got.Item, it)
			}
			check(t, got.Ack(t.Context()))
		}
		pending(t, l, 0)
	})
}

func TestANewerItemReplacesOneThatWaitsAndOneInHand(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		put(t, l, item("db", "d", 1), item("db", "d", 2))
		pending(t, l, 1)
		old := fetch(t, l, 1)[0]
		put(t, l, item("db", "d", 3))
		now := fetch(t, l, 1)[0]
		if old.Seq != "2" || now.Seq != "3" {
			t.Errorf("fetched rows %s and %s, want 2 and 3", old.Seq, now.Seq)
		}
		check(t, old.Ack(t.Context())) // too late: removes nothing
		put(t, l, item("db", "e", 4))
		check(t, fetch(t, l, 1)[0].Ack(t.Context()))
		pending(t, l, 1)
		check(t, now.Ack(t.Context()))
		pending(t, l, 0)
	})
}

func TestAFullQueueRefusesNewDocumentsAndTakesNewerRowsOfOldOnes(t *testing.T) {
	onBoth(t, ledger.Config{QueueLimit: 3}, func(t *testing.T, l *ledger.Ledger) {
		n, err := l.Put(t.Context(), item("db", "a", 1), item("db", "b", 2), item("db", "c", 3), item("db", "d", 4), item("db", "a", 5))
		wantError(t, err, ledger.ErrFull)
		if n != 3 {
			t.Fatalf("took %d, want 3", n)
		}
		put(t, l, item("db", "a", 6))
		first := fetch(t, l, 1)[0]
		if first.ID != "b" {
			t.Errorf("the oldest is %s, want b", first.ID)
		}
		check(t, first.Ack(t.Context()))
		pending(t, l, 2)
		put(t, l, item("db", "d", 4))
	})
}

func TestAttemptsAreCountedByRetryAloneAndForgottenByAck(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		put(t, l, item("db", "d", 1))
		check(t, fetch(t, l, 1)[0].Release(0))
		for attempt := range 3 {
			task := fetch(t, l, 1)[0]
			if task.Attempt != attempt || task.Delivered != attempt+2 {
				t.Fatalf("attempt %d, delivered %d times; want %d, %d", task.Attempt, task.Delivered, attempt, attempt+2)
			}
			check(t, task.Retry(time.Millisecond))
		}
		put(t, l, item("db", "d", 2)) // a newer row does not make it innocent
		task := fetch(t, l, 1)[0]
		if task.Attempt != 3 {
			t.Fatalf("attempt %d after a newer row, want 3", task.Attempt)
		}
		check(t, task.Ack(t.Context()))
		put(t, l, item("db", "d", 3))
		if task := fetch(t, l, 1)[0]; task.Attempt != 0 {
			t.Errorf("attempt %d after an acknowledgement, want 0", task.Attempt)
		}
	})
}

func TestFetchReturnsAsSoonAsThereIsWork(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		begin := time.Now()
		if tasks := must(l.Fetch(t.Context(), 10, 50*time.Millisecond))(t); len(tasks) != 0 {
			t.Fatalf("fetched %v from an empty queue", tasks)
		}
		if waited := time.Since(begin); waited < 25*time.Millisecond {
			t.Errorf("waited %v, want 50ms or a little less", waited)
		}
		time.AfterFunc(20*time.Millisecond, func() { l.Put(background, item("db", "a", 1), item("db", "b", 2)) })
		begin = time.Now()
		if tasks := must(l.Fetch(t.Context(), 10, 20*time.Second))(t); len(tasks) == 0 {
			t.Error("fetched nothing")
		}
		if waited := time.Since(begin); waited > 5*time.Second {
			t.Errorf("waited %v though there was work", waited)
		}
	})
}

func TestTheOldestWorkIsThatOfTheTurnSinceTheCheckpointWasRead(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		oldest := func(c ledger.Checkpoint, want string) {
			t.Helper()
			within(t, 3*time.Second, "the oldest work is "+want, func() bool {
				it, _, err := l.OldestWork(t.Context(), c)
				check(t, err)
				return it.Since == want
			})
		}
		put(t, l, item("other", "a", 1))
		first := must(l.Checkpoint(t.Context(), "db"))(t)
		oldest(first, "")
		put(t, l, item("db", "a", 1), item("db", "b", 2), item("db", "c", 3))
		put(t, l, item("db", "a", 4)) // a moves to its newer row
		oldest(first, "before 2")
		tasks := fetch(t, l, 4)
		oldest(first, "before 2") // in hand is not resolved
		b := tasks[slices.IndexFunc(tasks, func(k ledger.Task) bool { return k.ID == "b" })]
		check(t, b.Retry(time.Hour))
		oldest(first, "before 2") // nor is it when it is put off
		c := tasks[slices.IndexFunc(tasks, func(k ledger.Task) bool { return k.ID == "c" })]
		check(t, c.Ack(t.Context()))
		oldest(first, "before 2")

		// A second turn reads from its checkpoint on, and meets b and a again.
		second := must(l.Checkpoint(t.Context(), "db"))(t)
		oldest(second, "")
		put(t, l, item("db", "b", 2))
		oldest(second, "before 2")
		oldest(first, "before 4") // what the first turn would wrongly say
	})
}

func TestARetryThatAPersonAskedForKeepsTheRowThatWaits(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		from := must(l.Checkpoint(t.Context(), "db"))(t)
		put(t, l, ledger.Item{DB: "db", ID: "new"})
		put(t, l, item("db", "old", 7))
		put(t, l, ledger.Item{DB: "db", ID: "old"}, ledger.Item{DB: "db", ID: "third"})
		pending(t, l, 3)
		it, found, err := l.OldestWork(t.Context(), from)
		if err != nil || !found || it.Since != "before 7" {
			t.Errorf("oldest is %+v, %v, %v; want row 7", it, found, err)
		}
	})
}

func TestLeavesThatFillAMessageAreLeftOut(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		few, many := item("db", "few", 1), item("db", "many", 2)
		for i := range 40_000 {
			rev := couchmend.Rev{Gen: 2, Hash: fmt.Sprintf("%032x", i)}
			many.Leaves = append(many.Leaves, rev)
			if i < 2000 {
				few.Leaves = append(few.Leaves, rev)
			}
		}
		put(t, l, few, many)
		tasks := fetch(t, l, 2)
		if len(tasks[0].Leaves) != 2000 || len(tasks[1].Leaves) != 0 {
			t.Errorf("%d and %d leaves, want 2000 and none", len(tasks[0].Leaves), len(tasks[1].Leaves))
		}
	})
}

func TestTheHolderThatComesBackHasAllWorkInHandAtOnce(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	l := open(t, c)
	put(t, l, item("db", "a", 1), item("db", "b", 2))
	fetch(t, l, 2)
	check(t, l.Close())
	again := fetch(t, open(t, c), 2)
	if again[0].ID != "a" || again[1].ID != "b" {
		t.Errorf("got %v", again)
	}
}

func TestABoundThatWasChangedHoldsFromTheNextOpen(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir(), QueueLimit: 1}
	l := open(t, c)
	put(t, l, item("db", "a", 1))
	_, err := l.Put(t.Context(), item("db", "b", 2))
	wantError(t, err, ledger.ErrFull)
	check(t, l.Close())
	c.QueueLimit = 2
	put(t, open(t, c), item("db", "b", 2))
}
