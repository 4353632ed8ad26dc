package ledger

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Two processes count conflicts of one document, each before it hears of the
// other's, and hear of them in any order, some twice.
func TestProcessesThatHeardTheSameAgreeOnWhatIsWarm(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).UTC()
	rapid.Check(t, func(t *rapid.T) {
		limits := WarmConfig{After: rapid.IntRange(1, 4).Draw(t, "after"), Window: time.Hour}
		var stored [][]byte
		for i := range rapid.IntRange(1, 8).Draw(t, "messages") {
			var h heat
			for range rapid.IntRange(1, limits.After).Draw(t, "conflicts") {
				at := rapid.IntRange(0, 20).Draw(t, "at")
				h.add(met{Leaves: fmt.Sprint(at), At: now.Add(time.Duration(at-40) * time.Minute)}, limits)
			}
			data, err := json.Marshal(h)
			if err != nil {
				t.Fatal(i, err)
			}
			stored = append(stored, data)
		}
		hear := func(label string) heat {
			w := &Warm{
				ledger:     &Ledger{cfg: Config{Now: func() time.Time { return now }}},
				WarmConfig: limits, heats: newRecent[string, heat](10), kept: newRecent[string, struct{}](10),
			}
			order := append(rapid.Permutation(stored).Draw(t, label), rapid.SliceOf(rapid.SampledFrom(stored)).Draw(t, label+" again")...)
			for _, data := range order {
				w.learn("d", data)
			}
			h, _ := w.heats.get("d")
			return h
		}
		if a, b := hear("a"), hear("b"); !reflect.DeepEqual(a, b) {
			t.Errorf("one knows\n%+v\nthe other\n%+v", a, b)
		}
	})
}
