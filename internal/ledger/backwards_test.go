package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// back collects a question's ids, newest first, and where it ended.
func back(t *testing.T, l *ledger.Ledger, q ledger.Back, most int) (ids []string, next uint64) {
	t.Helper()
	next, err := l.EachBack(t.Context(), q, func(_ uint64, line ledger.EntryLine) bool {
		ids = append(ids, line.ID)
		return len(ids) < most
	})
	check(t, err)
	return ids, next
}

func TestTheJournalIsReadBackPageByPageWithoutALossOrARepetition(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		const n = 1600
		var want []string
		var entries []ledger.Entry
		for i := range n {
			id := fmt.Sprint(i)
			entries = append(entries, ledger.Entry{DB: "db", ID: id, Kind: "merge"})
			want = append(want, id)
			if i%100 == 0 {
				entries = append(entries, ledger.Entry{DB: "rare", ID: id, Kind: "merge"})
			}
		}
		check(t, l.Append(t.Context(), entries...))
		slices.Reverse(want)
		for _, page := range []int{50, 700, n} {
			var got []string
			for q := (ledger.Back{DB: "db"}); ; {
				ids, next := back(t, l, q, page)
				got = append(got, ids...)
				if q.Before = next; next == 0 || len(ids) == 0 {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %d lines, from %v to %v", page, len(got), got[0], got[len(got)-1])
			}
		}
		if rare, _ := back(t, l, ledger.Back{DB: "rare"}, n); len(rare) != 16 || rare[0] != "1500" || rare[15] != "0" {
			t.Errorf("of a database that has few: %v", rare)
		}
		if one, _ := back(t, l, ledger.Back{DB: "rare", ID: "500"}, n); !slices.Equal(one, []string{"500"}) {
			t.Errorf("of one document: %v", one)
		}
	})
}

func TestReadingBackStopsAtItsBoundAndSaysWhereToGoOn(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	var entries []ledger.Entry
	for i := range 1500 {
		entries = append(entries, ledger.Entry{DB: "db", ID: fmt.Sprint(i), Kind: "merge"})
	}
	check(t, l.Append(t.Context(), entries...))
	ids, next := back(t, l, ledger.Back{Most: 700}, 5000)
	if len(ids) != 700 || next == 0 {
		t.Fatalf("looked at %d lines, next %d", len(ids), next)
	}
	if more, _ := back(t, l, ledger.Back{Before: next}, 1); more[0] != "799" {
		t.Errorf("goes on with %v, want 799", more)
	}
}

func TestReadingBackStopsAtAnAge(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	check(t, l.Append(t.Context(), ledger.Entry{DB: "db", ID: "old", Kind: "merge"}))
	time.Sleep(20 * time.Millisecond)
	since := time.Now()
	if ids, next := back(t, l, ledger.Back{Since: since}, 9); len(ids) != 0 || next != 0 {
		t.Errorf("all are older: got %v, next %d", ids, next)
	}
	check(t, l.Append(t.Context(), ledger.Entry{DB: "db", ID: "new", Kind: "merge"}))
	if ids, next := back(t, l, ledger.Back{Since: since}, 9); !slices.Equal(ids, []string{"new"}) || next != 0 {
		t.Errorf("got %v, next %d", ids, next)
	}
}

func TestAnEntryIsFoundByTheNumberOfItsLine(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		check(t, l.Append(t.Context(), entry("db", "a", "merge"), entry("db", "b", "undo")))
		var numbers []uint64
		_, err := l.EachBack(t.Context(), ledger.Back{}, func(number uint64, _ ledger.EntryLine) bool {
			numbers = append(numbers, number)
			return true
		})
		check(t, err)
		if e := must(l.Entry(t.Context(), numbers[1]))(t); e.ID != "a" || e.Kind != "merge" || len(e.Leaves) != 2 {
			t.Errorf("got %+v", e)
		}
		_, err = l.Entry(t.Context(), numbers[0]+1)
		wantKind(t, err, couchmend.KindNotFound)
	})
}
