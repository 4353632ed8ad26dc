package board

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)

func atNoon(t testing.TB) *Board {
	b := empty(func() time.Time { return noon })
	t.Cleanup(b.Close)
	return b
}

func line(ago time.Duration, db, id, kind, by string) ledger.EntryLine {
	return ledger.EntryLine{Time: noon.Add(-ago), DB: db, ID: id, Kind: kind, By: by, Rule: "p/r", Type: "report", Fields: []string{"a"}}
}

func not(hidden string) Visible { return func(db string) bool { return db != hidden } }

func TestWhatWasDoneIsCountedByHourAndDay(t *testing.T) {
	b := atNoon(t)
	b.count(line(10*time.Minute, "a", "1", "merge", "couchmend"))
	b.count(line(10*time.Minute, "a", "2", "bury", "couchmend"))
	b.count(line(2*time.Hour, "a", "3", "resolve", "asha"))
	b.count(line(2*time.Hour, "secret", "4", "merge", "couchmend"))
	b.count(line(3*time.Hour, "a", "3", "undo", "asha"))
	b.count(line(3*time.Hour, "a", "3", "dismiss", "asha"))
	b.count(line(30*time.Hour, "a", "5", "merge", "couchmend"))
	hour, today := b.Done(not("secret"))
	if want := (Numbers{Mended: 2}); hour != want {
		t.Errorf("last hour: %v, want %v", hour, want)
	}
	if want := (Numbers{Mended: 2, Decided: 1, Undone: 1}); today != want {
		t.Errorf("last day: %v, want %v", today, want)
	}
	if got := b.Shares(ByPerson, 5, All); !slices.Equal(got, []Share{{"asha", 2}}) {
		t.Errorf("people: %v", got)
	}
	if got := b.Shares(ByDatabase, 5, not("secret")); !slices.Equal(got, []Share{{"a", 3}}) {
		t.Errorf("databases: %v", got)
	}
	if got := b.Shares(ByRule, 5, All); !slices.Equal(got, []Share{{"p/r", 3}}) {
		t.Errorf("rules: %v", got)
	}
}

func TestOffendersAreDocumentsThatConflictTwiceADay(t *testing.T) {
	b := atNoon(t)
	for range 3 {
		b.count(line(time.Hour, "a", "often", "merge", "couchmend"))
	}
	b.count(line(time.Hour, "a", "once", "merge", "couchmend"))
	b.count(line(time.Hour, "secret", "x", "merge", "couchmend"))
	b.count(line(5*time.Hour, "secret", "x", "merge", "couchmend"))
	if got := b.Frequent(5, not("secret")); !slices.Equal(got, []Offender{{"a", "often", 3}}) {
		t.Errorf("got %v", got)
	}
	if got := b.Types(5, not("secret")); !slices.Equal(got, []Share{{"report", 4}}) {
		t.Errorf("types %v", got)
	}
}

func TestCountsStayBoundedAndLoseNone(t *testing.T) {
	b := atNoon(t)
	const n = maxKeys + 1000
	for i := range n {
		b.count(line(time.Minute, fmt.Sprint("db", i), fmt.Sprint(i), "merge", "couchmend"))
	}
	if _, today := b.Done(All); today[Mended] != n {
		t.Errorf("counted %d of %d", today[Mended], n)
	}
	if len(b.done.keys) > maxKeys+int(kinds) {
		t.Errorf("%d keys", len(b.done.keys))
	}
	if got := len(b.offenders.hour[noon.Add(-time.Minute).Unix()/3600%hours].docs); got > maxOffenders {
		t.Errorf("%d documents in an hour", got)
	}
}

func waits(i int) (string, *ledger.CaseLine) {
	reasons := []couchmend.Reason{couchmend.ReasonOverlap, couchmend.ReasonNoBase, couchmend.ReasonSchema}
	return fmt.Sprint("key", i), &ledger.CaseLine{
		DB: fmt.Sprint("db", i%7), ID: fmt.Sprintf("person-%d", i), Reason: reasons[i%3], Type: []string{"person", "report"}[i%2],
		Rule: "p/r", Fields: []string{"name", fmt.Sprint("f", i%20)}, Live: 2 + i%9, Deep: i%9 > 2,
		First: noon.Add(-time.Duration(i%1000) * time.Minute), Last: noon,
	}
}

// The law of pages: put together they are the whole list, in order, each case
// once, whatever the order and the length of a page.
func TestPagesPutTogetherAreTheList(t *testing.T) {
	b := atNoon(t)
	for i := range 200 {
		b.heed(waits(i))
	}
	rapid.Check(t, func(t *rapid.T) {
		q := Query{
			Order: rapid.SampledFrom([]Order{Oldest, Newest, Deepest, ByID}).Draw(t, "order"),
			Limit: rapid.IntRange(1, 90).Draw(t, "limit"),
			DB:    rapid.SampledFrom([]string{"", "db3"}).Draw(t, "db"),
			Type:  rapid.SampledFrom([]string{"", "person"}).Draw(t, "type"),
			Field: rapid.SampledFrom([]string{"", "f4", "name"}).Draw(t, "field"),
		}
		visible := not("db5")
		want := map[string]bool{}
		b.EachCase(q, visible, func(c ledger.CaseLine) bool { want[c.ID] = true; return true })
		whole := q
		whole.Limit = maxPage
		all, err := b.Cases(whole, visible)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for {
			page, err := b.Cases(q, visible)
			if err != nil {
				t.Fatal(err)
			}
			if page.Total != len(want) {
				t.Fatalf("total %d, want %d", page.Total, len(want))
			}
			for _, c := range page.Cases {
				if c.DB == "db5" {
					t.Fatal("a case of a hidden database")
				}
				ids = append(ids, c.ID)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(ids) != len(want) || len(all.Cases) != len(ids) {
			t.Fatalf("%d cases on pages, %d on one, want %d", len(ids), len(all.Cases), len(want))
		}
		for i, c := range all.Cases {
			if c.ID != ids[i] {
				t.Fatalf("place %d: %s on pages, %s on one", i, ids[i], c.ID)
			}
		}
	})
}

func TestACaseThatWasTakenAwayIsNoLongerCounted(t *testing.T) {
	b := atNoon(t)
	key, c := waits(1)
	b.heed(key, c)
	again := *c
	again.Reason = couchmend.ReasonHeld
	b.heed(key, &again)
	if got := b.Waiting(All); got.Total != 1 || got.Reasons[0].Name != string(couchmend.ReasonHeld) {
		t.Errorf("%+v", got)
	}
	b.heed(key, nil)
	if got := b.Waiting(All); got.Total != 0 || len(b.Databases()) != 1 { // it was counted as one that came
		t.Errorf("%+v, databases %v", got, b.Databases())
	}
}

func TestWhatIsHiddenIsNotCounted(t *testing.T) {
	b := atNoon(t)
	for i := range 70 {
		b.heed(waits(i))
	}
	if got := b.Waiting(not("db3")); got.Total != 60 || len(got.Databases) != 6 {
		t.Errorf("%+v", got)
	}
	if got := b.Waiting(func(string) bool { return false }); got.Total != 0 || !got.Oldest.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestChangesAreGatheredIntoAnEvent(t *testing.T) {
	b := atNoon(t)
	ctx, cancel := context.WithCancel(t.Context())
	events := b.Subscribe(ctx)
	for i := range 10 {
		b.heed(waits(i))
	}
	b.count(line(0, "db1", "x", "merge", "couchmend"))
	e := <-events
	if len(e[Cases]) != 7 || !slices.Equal(e[Work], []string{"db1"}) {
		t.Errorf("event %v", e)
	}
	cancel()
	if _, more := <-events; more {
		t.Error("an event after the subscription ended")
	}
}

func TestABoardShowsWhatAnotherProcessDoes(t *testing.T) {
	dir := t.TempDir()
	running, err := ledger.Open(t.Context(), ledger.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if err := running.Append(t.Context(), ledger.Entry{DB: "a", ID: "1", Kind: "merge", By: "couchmend"}); err != nil {
		t.Fatal(err)
	}
	looking, err := ledger.Connect(t.Context(), ledger.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer looking.Close()
	b, err := Open(t.Context(), looking, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if hour, _ := b.Done(All); hour[Mended] != 1 {
		t.Errorf("of what was done before: %v", hour)
	}
	events := b.Subscribe(t.Context())
	if err := running.PutCases(t.Context(), ledger.Case{DB: "a", ID: "2", Reason: couchmend.ReasonOverlap}); err != nil {
		t.Fatal(err)
	}
	if e := <-events; len(e[Cases]) != 1 || b.Waiting(All).Total != 1 {
		t.Errorf("event %v, %+v", e, b.Waiting(All))
	}
	if err := running.Pause(t.Context(), ledger.Pause{DB: "a", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	if e := <-events; len(e[Pauses]) != 1 {
		t.Errorf("event %v", e)
	}
}

// full is a board with 100,000 open cases, and what a case takes of memory.
func full(b *testing.B) (board *Board, bytesPerCase float64) {
	board = atNoon(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		board.heed(waits(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return board, float64(after.HeapAlloc-before.HeapAlloc) / 100_000
}

func BenchmarkCasesPage(b *testing.B) {
	board, _ := full(b)
	b.Run("oldest", func(b *testing.B) {
		for b.Loop() {
			if _, err := board.Cases(Query{}, All); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("filtered", func(b *testing.B) {
		for b.Loop() {
			if _, err := board.Cases(Query{Field: "f4", Text: "SON-1", Order: Deepest}, All); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWaiting(b *testing.B) {
	board, bytesPerCase := full(b)
	for b.Loop() {
		board.Waiting(All)
	}
	b.ReportMetric(bytesPerCase, "B/case")
}
