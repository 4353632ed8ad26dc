package ledger_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"
)

func TestAnUnreadableItemDoesNotBlockItsDocument(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		check(t, ledger.PutRaw(l, "db", "d", "{no json"))
		pending(t, l, 1)
		if tasks := must(l.Fetch(t.Context(), 10, 50*time.Millisecond))(t); len(tasks) != 0 {
			t.Errorf("fetched %v", tasks)
		}
		pending(t, l, 0)
		put(t, l, item("db", "d", 1))
		check(t, fetch(t, l, 1)[0].Ack(t.Context()))
	})
}

func TestStateOutlivesARestartOfItsServer(t *testing.T) {
	dir := t.TempDir()
	first := serve(t, dir, server.RANDOM_PORT)
	port := first.Addr().(*net.TCPAddr).Port
	c := ledger.Config{URL: fmt.Sprintf("nats://mender:s3cret@127.0.0.1:%d", port), LeaseTTL: time.Second}
	run, command := open(t, c), open(t, c)
	from := must(run.Checkpoint(t.Context(), "db"))(t)
	put(t, run, item("db", "before", 1))
	check(t, run.Append(t.Context(), entry("db", "before", "merge")))
	check(t, fetch(t, run, 1)[0].Retry(time.Millisecond))

	first.Shutdown()
	first.WaitForShutdown()
	serve(t, dir, port)

	if tasks := fetch(t, run, 1); tasks[0].ID != "before" || tasks[0].Attempt != 1 {
		t.Errorf("fetched %+v", tasks)
	}
	put(t, run, item("db", "after", 2))
	_, _, err := run.OldestWork(t.Context(), from)
	wantKind(t, err, couchmend.KindUnreachable) // who knows what the server lost
	from = must(run.Checkpoint(t.Context(), "db"))(t)
	put(t, run, item("db", "before", 1))
	if oldest, _, err := run.OldestWork(t.Context(), from); err != nil || oldest.Since != "before 1" {
		t.Errorf("the oldest is %+v, %v", oldest, err)
	}
	if history := must(run.History(t.Context(), "db", "before"))(t); len(history) != 1 {
		t.Errorf("%d entries, want 1", len(history))
	}
	within(t, 5*time.Second, "the lease", func() bool {
		lease, err := run.Lease(t.Context(), "feed", "run")
		return err == nil && lease != nil
	})
	// The switches are followed again, at the latest when the watch notices.
	check(t, command.Pause(t.Context(), ledger.Pause{DB: "db"}))
	within(t, time.Second, "the pause is seen", func() bool { return run.Paused("db") })
}

func TestWithoutItsServerTheLedgerSaysSo(t *testing.T) {
	s := serve(t, t.TempDir(), server.RANDOM_PORT)
	l := open(t, ledger.Config{URL: "nats://mender:s3cret@" + s.Addr().String()})
	s.Shutdown()
	s.WaitForShutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := l.Case(ctx, "db", "d")
	wantKind(t, err, couchmend.KindUnreachable)
	wantKind(t, l.Append(ctx, entry("db", "d", "merge")), couchmend.KindUnreachable)
}

// The queue against a model: a document waits once, with its newest row; the
// oldest work is the first of the rows that are neither resolved nor replaced.
func TestTheQueueAgreesWithItsModel(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir(), QueueLimit: 1000})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		db := fmt.Sprint("db", run)
		from, err := l.Checkpoint(background, db)
		if err != nil {
			t.Fatal(err)
		}
		waits := map[string]int{} // row by document
		hands := map[string]ledger.Task{}
		row := 0
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"put", "put", "put", "take", "ack", "retry"}), 1, 30).Draw(t, "steps")
		for _, step := range steps {
			id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")
			switch task, inHand := hands[id]; {
			case step == "put":
				row++
				if _, err := l.Put(background, item(db, id, row)); err != nil {
					t.Fatal(err)
				}
				waits[id] = row
			case step == "take":
				tasks, err := l.Fetch(background, 10, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range tasks {
					hands[k.ID] = k
				}
			case inHand && step == "ack":
				_ = task.Ack(background)
				if task.Seq == fmt.Sprint(waits[id]) {
					delete(waits, id)
				}
				delete(hands, id)
			case inHand && step == "retry":
				_ = task.Retry(time.Millisecond)
				delete(hands, id)
			}
		}
		agree(t, l, from, waits)
		drain(t, l, db)
	})
}

func agree(t *rapid.T, l *ledger.Ledger, from ledger.Checkpoint, waits map[string]int) {
	oldest := 0
	for _, row := range waits {
		if oldest == 0 || row < oldest {
			oldest = row
		}
	}
	want := ""
	if oldest > 0 {
		want = item(from.DB, "", oldest).Since
	}
	var got ledger.Item
	var count int
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var err error
		if got, _, err = l.OldestWork(background, from); err != nil {
			t.Fatal(err)
		}
		if count, err = l.Pending(background); err != nil {
			t.Fatal(err)
		}
		if got.Since == want && count == len(waits) {
			return
		}
	}
	t.Fatalf("the oldest is %q of %d, want %q of %d", got.Since, count, want, len(waits))
}

func drain(t *rapid.T, l *ledger.Ledger, db string) {
	if err := ledger.PurgeWork(l, db); err != nil {
		t.Fatal(err)
	}
}
