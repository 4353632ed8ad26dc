package triage

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quantile is within a bucket of the exact one, and in order.
func TestQuantilesAreWithinTwoPercentOfTheTrueOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 200).Draw(t, "spans")
		var h histogram
		for _, d := range all {
			h.add(time.Duration(d))
		}
		slices.Sort(all)
		s := h.spans()
		for q, got := range map[float64]float64{0.5: s.P50, 0.9: s.P90, 0.99: s.P99} {
			want := float64(all[int(math.Ceil(q*float64(len(all))))-1]) / float64(time.Millisecond)
			if math.Abs(got-want) > 0.021*want+0.002 {
				t.Fatalf("quantile %v is %v ms, want %v", q, got, want)
			}
		}
		if s.N != int64(len(all)) || s.P50 > s.P90 || s.P90 > s.P99 || s.P99 > s.Max+0.001 {
			t.Fatalf("%+v", s)
		}
	})
}
