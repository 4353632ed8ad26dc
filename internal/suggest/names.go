package suggest

import (
	"slices"
	"strings"
	"unicode"
)

// Names alone decide nothing. They tell apart what values can't: a counter
// that both sides counted up from a number that both set higher.

// words splits a member's name: "lastSeen_at" is last, seen, at.
func words(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r):
			end()
		case unicode.IsUpper(r) && lower:
			end()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		lower = unicode.IsLower(r)
	}
	end()
	return words
}

func anyWord(name string, of ...string) bool {
	return slices.ContainsFunc(words(name), func(w string) bool { return slices.Contains(of, w) })
}

// namesClock reports whether a number's name says that it orders edits.
func namesClock(name string) bool {
	w := strings.Join(words(name), "")
	return anyWord(name, "seq", "sequence", "version", "revision", "rev", "lamport", "clock", "generation", "edits", "changes", "revisions", "versions", "ver", "revno") ||
		strings.Contains(w, "editcount") || strings.Contains(w, "changecount") || strings.Contains(w, "updatecount")
}

// namesVector reports whether an object's name says that it is a vector clock.
func namesVector(name string) bool {
	return namesClock(name) || anyWord(name, "vector", "vclock", "vv", "clocks", "seen")
}

// namesSequence reports whether a clock's name says that its only writer counts
// it up.
func namesSequence(name string) bool { return anyWord(name, "seq", "sequence") }

// namesCounter reports whether a number's name says that it counts something:
// it says so, or its last word is a plural.
func namesCounter(name string) bool {
	if namesClock(name) || anyWord(name, "max", "min", "peak", "last", "latest", "first") {
		return false
	}
	if anyWord(name, "count", "counter", "total", "num", "number", "nr", "quantity", "qty", "stock", "tally", "balance", "sum") {
		return true
	}
	w := words(name)
	if len(w) == 0 {
		return false
	}
	last := w[len(w)-1]
	return len(last) > 3 && strings.HasSuffix(last, "s") && !slices.ContainsFunc([]string{"ss", "us", "is", "as", "os"}, func(end string) bool { return strings.HasSuffix(last, end) })
}

// namesStock reports whether a counter's name says that it goes down, too.
func namesStock(name string) bool {
	return anyWord(name, "stock", "balance", "quantity", "qty", "tally", "inventory")
}

// namesHigh and namesLow report whether a name says that the greatest, or the
// least, is what is kept.
func namesHigh(name string) bool {
	return namesClock(name) || anyWord(name, "max", "maximum", "peak", "high", "highest", "top", "last", "latest", "newest", "updated", "modified")
}

func namesLow(name string) bool {
	return anyWord(name, "min", "minimum", "low", "lowest", "first", "earliest", "oldest", "created")
}

// namesDeletion reports whether a field's name says that it marks deleted
// documents.
func namesDeletion(name string) bool {
	w := words(name)
	if len(w) > 0 && (w[0] == "is" || w[0] == "was") {
		w = w[1:]
	}
	if len(w) == 0 || len(w) > 2 || len(w) == 2 && !slices.Contains([]string{"at", "on", "date", "time", "flag"}, w[1]) {
		return false
	}
	return slices.Contains([]string{"deleted", "removed", "archived", "trashed", "discarded", "voided", "retired", "deactivated", "inactive", "muted", "tombstone"}, w[0])
}

// keyNames are members that tell elements of arrays apart, the surest first.
var keyNames = []string{"id", "_id", "uuid", "guid", "key", "code", "name", "group", "slug", "ref", "number"}

// besides are what the name of a value's own clock adds to the value's name.
var besides = []string{
	"_at", "_on", "_changed", "_changed_at", "_updated", "_updated_at", "_modified", "_modified_at", "_date", "_time",
	"_ts", "_timestamp", "_clock", "_version", "_rev", "_seq",
	"At", "On", "Changed", "ChangedAt", "Updated", "UpdatedAt", "Modified", "ModifiedAt", "Timestamp", "Ts", "Version",
}

// isBeside reports whether clock may be the name of the clock of a value.
func isBeside(value, clock string) bool {
	suffix, ok := strings.CutPrefix(clock, value)
	return ok && value != "" && slices.Contains(besides, suffix)
}
