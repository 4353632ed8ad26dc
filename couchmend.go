// Package couchmend holds the words that every other package of couchmend
// uses. Reading this one file is enough to understand their signatures.
//
// CouchDB accepts every write from every replica. When two replicas edited the
// same document, both edits become leaves of one revision tree; CouchDB shows
// one of them, the winner, and hides the rest until somebody merges them:
//
//	1-a ── 2-b ── 3-c      winner: what readers see
//	   └── 2-d             a conflicting leaf: saved, and silently missing
//
// couchmend is a replica that merges. It reads the leaves of a conflicted
// document (a Conflict), decides what they amount to (a Decision), writes the
// merge as a descendant of the winner, and only then buries the losing leaves.
//
// To run couchmend inside a Go program, see package mend beside this one.
package couchmend

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Rev is a revision id such as 3-9f1c…: a generation, counted from 1, and a
// hash. CouchDB's own hashes are 32 hexadecimal digits; other writers may have
// used any text. The zero Rev is no revision.
type Rev struct {
	Gen  int
	Hash string
}

// ParseRev reads the text form "generation-hash". It refuses a generation
// under 1 and an empty hash. As in CouchDB, a hash of 32 hexadecimal digits is
// one number whatever the case of its letters: it is kept in lower case.
func ParseRev(s string) (Rev, error) {
	gen, hash, ok := strings.Cut(s, "-")
	n, err := strconv.Atoi(gen)
	if !ok || err != nil || n < 1 || hash == "" || gen[0] == '+' {
		return Rev{}, fmt.Errorf("%q is not a revision id: want generation-hash, such as 3-9f1c…", s)
	}
	if len(hash) == 32 && isHex(hash) {
		hash = strings.ToLower(hash)
	}
	return Rev{Gen: n, Hash: hash}, nil
}

// MustRev is ParseRev for revision ids written in source code; it panics on
// anything else.
func MustRev(s string) Rev {
	r, err := ParseRev(s)
	if err != nil {
		panic(err)
	}
	return r
}

// String returns the text form "generation-hash", or "" for the zero Rev.
func (r Rev) String() string {
	if r == (Rev{}) {
		return ""
	}
	return strconv.Itoa(r.Gen) + "-" + r.Hash
}

// MarshalText makes a Rev its text form in JSON, as a value and as a key.
func (r Rev) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote; empty text is the zero Rev.
func (r *Rev) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Rev{}
		return nil
	}
	parsed, err := ParseRev(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Compare orders two revisions as CouchDB does when it picks a winner among
// live leaves: by generation, then by the bytes of the hash (32 hexadecimal
// digits stand for 16 bytes, any other text for itself). It returns -1, 0 or 1.
func (r Rev) Compare(s Rev) int {
	if r.Gen != s.Gen {
		if r.Gen < s.Gen {
			return -1
		}
		return 1
	}
	if len(r.Hash) == 32 && len(s.Hash) == 32 && isHex(r.Hash) && isHex(s.Hash) {
		return strings.Compare(r.Hash, s.Hash)
	}
	return strings.Compare(hashBytes(r.Hash), hashBytes(s.Hash))
}

func hashBytes(hash string) string {
	if len(hash) == 32 {
		if raw, err := hex.DecodeString(hash); err == nil {
			return string(raw)
		}
	}
	return hash
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// listedRevs is how many revisions a sentence for people lists.
const listedRevs = 8

// ListRevs writes revisions into a sentence for people: "3-ab, 2-cd", and after
// eight of them how many more there are.
func ListRevs(revs []Rev) string {
	var texts []string
	for _, r := range revs[:min(len(revs), listedRevs)] {
		texts = append(texts, r.String())
	}
	if more := len(revs) - listedRevs; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

// Revision is one revision of a document with the path that leads to it.
type Revision struct {
	Rev Rev `json:"rev"`
	// Path runs from Rev itself, newest first, towards the first revision, one
	// generation a step. Where the last id's generation is above 1 the
	// database has stemmed the path: the root is unknown.
	Path    []Rev `json:"path"`
	Deleted bool  `json:"deleted,omitempty"`
	// Body is the exact JSON object as the server sent it, key order and
	// number literals included, without the members whose names begin with
	// "_". It is never nil for a revision that was read: "{}" is empty.
	Body        json.RawMessage `json:"body,omitempty"`
	Attachments []Attachment    `json:"attachments,omitempty"` // in the order of _attachments
}

// Attachment is one entry of a revision's _attachments.
type Attachment struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	// Digest as the server states it ("md5-…"). For a compressible type it is
	// that of the gzipped bytes, which depends on the server's settings.
	Digest string `json:"digest,omitempty"`
	Length int64  `json:"length"`           // bytes, uncompressed
	RevPos int    `json:"revpos,omitempty"` // generation that brought it
	// From is the leaf whose attachment this is. In a merge, an attachment of
	// the winner's travels as a stub, any other inline.
	From Rev `json:"from,omitzero"`
	// Data is the content, where it was fetched; nil in a stub.
	Data []byte `json:"data,omitempty"`
}

// Conflict is all that one decision is made from: a document's leaves, and the
// bodies of the revisions that they grew from where these could be had.
type Conflict struct {
	DB string `json:"db"`
	ID string `json:"id"`
	// Leaves are the live ones, CouchDB's winner first.
	Leaves []Revision `json:"leaves"`
	// Dead are the tombstoned leaves, in the same order among themselves.
	Dead []Revision `json:"dead,omitempty"`
	// Bases are bodies of ancestors, by revision; what is missing here is
	// missing everywhere that was asked.
	Bases map[Rev]Revision `json:"bases,omitempty"`
	// RevsLimit is the database's _revs_limit.
	RevsLimit int `json:"revs_limit"`
}

// Outcome says what a Decision amounts to.
type Outcome string

// The outcomes. Merge, Bury, Delete and Keep write; the others do not.
const (
	Nothing Outcome = "nothing" // no conflict: at most one live leaf
	Bury    Outcome = "bury"    // the winner contains every loser: only tombstones
	Keep    Outcome = "keep"    // the winner's body stands: written as a merge, since what it contains grew
	Merge   Outcome = "merge"   // a new revision that contains every leaf
	Delete  Outcome = "delete"  // by a rule's or a person's word: tombstones for all leaves
	Split   Outcome = "split"   // two documents under one id: new ids
	Review  Outcome = "review"  // a person decides
)

// Decision is what couchmend makes of a Conflict: a pure function of the
// policy and the Conflict (I4). It carries the exact revisions to write.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	Rule    string  `json:"rule,omitempty"` // the policy's rule that applied, "policy/rule"
	// Merge is the revision to write, nil where none is. Its Path holds marks
	// for all that it contains.
	Merge *Revision `json:"merge,omitempty"`
	// Bury are the tombstones to write once Merge is confirmed, one for each
	// losing leaf; Path[1] of each is the leaf that it buries.
	Bury []Revision `json:"bury,omitempty"`
	// Fields says of each field that differed where its value came from.
	Fields []Origin `json:"fields,omitempty"`
	// Reason says why a person must look; empty otherwise.
	Reason Reason `json:"reason,omitempty"`
	// Evidence is for that person: one sentence each.
	Evidence []string `json:"evidence,omitempty"`
	// Violations are those that ReasonSchema is about, and Draft the merge that
	// was not written for it, where the leaves themselves were right.
	Violations []Violation     `json:"violations,omitempty"`
	Draft      json.RawMessage `json:"draft,omitempty"`
	// Deep marks more than four live leaves: usually a device that was offline
	// for long.
	Deep bool `json:"deep,omitempty"`
}

// Origin tells where one field of a merge came from (I10).
type Origin struct {
	// Path is the field's JSON path, such as "fields.visits"; an attachment's
	// is "_attachments/name".
	Path string `json:"path"`
	// From are the leaves that contributed, winner first; empty when the
	// base's value stood.
	From []Rev `json:"from,omitempty"`
	// Why is the rule in words: "changed on one side", "sum", "latest by edit_count".
	Why string `json:"why"`
	// Removed says that the merge has no such field.
	Removed bool `json:"removed,omitempty"`
}

// Reason is why a conflict waits for a person.
type Reason string

// The reasons for review.
const (
	ReasonOverlap     Reason = "overlap"          // a field changed differently on two sides and no strategy covers it
	ReasonNoBase      Reason = "no_base"          // the exact common ancestor could not be had
	ReasonStrategy    Reason = "strategy"         // a strategy does not fit the values that it met
	ReasonNoRule      Reason = "no_rule"          // no rule selects the document
	ReasonRulesDiffer Reason = "rules_differ"     // leaves or merge select different rules
	ReasonTwoRoots    Reason = "two_roots"        // histories that start at different first revisions
	ReasonHeld        Reason = "held"             // an undo holds it
	ReasonDeleted     Reason = "deleted"          // a deletion beside a live edit
	ReasonSoftDeleted Reason = "soft_deleted"     // a soft deletion beside an edit
	ReasonAnnihilated Reason = "annihilated"      // no live leaf is left, and one tombstone is a burial
	ReasonAttachment  Reason = "attachment"       // an attachment that can't be merged or is too large
	ReasonRevsLimit   Reason = "revs_limit"       // the database keeps too short a history
	ReasonDesignDoc   Reason = "design_document"  // reported, never merged
	ReasonResolver    Reason = "resolver"         // a custom resolver asked for review
	ReasonSchema      Reason = "schema"           // a body does not satisfy its JSON Schema
	ReasonRefused     Reason = "write_refused"    // the server refused the merge (validation, size)
	ReasonNotBuried   Reason = "burial_refused"   // the merge stands; the server refused a tombstone
	ReasonFailed      Reason = "attempts_used_up" // three attempts failed
	ReasonUnreadable  Reason = "unreadable"       // a leaf has an id that is no revision id; CouchDB takes some
	ReasonPaused      Reason = "paused"           // found while mending was paused: it goes on when that ends
	ReasonSplitting   Reason = "splitting"        // it waits for its turn to be split, or its references to be mended: it goes on by itself
	ReasonLate        Reason = "late"             // it came after a split, and it is not known which of the documents it means
)

// The reasons for review when a custom resolver failed. All but the first cost
// the document an attempt: another one may end otherwise.
const (
	ReasonResolverError    Reason = "resolver_error"    // it raised an error: the evidence has file, line and call stack
	ReasonResolverTimeout  Reason = "resolver_timeout"  // it ran past its limit of time or steps
	ReasonResolverMemory   Reason = "resolver_memory"   // it used, or returned, more than its limit
	ReasonResolverCrashed  Reason = "resolver_crashed"  // its process ended, or could not be started
	ReasonResolverOutput   Reason = "resolver_output"   // it returned something that is no document
	ReasonResolverPrinted  Reason = "resolver_printed"  // it wrote to standard output
	ReasonResolverIdentity Reason = "resolver_identity" // it returned another _id
	ReasonResolverUnstable Reason = "resolver_unstable" // it gave two answers to one question
)

// IsResolvers reports whether a custom resolver failed in a way that costs the
// document an attempt.
func (r Reason) IsResolvers() bool {
	return strings.HasPrefix(string(r), "resolver_") && r != ReasonResolverError
}

// Resolver decides what a conflict's document, or one field of it, becomes: the
// contract that resolvers in every language share. It must be a pure function
// of its arguments and safe for concurrent use; it is asked twice, and answers
// that differ go to review (ReasonResolverUnstable).
//
// Base is what the revisions grew from, nil where no exact one could be had.
// Revisions are at least two, the winner first. Asked about a document, the
// Body of each begins with _id and _rev and ends with _attachments, where there
// are any: name, content_type, length. Asked about a field, it is the field's
// value, nil where the field is absent.
//
// It returns the merged document or value. Of a document's members that begin
// with "_", _id must be the document's own; _deleted: true deletes the document;
// the others that CouchDB knows are ignored: attachments merge by the rule.
// A nil value removes the field. An error that wraps ErrReview sends the
// document to review with the error's words. A *ResolverError does with its
// reason, any other error with ReasonResolverError.
type Resolver interface {
	Resolve(ctx context.Context, base *Revision, revisions []Revision) (json.RawMessage, error)
}

// ErrReview is wrapped by a Resolver that wants a person to decide.
var ErrReview = errors.New("for review")

// ResolverError is how a custom resolver failed. Err is for people: what went
// wrong, in which file and line, called from where.
type ResolverError struct {
	Reason Reason // one of those that begin with "resolver_"
	Err    error
}

// Error prints the reason and the cause.
func (e *ResolverError) Error() string { return string(e.Reason) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ResolverError) Unwrap() error { return e.Err }

// Violation is one way in which a body does not satisfy its JSON Schema.
type Violation struct {
	Leaf    Rev    `json:"leaf,omitzero"` // whose body; zero: the merge's
	Pointer string `json:"pointer"`       // JSON pointer (RFC 6901) to the value; "" is the whole
	Message string `json:"message"`
}

// Kind classes an Error, for callers to branch on.
type Kind string

// The kinds of error.
const (
	KindOther       Kind = "other"
	KindUsage       Kind = "usage"        // a flag, a policy file, an argument is wrong
	KindUnreachable Kind = "unreachable"  // no answer: refused, timed out, dropped; the outcome may be unknown
	KindAuth        Kind = "unauthorized" // 401, or 403 for the whole login: do not try again
	KindForbidden   Kind = "forbidden"    // this document or database refuses this user or this body
	KindNotFound    Kind = "not_found"
	KindConflict    Kind = "conflict"   // the document has moved on (I3)
	KindTooLarge    Kind = "too_large"  // 413
	KindRefused     Kind = "refused"    // the request is wrong as it stands: 400, 412
	KindServer      Kind = "server"     // 5xx and answers that make no sense
	KindFull        Kind = "state_full" // no room under the state directory or in the journal
	KindLocked      Kind = "in_use"     // another process holds the state directory
	KindReset       Kind = "reset"      // the database was deleted or created anew
)

// Error says what was being done, to what, and what kind of thing went wrong.
// It never carries a credential.
type Error struct {
	Op   string // "bulk_get", "journal", "parse policy"
	DB   string
	ID   string
	Rev  Rev
	Kind Kind
	Err  error
}

// Error prints op, place and cause on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.DB != "" {
		b.WriteString(" " + e.DB)
	}
	if e.ID != "" {
		b.WriteString("/" + strconv.Quote(e.ID))
	}
	if e.Rev != (Rev{}) {
		b.WriteString("@" + e.Rev.String())
	}
	b.WriteString(": ")
	switch {
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(string(e.Kind))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain, KindOther
// where there is none, and "" for nil.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	default:
		return KindOther
	}
}
