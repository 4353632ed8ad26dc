package triage

import (
	"math"
	"slices"
	"time"
)

// Spans are how long things lasted, in milliseconds.
type Spans struct {
	N   int64   `json:"n"`
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// histogram counts spans of time in buckets, each 2 % wider than the one below:
// a quantile is within 1 % of the true one, in a few kilobytes.
type histogram struct {
	n       int64
	max     time.Duration
	buckets map[int]int64
}

// bucketWidth is the ratio of two neighboring buckets.
const bucketWidth = 1.02

func (h *histogram) add(d time.Duration) {
	if h.buckets == nil {
		h.buckets = map[int]int64{}
	}
	h.n++
	h.max = max(h.max, d)
	h.buckets[bucketOf(d)]++
}

// bucketOf is the bucket of a span: the lowest is for all below a microsecond.
func bucketOf(d time.Duration) int {
	if d < time.Microsecond {
		return 0
	}
	return 1 + int(math.Log(float64(d)/float64(time.Microsecond))/math.Log(bucketWidth))
}

// spans are the quantiles.
func (h *histogram) spans() Spans {
	return Spans{N: h.n, P50: h.quantile(0.5), P90: h.quantile(0.9), P99: h.quantile(0.99), Max: millis(h.max)}
}

// quantile is a span that a share q of all is at most as long as, in
// milliseconds; 0 where there is none.
func (h *histogram) quantile(q float64) float64 {
	var keys []int
	for k := range h.buckets {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	rank := int64(math.Ceil(q * float64(h.n)))
	for _, k := range keys {
		if rank -= h.buckets[k]; rank > 0 {
			continue
		}
		if k == 0 {
			return 0
		}
		middle := time.Duration(float64(time.Microsecond) * math.Pow(bucketWidth, float64(k)-0.5))
		return millis(min(middle, h.max))
	}
	return 0
}

func millis(d time.Duration) float64 { return math.Round(float64(d)/float64(time.Microsecond)) / 1000 }
