package merge

import "github.com/couchmend/couchmend/internal/jsondoc"

// UnionOf returns two arrays as one set, as the strategy Union does: sorted,
// each element once; an absent one is empty. It is false where either is no
// array. For resolvers that people write.
func UnionOf(a, b jsondoc.Value) (jsondoc.Value, bool) { return union(a, b) }

// CompareClocks orders two readings of one clock as the strategy Latest does:
// numbers by value; times (RFC 3339) by instant, after any other text; an
// absent one is the earliest. It is false where the two can't be ordered. For
// resolvers that people write.
func CompareClocks(a, b jsondoc.Value) (order int, ok bool) { return compareClocks(a, b) }
