package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: the keys in the order in which they were last used.
func TestWhatWasUsedLastIsRememberedAndNoMoreThanTwiceTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		r := newRecent[int, int](n)
		var used []int
		values := map[int]int{}
		for i := range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 12).Draw(t, "key")
			_, known := r.get(key)
			if rapid.Bool().Draw(t, "put") {
				r.put(key, i)
				known, values[key] = true, i
			}
			if known {
				used = append(slices.DeleteFunc(used, func(k int) bool { return k == key }), key)
			}
			if size := r.count(func(int) bool { return true }); size > 2*n {
				t.Fatalf("%d keys are held, with a bound of %d", size, n)
			}
		}
		for _, key := range used[max(0, len(used)-n):] {
			if got, ok := r.get(key); !ok || got != values[key] {
				t.Errorf("%d is %d %v, want %d", key, got, ok, values[key])
			}
		}
	})
}
