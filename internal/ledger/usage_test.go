package ledger_test

import (
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestUsageGrowsWithWhatIsStored(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir(), JournalBytes: 16 << 20})
	before, err := l.Usage(t.Context())
	check(t, err)
	if before.Waiting != 0 || !before.Oldest.IsZero() || before.JournalLimit != 16<<20 || before.FreeBytes <= 0 {
		t.Errorf("at first: %+v", before)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	_, err = l.Put(t.Context(), ledger.Item{DB: "a", ID: "1", Since: "0", Enqueued: old}, ledger.Item{DB: "b", ID: "2", Since: "0"})
	check(t, err)
	check(t, l.Append(t.Context(), ledger.Entry{DB: "a", ID: "1", Kind: "merge", Note: string(make([]byte, 600<<10))}))
	after, err := l.Usage(t.Context())
	check(t, err)
	if after.Waiting != 2 || !after.Oldest.Equal(old) || after.JournalBytes < before.JournalBytes+600<<10 {
		t.Errorf("then: %+v", after)
	}
}

func TestAFullJournalIsNotFitToWork(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir(), JournalBytes: 2 << 20})
	check(t, l.Check(t.Context()))
	check(t, l.Check(t.Context()))
	for i := range 12 {
		note := make([]byte, 100<<10)
		for j := range note {
			note[j] = 'a' + byte((i+j*j+j>>3)%26)
		}
		check(t, l.Append(t.Context(), ledger.Entry{DB: "a", ID: "1", Kind: "merge", Note: string(note)}))
	}
	if err := l.Check(t.Context()); couchmend.KindOf(err) != couchmend.KindFull {
		t.Errorf("with a full journal: %v", err)
	}
}

func TestAClosedStateIsNotFitToWork(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	check(t, l.Close())
	if l.Check(t.Context()) == nil {
		t.Error("a closed state counts as writable")
	}
}
