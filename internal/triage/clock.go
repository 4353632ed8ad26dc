package triage

import (
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// skew is how far a time may be off without being called wrong: what clocks
// that are set by the network differ by, and the way to the server.
const skew = 2 * time.Minute

// isTime reports whether a value is a moment: RFC 3339, or milliseconds or
// seconds since 1970, of this century.
func isTime(v jsondoc.Value) bool {
	_, ok := timeOf(v)
	return ok
}

func timeOf(v jsondoc.Value) (time.Time, bool) {
	switch v.Kind() {
	case '"':
		t, err := time.Parse(time.RFC3339Nano, v.Text())
		return t, err == nil && plausible(t)
	case '0':
		n, ok := jsondoc.Number(v)
		if !ok {
			return time.Time{}, false
		}
		seconds, _ := n.Float64()
		if seconds > 1e11 {
			seconds /= 1000
		}
		if seconds < 0 || seconds > 1e11 {
			return time.Time{}, false
		}
		t := time.UnixMicro(int64(seconds * 1e6)).UTC()
		return t, plausible(t)
	}
	return time.Time{}, false
}

// plausible tells a moment from a number that counts something else.
func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2100 }

// wrongClocks are the leaves' times that cannot be right: later than the moment
// at which they were seen, or earlier than that of the revision that they were
// edited from.
func (o *observation) wrongClocks(names []merge.Path, writers []string) (field merge.Path, wrong []Clock) {
	field = telling(o.leaves, names, isTime)
	if field == nil {
		return nil, nil
	}
	for i, leaf := range o.leaves {
		t, ok := timeOf(jsondoc.Value(leaf.Body).At(field...))
		if !ok {
			continue
		}
		c := Clock{DB: o.db, ID: o.id, Rev: leaf.Rev, Field: field.String(), Writer: writers[i]}
		if t.Sub(o.at) > skew {
			c.Ahead = t.Sub(o.at).Round(time.Second).Seconds()
		} else if before, ok := o.editedFrom(leaf, field); ok && before.Sub(t) > skew {
			c.Ahead = t.Sub(before).Round(time.Second).Seconds()
		} else {
			continue
		}
		wrong = append(wrong, c)
	}
	return field, wrong
}

// editedFrom is the time in the newest base of a leaf.
func (o *observation) editedFrom(leaf couchmend.Revision, field merge.Path) (time.Time, bool) {
	for _, rev := range leaf.Path[min(1, len(leaf.Path)):] {
		at := slices.IndexFunc(o.bases, func(b couchmend.Revision) bool { return b.Rev == rev })
		if at >= 0 {
			return timeOf(jsondoc.Value(o.bases[at].Body).At(field...))
		}
	}
	return time.Time{}, false
}
