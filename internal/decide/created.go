package decide

import (
	"math/big"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// creationFields are the members that usually say when a document was created.
var creationFields = []string{
	"reported_date", "created_at", "createdAt", "created_date", "creation_date", "date_created", "dateCreated", "created", "created_on", "createdOn",
}

// CreatedAt returns when a document says that it was created: in one of the
// usual fields, or else by its rule's timestamp, which later edits may have
// moved.
func CreatedAt(rule *merge.Rule, body jsondoc.Value) (time.Time, bool) {
	members := memberMap(body)
	for _, field := range creationFields {
		if at, ok := instant(members[field]); ok {
			return at, true
		}
	}
	if rule != nil && rule.Clock.Kind == merge.Timestamp {
		return instant(body.At(rule.Clock.Path...))
	}
	return time.Time{}, false
}

// layouts are the ways to write a time that are understood, beside a number of
// seconds or milliseconds since 1970.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02"}

// Numbers from here on count milliseconds, smaller ones seconds: until the year
// 5138, and from 1973 on.
const firstMillisecond = 1e11

func instant(v jsondoc.Value) (time.Time, bool) {
	if v.Kind() == '"' {
		for _, layout := range layouts {
			if at, err := time.Parse(layout, v.Text()); err == nil {
				return at, true
			}
		}
		return time.Time{}, false
	}
	n, ok := jsondoc.Number(v)
	if !ok || n.Sign() <= 0 {
		return time.Time{}, false
	}
	whole := new(big.Int).Quo(n.Num(), n.Denom())
	switch ms := whole.Int64(); {
	case !whole.IsInt64() || ms > 1e15:
		return time.Time{}, false
	case ms >= firstMillisecond:
		return time.UnixMilli(ms).UTC(), true
	default:
		return time.Unix(ms, 0).UTC(), true
	}
}
