package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestReviewDepthCountsWhatIsOpenByReason(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	first := time.Now().Add(-time.Hour).Truncate(time.Second)
	check(t, l.PutCases(t.Context(),
		ledger.Case{DB: "a", ID: "1", Reason: couchmend.ReasonOverlap, First: first},
		ledger.Case{DB: "a", ID: "2", Reason: couchmend.ReasonOverlap},
		ledger.Case{DB: "a", ID: "3", Reason: couchmend.ReasonOverlap, First: first.Add(-time.Hour), Dismissed: true},
		ledger.Case{DB: "b", ID: "1", Reason: couchmend.ReasonSchema},
		ledger.Case{DB: "b", ID: "2", Reason: couchmend.ReasonNoBase},
	))
	check(t, l.DropCases(t.Context(), "b", "2"))
	depths, err := l.ReviewDepth(t.Context())
	check(t, err)
	overlap := depths[couchmend.ReasonOverlap]
	if overlap.Open != 2 || overlap.Dismissed != 1 || !overlap.Oldest.Equal(first) {
		t.Errorf("overlap: %+v", overlap)
	}
	if depths[couchmend.ReasonSchema].Open != 1 || len(depths) != 2 {
		t.Errorf("%+v", depths)
	}
}

func BenchmarkReviewDepth(b *testing.B) {
	l, err := ledger.Open(b.Context(), ledger.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const all = 100_000
	cases := make([]ledger.Case, 0, 1000)
	for i := range all {
		cases = append(cases, ledger.Case{DB: "clinic", ID: fmt.Sprint("report-", i), Reason: couchmend.ReasonOverlap, Evidence: []string{"a and b were changed on two sides"}})
		if len(cases) == cap(cases) {
			if err := l.PutCases(b.Context(), cases...); err != nil {
				b.Fatal(err)
			}
			cases = cases[:0]
		}
	}
	for b.Loop() {
		depths, err := l.ReviewDepth(b.Context())
		if err != nil || depths[couchmend.ReasonOverlap].Open != all {
			b.Fatal(depths, err)
		}
	}
}
