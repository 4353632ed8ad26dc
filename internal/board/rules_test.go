package board

import (
	"reflect"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func TestEachRuleIsToldWithWhatItDidAndWhatWaits(t *testing.T) {
	b := atNoon(t)
	b.count(line(10*time.Minute, "a", "1", "merge", "couchmend"))
	b.count(line(2*time.Hour, "a", "2", "bury", "couchmend"))
	b.count(line(30*time.Hour, "a", "3", "merge", "couchmend"))
	b.count(line(10*time.Minute, "a", "4", "undo_refused", "ben"))
	b.count(line(10*time.Minute, "secret", "5", "merge", "couchmend"))
	wait := func(db, id string, reason couchmend.Reason, dismissed bool) {
		b.heed(db+id, &ledger.CaseLine{DB: db, ID: id, Rule: "p/r", Reason: reason, First: noon.Add(-time.Minute), Dismissed: dismissed})
	}
	wait("a", "6", couchmend.ReasonOverlap, false)
	wait("a", "7", couchmend.ReasonSchema, false)
	wait("a", "8", couchmend.ReasonOverlap, true)
	wait("secret", "9", couchmend.ReasonOverlap, false)
	want := map[string]RuleDid{"p/r": {
		LastHour: Numbers{Mended: 1, Reviewed: 3}, LastDay: Numbers{Mended: 2, Reviewed: 3},
		Open: 2, Reasons: map[couchmend.Reason]int{couchmend.ReasonOverlap: 1, couchmend.ReasonSchema: 1},
	}}
	if got := b.Rules(not("secret")); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
