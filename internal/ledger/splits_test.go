package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/ledger"
)

func TestHowFarASplitHasGotOutlivesTheProcess(t *testing.T) {
	c := ledger.Config{Dir: t.TempDir()}
	large := json.RawMessage(`{"id":"` + strings.Repeat("x", 600<<10) + `"}`)
	for _, plan := range []json.RawMessage{json.RawMessage(`{"id":"a<b"}`), large} {
		l := open(t, c)
		check(t, l.PutSplit(t.Context(), ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitPlanned, Plan: json.RawMessage(`{}`)}))
		check(t, l.PutSplit(t.Context(), ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitCreated, Also: []string{"e"}, Plan: plan}))
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
		check(t, l.PutSplit(t.Context(), ledger.Split{DB: "d", ID: "a", Stage: ledger.SplitDone, Plan: json.RawMessage(`{}`)}))
		for _, doc := range [][2]string{{"d", "b"}, {"e", "a"}} {
			if _, ok, err := l.Split(t.Context(), doc[0], doc[1]); ok || err != nil {
				t.Errorf("%v %v %v", doc, ok, err)
			}
		}
	})
}
