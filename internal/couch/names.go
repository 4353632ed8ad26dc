package couch

import (
	"net/url"
	"strings"
)

// shardOf reads the database out of the name of one of its shards, such as
// "shards/80000000-ffffffff/_replicator.1795318993".
func shardOf(name string) string {
	rest, is := strings.CutPrefix(name, "shards/")
	_, db, ok := strings.Cut(rest, "/")
	if !is || !ok {
		return name
	}
	if dot := strings.LastIndexByte(db, '.'); dot > 0 {
		db = db[:dot]
	}
	return db
}

// plainURL takes user, password and query out of a replication's source or
// target: CouchDB hides a password only, and an older one not everywhere.
func plainURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		scheme, rest, _ := strings.Cut(text, "://")
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		return scheme + "://" + rest
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
