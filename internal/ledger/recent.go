package ledger

import "maps"

// recent is a map that forgets what was not used for longest (I11): it holds the
// last n keys that were put or found, and at most twice as many.
type recent[K comparable, V any] struct {
	n          int
	young, old map[K]V
}

func newRecent[K comparable, V any](n int) *recent[K, V] {
	return &recent[K, V]{n: n, young: map[K]V{}}
}

func (r *recent[K, V]) put(key K, value V) {
	if _, ok := r.young[key]; !ok && len(r.young) >= r.n {
		r.old, r.young = r.young, map[K]V{}
	}
	delete(r.old, key)
	r.young[key] = value
}

func (r *recent[K, V]) get(key K) (V, bool) {
	value, ok := r.young[key]
	if ok {
		return value, true
	}
	if value, ok = r.old[key]; ok {
		r.put(key, value)
	}
	return value, ok
}

// drop forgets the keys that match picks.
func (r *recent[K, V]) drop(match func(K, V) bool) {
	maps.DeleteFunc(r.young, match)
	maps.DeleteFunc(r.old, match)
}

// count counts the values that match picks.
func (r *recent[K, V]) count(match func(V) bool) int {
	n := 0
	for _, generation := range []map[K]V{r.young, r.old} {
		for _, value := range generation {
			if match(value) {
				n++
			}
		}
	}
	return n
}
