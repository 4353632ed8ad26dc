package policy

import (
	"path"
	"strings"
)

// Match reports whether a glob, as File.For takes it, matches a database.
func Match(glob, db string) bool {
	if strings.HasPrefix(db, "_") && !strings.HasPrefix(glob, "_") {
		return false
	}
	ok, err := path.Match(withoutSlash(glob), withoutSlash(db))
	return ok && err == nil
}

// withoutSlash hides "/" from path.Match, whose wildcards stop there. A NUL is
// in no database's name.
func withoutSlash(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// globFault says what is wrong with a glob; "" when nothing is.
func globFault(glob string) string {
	if _, err := path.Match(withoutSlash(glob), ""); err != nil {
		return `is malformed: a "[" has no "]", or a "\" stands last`
	}
	return ""
}

// covers reports whether every database that later matches is matched by glob
// already, as far as that is plain to see: glob must be made of letters and
// "*" alone. A "*" of later is then a letter like any other, because only a
// "*" of glob's can match it.
func covers(glob, later string) bool {
	return !strings.ContainsAny(glob, `?[\`) && Match(glob, later) || glob == later
}
