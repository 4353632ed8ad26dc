// Package merge combines the leaves of one conflict, field by field, against
// their exact base. It is pure: values in, value out.
package merge

import (
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Rule says how documents of one kind are merged. The zero Rule merges what
// cannot be disputed (changed on one side, changed alike) and leaves the rest
// to review.
type Rule struct {
	Name        string // "policy/rule", for people
	Clock       Clock
	Fields      []Field // any order: the most specific pattern decides
	NoBase      NoBase
	Deletes     Deletes
	SoftDelete  *SoftDelete
	Attachments Attachments
	MaxInline   int64 // bytes of one attachment carried over inline; above: review. 0 is 16 MiB
	Collision   Collision
	Identity    []Path   // fields that say who or what a document is: equal ones, one thing
	References  []Target // what is meant by the ids in documents of this rule, and by the id of one that collided
	Tombstone   Tombstone
	// Resolver, where there is one, makes the document instead of Fields;
	// ResolverName says which it is, for people.
	Resolver     couchmend.Resolver
	ResolverName string
	Leaves       Check // what a leaf must satisfy, nil: nothing
	Merged       Check // what the merge must satisfy, nil: nothing
}

// Check says what is wrong with a document's body; nothing where all is well.
// The Leaf of what it returns is empty.
type Check func(id string, body jsondoc.Value) []couchmend.Violation

// Clock names the document's own clock: it orders values that overlap under
// the strategy Latest, and a Vector's dominance fast-forwards.
type Clock struct {
	Kind ClockKind
	Path Path
}

// ClockKind is the kind of a document's clock.
type ClockKind string

// The kinds of clock.
const (
	NoClock   ClockKind = ""
	Vector    ClockKind = "vector"    // an object of counters by actor
	Lamport   ClockKind = "lamport"   // a number
	Sequence  ClockKind = "sequence"  // a number
	Timestamp ClockKind = "timestamp" // RFC 3339 text, or a number; a wall clock
)

// Path is a place in a document: member names from the top.
type Path []string

// String writes the path dotted; dots and backslashes inside a name are
// escaped with a backslash.
func (p Path) String() string {
	escaped := make([]string, len(p))
	for i, name := range p {
		escaped[i] = escape.Replace(name)
	}
	return strings.Join(escaped, ".")
}

var escape = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// ParsePath reads what String writes.
func ParsePath(text string) Path {
	var path Path
	var name strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			name.WriteByte(text[i])
		case c == '.':
			path = append(path, name.String())
			name.Reset()
		default:
			name.WriteByte(c)
		}
	}
	return append(path, name.String())
}

// Field gives the places that Pattern matches a Strategy.
//
// A pattern is a Path whose names may be "*" (any one name) and whose last
// name may be "**" (that place and everything below). A pattern that does not
// end in "**" speaks of the whole value at its place: an object there is one
// value and is not opened. Under "**" objects are opened and the strategy
// meets their leaves. Elements of an array under ByKey are reached by their
// key as a name: "tasks.*.state".
type Field struct {
	Pattern  Path
	Strategy Strategy
}

// Strategy is what becomes of a value that two sides changed differently.
type Strategy struct {
	Kind StrategyKind
	// Beside is, for Latest, the path (from the top of the document) of a clock
	// that speaks for this value alone; empty means the rule's clock.
	Beside Path
	// Key is, for ByKey, the member that names an element.
	Key string
	// Resolver is, for Custom, whom to ask, and ResolverName which it is.
	Resolver     couchmend.Resolver
	ResolverName string
}

// StrategyKind names a strategy. Union, Max, Min and Latest with a clock
// beside are joins: associative, commutative, idempotent, and so used without
// a base too. Sum, Append and Text are exact given the base and are never used
// without one. ByKey, Winner and Latest by the rule's clock are used without a
// base only where the rule's NoBase is Strategies.
type StrategyKind string

// The strategies.
const (
	// ReviewIt leaves the value to a person. The default.
	ReviewIt StrategyKind = "review"
	// Union treats arrays as sets: every element of either side once, sorted
	// by canonical form (numbers by value, before all else), so that the
	// result is the same bytes whatever was merged first. An absent side is
	// the empty set. 1 and 1.0 are one element, written as 1.0.
	Union StrategyKind = "union"
	// Append treats arrays as logs: the winner's side, then what the other
	// side added to the base, in its order. Equal additions on two sides are
	// two additions. If either side removed an element of the base: review.
	Append StrategyKind = "append"
	// ByKey merges arrays of objects element by element, matched by Key. The
	// order is the winner's side's, then new elements sorted by key.
	ByKey StrategyKind = "by_key"
	// Max and Min compare numbers by exact value, or strings by their bytes.
	Max StrategyKind = "max"
	Min StrategyKind = "min"
	// Sum adds up the changes of both sides to the base, exactly, in decimal:
	// also when both sides made the same change. An absent base is 0.
	Sum StrategyKind = "sum"
	// Text merges strings line by line (diff3); overlapping lines: review.
	Text StrategyKind = "text"
	// Latest takes the side whose clock is later. Beside clocks that are equal:
	// the greater value in canonical form. Document clocks that are equal: the
	// winner's side. A clock missing on one side is the earlier one.
	Latest StrategyKind = "latest"
	// Winner takes the winner's side.
	Winner StrategyKind = "winner"
	// Custom asks a resolver, with a base or without, about two values at a
	// time.
	Custom StrategyKind = "resolver"
)

// NoBase says what may be done without an exact base.
type NoBase string

// The choices without a base.
const (
	NoBaseReview     NoBase = ""           // joins only; any other field that differs: review
	NoBaseStrategies NoBase = "strategies" // ByKey, Winner and Latest by the rule's clock too
)

// Deletes says what a user's deletion beside a live edit means.
type Deletes string

// The choices for deletions.
const (
	EditWins      Deletes = ""
	DeleteWins    Deletes = "delete_wins"
	DeletesReview Deletes = "review"
)

// SoftDelete names the field by which documents are deleted and yet kept. A
// leaf is soft-deleted when the field is there and is none of false, null, 0
// and "". If one side was soft-deleted since the base and the other was not,
// Wins decides: the deleted side's body stands as it is, or the other's.
type SoftDelete struct {
	Field Path
	Wins  SoftDeleteWins
}

// SoftDeleteWins says which side of a soft deletion stands.
type SoftDeleteWins string

// The choices for soft deletions.
const (
	SoftDeleteStands SoftDeleteWins = "delete"
	SoftEditStands   SoftDeleteWins = "edit"
	SoftReview       SoftDeleteWins = "review"
)

// Attachments says what becomes of an attachment that two sides changed
// differently under one name.
type Attachments string

// The choices for attachments.
const (
	AttachmentsReview   Attachments = ""
	AttachmentsKeepBoth Attachments = "keep_both" // the winner's under its name, the other's as "name (8 digits of its leaf's hash).ext"
	AttachmentsWinner   Attachments = "winner"
)

// Collision says what two complete histories without a common root mean.
type Collision string

// The choices for two roots.
const (
	CollisionReview Collision = ""
	CollisionMerge  Collision = "merge" // one thing created twice: merged without a base
	CollisionSplit  Collision = "split" // two things that drew the same id
)

// Tombstone says what a burial keeps of the merge. The zero Tombstone is bare.
type Tombstone struct {
	Keep    []Path // fields of the merge, for filtered replication
	KeepAll bool   // the loser's whole body, so that bases never go missing
}
